//! `length` of texts alone. DataFusion's takes whatever it is given for a text, and so counts the characters of a list.

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::prelude::SessionContext;

/// The name in DataFusion; `length` is another.
pub(super) const NAME: &str = "character_length";

/// What is wrong with an argument that is no text.
pub(super) const OF_TEXT: &str =
    "function length counts the characters of a text; array_length(x) counts the values of a list";

/// Puts the function in the place of DataFusion's.
pub(super) fn register_text_length(context: &SessionContext) {
    let inner = context.state().scalar_functions().get(NAME).map(|inner| inner.as_ref().clone());
    if let Some(inner) = inner {
        let signature = Signature::user_defined(Volatility::Immutable);
        context.register_udf(ScalarUDF::new_from_impl(TextLength { inner, signature }));
    }
}

/// The function with a check of its argument.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TextLength {
    inner: ScalarUDF,
    signature: Signature,
}

impl ScalarUDFImpl for TextLength {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = arguments else { return plan_err!("function length takes one text") };
        match argument {
            nested if nested.is_nested() => plan_err!("{OF_TEXT}"),
            text if text.is_string() => Ok(vec![text.clone()]),
            DataType::Dictionary(_, values) if values.is_string() => Ok(vec![argument.clone()]),
            _ => Ok(vec![DataType::Utf8]),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.invoke_with_args(args)
    }
}
