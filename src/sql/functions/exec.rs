//! The physical operator that evaluates the models and appends `lsmi(x1, …, y)` to every batch of
//! its input. `EXPLAIN ANALYZE` shows its rows and time.

use std::fmt;
#[cfg(feature = "cluster")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::equivalence::ProjectionMapping;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::filter_pushdown::{FilterDescription, FilterPushdownPhase};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, RecordOutput, Time,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    PhysicalExpr, PlanProperties, ReplaceChildrenOptions, apply_expression_roots,
};
use futures::StreamExt;

use crate::printable::without_secrets;

use super::super::errors::to_datafusion_error;
use super::ahead;
use super::estimator::Estimator;
use super::models::ModelRegistry;

/// The physical operator of an [`LsmiNode`](super::node::LsmiNode).
#[derive(Clone)]
pub(in crate::sql) struct LsmiExec {
    input: Arc<dyn ExecutionPlan>,
    /// The arguments x1 … xM, y and those of the key.
    args: Vec<Arc<dyn PhysicalExpr>>,
    field: FieldRef,
    registry: Arc<ModelRegistry>,
    /// The bundle's folder or URL.
    bundle: PathBuf,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl LsmiExec {
    pub(in crate::sql) fn new(
        input: Arc<dyn ExecutionPlan>,
        args: Vec<Arc<dyn PhysicalExpr>>,
        field: FieldRef,
        registry: Arc<ModelRegistry>,
        bundle: PathBuf,
    ) -> Result<Self> {
        let input_schema = input.schema();
        let fields = input_schema.fields().iter().cloned().chain([Arc::clone(&field)]);
        let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), input_schema.metadata().clone());
        let kept: Vec<usize> = (0..input_schema.fields().len()).collect();
        let kept = ProjectionMapping::from_indices(&kept, &input_schema)?;
        let properties = PlanProperties::new(
            input.equivalence_properties().project(&kept, Arc::new(schema)),
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        let (properties, metrics) = (Arc::new(properties), ExecutionPlanMetricsSet::new());
        Ok(Self { input, args, field, registry, bundle, properties, metrics })
    }

    /// The arguments x1 … xM, y and those of the key.
    #[cfg(feature = "cluster")]
    pub(in crate::sql) fn args(&self) -> &[Arc<dyn PhysicalExpr>] {
        &self.args
    }

    /// The appended column.
    #[cfg(feature = "cluster")]
    pub(in crate::sql) fn field(&self) -> &FieldRef {
        &self.field
    }

    /// The models, and the folder or URL of their bundle.
    #[cfg(feature = "cluster")]
    pub(in crate::sql) fn models(&self) -> (&Arc<ModelRegistry>, &Path) {
        (&self.registry, &self.bundle)
    }
}

impl fmt::Debug for LsmiExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LsmiExec")
            .field("args", &self.args)
            .field("input", &self.input)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for LsmiExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args = self.args.iter().map(|arg| arg.to_string()).collect::<Vec<_>>().join(", ");
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "LsmiExec: lsmi({args}), bundle={}", without_secrets(&self.bundle))
            }
            DisplayFormatType::TreeRender => {
                writeln!(f, "lsmi({args})")?;
                writeln!(f, "bundle={}", without_secrets(&self.bundle))
            }
        }
    }
}

impl ExecutionPlan for LsmiExec {
    fn name(&self) -> &str {
        "LsmiExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(&self.args, f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([input]) = <[Arc<dyn ExecutionPlan>; 1]>::try_from(children) else {
            return Err(DataFusionError::Internal("LsmiExec has one input".to_owned()));
        };
        let LsmiExec { args, field, registry, bundle, properties, .. } = Self::clone(&self);
        Ok(Arc::new(match options.children_properties {
            ChildrenPropertiesMode::Keep => Self {
                input,
                args,
                field,
                registry,
                bundle,
                properties,
                metrics: ExecutionPlanMetricsSet::new(),
            },
            ChildrenPropertiesMode::Recompute => Self::new(input, args, field, registry, bundle)?,
        }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    /// Filters on the input's own columns are pushed down.
    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        FilterDescription::from_children(parent_filters, &self.children())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let estimator = self.registry.estimator(&self.bundle).map_err(to_datafusion_error)?;
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let evaluator = PartitionEvaluator {
            args: self.args.clone(),
            schema: self.schema(),
            registry: Arc::clone(&self.registry),
            estimator: Arc::clone(&estimator),
            rows: MetricBuilder::new(&self.metrics).counter("lsmi_rows", partition),
            time: MetricBuilder::new(&self.metrics).subset_time("lsmi_time", partition),
            compute_time: baseline.elapsed_compute().clone(),
        };
        let evaluate = Arc::new(move |batch: &RecordBatch| evaluator.append(batch));
        let batches = ahead::evaluate(input, estimator.spare_threads(), evaluate);
        let batches = batches.map(move |batch| Ok(batch?.record_output(&baseline)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// The evaluation state of one partition.
struct PartitionEvaluator {
    args: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
    registry: Arc<ModelRegistry>,
    estimator: Arc<Estimator>,
    rows: Count,
    time: Time,
    compute_time: Time,
}

impl PartitionEvaluator {
    fn append(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let _timer = self.compute_time.timer();
        let columns = self.args.iter().map(|arg| arg.evaluate(batch)?.into_array(batch.num_rows()));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let evaluated = {
            let _timer = self.time.timer();
            self.registry.evaluate(&self.estimator, &columns).map_err(to_datafusion_error)?
        };
        self.rows.add(batch.num_rows());
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(evaluated));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}
