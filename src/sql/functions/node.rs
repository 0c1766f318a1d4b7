//! A logical plan node that appends `lsmi(x1, …, y)` as one column to its input.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Column, DFSchema, DFSchemaRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    Expr, ExprSchemable, Extension, LogicalPlan, ScalarUDF, UserDefinedLogicalNodeCore,
};

use super::call::CallShape;
use super::estimator::fields;
use super::scalar::LsmiFunction;

/// The input's columns followed by the column of one `lsmi` call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LsmiNode {
    input: LogicalPlan,
    function: Arc<ScalarUDF>,
    args: Vec<Expr>,
    shape: CallShape,
    column: String,
    schema: DFSchemaRef,
}

impl LsmiNode {
    /// A node for one `lsmi` call on the input's columns, shared by all expressions that use it.
    pub(super) fn new(input: LogicalPlan, function: Arc<ScalarUDF>, args: Vec<Expr>) -> Result<Self> {
        // The hash keeps column names of different calls distinct within a schema.
        let mut hasher = DefaultHasher::new();
        (&input, &args).hash(&mut hasher);
        let hash = hasher.finish() >> 40;
        let arguments: Vec<String> = args
            .iter()
            .map(|arg| match arg {
                Expr::Column(column) => column.name.clone(),
                arg => arg.schema_name().to_string(),
            })
            .collect();
        let column = format!("__lsmi_{hash:06x}({})", arguments.join(", "));
        let shape = shape_of(&args, input.schema())?;
        if let Some(lsmi) = function.inner().downcast_ref::<LsmiFunction>()
            && let Some((first, second)) = repeated_embedding(&args, shape)
        {
            lsmi.registry().warn_once(format!(
                "lsmi({}): modalities {} and {} are the same expression, so that each has all information of the other; \
                 give another column for one of them",
                arguments.join(", "),
                first + 1,
                second + 1
            ));
        }
        Self::with_column(input, function, args, shape, column)
    }

    fn with_column(
        input: LogicalPlan,
        function: Arc<ScalarUDF>,
        args: Vec<Expr>,
        shape: CallShape,
        column: String,
    ) -> Result<Self> {
        let mut all: Vec<_> =
            input.schema().iter().map(|(table, field)| (table.cloned(), Arc::clone(field))).collect();
        all.push((None, struct_field(&column, shape)));
        let schema = DFSchema::new_with_metadata(all, input.schema().metadata().clone())?;
        Ok(Self { input, function, args, shape, column, schema: Arc::new(schema) })
    }

    /// The plan as an [`LsmiNode`], if it is one.
    pub(super) fn of(plan: &LogicalPlan) -> Option<&Self> {
        match plan {
            LogicalPlan::Extension(Extension { node }) => node.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// Whether the node computes this call.
    pub(super) fn computes(&self, function: &ScalarUDF, args: &[Expr]) -> bool {
        *self.function == *function && self.args == args
    }

    /// The appended column.
    pub(super) fn column(&self) -> Column {
        Column::new_unqualified(&self.column)
    }

    /// The function, `lsmi`.
    pub(super) fn function(&self) -> &ScalarUDF {
        &self.function
    }

    /// The call's arguments.
    pub(super) fn args(&self) -> &[Expr] {
        &self.args
    }

    /// The places of the arguments.
    pub(super) fn shape(&self) -> CallShape {
        self.shape
    }

    /// The appended column's name and type.
    pub(super) fn field(&self) -> FieldRef {
        struct_field(&self.column, self.shape)
    }

    /// The node's input.
    pub(super) fn input(&self) -> &LogicalPlan {
        &self.input
    }

    /// Wraps the node as a plan.
    pub(super) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }
}

/// The places of two embeddings of a call that are one expression.
fn repeated_embedding(args: &[Expr], shape: CallShape) -> Option<(usize, usize)> {
    let x = shape.split(args)?.x;
    let first = |second: usize, arg: &Expr| x.iter().take(second).position(|earlier| earlier == arg);
    x.iter().enumerate().find_map(|(second, arg)| Some((first(second, arg)?, second)))
}

/// The places of the arguments of a call on the columns of a plan.
pub(super) fn shape_of(args: &[Expr], schema: &DFSchema) -> Result<CallShape> {
    let types = args.iter().map(|arg| arg.get_type(schema)).collect::<Result<Vec<_>>>()?;
    Ok(CallShape::of(&types))
}

fn struct_field(column: &str, shape: CallShape) -> FieldRef {
    Arc::new(Field::new(column, DataType::Struct(fields(shape.modalities())), true))
}

impl PartialOrd for LsmiNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.column.cmp(&other.column) {
            Ordering::Equal => self.input.partial_cmp(&other.input),
            unequal => Some(unequal),
        }
    }
}

impl UserDefinedLogicalNodeCore for LsmiNode {
    fn name(&self) -> &str {
        "Lsmi"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.args.clone()
    }

    /// Predicates on the appended column stay above the node; all others are pushed down, so
    /// that the models evaluate fewer rows.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        HashSet::from([self.column.clone()])
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lsmi: {}", self.column)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Ok([input]) = <[LogicalPlan; 1]>::try_from(inputs) else {
            return Err(DataFusionError::Internal("lsmi's node has one input".to_owned()));
        };
        Self::with_column(input, Arc::clone(&self.function), exprs, self.shape, self.column.clone())
    }

    /// Projection pushdown: the required columns of the input. The optimizer adds the columns of
    /// the arguments.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let own = self.input.schema().fields().len();
        Some(vec![output_columns.iter().copied().filter(|column| *column < own).collect()])
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }
}
