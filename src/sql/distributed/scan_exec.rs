//! The physical operator of a scan that travels. A row of its input is a partition's files; where it runs,
//! it makes the scan of one machine of them, with its checks, and names file, row group and column of
//! their damage.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, internal_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, conjunction_opt};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr,
    PlanProperties, StatisticsArgs,
};
use futures::{FutureExt, StreamExt, TryStreamExt};

use crate::memory::usable_bytes;

use super::super::file_scan::{FileScan, ScannedFile};
use super::super::list_scan::ListScans;
use super::super::parquet_reader::MetadataCache;
use super::super::read_chunks::ReadChunks;
use super::definition::ScanDefinition;
use super::divide::divide;
use super::pieces::{self, FilePiece};
use super::task::{located, panicked};

/// The operator.
#[derive(Debug, Clone)]
pub(in crate::sql) struct ScanExec {
    definition: Arc<ScanDefinition>,
    /// What rows must pass that are not left out by statistics; others may be there, too.
    predicate: Option<Arc<dyn PhysicalExpr>>,
    files: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl ScanExec {
    /// A scan of these files, which have their versions, in at most this many partitions.
    ///
    /// # Errors
    /// Of encoding.
    pub(in crate::sql) fn over(
        scan: &FileScan,
        files: &[ScannedFile],
        definition: ScanDefinition,
        partitions: usize,
    ) -> Result<Self> {
        let parts = divide(files, partitions, definition.is_parquet());
        let piece = |file: &ScannedFile| FilePiece::of(file, &scan.names);
        let parts = parts.iter().map(|part| part.iter().map(piece).collect());
        let parts = parts.collect::<Result<Vec<Vec<FilePiece>>>>()?;
        Self::new(Arc::new(definition), None, vec![pieces::source(&parts)?])
    }

    /// The operator over these inputs.
    ///
    /// # Errors
    /// Of another number of inputs than one; of a definition that can't be decoded.
    pub(super) fn new(
        definition: Arc<ScanDefinition>,
        predicate: Option<Arc<dyn PhysicalExpr>>,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Self> {
        let Ok([files]) = <[Arc<dyn ExecutionPlan>; 1]>::try_from(inputs) else {
            return internal_err!("ScanExec has one input");
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(definition.schema()?),
            Partitioning::UnknownPartitioning(files.output_partitioning().partition_count()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self { definition, predicate, files, properties: Arc::new(properties) })
    }

    /// The definition.
    pub(super) fn definition(&self) -> &ScanDefinition {
        &self.definition
    }

    /// What rows must pass that are not left out by statistics.
    pub(super) fn predicate(&self) -> Option<&Arc<dyn PhysicalExpr>> {
        self.predicate.as_ref()
    }
}

impl DisplayAs for ScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partitions = self.files.output_partitioning().partition_count();
        write!(f, "ScanExec: format={}, partitions={partitions}", self.definition.format().name())?;
        let names: Vec<String> = self.schema().fields().iter().map(|field| field.name().clone()).collect();
        write!(f, ", projection=[{}]", names.join(", "))?;
        if let Some(limit) = self.definition.limit() {
            write!(f, ", limit={limit}")?;
        }
        match &self.predicate {
            Some(predicate) => write!(f, ", predicate={predicate}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for ScanExec {
    fn name(&self) -> &str {
        "ScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.files]
    }

    /// The files are divided.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    /// Those of the predicate are no part of the result.
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
        Ok(Arc::new(Self::new(Arc::clone(&self.definition), self.predicate.clone(), children)?))
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let rows = self.definition.rows().filter(|_| args.partition().is_none());
        let num_rows = rows.map_or(Precision::Absent, Precision::Exact);
        Ok(Arc::new(Statistics { num_rows, ..Statistics::new_unknown(&self.schema()) }))
    }

    /// Filters stay above: by their statistics row groups are left out.
    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        filters: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let count = filters.parent_filters.len();
        let stay = FilterPushdownPropagation::with_parent_pushdown_result(vec![PushedDown::No; count]);
        if phase != FilterPushdownPhase::Pre || count == 0 || !self.definition.is_parquet() {
            return Ok(stay);
        }
        let filters = filters.parent_filters.into_iter().map(|filter| filter.filter);
        let scan = Self {
            predicate: conjunction_opt(self.predicate.clone().into_iter().chain(filters)),
            ..self.clone()
        };
        Ok(stay.with_updated_node(Arc::new(scan)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let files = self.files.execute(partition, Arc::clone(&context))?;
        let (definition, predicate) = (Arc::clone(&self.definition), self.predicate.clone());
        let read = Arc::new(ReadChunks::new(definition.ignores_checksums()));
        let schema = self.schema();
        let rows = async move {
            let pieces: Vec<Vec<FilePiece>> =
                files.map(|batch| pieces::of_batch(&batch?)).try_collect().await?;
            let pieces: Arc<[FilePiece]> = pieces.into_iter().flatten().collect();
            let scan = Scan { definition, predicate, pieces: Arc::clone(&pieces), read: Arc::clone(&read) };
            let opened = AssertUnwindSafe(scan.open(context))
                .catch_unwind()
                .await
                .unwrap_or_else(|e| Err(panicked(e)));
            let located = move |error| {
                let (pieces, read) = (Arc::clone(&pieces), Arc::clone(&read));
                async move { located(error, &pieces, &read).await }
            };
            let batches = match opened {
                Ok(batches) => batches,
                Err(error) => return Err(located(error).await),
            };
            let batches = AssertUnwindSafe(batches).catch_unwind();
            let batches = batches.map(|batch| batch.unwrap_or_else(|panic| Err(panicked(panic))));
            Ok(batches.or_else(move |error| {
                let located = located(error);
                async move { Err(located.await) }
            }))
        };
        let shown = Arc::clone(&schema);
        let rows = rows.into_stream().try_flatten().map(move |batch| with_schema(&batch?, &shown));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// The scan of a partition.
struct Scan {
    definition: Arc<ScanDefinition>,
    predicate: Option<Arc<dyn PhysicalExpr>>,
    pieces: Arc<[FilePiece]>,
    read: Arc<ReadChunks>,
}

impl Scan {
    async fn open(self, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut config = context.session_config().clone().with_target_partitions(1);
        config.set_extension(self.read);
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(context.runtime_env())
            .with_default_features()
            .build();
        let files = self.pieces.iter().map(FilePiece::scanned).collect::<Result<Vec<ScannedFile>>>()?;
        let definition = &self.definition;
        if files.is_empty() {
            let none = futures::stream::empty();
            return Ok(Box::pin(RecordBatchStreamAdapter::new(definition.schema()?, none)));
        }
        let scan = definition.open(&state, &self.pieces).await?;
        let mut plan = scan.plan(&state, &files, definition.projection(), definition.limit()).await?;
        if let Some(predicate) = self.predicate {
            plan = with_predicate(plan, predicate, state.config_options())?;
        }
        let cache = MetadataCache::new(context.runtime_env().cache_manager.get_file_metadata_cache());
        let lists = ListScans::new(cache, definition.ignores_checksums(), usable_bytes() / 4);
        lists.optimize(plan, state.config_options())?.execute(0, context)
    }
}

/// The scan that leaves row groups out by the predicate.
fn with_predicate(
    scan: Arc<dyn ExecutionPlan>,
    predicate: Arc<dyn PhysicalExpr>,
    options: &ConfigOptions,
) -> Result<Arc<dyn ExecutionPlan>> {
    let filter = FilterExec::try_new(predicate, scan)?;
    let filtered = FilterPushdown::new().optimize(Arc::new(filter), options)?;
    // The filter itself stays in the plan above the scan.
    Ok(match filtered.downcast_ref::<FilterExec>() {
        Some(filter) => Arc::clone(filter.input()),
        None => filtered,
    })
}

/// The rows under the schema that the plan above knows, which may differ in metadata.
fn with_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &rows)
        .map_err(DataFusionError::from)
}
