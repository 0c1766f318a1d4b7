//! A query's plan with the models in it: a logical node that appends `lsmi(x1, x2, y)`
//! as one column to its input, and the planner that makes it an operator.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, DFSchema, DFSchemaRef, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, ScalarUDF, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::exec::LsmiExec;
use super::models::fields;
use super::scalar::{Lsmi, raise};

/// The input with one more column, last.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Evaluate {
    input: LogicalPlan,
    function: Arc<ScalarUDF>,
    args: Vec<Expr>,
    column: String,
    schema: DFSchemaRef,
}

impl Evaluate {
    /// A call of `lsmi` on columns of a plan, once for all that need it.
    pub(super) fn new(input: LogicalPlan, function: Arc<ScalarUDF>, args: Vec<Expr>) -> Result<Self> {
        // Two columns of one name that mean different things must not meet in a schema.
        let mut hasher = DefaultHasher::new();
        (&input, &args).hash(&mut hasher);
        let mark = hasher.finish() >> 40;
        let arguments: Vec<String> = args
            .iter()
            .map(|arg| match arg {
                Expr::Column(column) => column.name.clone(),
                arg => arg.schema_name().to_string(),
            })
            .collect();
        let column = format!("__lsmi_{mark:06x}({})", arguments.join(", "));
        Self::with_column(input, function, args, column)
    }

    fn with_column(
        input: LogicalPlan,
        function: Arc<ScalarUDF>,
        args: Vec<Expr>,
        column: String,
    ) -> Result<Self> {
        let mut all: Vec<_> =
            input.schema().iter().map(|(table, field)| (table.cloned(), Arc::clone(field))).collect();
        all.push((None, field(&column)));
        let schema = DFSchema::new_with_metadata(all, input.schema().metadata().clone())?;
        Ok(Self { input, function, args, column, schema: Arc::new(schema) })
    }

    /// The node in a plan, if the plan is one.
    pub(super) fn of(plan: &LogicalPlan) -> Option<&Self> {
        match plan {
            LogicalPlan::Extension(Extension { node }) => node.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// Whether it computes this call.
    pub(super) fn is(&self, function: &ScalarUDF, args: &[Expr]) -> bool {
        *self.function == *function && self.args == args
    }

    /// The column it adds.
    pub(super) fn column(&self) -> Column {
        Column::new_unqualified(&self.column)
    }

    /// What it reads.
    pub(super) fn input(&self) -> &LogicalPlan {
        &self.input
    }

    /// As a plan.
    pub(super) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }
}

fn field(column: &str) -> FieldRef {
    Arc::new(Field::new(column, DataType::Struct(fields()), true))
}

impl PartialOrd for Evaluate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.column.cmp(&other.column) {
            Ordering::Equal => self.input.partial_cmp(&other.input),
            unequal => Some(unequal),
        }
    }
}

impl UserDefinedLogicalNodeCore for Evaluate {
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

    /// Filters on other columns go first: the models then see fewer rows.
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
        Self::with_column(input, Arc::clone(&self.function), exprs, self.column.clone())
    }

    /// What is asked for of the input's columns; the arguments are added by who asks.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let own = self.input.schema().fields().len();
        Some(vec![output_columns.iter().copied().filter(|column| *column < own).collect()])
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }
}

/// Plans what DataFusion plans, and [`Evaluate`].
#[derive(Debug)]
pub(super) struct Planner {
    /// Whoever planned before; plans without models are still theirs.
    pub(super) before: Arc<dyn QueryPlanner + Send + Sync>,
}

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut found = false;
        plan.apply_with_subqueries(|node| {
            found |= Evaluate::of(node).is_some();
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        match found {
            true => {
                let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(Operators)]);
                planner.create_physical_plan(plan, session).await
            }
            false => self.before.create_physical_plan(plan, session).await,
        }
    }
}

struct Operators;

#[async_trait]
impl ExtensionPlanner for Operators {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<Evaluate>() else { return Ok(None) };
        let broken = || DataFusionError::Internal(format!("{} can't be planned", node.column));
        let ([logical], [input]) = (logical_inputs, physical_inputs) else { return Err(broken()) };
        let [x1, x2, label, bundle @ ..] = node.args.as_slice() else { return Err(broken()) };
        let lsmi = node.function.inner().downcast_ref::<Lsmi>().ok_or_else(broken)?;
        let bundle = bundle.first().and_then(literal);
        let estimator = lsmi.estimator(bundle).map_err(raise)?;
        let physical = |arg: &Expr| planner.create_physical_expr(arg, logical.schema(), session, context);
        let args = [physical(x1)?, physical(x2)?, physical(label)?];
        let registry = Arc::clone(lsmi.registry());
        let field = field(&node.column);
        Ok(Some(Arc::new(LsmiExec::new(Arc::clone(input), args, field, registry, estimator)?)))
    }
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        Expr::Alias(alias) => literal(&alias.expr),
        _ => None,
    }
}
