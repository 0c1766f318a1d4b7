//! Joins that can be stopped. DataFusion lets a query be stopped where rows enter it, but
//! a join makes millions of rows of one batch, and one that holds few of its pairs to be
//! true compares for hours before it has a batch to give.

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

/// Stops the queries of a session that were planned so far, and none of those after.
/// Counts the stops.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt(Arc<AtomicU64>);

impl Interrupt {
    /// Ends every join that runs, at its next batch or comparison.
    pub(super) fn stop(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn stops(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lets every join yield between the batches it gives, and those that compare row by row
/// fail between two comparisons once they are told to stop.
#[derive(Debug)]
pub(super) struct StoppableJoins(pub(super) Interrupt);

impl PhysicalOptimizerRule for StoppableJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let stoppable = |plan: Arc<dyn ExecutionPlan>| {
            if !is_join(plan.as_ref()) {
                return Ok(Transformed::no(plan));
            }
            let join = match plan.downcast_ref::<NestedLoopJoinExec>() {
                Some(join) => self.compares(join)?.unwrap_or(plan),
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
    /// The same join with a comparison that fails when it is told to; none where there
    /// is nothing to compare.
    fn compares(&self, join: &NestedLoopJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(filter) = join.filter() else { return Ok(None) };
        let expression = Stoppable {
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

/// An expression that fails once its query is told to stop.
#[derive(Debug)]
struct Stoppable {
    inner: Arc<dyn PhysicalExpr>,
    interrupt: Interrupt,
    planned_at: u64,
}

impl PhysicalExpr for Stoppable {
    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.interrupt.stops() != self.planned_at {
            return Err(DataFusionError::Execution("the query was told to stop".to_owned()));
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

// When it fails is no part of what it says.

impl Display for Stoppable {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl PartialEq for Stoppable {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Stoppable {}

impl Hash for Stoppable {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}
