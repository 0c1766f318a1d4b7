//! The DataFusion session context: memory pool, object stores, file tables, functions and
//! stoppable joins.

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::catalog::DynamicFileCatalog;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::optimizer::Analyzer;
#[cfg(feature = "cluster")]
use datafusion::optimizer::Optimizer;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::error::Result;

use super::bounded_functions::{BoundedOperators, bound_functions};
use super::decimal_literals::DecimalLiterals;
use super::definitions::NamedTables;
#[cfg(feature = "cluster")]
use super::distributed::{Runner, SingleTaskJoins};
use super::errors::convert_error;
use super::external_tables::ExternalTables;
use super::file_tables::FileTableFactory;
use super::functions::{ModelOptions, register};
use super::interrupt::{Interrupt, StoppableJoins};
use super::interval_comparisons::IntervalComparisons;
use super::list_scan::ListScans;
use super::numeric_partitions::NumericPartitions;
use super::parquet_reader::MetadataCache;
use super::read_chunks::ReadChunks;
use super::request::SqlOptions;
use super::running_scans::{NoteScans, RunningScans};
use super::source_columns::SourceColumns;
use super::source_functions::SourceFunctions;
use super::store_registry::StoreRegistry;
use super::table_format::{CsvLayout, JsonFields, TableFormat};
use super::text_length::register_text_length;
use super::told_differences::ToldDifferences;
use super::zero_lists::ZeroLists;
use super::zero_order::ZeroOrder;

/// A context in which every quoted path, glob or URL is a table, read as
/// [`register_table`](super::register_table) reads it.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) where DataFusion cannot set up its temporary files.
pub fn context(options: &SqlOptions) -> Result<SessionContext> {
    interruptible_context(options, &Interrupt::default())
}

