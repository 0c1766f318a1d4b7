//! An optimizer rule for joins whose partitions share state: nested loop joins that give rows of their left
//! side without a match. Which these are is known after all partitions of the right side, whose tasks do not
//! know each other; so it has one partition.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, replace_children_if_necessary};

/// The rule.
#[derive(Debug)]
pub(in crate::sql) struct SingleTaskJoins;

impl PhysicalOptimizerRule for SingleTaskJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let of_one_task = |plan: Arc<dyn ExecutionPlan>| {
            let join = plan.downcast_ref::<NestedLoopJoinExec>();
            let Some(join) = join.filter(|join| gives_left_rows(*join.join_type())) else {
                return Ok(Transformed::no(plan));
            };
            if join.right().output_partitioning().partition_count() <= 1 {
                return Ok(Transformed::no(plan));
            }
            let right = Arc::new(CoalescePartitionsExec::new(Arc::clone(join.right())));
            let children = vec![Arc::clone(join.left()), right as Arc<dyn ExecutionPlan>];
            replace_children_if_necessary(plan, children).map(Transformed::yes)
        };
        plan.transform_up(of_one_task).data()
    }

    fn name(&self) -> &str {
        "single_task_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn gives_left_rows(kind: JoinType) -> bool {
    match kind {
        JoinType::Left | JoinType::Full | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
            true
        }
        JoinType::Inner
        | JoinType::Right
        | JoinType::RightSemi
        | JoinType::RightAnti
        | JoinType::RightMark => false,
    }
}
