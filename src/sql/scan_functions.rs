//! Functions that a scan or a sort applies to columns. None can be called by name.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::cmp::not_distinct;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, FieldRef, Float16Type, Float32Type, Float64Type, Int64Type,
    UInt64Type,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Error, Place};

use super::errors::to_datafusion_error;

/// What is done to a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Treatment {
    /// NaN with a sign becomes NaN without. Comparisons follow IEEE 754's total order, in which
    /// they are the least and the greatest of all values; x86 makes the former of 0/0.
    CanonicalNan,
    /// -0.0 becomes 0.0.
    PositiveZero,
    /// A file's column that is also its partition column: fails where they differ.
    SamePartition { column: String },
    /// Int64 or UInt64 to Float64; fails past 2⁵³, where values are lost.
    ExactDouble { column: String },
}

/// The scalar function of a treatment.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ScanFunction {
    treatment: Treatment,
    signature: Signature,
}

/// `canonical_nan(column)`.
pub(super) fn canonical_nan() -> Arc<ScalarUDF> {
    function(Treatment::CanonicalNan)
}

/// `positive_zero(column)`.
pub(super) fn positive_zero() -> Arc<ScalarUDF> {
    function(Treatment::PositiveZero)
}

/// `same_partition(column, partition value, file name)`.
pub(super) fn same_partition(column: &str) -> Arc<ScalarUDF> {
    function(Treatment::SamePartition { column: column.to_owned() })
}

/// `exact_double(column)`.
pub(super) fn exact_double(column: &str) -> Arc<ScalarUDF> {
    function(Treatment::ExactDouble { column: column.to_owned() })
}

fn function(treatment: Treatment) -> Arc<ScalarUDF> {
    let signature = Signature::variadic_any(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(ScanFunction { treatment, signature }))
}

impl ScalarUDFImpl for ScanFunction {
    fn name(&self) -> &str {
        match self.treatment {
            Treatment::CanonicalNan => "canonical_nan",
            Treatment::PositiveZero => "positive_zero",
            Treatment::SamePartition { .. } => "same_partition",
            Treatment::ExactDouble { .. } => "exact_double",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match (&self.treatment, types.first()) {
            (Treatment::ExactDouble { .. }, _) | (_, None) => DataType::Float64,
            (_, Some(column)) => column.clone(),
        })
    }

    /// The column's field, with its metadata.
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let kind = self.return_type(&types)?;
        Ok(match args.arg_fields.first() {
            Some(column) => Arc::new(column.as_ref().clone().with_data_type(kind)),
            None => Arc::new(Field::new(self.name(), kind, true)),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let treated = match (&self.treatment, arrays.as_slice()) {
            (Treatment::CanonicalNan, [column]) => without_signed_nan(column),
            (Treatment::PositiveZero, [column]) => without_signed_zero(column),
            (Treatment::SamePartition { column: name }, [column, partition, file]) => {
                check_partition(name, column, partition, file)?;
                Arc::clone(column)
            }
            (Treatment::ExactDouble { column: name }, [column]) => to_double(name, column)?,
            _ => return Err(to_datafusion_error(Error::Internal(format!("arguments of {}", self.name())))),
        };
        Ok(ColumnarValue::Array(treated))
    }
}

fn without_signed_nan(column: &ArrayRef) -> ArrayRef {
    fn canonical<T: ArrowPrimitiveType>(
        column: &ArrayRef,
        is_signed_nan: impl Fn(T::Native) -> bool,
        nan: T::Native,
    ) -> ArrayRef {
        let values: &PrimitiveArray<T> = column.as_primitive();
        // A fold without a branch is vectorised.
        match values.values().iter().fold(false, |found, &value| found | is_signed_nan(value)) {
            true => {
                let replace = |value| if is_signed_nan(value) { nan } else { value };
                Arc::new(values.unary::<_, T>(replace))
            }
            false => Arc::clone(column),
        }
    }
    match column.data_type() {
        DataType::Float16 => {
            let is_signed_nan = |value: half::f16| value.to_bits() > 0xfc00;
            canonical::<Float16Type>(column, is_signed_nan, half::f16::NAN)
        }
        DataType::Float32 => {
            canonical::<Float32Type>(column, |value| value.to_bits() > 0xff80_0000, f32::NAN)
        }
        DataType::Float64 => {
            canonical::<Float64Type>(column, |value| value.to_bits() > 0xfff0_0000_0000_0000, f64::NAN)
        }
        _ => Arc::clone(column),
    }
}

fn without_signed_zero(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float32 => {
            Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(|v| v + 0.0))
        }
        DataType::Float64 => {
            Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(|v| v + 0.0))
        }
        _ => Arc::clone(column),
    }
}

fn check_partition(name: &str, column: &ArrayRef, partition: &ArrayRef, file: &ArrayRef) -> Result<()> {
    let same: BooleanArray = match cast(partition, column.data_type()) {
        Ok(partition) => not_distinct(&plain(column)?, &plain(&partition)?)?,
        Err(_) => BooleanArray::from(vec![false; column.len()]),
    };
    let Some(row) = (0..same.len()).find(|&row| !same.value(row)) else { return Ok(()) };
    let options = FormatOptions::new().with_null("NULL");
    let show = |array: &ArrayRef| -> Result<String> {
        Ok(ArrayFormatter::try_new(array, &options)?.value(row).to_string())
    };
    let what = format!(
        "holds {} where its folder says {name}={}; rename the folder, or leave the column out",
        show(column)?,
        show(partition)?
    );
    Err(to_datafusion_error(Error::bad_data(Place::file(show(file)?).column(name), what)))
}

/// Comparison kernels take no dictionaries of different keys.
fn plain(column: &ArrayRef) -> Result<ArrayRef> {
    Ok(match column.data_type() {
        DataType::Dictionary(_, values) => cast(column, values)?,
        _ => Arc::clone(column),
    })
}

fn to_double(name: &str, column: &ArrayRef) -> Result<ArrayRef> {
    const LIMIT: u64 = 1 << 53;
    let lost = match column.data_type() {
        DataType::Int64 => column
            .as_primitive::<Int64Type>()
            .iter()
            .flatten()
            .find(|v| v.unsigned_abs() > LIMIT)
            .map(|v| v.to_string()),
        DataType::UInt64 => {
            column.as_primitive::<UInt64Type>().iter().flatten().find(|v| *v > LIMIT).map(|v| v.to_string())
        }
        _ => None,
    };
    if let Some(value) = lost {
        let what = format!(
            "holds the integer {value} and is DOUBLE in other files, which cannot hold it; read the files apart"
        );
        return Err(to_datafusion_error(Error::bad_data(Place::default().column(name), what)));
    }
    Ok(cast(column, &DataType::Float64)?)
}
