//! SQL over files: a DataFusion session in which a quoted path is a table, and
//! results that stream to a writer. This room knows nothing of the terminal.
//!
//! ```no_run
//! use lsmi_etl::sql::{self, Format, Request};
//!
//! let sql = "SELECT label, avg(r), avg(s) FROM 'out.parquet' GROUP BY label";
//! sql::run(&Request::new(sql), &mut std::io::stdout())?;
//! # Ok::<(), lsmi_etl::Error>(())
//! ```

mod check;
mod failure;
mod files;
pub mod functions;
mod interrupt;
mod locate;
mod order;
mod output;
mod session;
mod statement;
mod stores;

use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use datafusion::catalog::DynamicFileCatalog;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::error::Result;

use self::interrupt::{Interrupt, StoppableJoins};

pub use check::{Expect, statements};
pub use failure::explain;
pub use files::register_table;
pub use functions::{Functions, Models, register};
pub use output::{Format, Layout};
pub use session::Session;

/// What a session may use.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Worker threads and partitions; the machine's cores where `None`.
    pub threads: Option<NonZeroUsize>,
    /// ReadBuffers for sorting, grouping and joining, in bytes; past it sorts and groups spill to
    /// the system's temporary folder. Unlimited where `None`.
    pub memory_limit_bytes: Option<usize>,
    /// What `lsmi(x1, x2, y)` runs.
    pub models: Models,
}

/// One or more statements and how to run and print them.
#[derive(Debug, Clone)]
pub struct Request {
    /// SQL, statements separated by semicolons.
    pub sql: String,
    /// Names for files: (name, path).
    pub tables: Vec<(String, String)>,
    /// How results are written.
    pub layout: Layout,
    /// What the session may use.
    pub options: Options,
}

impl Request {
    /// Statements with the defaults: no named tables, a table as output, no limits.
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), tables: Vec::new(), layout: Layout::default(), options: Options::default() }
    }
}

/// Runs a request in a [`Session`] of its own and writes the rows of each statement to
/// `out`, batch by batch. Blocks: not for use inside an async runtime.
///
/// # Errors
/// See [`explain`]; writing to `out` fails with [`Error::Io`](crate::Error::Io).
pub fn run(request: &Request, out: &mut dyn Write) -> Result<()> {
    let never = AtomicBool::new(false);
    Session::open(request)?.run(&request.sql, &request.layout, out, &never).map(drop)
}

/// A session in which every quoted path, glob or URL is a table, read as
/// [`register_table`] reads it.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) where DataFusion cannot set up its temporary files.
pub fn context(options: &Options) -> Result<SessionContext> {
    interruptible(options, &Interrupt::default())
}

/// As [`context`], with joins that an interrupt stops.
fn interruptible(options: &Options, interrupt: &Interrupt) -> Result<SessionContext> {
    let mut config = SessionConfig::new().with_information_schema(true);
    if let Some(threads) = options.threads {
        config = config.with_target_partitions(threads.get());
    }
    // Folders are read whole, also below folders that are not `column=value`.
    config.options_mut().execution.listing_table_ignore_subdirectory = false;

    // What a folder holds is looked up for every query: a session may outlive it.
    let stores = Arc::new(stores::Stores::default());
    let mut runtime =
        RuntimeEnvBuilder::new().with_object_store_registry(stores).with_object_list_cache_limit(0);
    if let Some(bytes) = options.memory_limit_bytes {
        const NAMED: NonZeroUsize = NonZeroUsize::MIN;
        let pool = TrackConsumersPool::new(FairSpillPool::new(bytes), NAMED);
        runtime = runtime.with_memory_pool(Arc::new(pool));
        // Each partition's sort sets this much aside for its merge: a fixed 10 MiB
        // would be all there is under a small limit.
        let share = bytes / (8 * config.target_partitions());
        let execution = &mut config.options_mut().execution;
        execution.sort_spill_reservation_bytes = execution.sort_spill_reservation_bytes.min(share);
    }
    let runtime = runtime.build_arc().map_err(|e| explain(e, ""))?;

    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_physical_optimizer_rule(Arc::new(StoppableJoins(interrupt.clone())))
        .build();
    let context = SessionContext::new_with_state(state);
    let files = files::Files::new(&context);
    let tables = Arc::clone(context.state().catalog_list());
    context.register_catalog_list(Arc::new(DynamicFileCatalog::new(tables, Arc::new(files))));
    let threads = options.models.sessions.or(options.threads);
    register(&context, Models { sessions: threads, ..options.models.clone() });
    Ok(context)
}
