//! The physical operator that annotates units. A row of its input is a unit; the rows of its output are the
//! outcome of a file, or what was computed of a part of one.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr,
    PlanProperties,
};
use futures::{StreamExt, TryStreamExt};

use super::attempt::Attempt;
use super::job::EncodedJob;
use super::unit::{Unit, rows_of, rows_schema};
use super::unit_runner::UnitRunner;

/// The operator.
#[derive(Debug, Clone)]
pub(super) struct AnnotateExec {
    /// The job as it travels. It is decoded where it runs: a task that could not be decoded would fail
    /// before it can say why.
    job: Arc<EncodedJob>,
    units: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl AnnotateExec {
    /// An operator of a job over units.
    pub(super) fn new(job: Arc<EncodedJob>, units: Arc<dyn ExecutionPlan>) -> Self {
        let partitions = units.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(rows_schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { job, units, properties: Arc::new(properties) }
    }

    /// The operator over these inputs.
    ///
    /// # Errors
    /// Of another number of inputs than one.
    pub(super) fn over(job: Arc<EncodedJob>, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Self> {
        match <[Arc<dyn ExecutionPlan>; 1]>::try_from(inputs) {
            Ok([units]) => Ok(Self::new(job, units)),
            Err(_) => Err(DataFusionError::Internal("AnnotateExec has one input".to_owned())),
        }
    }

    /// The job as it travels.
    pub(super) fn job(&self) -> &EncodedJob {
        &self.job
    }
}

impl DisplayAs for AnnotateExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnnotateExec: units={}", self.units.output_partitioning().partition_count())
    }
}

impl ExecutionPlan for AnnotateExec {
    fn name(&self) -> &str {
        "AnnotateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.units]
    }

    /// Units are divided by the client.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
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
        Ok(Arc::new(Self::over(Arc::clone(&self.job), children)?))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let runner: Arc<UnitRunner> = context
            .session_config()
            .get_extension()
            .ok_or_else(|| DataFusionError::Internal("this process is no executor of lsmi-etl".to_owned()))?;
        let job = Arc::clone(&self.job);
        let attempt = Attempt::of(context.task_id().as_deref());
        let units = self.units.execute(partition, Arc::clone(&context))?;
        let outcomes = units
            .map(|batch| batch.and_then(|batch| rows_of::<Unit>(&batch)))
            .map_ok(|units| futures::stream::iter(units.into_iter().map(Ok::<Unit, DataFusionError>)))
            .try_flatten()
            .map_ok(move |unit: Unit| Arc::clone(&runner).run(Arc::clone(&job), unit, attempt))
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(rows_schema(), outcomes)))
    }
}
