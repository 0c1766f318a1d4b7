//! How many bytes a function's result takes, from its arguments.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::length::length;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::ColumnarValue;

/// Bytes of a value of a list.
const VALUE_BYTES: f64 = 8.0;
/// Bytes of a number or time as text.
const NUMBER_TEXT_BYTES: f64 = 24.0;

/// What a function makes of its arguments.
pub(super) struct ResultBytes<'a> {
    function: &'a str,
    args: &'a [ColumnarValue],
    numbers: Vec<Option<Numbers>>,
    /// Mean bytes of an argument in a row.
    value_bytes: Vec<f64>,
    /// Of the replacement of a regular expression, how often it may repeat what was found.
    references: Numbers,
}

/// A number for each row: an argument, or the length of one that is a text or a list.
enum Numbers {
    OfAll(f64),
    OfEach(Vec<f64>),
}

impl<'a> ResultBytes<'a> {
    pub(super) fn new(function: &'a str, args: &'a [ColumnarValue]) -> Self {
        let references = match (function, args.get(2)) {
            ("regexp_replace", Some(replacement)) => Numbers::references(replacement),
            _ => Numbers::OfAll(0.0),
        };
        let numbers = args.iter().map(Numbers::of).collect();
        let value_bytes =
            if function.starts_with("array_") { args.iter().map(mean_bytes).collect() } else { Vec::new() };
        Self { function, args, numbers, value_bytes, references }
    }

    /// Whether a result may be much smaller than expected.
    pub(super) fn is_bound(&self) -> bool {
        matches!(self.function, "replace" | "regexp_replace" | "array_to_string")
    }

    /// About so many bytes the result takes, at most if it is a bound; 0 where the arguments are others
    /// than expected.
    pub(super) fn of_rows(&self, rows: usize) -> f64 {
        // Constants give one row, which is made once.
        let rows = match self.args.iter().any(|value| matches!(value, ColumnarValue::Array(_))) {
            true => rows,
            false => 1,
        };
        (0..rows).map(|row| self.of_row(row)).sum()
    }

    pub(super) fn of_row(&self, row: usize) -> f64 {
        let arguments = self.args.len();
        let number = |argument: usize, default: f64| match self.numbers.get(argument) {
            Some(Some(numbers)) => numbers.get(row),
            Some(None) | None => default,
        };
        let length = |argument: usize| number(argument, 0.0).max(0.0);
        match self.function {
            "repeat" => length(0) * length(1),
            "replace" => length(0) * (length(2) / length(1).max(1.0)).max(1.0),
            "regexp_replace" => {
                // With `g`, wherever the expression finds something, or nothing between two characters.
                let matches = if arguments > 3 { length(0) + 1.0 } else { 1.0 };
                length(0) + matches * length(2) + self.references.get(row) * length(0)
            }
            "translate" => length(0),
            "overlay" => length(0) + length(1),
            // The length to pad to, in characters.
            "lpad" | "rpad" => length(1),
            "||" => {
                // A constant is repeated for each row first.
                let constant = |argument: usize| match self.args.get(argument) {
                    Some(ColumnarValue::Scalar(_)) => length(argument),
                    Some(ColumnarValue::Array(_)) | None => 0.0,
                };
                (0..arguments).map(|argument| length(argument) + constant(argument)).sum()
            }
            "concat" => (0..arguments).map(length).sum(),
            "concat_ws" => {
                let texts = arguments.saturating_sub(1);
                let between = texts.saturating_sub(1) as f64 * length(0);
                (1..=texts).map(length).sum::<f64>() + between
            }
            // Lists in it are flattened; an element takes a byte at least.
            "array_to_string" => {
                let bytes = self.value_bytes(0);
                length(0).max(bytes) * (length(1) + length(2) + NUMBER_TEXT_BYTES) + bytes
            }
            "array_repeat" => self.value_bytes(0) * length(1),
            "array_resize" => VALUE_BYTES * length(1),
            "array_append" | "array_prepend" | "array_concat" => self.value_bytes.iter().sum(),
            _ => {
                let (start, end) = match self.numbers.len() {
                    1 => (0.0, number(0, 0.0)),
                    _ => (number(0, 0.0), number(1, 0.0)),
                };
                let step = number(2, 1.0);
                let steps = if step == 0.0 { 0.0 } else { (end - start) / step };
                VALUE_BYTES * steps.max(0.0)
            }
        }
    }