/// As [`context`], with joins that an interrupt stops.
pub(super) fn interruptible_context(options: &SqlOptions, interrupt: &Interrupt) -> Result<SessionContext> {
    let mut config = session_config(options).with_information_schema(true);
    if let Some(threads) = options.threads {
        config = config.with_target_partitions(threads.get());
    }

    // A range of a CSV file would begin with the rest of a row where a quoted field has line breaks.
    config.options_mut().catalog.newlines_in_values = true;

    config.set_extension(Arc::new(ReadChunks::new(options.no_page_checksums)));
    config.set_extension(Arc::new(ToldDifferences::default()));
    let scans = Arc::new(RunningScans::default());
    config.set_extension(Arc::clone(&scans));

    // Under this filter `min` passes over row groups that hold the least Int64.
    config.options_mut().optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    // As in duckdb: bad rows, whose values are null, are not those of the largest.
    config.options_mut().sql_parser.default_null_ordering = "nulls_last".into();

    // The object list cache is off because a session may outlive a folder's content.
    let stores = Arc::new(StoreRegistry::default());
    let mut runtime =
        RuntimeEnvBuilder::new().with_object_store_registry(stores).with_object_list_cache_limit(0);
    if let Some(bytes) = options.memory_limit_bytes {
        const REPORTED_CONSUMERS: NonZeroUsize = NonZeroUsize::MIN;
        let pool = TrackConsumersPool::new(FairSpillPool::new(bytes), REPORTED_CONSUMERS);
        runtime = runtime.with_memory_pool(Arc::new(pool));
        // Each partition's sort reserves this much for its merge. The default of 10 MiB would use
        // up a small limit.
        let share = bytes / (8 * config.target_partitions());
        let execution = &mut config.options_mut().execution;
        execution.sort_spill_reservation_bytes = execution.sort_spill_reservation_bytes.min(share);
    }
    let runtime = runtime.build_arc().map_err(|e| convert_error(e, ""))?;
    let cache = MetadataCache::new(runtime.cache_manager.get_file_metadata_cache());

    let mut rules = Analyzer::new().rules;
    rules.insert(0, Arc::new(DecimalLiterals));
    rules.insert(0, Arc::new(IntervalComparisons));
    rules.insert(0, Arc::new(NumericPartitions));
    rules.insert(0, Arc::new(SourceColumns));
    rules.push(Arc::new(ZeroOrder));
    let limit = options.memory_limit_bytes.unwrap_or(usize::MAX);
    rules.push(Arc::new(BoundedOperators(limit)));
    let mut physical_rules = PhysicalOptimizer::new().rules;
    physical_rules.insert(0, Arc::new(SourceFunctions));
    let list_scans = ListScans::new(cache, options.no_page_checksums, limit as u64);
    let builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_table_factory("PARQUET".to_owned(), Arc::new(ExternalTables(TableFormat::Parquet)))
        .with_table_factory("ARROW".to_owned(), Arc::new(ExternalTables(TableFormat::Arrow)))
        .with_table_factory("CSV".to_owned(), Arc::new(ExternalTables(TableFormat::Csv(CsvLayout::CSV))))
        .with_table_factory(
            "JSON".to_owned(),
            Arc::new(ExternalTables(TableFormat::Json(JsonFields::Inferred))),
        )
        .with_table_factory(
            "NDJSON".to_owned(),
            Arc::new(ExternalTables(TableFormat::Json(JsonFields::Inferred))),
        )
        .with_analyzer_rules(rules)
        .with_physical_optimizer_rules(physical_rules);
    let builder = with_rules(options, builder, |builder| {
        builder
            .with_optimizer_rule(Arc::new(ZeroLists))
            .with_physical_optimizer_rule(Arc::new(StoppableJoins(interrupt.clone())))
            .with_physical_optimizer_rule(Arc::new(list_scans))
            .with_physical_optimizer_rule(Arc::new(NoteScans(scans)))
    });
    let state = builder.build();
    let context = SessionContext::new_with_state(state);
    bound_functions(&context, limit);
    register_text_length(&context);
    let files = FileTableFactory::new(&context);
    let tables = Arc::clone(context.state().catalog_list());
    context.state_ref().write().config_mut().set_extension(Arc::new(NamedTables(Arc::clone(&tables))));
    context.register_catalog_list(Arc::new(DynamicFileCatalog::new(tables, Arc::new(files))));
    let threads = options.models.sessions.or(options.threads);
    let functions = register(&context, ModelOptions { sessions: threads, ..options.models.clone() });
    context.state_ref().write().config_mut().set_extension(Arc::new(functions));
    Ok(context)
}

/// The configuration of DataFusion, or that of what runs the plans.
fn session_config(options: &SqlOptions) -> SessionConfig {
    #[cfg(feature = "cluster")]
    if let Some(runner) = &options.runner {
        let mut config = runner.config();
        // What a join or a sort learns while it runs does not reach the scans of other tasks.
        config.options_mut().optimizer.enable_dynamic_filter_pushdown = false;
        config.options_mut().optimizer.enable_topk_dynamic_filter_pushdown = false;
        config.options_mut().optimizer.enable_join_dynamic_filter_pushdown = false;
        config.set_extension(Arc::new(Runner(Arc::clone(runner))));
        return config;
    }
    let _ = options;
    SessionConfig::new()
}

/// Adds the rules of plans that leave this process, or those of plans that do not, whose operators do not
/// travel.
fn with_rules(
    options: &SqlOptions,
    builder: SessionStateBuilder,
    rules_here: impl FnOnce(SessionStateBuilder) -> SessionStateBuilder,
) -> SessionStateBuilder {
    #[cfg(feature = "cluster")]
    if let Some(runner) = &options.runner {
        let mut rules = runner.optimizer_rules(&Optimizer::default().rules);
        rules.push(Arc::new(ZeroLists));
        let builder = builder.with_optimizer_rules(rules);
        return builder.with_physical_optimizer_rule(Arc::new(SingleTaskJoins));
    }
    let _ = options;
    rules_here(builder)
}
