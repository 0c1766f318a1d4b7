//! Texts that a type holds only in part. Arrow's readers take them, and cut off what does not fit.

use chrono::{DateTime, Utc};
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;
use datafusion::arrow::datatypes::{DataType, TimeUnit};

/// Exponents beyond these are of no decimal, and more than Arrow's reader counts.
const MOST_EXPONENT: i64 = 1000;
/// Integers below this are doubles, through which Arrow's reader takes 2.0 and 1e3.
const MOST_EXACT: f64 = (1_u64 << 53) as f64;

/// Whether Arrow's reader of CSV could cut off a part of a text that is read as this type.
pub(super) fn may_cut(data_type: &DataType) -> bool {
    use DataType::{Date32, Decimal32, Decimal64, Decimal128, Decimal256, Time32, Time64, Timestamp};
    matches!(
        data_type,
        Date32
            | Timestamp(..)
            | Time32(_)
            | Time64(_)
            | Decimal32(..)
            | Decimal64(..)
            | Decimal128(..)
            | Decimal256(..)
    )
}

/// Whether a text is a value of the type of which nothing is cut off: no time of a date, no fraction of a second, of a
/// decimal or of an integer. Of other types nothing is said: their readers say what is no value.
pub(super) fn is_exact(text: &str, data_type: &DataType) -> bool {
    use DataType::{
        Date32, Decimal32, Decimal64, Decimal128, Decimal256, Float32, Float64, Time32, Time64, Timestamp,
    };
    match data_type {
        data_type if data_type.is_integer() => is_integer(text, data_type),
        Date32 => is_date(text),
        Timestamp(unit, _) => {
            let is_held =
                |time: DateTime<Utc>| *unit != TimeUnit::Nanosecond || time.timestamp_nanos_opt().is_some();
            time(text).is_some_and(is_held) && is_second(text, *unit)
        }
        // Digits alone would be taken for a number of units.
        Time32(unit) | Time64(unit) => text.contains(':') && is_second(text, *unit),
        Decimal32(precision, scale)
        | Decimal64(precision, scale)
        | Decimal128(precision, scale)
        | Decimal256(precision, scale) => {
            let (precision, scale) = (i64::from(*precision), i64::from(*scale));
            digits(text).is_some_and(|(before, behind)| before <= precision - scale && behind <= scale)
        }
        Float64 => text.parse::<f64>().is_ok_and(f64::is_finite),
        Float32 => text.parse::<f32>().is_ok_and(f32::is_finite),
        _ => true,
    }
}

fn is_integer(text: &str, data_type: &DataType) -> bool {
    if let Ok(number) = text.parse::<i128>() {
        let (least, most) = match data_type {
            DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
            DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
            DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
            DataType::Int64 => (i64::MIN.into(), i64::MAX.into()),
            DataType::UInt8 => (0, u8::MAX.into()),
            DataType::UInt16 => (0, u16::MAX.into()),
            DataType::UInt32 => (0, u32::MAX.into()),
            _ => (0, i128::from(u64::MAX)),
        };
        return (least..=most).contains(&number);
    }
    let is_small = text.parse::<f64>().is_ok_and(|number| number.abs() < MOST_EXACT);
    is_small && digits(text).is_some_and(|(_, behind)| behind <= 0)
}

/// A date, alone or at midnight, and in no zone, where it might be another day.
fn is_date(text: &str) -> bool {
    // Years of more than four digits have a sign, and no time behind the date.
    if text.starts_with(['+', '-']) || text.len() <= 10 {
        return true;
    }
    let Some((_, time)) = text.split_at_checked(10) else { return false };
    let time = time.strip_prefix(['T', ' ']).unwrap_or(time);
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    matches!(seconds, "00:00" | "00:00:00") && fraction.bytes().all(|digit| digit == b'0')
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    string_to_datetime(&Utc, text).ok()
}

/// Whether the second of a time is one that the unit holds: a leap second would be the next minute's first.
fn is_second(text: &str, unit: TimeUnit) -> bool {
    // Behind a date, there may be no colons in a time.
    let time = match text.as_bytes().get(10) {
        Some(b'T' | b't' | b' ') => text.get(11..).unwrap_or_default(),
        _ => text,
    };
    let is_leap = time.bytes().filter(|byte| *byte != b':').skip(4).take(2).eq(*b"60");
    second_digits(text) <= digits_of(unit) && !is_leap
}

