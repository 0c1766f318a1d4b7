//! Queries whose plans are run elsewhere: planning in this session, and its rows from there. Statements that
//! are no queries, and queries that read no file, are run in this process.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::union::{InterleaveExec, UnionExec};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{DataFrame, SessionContext};

use crate::error::{Error, Result};
use crate::evaluate::OnShift;

use super::distributed::{PlanModels, PlanRunner, Rows, Runner, ScanExec};
use super::file_order::{is_streamed_scan, planning_state};
use super::functions::Functions;
use super::session::StoppableRun;

/// What runs a statement, if it is a query and its session has one.
pub(super) fn runner_of(context: &SessionContext, plan: &LogicalPlan) -> Option<Arc<dyn PlanRunner>> {
    let is_other = matches!(
        plan,
        LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Statement(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::DescribeTable(_)
    );
    let state = context.state();
    let runner = state.config().get_extension::<Runner>().filter(|_| !is_other)?;
    Some(Arc::clone(&runner.0))
}

/// Begins a query elsewhere.
///
/// # Errors
/// Those of one machine; as for [`PlanRunner::run`].
pub(super) fn start(
    run: &StoppableRun<'_>,
    runner: &dyn PlanRunner,
    plan: LogicalPlan,
) -> Result<DataFusionResult<SendableRecordBatchStream>> {
    let context = run.session().context();
    let state = match is_streamed_scan(&plan) {
        true => planning_state(context, &plan),
        false => context.state(),
    };
    let mut state = state;
    // Ballista joins the rows of a subquery, and does not see that there are several.
    let has_checked_subquery = has_subquery_of_rows(&plan);
    state.config_mut().options_mut().optimizer.enable_physical_uncorrelated_scalar_subquery |=
        has_checked_subquery;
    let config = state.config().clone();
    let functions = config.get_extension::<Functions>();
    let functions = functions.ok_or_else(|| Error::Internal("a session without functions".to_owned()))?;
    let frame = DataFrame::new(state, plan);
    let task = Arc::new(frame.task_ctx());
    let plan = match run.block_on(frame.create_physical_plan())? {
        Ok(plan) => plan,
        Err(error) => return Ok(Err(error)),
    };
    let kept = match &plan {
        plan if !reads_files(plan) => return here(run, Arc::clone(plan), task),
        _ if has_checked_subquery => Some("it has a subquery of one value that might give several"),
        plan if unites_constants(plan) => Some("it unites rows of files with constants"),
        _ => None,
    };
    if let Some(why) = kept {
        tracing::info!("the query runs in this process: {why}");
        return here(run, plan, task);
    }
    if run.session().on_shift() == OnShift::Fail && !functions.bundles().is_empty() {
        let what = "--on-shift fail compares all rows of a query, which are on several machines; omit --cluster, or \
                    give --on-shift warn";
        return Err(Error::Usage(what.to_owned()));
    }
    match run.block_on_stopping(runner.run(&plan, &config, functions.as_ref(), run.stop()))? {
        Rows::Of(rows) => Ok(Ok(rows)),
        Rows::RunHere(why) => {
            tracing::info!("the query runs in this process: {why}");
            here(run, plan, task)
        }
    }
}

fn here(
    run: &StoppableRun<'_>,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
) -> Result<DataFusionResult<SendableRecordBatchStream>> {
    run.block_on(async { execute_stream(plan, task) })
}

fn reads_files(plan: &Arc<dyn ExecutionPlan>) -> bool {
    has(plan, |node| node.is::<ScanExec>())
}

/// Whether a union has an arm without a table: Ballista never begins such a stage.
fn unites_constants(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let is_constant = |node: &dyn ExecutionPlan| node.is::<PlaceholderRowExec>() || node.is::<EmptyExec>();
    let is_union = |node: &dyn ExecutionPlan| node.is::<UnionExec>() || node.is::<InterleaveExec>();
    has(plan, is_constant) && has(plan, is_union)
}

fn has(plan: &Arc<dyn ExecutionPlan>, is_it: impl Fn(&dyn ExecutionPlan) -> bool) -> bool {
    // The visitor is infallible.
    plan.exists(|node| Ok(is_it(node.as_ref()))).unwrap_or(true)
}

/// Whether a plan has a scalar subquery of its own that is not known to give at most one row.
fn has_subquery_of_rows(plan: &LogicalPlan) -> bool {
    let mut found = false;
    let is_of_rows = |expr: &Expr| match expr {
        Expr::ScalarSubquery(of) => {
            of.outer_ref_columns.is_empty() && of.subquery.max_rows().is_none_or(|rows| rows > 1)
        }
        _ => false,
    };
    // The visitors are infallible.
    let _ = plan.apply_with_subqueries(|node| {
        for expr in node.expressions() {
            found |= expr.exists(|expr| Ok(is_of_rows(expr))).unwrap_or(true);
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}
