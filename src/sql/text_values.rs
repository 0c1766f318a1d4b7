//! Texts that a type holds only in part. Arrow's readers take them, and cut off what does not fit.

use chrono::{DateTime, NaiveTime, Timelike, Utc};
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;
use datafusion::arrow::datatypes::{DataType, TimeUnit};

/// Whether Arrow's readers could cut off a part of a text that is read as this type.
pub(super) fn may_cut(data_type: &DataType) -> bool {
    use DataType::{Date32, Date64, Decimal32, Decimal64, Decimal128, Decimal256, Timestamp};
    matches!(
        data_type,
        Date32 | Date64 | Timestamp(..) | Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..)
    )
}

/// Whether a text is a value of the type, and nothing of it is cut off: no time of a date, no fraction of a second or of
/// a decimal. Of types for which [`may_cut`] is false nothing is said: their readers say what is no value.
pub(super) fn is_exact(text: &str, data_type: &DataType) -> bool {
    use DataType::{Date32, Date64, Decimal32, Decimal64, Decimal128, Decimal256, Timestamp};
    match data_type {
        // The reader says whether it is a date.
        Date32 if text.len() <= 10 => true,
        // Years of more than four digits are dates alone.
        Date32 if text.starts_with(['+', '-']) => true,
        Date32 => time(text).is_some_and(|time| time.time() == NaiveTime::MIN),
        Date64 => time(text).is_none_or(|time| time.nanosecond() % 1_000_000 == 0),
        Timestamp(unit, _) => {
            let least = match unit {
                TimeUnit::Second => 1_000_000_000,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            };
            time(text).is_some_and(|time| time.nanosecond() % least == 0)
        }
        Decimal32(_, scale) | Decimal64(_, scale) | Decimal128(_, scale) | Decimal256(_, scale) => {
            let (number, exponent) = match text.split_once(['e', 'E']) {
                None => (text, 0),
                Some((number, exponent)) => (number, exponent.parse::<i64>().unwrap_or(0)),
            };
            let fraction = number.split_once('.').map_or("", |(_, fraction)| fraction.trim_end_matches('0'));
            fraction.len() as i64 - exponent <= i64::from(*scale)
        }
        _ => true,
    }
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    string_to_datetime(&Utc, text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_cut_off_is_not_exact() {
        let time = |unit| DataType::Timestamp(unit, None);
        for (text, data_type, expected) in [
            ("2024-02-29", DataType::Date32, true),
            ("2024-02-29 00:00:00", DataType::Date32, true),
            ("2024-02-29T00:00:01", DataType::Date32, false),
            ("2024-02-29 and more", DataType::Date32, false),
            ("+12024-02-29", DataType::Date32, true),
            ("2024-02-29", time(TimeUnit::Second), true),
            ("2024-02-29T10:00:00Z", time(TimeUnit::Second), true),
            ("2024-02-29T10:00:00.5", time(TimeUnit::Second), false),
            ("2024-02-29 10:00:00.123456", time(TimeUnit::Microsecond), true),
            ("2024-02-29 10:00:00.1234560", time(TimeUnit::Microsecond), true),
            ("2024-02-29 10:00:00.1234567", time(TimeUnit::Microsecond), false),
            ("29.02.2024 10:00", time(TimeUnit::Microsecond), false),
            ("1.25", DataType::Decimal128(10, 2), true),
            ("1.250", DataType::Decimal128(10, 2), true),
            ("1.255", DataType::Decimal128(10, 2), false),
            ("125e-2", DataType::Decimal128(10, 2), true),
            ("1.255e1", DataType::Decimal128(10, 2), true),
            ("1255e-3", DataType::Decimal128(10, 2), false),
            ("1.5", DataType::Decimal128(10, 0), false),
            ("x", DataType::Int64, true),
        ] {
            assert_eq!(is_exact(text, &data_type), expected, "{text} as {data_type}");
        }
    }
}
