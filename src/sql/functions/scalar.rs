//! The scalar function `lsmi(x1, x2, y)` and its accessors `lsmi_r(x1, x2, y)`, …: documentation,
//! type checks at planning time, and evaluation of calls that [`super::evaluate_once`] cannot move
//! into an operator, such as those in a join condition.

use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use crate::error::Error;
use crate::interaction::Quantity;

use super::super::errors::to_datafusion_error;
use super::estimator::{MODALITIES, fields, lsmi_fields};
use super::models::ModelRegistry;

/// The place of the bundle among the arguments, where there is one.
const BUNDLE_PLACE: usize = 3;

/// `lsmi`, or the accessor of one of its fields.
#[derive(Debug)]
pub(in crate::sql) struct LsmiFunction {
    registry: Arc<ModelRegistry>,
    name: String,
    /// The accessor's field; `None` for `lsmi` itself, which returns all fields.
    field: Option<Quantity>,
    signature: Signature,
    documentation: Documentation,
}

impl LsmiFunction {
    /// `lsmi` and the accessors of its fields.
    pub(super) fn all(registry: &Arc<ModelRegistry>) -> Vec<ScalarUDF> {
        let fields = std::iter::once(None).chain(lsmi_fields().into_iter().map(Some));
        fields.map(|field| ScalarUDF::new_from_impl(Self::new(Arc::clone(registry), field))).collect()
    }

    fn new(registry: Arc<ModelRegistry>, field: Option<Quantity>) -> Self {
        let (name, what) = match field {
            None => (
                "lsmi".to_owned(),
                "Redundancy, uniqueness and synergy of a sample by a bundle's models: a struct of r, u1, u2, s, i1, \
                 i2, i12, h1, h2 in nats, null where the row has no label or embedding that the models take"
                    .to_owned(),
            ),
            Some(column) => {
                let (name, what) = (column.name(MODALITIES), column.description(MODALITIES));
                (format!("lsmi_{name}"), format!("{what}, in nats"))
            },
        };
        let documentation =
            Documentation::builder(DOC_SECTION_OTHER, what, format!("{name}(x1, x2, y[, bundle[, key, …]])"))
                .with_argument("x1", "The first embedding: a list of floats, or FixedSizeBinary of float32")
                .with_argument("x2", "The second embedding")
                .with_argument("y", "The label: an integer, string or boolean")
                .with_argument("bundle", "The bundle's folder or URL as a literal; else that of the session")
                .with_argument(
                    "key",
                    "The columns by which the bundle knows its training rows (fit --key), in order",
                )
                .build();
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { registry, name, field, signature, documentation }
    }

    pub(in crate::sql) fn registry(&self) -> &Arc<ModelRegistry> {
        &self.registry
    }

    /// An accessor call as a field access on a call of `lsmi`.
    pub(super) fn field_of_call(&self, args: &[Expr]) -> Option<Expr> {
        let column = self.field?;
        let lsmi = ScalarUDF::new_from_impl(Self::new(Arc::clone(&self.registry), None));
        Some(get_field(lsmi.call(args.to_vec()), column.name(MODALITIES).as_ref()))
    }

    /// The function of this name with other models, if there is one.
    #[cfg(feature = "cluster")]
    pub(in crate::sql) fn named(name: &str, registry: &Arc<ModelRegistry>) -> Option<ScalarUDF> {
        Self::all(registry).into_iter().find(|function| function.name() == name)
    }

    /// The folder or URL of a call with this bundle argument.
    pub(super) fn folder(&self, bundle: Option<&ScalarValue>) -> crate::Result<PathBuf> {
        let bundle = bundle.map(|value| {
            value
                .try_as_str()
                .flatten()
                .ok_or_else(|| self.usage("its fourth argument is not a bundle's folder or URL"))
        });
        Ok(self.registry.folder(bundle.transpose()?))
    }

    fn usage(&self, what: &str) -> Error {
        Error::Usage(format!("{}: {what}; write {0}(x1, x2, y) or {0}(x1, x2, y, 'bundle')", self.name))
    }

    fn check(&self, args: &ReturnFieldArgs<'_>) -> crate::Result<()> {
        let [x1, x2, label, more @ ..] = args.arg_fields else {
            return Err(self.usage("it takes three arguments or more"));
        };
        let bundle = match args.scalar_arguments.get(BUNDLE_PLACE) {
            None => None,
            Some(Some(value)) => Some(*value),
            Some(None) => return Err(self.usage("the bundle must be a literal, not a column")),
        };
        match self.registry.bundle(&self.folder(bundle)?)? {
            Some(bundle) => bundle.check([x1, x2, label], more.get(1..).unwrap_or_default()),
            None => Ok(()),
        }
    }
}

impl ScalarUDFImpl for LsmiFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        // No coercion: the bundle's dimensions and classes decide which types are valid.
        Ok(types.to_vec())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.field.map_or_else(|| DataType::Struct(fields()), |_| DataType::Float32))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.check(&args).map_err(to_datafusion_error)?;
        Ok(Arc::new(match self.field {
            Some(column) => crate::evaluate::field(column, MODALITIES),
            None => Field::new(&self.name, DataType::Struct(fields()), true),
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // All but the bundle are columns.
        let columns = args.args.iter().enumerate().filter(|(place, _)| *place != BUNDLE_PLACE);
        let columns = columns.map(|(_, value)| value.to_array(args.number_rows));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let bundle = match args.args.get(BUNDLE_PLACE) {
            Some(ColumnarValue::Scalar(bundle)) => Some(bundle),
            _ => None,
        };
        let estimator = self.folder(bundle).and_then(|dir| self.registry.estimator(&dir));
        let estimator = estimator.map_err(to_datafusion_error)?;
        let all = self.registry.evaluate(&estimator, &columns).map_err(to_datafusion_error)?;
        let one = self.field.and_then(|field| all.column_by_name(&field.name(MODALITIES)).cloned());
        Ok(ColumnarValue::Array(one.unwrap_or_else(|| Arc::new(all))))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

impl PartialEq for LsmiFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.registry, &other.registry) && self.field == other.field
    }
}

impl Eq for LsmiFunction {}

impl Hash for LsmiFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.field.hash(state);
    }
}
