//! An optimizer rule that makes joins cancellable. DataFusion checks for cancellation only where rows
//! enter a query, but a join may produce millions of rows from one batch, and a selective one may
//! compare rows for hours before its first output batch.

use std::fmt::{Display, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::datatypes::{FieldRef, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder, PiecewiseMergeJoinExec,
    SortMergeJoinExec,
};

/// A counter of stops. A stop ends all queries of the session planned before it, and none planned
/// after it.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt(Arc<AtomicU64>);

impl Interrupt {
    /// Ends every running join at its next batch or comparison.
    pub(super) fn stop(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn stops(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes every join yield between output batches, and every nested loop join fail between two
/// comparisons after a stop.
#[derive(Debug)]
pub(super) struct StoppableJoins(pub(super) Interrupt);

impl PhysicalOptimizerRule for StoppableJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let stoppable = |plan: Arc<dyn ExecutionPlan>| {
            if !is_join(plan.as_ref()) {
                return Ok(Transformed::no(plan));
            }
            let join = match plan.downcast_ref::<NestedLoopJoinExec>() {
                Some(join) => self.with_stoppable_filter(join)?.unwrap_or(plan),
                None => plan,
            };
            Ok(Transformed::yes(Arc::new(CooperativeExec::new(join)) as Arc<dyn ExecutionPlan>))
        };
        plan.transform_up(stoppable).data()
    }

    fn name(&self) -> &str {
        "stoppable_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl StoppableJoins {
    /// The join with a filter that fails after a stop; `None` where it has no filter.
    fn with_stoppable_filter(&self, join: &NestedLoopJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(filter) = join.filter() else { return Ok(None) };
        let expression = StoppableExpr {
            inner: Arc::clone(filter.expression()),
            interrupt: self.0.clone(),
            planned_at: self.0.stops(),
        };
        let filter = JoinFilter::new(
            Arc::new(expression),
            filter.column_indices().to_vec(),
            Arc::clone(filter.schema()),
        );
        let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
        let join = NestedLoopJoinExecBuilder::new(left, right, *join.join_type())
            .with_filter(Some(filter))
            .with_projection_ref(join.projection().clone())
            .build()?;
        Ok(Some(Arc::new(join)))
    }
}

fn is_join(plan: &dyn ExecutionPlan) -> bool {
    plan.is::<CrossJoinExec>()
        || plan.is::<NestedLoopJoinExec>()
        || plan.is::<HashJoinExec>()
        || plan.is::<PiecewiseMergeJoinExec>()
        || plan.is::<SortMergeJoinExec>()
}

/// An expression that fails after its query was stopped.
#[derive(Debug)]
struct StoppableExpr {
    inner: Arc<dyn PhysicalExpr>,
    interrupt: Interrupt,
    planned_at: u64,
}

impl PhysicalExpr for StoppableExpr {
    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.interrupt.stops() != self.planned_at {
            return Err(DataFusionError::Execution("the query was interrupted".to_owned()));
        }
        self.inner.evaluate(batch)
    }

    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(schema)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let inner = children.pop().unwrap_or_else(|| Arc::clone(&self.inner));
        Ok(Arc::new(Self { inner, interrupt: self.interrupt.clone(), planned_at: self.planned_at }))
    }

    fn fmt_sql(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt_sql(f)
    }
}

// Display, equality and hash are those of the inner expression.

impl Display for StoppableExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl PartialEq for StoppableExpr {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for StoppableExpr {}

impl Hash for StoppableExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}
