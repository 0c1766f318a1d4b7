//! The operator below a task's writer that makes of the task's error one of this program, in a form in which
//! it reaches the client through Ballista's text.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use ballista_core::error::BallistaError;
use ballista_core::execution_plans::ShuffleWriterExec;
use ballista_core::execution_plans::sort_shuffle::SortShuffleWriterExec;
use datafusion::arrow::error::ArrowError;
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties, replace_children_if_necessary,
};
use futures::TryStreamExt;

use crate::error::Error;
use crate::sql::distributed::task_error;

use super::annotate_exec::AnnotateExec;
use super::attempt::{Attempt, may_pass};
use super::executor_watch::executor_lost;
use super::remote_error::{RemoteError, to_text};

/// The operator. It is part of no plan that travels.
#[derive(Debug)]
struct TaskErrorsExec {
    input: Arc<dyn ExecutionPlan>,
}

/// The writer of a task's rows with the operator below it; other operators as they are. Errors of units are
/// rows.
///
/// # Errors
/// Of the writer.
pub(super) fn with_task_errors(node: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if !node.is::<ShuffleWriterExec>() && !node.is::<SortShuffleWriterExec>() {
        return Ok(node);
    }
    match node.children()[..] {
        [input] if !input.is::<AnnotateExec>() => {
            let input = Arc::new(TaskErrorsExec { input: Arc::clone(input) });
            replace_children_if_necessary(node, vec![input])
        }
        _ => Ok(node),
    }
}

impl DisplayAs for TaskErrorsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskErrorsExec")
    }
}

impl ExecutionPlan for TaskErrorsExec {
    fn name(&self) -> &str {
        "TaskErrorsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match <[Arc<dyn ExecutionPlan>; 1]>::try_from(children) {
            Ok([input]) => Ok(Arc::new(Self { input })),
            Err(_) => internal_err!("TaskErrorsExec has one input"),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if Attempt::of(context.task_id().as_deref()).is_after_loss() {
            // Rows of the first attempt may be among those of the stage already.
            return Err(in_text(executor_lost("cluster"), false));
        }
        let rows = self.input.execute(partition, context).map_err(told)?.map_err(told);
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// The error in its text. What may pass is rooted in an I/O error, which Ballista tries again; its own errors
/// stay what they are.
fn told(error: DataFusionError) -> DataFusionError {
    let error = match task_error::<BallistaError>(error) {
        Ok(error) => error,
        Err(error) if is_cut_off(&error) => executor_lost("cluster"),
        Err(error) => return error,
    };
    let may_pass = may_pass(&error);
    in_text(error, may_pass)
}

/// Whether rows of another executor have ended before their end. Ballista takes that for an error of the query.
fn is_cut_off(error: &DataFusionError) -> bool {
    let mut causes = std::iter::successors(Some(error as &(dyn StdError + 'static)), |&error| {
        match error.downcast_ref::<BallistaError>() {
            Some(BallistaError::DataFusionError(inner)) => Some(inner.as_ref() as &(dyn StdError + 'static)),
            _ => error.source(),
        }
    });
    causes.any(|cause| match cause.downcast_ref::<BallistaError>() {
        Some(BallistaError::ArrowError(inner)) => matches!(inner.as_ref(), ArrowError::IpcError(_)),
        _ => false,
    })
}

fn in_text(error: Error, may_pass: bool) -> DataFusionError {
    match to_text(&RemoteError::from(error)) {
        Ok(text) if may_pass => DataFusionError::IoError(std::io::Error::other(text)),
        Ok(text) => DataFusionError::Execution(text),
        Err(error) => DataFusionError::External(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::remote_error;
    use super::*;

    #[test]
    fn rows_that_are_cut_off_are_of_an_executor_that_is_lost() {
        let shared = |error: BallistaError| DataFusionError::Shared(Arc::new(error.into_datafusion()));
        let nested = |error: BallistaError| shared(BallistaError::DataFusionError(Box::new(shared(error))));
        let body = "h2 protocol error: error reading a body from connection".to_owned();
        let cut_off = told(nested(BallistaError::ArrowError(Box::new(ArrowError::IpcError(body)))));
        let error = remote_error::of_text(&cut_off.to_string());
        assert!(matches!(error, Some(Error::ExecutorLost { .. })), "{cut_off}");
        // Ballista's own answer to it is to run the stage again.
        let fetch = told(nested(BallistaError::FetchFailed("e".to_owned(), 1, 0, "gone".to_owned())));
        assert!(matches!(fetch, DataFusionError::Shared(_)), "{fetch:?}");
    }
}
