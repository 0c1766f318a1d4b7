//! The scalar function `lsmi(x1, …, y)` and its accessors `lsmi_r(x1, …, y)`, …: documentation,
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

use crate::error::{Error, Place};
use crate::interaction::Quantity;
use crate::interaction::lattice::Lattice;
use crate::samples::{EmbeddingType, LabelType};

use super::super::errors::to_datafusion_error;
use super::call::{CallShape, lsmi_fields};
use super::estimator::{OpenBundle, fields};
use super::models::ModelRegistry;

/// The places of arguments from the fourth on, for messages.
const ORDINALS: [&str; 3] = ["fourth", "fifth", "sixth"];
/// The least number of arguments of two to four modalities.
const LEAST_ARGUMENTS: [&str; 3] = ["three", "four", "five"];

/// `lsmi`, or the accessor of one of its fields.
#[derive(Debug)]
pub(in crate::sql) struct LsmiFunction {
    registry: Arc<ModelRegistry>,
    name: String,
    /// The accessor's field, which calls of any number of modalities may have; `None` for `lsmi` itself, which
    /// returns all fields.
    field: Option<Quantity>,
    signature: Signature,
    documentation: Documentation,
}

impl LsmiFunction {
    /// `lsmi` and the accessors of its fields, of two to four modalities.
    pub(super) fn all(registry: &Arc<ModelRegistry>) -> Vec<ScalarUDF> {
        let mut all = vec![Self::lsmi(Arc::clone(registry))];
        for modalities in 2..=Lattice::MODALITIES {
            for field in lsmi_fields(modalities) {
                let name = format!("lsmi_{}", field.name(modalities));
                if !all.iter().any(|known| known.name == name) {
                    all.push(Self::accessor(Arc::clone(registry), name, field, modalities));
                }
            }
        }
        all.into_iter().map(ScalarUDF::new_from_impl).collect()
    }

    /// `lsmi` itself.
    fn lsmi(registry: Arc<ModelRegistry>) -> Self {
        let what = "Redundancy, uniqueness and synergy of a sample by a bundle's models: a struct of r, u1, u2, s, i1, \
                    i2, i12, h1, h2 in nats, of three modalities of r, u1, u2, u3, s, i_1 … i_123, h_1 … h_23; null \
                    where the row has no label or embedding that the models take; with --on-missing-modality reduce \
                    a row without some embedding has the values of the others, and null in all other fields";
        Self::new(registry, "lsmi".to_owned(), None, 2, what.to_owned())
    }

    /// The accessor of a field that calls of so many modalities and more have.
    fn accessor(registry: Arc<ModelRegistry>, name: String, field: Quantity, modalities: usize) -> Self {
        let what = match field {
            // Of two modalities these have another formula.
            Quantity::R | Quantity::U(_) | Quantity::S if modalities == 2 => {
                format!("{} (of more modalities: {})", field.description(2), field.description(3))
            }
            _ => field.description(modalities).into_owned(),
        };
        Self::new(registry, name, Some(field), modalities, format!("{what}, in nats"))
    }