    fn value_bytes(&self, argument: usize) -> f64 {
        self.value_bytes.get(argument).copied().unwrap_or(0.0)
    }
}

impl Numbers {
    /// `None` of what is neither text, list nor number.
    fn of(value: &ColumnarValue) -> Option<Self> {
        use DataType::{FixedSizeList, LargeList, LargeUtf8, List, Utf8, Utf8View};
        // A long text is not repeated for each row.
        let array = match value {
            ColumnarValue::Array(array) => array.clone(),
            ColumnarValue::Scalar(scalar) => scalar.to_array().ok()?,
        };
        let array = match array.data_type() {
            Utf8 | LargeUtf8 | Utf8View | List(_) | LargeList(_) | FixedSizeList(..) => {
                length(&array).ok()?
            }
            kind if kind.is_numeric() || kind.is_null() => array,
            _ => return None,
        };
        let array = cast(&array, &DataType::Int64).ok()?;
        let numbers = array.as_primitive::<Int64Type>();
        Some(Self::from(value, numbers.iter().map(|number| number.unwrap_or(0) as f64)))
    }

    /// How many references to what was found a replacement may hold.
    fn references(value: &ColumnarValue) -> Self {
        let texts = match value {
            ColumnarValue::Array(array) => cast(array, &DataType::LargeUtf8),
            ColumnarValue::Scalar(scalar) => {
                return Self::OfAll(scalar.try_as_str().flatten().map_or(0.0, references));
            }
        };
        match texts {
            Ok(texts) => {
                let texts = texts.as_string::<i64>();
                Self::from(value, texts.iter().map(|text| text.map_or(0.0, references)))
            }
            Err(_) => Self::OfAll(0.0),
        }
    }

    fn from(value: &ColumnarValue, numbers: impl Iterator<Item = f64>) -> Self {
        let numbers: Vec<f64> = numbers.collect();
        match (value, &numbers[..]) {
            (ColumnarValue::Scalar(_), &[number]) => Self::OfAll(number),
            _ => Self::OfEach(numbers),
        }
    }

    fn get(&self, row: usize) -> f64 {
        match self {
            Self::OfAll(number) => *number,
            Self::OfEach(numbers) => numbers.get(row).copied().unwrap_or(0.0),
        }
    }
}

fn references(replacement: &str) -> f64 {
    replacement.bytes().filter(|byte| matches!(byte, b'\\' | b'$')).count() as f64
}

/// The bytes of an argument for one row.
fn mean_bytes(value: &ColumnarValue) -> f64 {
    match value {
        ColumnarValue::Scalar(value) => value.size() as f64,
        ColumnarValue::Array(array) => array_bytes(array) / array.len().max(1) as f64,
    }
}

/// The bytes of an array's values, without those that only the arrays have of which it is a part.
pub(super) fn array_bytes(array: &dyn Array) -> f64 {
    fn offsets<O: Copy + Into<i64>>(offsets: &[O]) -> (usize, usize) {
        let at = |offset: Option<&O>| offset.map_or(0, |&offset| usize::try_from(offset.into()).unwrap_or(0));
        (at(offsets.first()), at(offsets.last()))
    }
    let of_values = |values: &dyn Array, (start, end): (usize, usize), offset_bytes: usize| {
        array_bytes(values.slice(start, end - start).as_ref()) + (array.len() * offset_bytes) as f64
    };
    match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            of_values(list.values(), offsets(list.value_offsets()), size_of::<i32>())
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            of_values(list.values(), offsets(list.value_offsets()), size_of::<i64>())
        }
        DataType::FixedSizeList(..) => array_bytes(array.as_fixed_size_list().values()),
        DataType::Utf8View => {
            let lengths = array.as_string_view().iter().map(|text| text.map_or(0, str::len));
            lengths.map(|length| (length + size_of::<u128>()) as f64).sum()
        }
        _ => array.to_data().get_slice_memory_size().unwrap_or_default() as f64,
    }
}
