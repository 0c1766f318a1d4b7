//! The query planner that plans an [`LsmiNode`] as an [`LsmiExec`] operator.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::super::distribution::is_distributed;
use super::super::errors::to_datafusion_error;
use super::exec::LsmiExec;
use super::node::LsmiNode;
use super::scalar::LsmiFunction;

/// The session's query planner, extended by [`LsmiNode`].
#[derive(Debug)]
pub(super) struct LsmiQueryPlanner {
    /// The session's previous planner, which keeps planning queries without `lsmi`.
    pub(super) previous: Arc<dyn QueryPlanner + Send + Sync>,
}

#[async_trait]
impl QueryPlanner for LsmiQueryPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut has_lsmi = false;
        plan.apply_with_subqueries(|node| {
            has_lsmi |= LsmiNode::of(node).is_some();
            Ok(if has_lsmi { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        match has_lsmi {
            true => {
                let planner =
                    DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(LsmiExtensionPlanner)]);
                planner.create_physical_plan(plan, session).await
            }
            false => self.previous.create_physical_plan(plan, session).await,
        }
    }
}

/// Plans an [`LsmiNode`] as an [`LsmiExec`].
struct LsmiExtensionPlanner;

#[async_trait]
impl ExtensionPlanner for LsmiExtensionPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<LsmiNode>() else { return Ok(None) };
        let broken = || DataFusionError::Internal(format!("{} can't be planned", node.column().name));
        let ([logical], [input]) = (logical_inputs, physical_inputs) else { return Err(broken()) };
        let args = node.shape().split(node.args()).ok_or_else(broken)?;
        let lsmi = node.function().inner().downcast_ref::<LsmiFunction>().ok_or_else(broken)?;
        let bundle = lsmi.folder(args.bundle.and_then(literal), node.shape()).map_err(to_datafusion_error)?;
        let registry = Arc::clone(lsmi.registry());
        if !is_distributed(session) {
            // An engine that is missing is an error of planning.
            registry.estimator(&bundle).map_err(to_datafusion_error)?;
        }
        let physical = |arg: &Expr| planner.create_physical_expr(arg, logical.schema(), session, context);
        let args = args.x.iter().chain([args.label]).chain(args.key).map(physical).collect::<Result<_>>()?;
        let operator = LsmiExec::new(Arc::clone(input), args, node.field(), registry, bundle)?;
        Ok(Some(Arc::new(operator)))
    }
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        Expr::Alias(alias) => literal(&alias.expr),
        _ => None,
    }
}
