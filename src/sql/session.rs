//! A SQL session with a blocking interface. Its runtime threads execute queries; the calling thread
//! writes the results.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::error::{Error, Result};
use crate::evaluate::OnShift;
use crate::memory::{AllocationLimit, limit_allocations, usable_bytes};
use crate::threads::{self, spawn_scoped};

use super::context::interruptible_context;
use super::file_tables::register_table;
use super::functions::Functions;
use super::interrupt::Interrupt;
use super::panics::catch_reader_panics;
use super::parse::with_deep_stack;
use super::progress::{QueryProgress, QueryRows};
use super::read_chunks::{ReadChunks, locate_damage};
use super::request::SqlRequest;
use super::reserved_columns::with_quotes_advised;
use super::running_scans::RunningScans;

/// Interval at which the stop flag is polled and progress is told.
const STOP_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A DataFusion session with a runtime for its queries. Tables and views created by one statement
/// remain for the next.
pub struct Session {
    context: SessionContext,
    runtime: Runtime,
    interrupt: Interrupt,
    on_shift: OnShift,
    overwrite: bool,
    progress: Option<Arc<dyn QueryProgress>>,
    /// The files behind tables and views, by the names that they were given.
    tables_read: Mutex<Vec<String>>,
    _limit: Option<AllocationLimit>,
}

impl Session {
    /// Opens a session with the tables and limits of a request.
    ///
    /// # Errors
    /// As for [`register_table`]; [`Error::NoThread`]; [`Error::Internal`] where temporary files
    /// cannot be created.
    pub fn open(request: &SqlRequest) -> Result<Self> {
        let runtime = threads::runtime(request.options.threads.map(NonZeroUsize::get), "query")?;
        let interrupt = Interrupt::default();
        let context = catch_reader_panics(|| {
            runtime.block_on(async {
                let context = interruptible_context(&request.options, &interrupt)?;
                for (name, path) in &request.tables {
                    register_table(&context, name, path).await?;
                }
                Ok::<_, Error>(context)
            })
        })??;
        let tables_read = request.tables.iter().map(|(_, path)| path.clone()).collect();
        Ok(Self {
            context,
            runtime,
            interrupt,
            on_shift: request.options.on_shift,
            overwrite: request.options.overwrite,
            progress: request.options.progress.clone(),
            tables_read: Mutex::new(tables_read),
            _limit: request.options.memory_limit_bytes.map(|bytes| limit_allocations(with_room(bytes))),
        })
    }

    /// The files behind tables and views, by the names that they were given.
    pub(super) fn tables_read(&self) -> MutexGuard<'_, Vec<String>> {
        self.tables_read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether COPY replaces an existing file.
    pub(super) fn overwrites(&self) -> bool {
        self.overwrite
    }

    /// Adds to the parser's error what the columns of the statement's tables say of it.
    pub(super) fn with_advice(&self, error: Error, sql: &str) -> Error {
        with_quotes_advised(error, sql, |table| self.columns(table))
    }

    /// The treatment of rows that the models do not describe.
    #[cfg(feature = "cluster")]
    pub(super) fn on_shift(&self) -> OnShift {
        self.on_shift
    }

    /// The DataFusion session context.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The names of the tables and views, sorted.
    pub fn tables(&self) -> Vec<String> {
        let state = self.context.state();
        let options = &state.config_options().catalog;
        let schema = self
            .context
            .catalog(&options.default_catalog)
            .and_then(|catalog| catalog.schema(&options.default_schema));
        let mut names = schema.map(|schema| schema.table_names()).unwrap_or_default();
        names.sort();
        names
    }