    fn new(
        registry: Arc<ModelRegistry>,
        name: String,
        field: Option<Quantity>,
        modalities: usize,
        what: String,
    ) -> Self {
        let args = CallShape::of_modalities(modalities).example();
        let usage = format!("{name}({args}[, bundle[, key, …]])");
        let mut documentation = Documentation::builder(DOC_SECTION_OTHER, what, usage)
            .with_argument("x1", "The first embedding: a list of floats, or FixedSizeBinary of float32")
            .with_argument("x2", "The second embedding; up to two others follow it");
        for m in 3..=modalities {
            documentation = documentation.with_argument(format!("x{m}"), "A further embedding");
        }
        let documentation = documentation
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
    pub(super) fn field_of_call(&self, args: &[Expr], shape: CallShape) -> Option<Expr> {
        let column = self.field?;
        let lsmi = ScalarUDF::new_from_impl(Self::lsmi(Arc::clone(&self.registry)));
        Some(get_field(lsmi.call(args.to_vec()), column.name(shape.modalities()).as_ref()))
    }

    /// The function of this name with other models, if there is one.
    #[cfg(feature = "cluster")]
    pub(in crate::sql) fn named(name: &str, registry: &Arc<ModelRegistry>) -> Option<ScalarUDF> {
        Self::all(registry).into_iter().find(|function| function.name() == name)
    }

    /// The folder or URL of a call with this bundle argument.
    pub(super) fn folder(&self, bundle: Option<&ScalarValue>, shape: CallShape) -> crate::Result<PathBuf> {
        let bundle = bundle.map(|value| {
            value.try_as_str().flatten().ok_or_else(|| {
                let place = ORDINALS.get(shape.modalities() - 2).unwrap_or(&"last");
                self.usage(shape, &format!("its {place} argument is not a bundle's folder or URL"))
            })
        });
        Ok(self.registry.folder(bundle.transpose()?))
    }

    /// The default bundle, or that of a literal, where there is one that opens.
    fn known_bundle(&self, literal: Option<&str>) -> Option<Arc<OpenBundle>> {
        self.registry.bundle(&self.registry.folder(literal)).ok().flatten()
    }

    fn usage(&self, shape: CallShape, what: &str) -> Error {
        // The call as it would be, not as it is.
        let shape = self.known_bundle(None).map_or(shape, |bundle| bundle.shape());
        let args = shape.example();
        Error::Usage(format!("{}: {what}; write {0}({args}) or {0}({args}, 'bundle')", self.name))
    }

    /// The error of a call with a column in the place of the bundle. Most often one of the embeddings before
    /// it is none, so that too few were counted: those of the bundle, or all columns before the label.
    fn no_literal(&self, args: &ReturnFieldArgs<'_>, shape: CallShape) -> Error {
        let mut behind = args.scalar_arguments.iter().enumerate().skip(shape.bundle_place());
        let literal = behind.find_map(|(place, value)| Some((place, value.as_ref()?.try_as_str()??)));
        let columns = literal.map_or(args.arg_fields.len(), |(place, _)| place);
        let bundle = self.known_bundle(literal.map(|(_, text)| text));
        let is_label = |field: &FieldRef| LabelType::of(field.data_type()).is_some();
        let modalities = match bundle {
            Some(bundle) => bundle.shape().modalities(),
            None if args.arg_fields.get(shape.modalities()).is_some_and(is_label) => shape.modalities(),
            None => columns.saturating_sub(1),
        };
        let embeddings = args.arg_fields.iter().take(modalities).filter(|_| columns > modalities);
        let refused = embeddings.map(|field| {
            let place = Place::file(&self.name).column(field.name());
            EmbeddingType::require(field.data_type(), place).err()
        });
        let what = "the bundle must be a literal, not a column";
        refused.flatten().next().unwrap_or_else(|| self.usage(shape, what))
    }

    fn check(&self, args: &ReturnFieldArgs<'_>, shape: CallShape) -> crate::Result<()> {
        let modalities = shape.modalities();
        let known = shape.split(args.arg_fields);
        let known = known.ok_or_else(|| {
            let modalities = self.known_bundle(None).map_or(modalities, |bundle| bundle.shape().modalities());
            let least = LEAST_ARGUMENTS.get(modalities - 2).unwrap_or(&"more");
            self.usage(shape, &format!("it takes {least} arguments or more"))
        })?;
        let mut columns = args.arg_fields.iter().take(shape.bundle_place());
        if let Some(place) = columns.position(|field| field.data_type().is_null()) {
            return Err(Error::Usage(format!(
                "{}: argument {} is NULL without a type; for an embedding that all rows lack write \
                 arrow_cast(NULL, 'FixedSizeList(32, Float32)') with its number of values",
                self.name,
                place + 1
            )));
        }
        let fields = lsmi_fields(modalities);
        if self.field.is_some_and(|field| !fields.contains(&field)) {
            let names = fields.iter().map(|field| field.name(modalities)).collect::<Vec<_>>().join(", ");
            return Err(Error::Usage(format!(
                "{}({}) is no value of {modalities} modalities; there are {names}",
                self.name,
                shape.example()
            )));
        }
        let bundle = match args.scalar_arguments.get(shape.bundle_place()) {
            None => None,
            Some(Some(value)) => Some(*value),
            Some(None) => return Err(self.no_literal(args, shape)),
        };
        match self.registry.bundle(&self.folder(bundle, shape)?)? {
            Some(bundle) => bundle.check(&known),
            None => Ok(()),
        }
    }
}

/// The places of the arguments of a call with arguments of these fields.
fn shape_of(fields: &[FieldRef]) -> CallShape {
    CallShape::of(&fields.iter().map(|field| field.data_type().clone()).collect::<Vec<_>>())
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

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let all = || DataType::Struct(fields(CallShape::of(types).modalities()));
        Ok(self.field.map_or_else(all, |_| DataType::Float32))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let shape = shape_of(args.arg_fields);
        self.check(&args, shape).map_err(to_datafusion_error)?;
        Ok(Arc::new(match self.field {
            Some(column) => crate::evaluate::field(column, shape.modalities(), &[]),
            None => Field::new(&self.name, DataType::Struct(fields(shape.modalities())), true),
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // All but the bundle are columns.
        let shape = shape_of(&args.arg_fields);
        let bundle_place = shape.bundle_place();
        let columns = args.args.iter().enumerate().filter(|(place, _)| *place != bundle_place);
        let columns = columns.map(|(_, value)| value.to_array(args.number_rows));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let bundle = match args.args.get(bundle_place) {
            Some(ColumnarValue::Scalar(bundle)) => Some(bundle),
            _ => None,
        };
        let estimator = self.folder(bundle, shape).and_then(|dir| self.registry.estimator(&dir));
        let estimator = estimator.map_err(to_datafusion_error)?;
        let all = self.registry.evaluate(&estimator, &columns).map_err(to_datafusion_error)?;
        let one = self.field.and_then(|field| all.column_by_name(&field.name(shape.modalities())).cloned());
        Ok(ColumnarValue::Array(one.unwrap_or_else(|| Arc::new(all))))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

impl PartialEq for LsmiFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.registry, &other.registry) && self.name == other.name
    }
}

impl Eq for LsmiFunction {}

impl Hash for LsmiFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
