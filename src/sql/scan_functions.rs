//! Functions that a scan or a sort applies to columns. None can be called by name.

use std::collections::BTreeSet;
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
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::PhysicalExpr;

use crate::error::{Error, Place};

use super::errors::to_datafusion_error;
use super::panics::UNKNOWN_FILE;

/// What is done to a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Treatment {
    /// NaN with a sign becomes NaN without. Comparisons follow IEEE 754's total order, in which
    /// they are the least and the greatest of all values; x86 makes the former of 0/0.
    CanonicalNan,
    /// -0.0 becomes 0.0.
    PositiveZero,
    /// A file's column that is also its partition column: fails where they differ. In a file without
    /// the column, the partition's value.
    SamePartition { column: String, lacking: Arc<BTreeSet<String>> },
    /// Int64 or UInt64 to Float64; fails past 2⁵³, where values are lost.
    ExactDouble { column: String },
    /// A column of one type in some files to the type that holds all values; fails where it does not,
    /// and names the file.
    Widened { column: String, to: DataType },
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

/// `same_partition(column, partition value, file name)`; `lacking` are the names of the files without
/// the column.
pub(super) fn same_partition(column: &str, lacking: &Arc<BTreeSet<String>>) -> Arc<ScalarUDF> {
    function(Treatment::SamePartition { column: column.to_owned(), lacking: Arc::clone(lacking) })
}

/// `exact_double(column)`.
pub(super) fn exact_double(column: &str) -> Arc<ScalarUDF> {
    function(Treatment::ExactDouble { column: column.to_owned() })
}

/// `widened(column, file name)`.
pub(super) fn widened(column: &str, to: &DataType) -> Arc<ScalarUDF> {
    function(Treatment::Widened { column: column.to_owned(), to: to.clone() })
}

/// Whether a function is [`widened`].
pub(super) fn is_widened(function: &ScalarUDF) -> bool {
    let function = function.inner().downcast_ref::<ScanFunction>();
    function.is_some_and(|function| matches!(function.treatment, Treatment::Widened { .. }))
}

/// Whether an expression is [`canonical_nan`] of a column.
pub(super) fn is_canonical_nan_of_column(expr: &dyn PhysicalExpr) -> bool {
    let call = ScalarFunctionExpr::try_downcast_func::<ScanFunction>(expr);
    let call = call.filter(|call| *call.fun() == *canonical_nan());
    call.is_some_and(|call| call.args().iter().all(|arg| arg.downcast_ref::<Column>().is_some()))
}

/// The functions that stand in plans, too, and not in scans only.
#[cfg(feature = "cluster")]
pub(super) fn functions_of_plans() -> [Arc<ScalarUDF>; 2] {
    [canonical_nan(), positive_zero()]
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
            Treatment::Widened { .. } => "widened",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match (&self.treatment, types.first()) {
            (Treatment::Widened { to, .. }, _) => to.clone(),
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
            (Treatment::SamePartition { column: name, lacking }, [column, partition, file]) => {
                let column = with_partition(column, partition, file, lacking)?;
                check_partition(name, &column, partition, file)?;
                column
            }
            (Treatment::ExactDouble { column: name }, [column]) => {
                to_double(column, Place::file(UNKNOWN_FILE).column(name))?
            }
            (Treatment::Widened { column: name, to }, [column, file]) => widen(name, column, to, file)?,
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

/// The column, with the partition's value in rows of files that lack it. All rows of a batch come from
/// one file.
fn with_partition(
    column: &ArrayRef,
    partition: &ArrayRef,
    file: &ArrayRef,
    lacking: &BTreeSet<String>,
) -> Result<ArrayRef> {
    if lacking.is_empty() || file.is_empty() {
        return Ok(Arc::clone(column));
    }
    let is_lacking =
        lacking.contains(&ArrayFormatter::try_new(file, &FormatOptions::new())?.value(0).to_string());
    // A value of another type stays null, which the check then refuses.
    let value = is_lacking.then(|| cast(partition, column.data_type()).ok()).flatten();
    Ok(value.unwrap_or_else(|| Arc::clone(column)))
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

/// A column as the table's type. All rows of a batch come from one file.
fn widen(name: &str, column: &ArrayRef, to: &DataType, file: &ArrayRef) -> Result<ArrayRef> {
    if column.is_empty() || column.data_type() == to {
        return Ok(cast(column, to)?);
    }
    let file = ArrayFormatter::try_new(file, &FormatOptions::new())?.value(0).to_string();
    let place = Place::file(file).column(name);
    if *to == DataType::Float64 {
        return to_double(column, place);
    }
    let array = ColumnarValue::Array(Arc::clone(column)).cast_to(to, None);
    array.and_then(|array| array.into_array(column.len())).map_err(|error| {
        let what = format!(
            "holds {} here and {to} in other files, which cannot hold all of it ({}); read the files apart",
            column.data_type(),
            error.strip_backtrace()
        );
        to_datafusion_error(Error::bad_data(place, what))
    })
}

fn to_double(column: &ArrayRef, place: Place) -> Result<ArrayRef> {
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
        return Err(to_datafusion_error(Error::bad_data(place, what)));
    }
    Ok(cast(column, &DataType::Float64)?)
}