/// The digits that a time has of a second.
fn second_digits(text: &str) -> usize {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    fraction.get(..digits).unwrap_or_default().trim_end_matches('0').len()
}

fn digits_of(unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// The digits that a number needs before the point and behind it: 2 and 3 of 12.345, 3 and -2 of 300; none where it is no
/// number.
fn digits(text: &str) -> Option<(i64, i64)> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        None => (text, 0),
        Some((number, exponent)) => (number, exponent.parse::<i64>().ok()?),
    };
    let number = number.strip_prefix(['-', '+']).unwrap_or(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    if exponent.abs() > MOST_EXPONENT || !has_digits || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let places = || whole.bytes().chain(fraction.bytes()).enumerate().filter(|(_, digit)| *digit != b'0');
    let (Some((first, _)), Some((last, _))) = (places().next(), places().last()) else {
        // Zero needs none.
        return Some((i64::MIN, i64::MIN));
    };
    let before = |place: usize| whole.len() as i64 - place as i64 + exponent;
    Some((before(first), 1 - before(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_cut_off_is_not_exact() {
        use DataType::{Date32, Decimal128, Float32, Int8, Int64, UInt64};
        let time = |unit| DataType::Timestamp(unit, None);
        let (second, micro, nano) =
            (time(TimeUnit::Second), time(TimeUnit::Microsecond), time(TimeUnit::Nanosecond));
        let cents = Decimal128(10, 2);
        for (data_type, exact, cut) in [
            (
                Date32,
                &["2024-02-29", "2024-02-29 00:00:00", "2024-02-29T00:00:00.000", "+12024-02-29"][..],
                &[
                    "2024-02-29T00:00:01",
                    "2024-02-29 and more",
                    "2024-02-29T00:00:00-05:00",
                    "2024-02-29T19:00",
                ][..],
            ),
            (
                second,
                &["2024-02-29", "2024-02-29T10:00:00Z", "2024-02-29T10:00:00.000"],
                &["2024-02-29T10:00:00.5", "29.02.2024 10:00", "2016-12-31T23:59:60Z", "2016-12-31 235960"],
            ),
            (
                micro,
                &["2024-02-29 10:00:00.123456", "2024-02-29 10:00:00.1234560000+01:00"],
                &["2024-02-29 10:00:00.1234567", "2024-02-29 10:00:00.1234560001"],
            ),
            (
                nano,
                &["2024-02-29 10:00:00.123456789"],
                &["2024-02-29 10:00:00.1234567891", "9999-01-01 00:00:00"],
            ),
            (
                DataType::Time64(TimeUnit::Nanosecond),
                &["10:00:00", "10:00:00.123456789"],
                &["10:00:00.1234567891", "23:59:60", "235959"],
            ),
            (
                cents.clone(),
                &[
                    "1.25",
                    "1.250",
                    "-125e-2",
                    "1.255e1",
                    "100e-3",
                    "0",
                    "0.000",
                    "12345678.9",
                    "+1.",
                    "000000000001",
                ],
                &[
                    "1.255",
                    "1255e-3",
                    "1e65536",
                    "1e-99999999999999999999",
                    "1e-9223372036854775809",
                    "1,5",
                    "x",
                    "-.",
                    ".e1",
                    "e5",
                ],
            ),
            (Decimal128(10, 0), &["1.0"], &["1.5", "15e-1"]),
            (Decimal128(10, -2), &["12300", "0", "1e2"], &["12345"]),
            (Int8, &["127", "-128", "1e2", "2.0", "0.0"], &["128", "1.5", "x"]),
            (
                Int64,
                &["9223372036854775807", "9007199254740991.0"],
                &[
                    "9223372036854775808",
                    "-9223372036854775809",
                    "9007199254740993.0",
                    "9007199254740993.5",
                    "1.9",
                ],
            ),
            (UInt64, &["18446744073709551615"], &["-1", "18446744073709551616"]),
            (Float32, &["1.5", "1e-300"], &["1e300", "1e400"]),
            (DataType::Utf8, &["x"], &[]),
        ] {
            exact.iter().for_each(|text| assert!(is_exact(text, &data_type), "{text} as {data_type}"));
            cut.iter().for_each(|text| assert!(!is_exact(text, &data_type), "{text} as {data_type}"));
        }
    }
}