    /// The columns of a table or file, in order; empty where it does not exist.
    pub fn columns(&self, table: &str) -> Vec<String> {
        let provider = self.context.table_provider(TableReference::bare(table));
        match catch_reader_panics(|| self.runtime.block_on(provider)) {
            Ok(Ok(table)) => table.schema().fields().iter().map(|field| field.name().clone()).collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }

    /// The names of all functions, sorted.
    pub fn functions(&self) -> Vec<String> {
        let state = self.context.state();
        let scalar = state.scalar_functions().keys();
        let others = state.aggregate_functions().keys().chain(state.window_functions().keys());
        let tables = state.table_functions().keys();
        let mut names: Vec<String> = scalar.chain(others).chain(tables).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// Says once a statement what is off about the rows that models have evaluated in it.
    ///
    /// # Errors
    /// [`Error::BadData`] with `--on-shift fail`.
    pub(super) fn check_shift(&self) -> Result<()> {
        for shift in self.take_shifts() {
            match self.on_shift {
                OnShift::Warn => tracing::warn!("{shift}"),
                OnShift::Fail => return Err(shift),
            }
        }
        Ok(())
    }

    /// Begins to tell the progress of a statement.
    pub(super) fn begin_progress(&self) {
        if let Some(scans) = self.context.state().config().get_extension::<RunningScans>() {
            scans.clear();
        }
        if let Some(progress) = &self.progress {
            progress.begin();
        }
    }

    /// Tells that rows are about to be written.
    pub(super) fn output_begins(&self) {
        if let Some(progress) = &self.progress {
            progress.output();
        }
    }

    fn end_progress(&self) {
        if let Some(scans) = self.context.state().config().get_extension::<RunningScans>() {
            scans.clear();
        }
        if let Some(progress) = &self.progress {
            progress.end();
        }
    }

    fn rows_evaluated(&self) -> u64 {
        let functions = self.context.state().config().get_extension::<Functions>();
        functions.map_or(0, |functions| functions.rows_evaluated())
    }

    fn take_shifts(&self) -> Vec<Error> {
        let functions = self.context.state().config().get_extension::<Functions>();
        functions.map(|functions| functions.take_shifts()).unwrap_or_default()
    }

    /// Runs blocking work until `stop` is set. A separate thread polls the flag and tells progress, because all
    /// runtime threads may be busy with the query.
    pub(super) fn run_stoppable<T>(
        &self,
        stop: &AtomicBool,
        work: impl FnOnce(&StoppableRun<'_>) -> Result<T>,
    ) -> Result<T> {
        let stopped = Notify::new();
        if let Some(chunks) = self.context.state().config().get_extension::<ReadChunks>() {
            chunks.clear();
        }
        // Those of a query that failed.
        drop(self.take_shifts());
        self.begin_progress();
        let evaluated_before = self.rows_evaluated();
        let scans = self.context.state().config().get_extension::<RunningScans>();
        let output = thread::scope(|scope| {
            // The channel closes when the work returns or panics.
            let (_open, work_ends) = mpsc::channel::<Infallible>();
            let stopped = &stopped;
            spawn_scoped(scope, move || {
                while work_ends.recv_timeout(STOP_POLL_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    if stop.load(Ordering::Relaxed) {
                        self.interrupt.stop();
                        stopped.notify_one();
                        break;
                    }
                    if let Some(progress) = &self.progress {
                        let (read, of) = scans.as_ref().map_or((0, None), |scans| scans.rows());
                        let evaluated = self.rows_evaluated() - evaluated_before;
                        progress.advance(QueryRows { read, of, evaluated });
                    }
                }
            })?;
            with_deep_stack(|| work(&StoppableRun { session: self, stop, stopped }))
        });
        self.end_progress();
        output.map_err(|error| self.runtime.block_on(locate_damage(&self.context, error)))
    }
}

/// A session during work that the stop flag ends.
pub(super) struct StoppableRun<'a> {
    session: &'a Session,
    stop: &'a AtomicBool,
    stopped: &'a Notify,
}

/// What a query may allocate in all: beside what its operators account for, there are batches under
/// way, pages and models.
fn with_room(limit_bytes: usize) -> usize {
    const LEAST_ROOM_BYTES: usize = 1 << 30;
    let all = limit_bytes.saturating_add(LEAST_ROOM_BYTES.max(limit_bytes / 2));
    let most = usize::try_from(usable_bytes() / 10 * 9).unwrap_or(usize::MAX);
    all.min(most.max(limit_bytes))
}

impl StoppableRun<'_> {
    /// The session.
    pub(super) fn session(&self) -> &Session {
        self.session
    }

    /// The flag that ends the work.
    #[cfg(feature = "cluster")]
    pub(super) fn stop(&self) -> &AtomicBool {
        self.stop
    }

    /// Blocks until a future completes that itself looks at the flag.
    ///
    /// # Errors
    /// Those of the future; as for [`catch_reader_panics`].
    #[cfg(feature = "cluster")]
    pub(super) fn block_on_stopping<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        catch_reader_panics(|| self.session.runtime.block_on(future))?
    }

    /// Blocks until a future completes or the work is stopped.
    ///
    /// # Errors
    /// [`Error::Interrupted`] where the work was stopped first; as for [`catch_reader_panics`].
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        let output = catch_reader_panics(|| {
            self.session.runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = self.stopped.notified() => None,
                    output = future => Some(output),
                }
            })
        })?;
        // A stopped query may return an error caused by the stop itself.
        match output {
            Some(output) if !self.stop.load(Ordering::Relaxed) => Ok(output),
            _ => Err(Error::Interrupted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Layout;

    #[test]
    fn a_session_keeps_its_tables_and_knows_its_names() {
        let session = Session::open(&SqlRequest::new("")).unwrap();
        let go = AtomicBool::new(false);
        let mut out = Vec::new();
        let make = "CREATE VIEW weights AS SELECT 1 AS \"Key\", 0.5 AS weight";
        session.run(make, &Layout::default(), &mut out, &go).unwrap();
        assert_eq!(session.run("SELECT * FROM weights", &Layout::default(), &mut out, &go).unwrap(), 1);
        assert_eq!(session.tables(), ["weights"]);
        assert_eq!(session.columns("weights"), ["Key", "weight"]);
        assert!(session.columns("no/such.parquet").is_empty());
        assert!(session.functions().iter().any(|name| name == "avg"));
    }

    #[test]
    fn a_join_that_would_take_hours_stops_when_told() {
        let session = Session::open(&SqlRequest::new("")).unwrap();
        let stop = AtomicBool::new(false);
        let sql = "SELECT count(*) FROM generate_series(1, 100000000) AS a, \
                   generate_series(1, 1000000) AS b WHERE a.value + b.value = 3";
        let error = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(300));
                stop.store(true, Ordering::Relaxed);
            });
            session.run(sql, &Layout::default(), &mut Vec::new(), &stop).unwrap_err()
        });
        assert!(matches!(error, Error::Interrupted), "{error}");
        // The threads are free for the next.
        stop.store(false, Ordering::Relaxed);
        assert_eq!(session.run("SELECT 1", &Layout::default(), &mut Vec::new(), &stop).unwrap(), 1);
    }
}
