//! A session that is asked one text of statements after another, from code that is not
//! asynchronous. Its threads wait for data; writing happens on the caller's.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;
use tokio::runtime::Runtime;

use super::output::Layout;
use super::{Request, context, register_table, statement};
use crate::error::{Error, Result};

/// How soon a stop is noticed.
const GLANCE: Duration = Duration::from_millis(50);

/// A DataFusion session with the threads that run its queries. Tables and views that
/// a statement makes stay for the next.
pub struct Session {
    context: SessionContext,
    runtime: Runtime,
}

impl Session {
    /// A session with the tables and the limits of a request.
    ///
    /// # Errors
    /// As for [`register_table`]; [`Error::Internal`] where threads or temporary files
    /// cannot be had.
    pub fn open(request: &Request) -> Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if let Some(threads) = request.options.threads {
            builder.worker_threads(threads.get());
        }
        // The clock that a stop is noticed by is looked at between two pieces of work, and some
        // pieces of a join take seconds: not only after every sixty-first.
        let runtime = builder
            .event_interval(1)
            .enable_all()
            .build()
            .map_err(|e| Error::Internal(format!("cannot start the query's threads: {e}")))?;
        let context = runtime.block_on(async {
            let context = context(&request.options)?;
            for (name, path) in &request.tables {
                register_table(&context, name, path).await?;
            }
            Ok::<_, Error>(context)
        })?;
        Ok(Self { context, runtime })
    }

    /// DataFusion's own session.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Runs the statements in `sql` in order, writes the rows of each as they come, and
    /// gives their number. Memory holds one batch, or what the layout must see at once.
    ///
    /// # Errors
    /// The first statement that fails ends the run; see [`super::explain`]. What was
    /// written before stays written. [`Error::Interrupted`] soon after `stop` is set;
    /// [`Error::Io`] where `out` fails.
    pub fn run(&self, sql: &str, layout: &Layout, out: &mut dyn Write, stop: &AtomicBool) -> Result<u64> {
        statement::execute(self, sql, layout, out, stop)
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

    /// The columns of a table or of a file, in their order; none where there is no such.
    pub fn columns(&self, table: &str) -> Vec<String> {
        let provider = self.context.table_provider(TableReference::bare(table));
        match self.runtime.block_on(provider) {
            Ok(table) => table.schema().fields().iter().map(|field| field.name().clone()).collect(),
            Err(_) => Vec::new(),
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

    /// Waits for an answer, or until `stop` is set.
    pub(super) fn wait<T>(&self, stop: &AtomicBool, answer: impl Future<Output = T>) -> Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = set(stop) => Err(Error::Interrupted),
                answer = answer => Ok(answer),
            }
        })
    }
}

async fn set(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(GLANCE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_keeps_its_tables_and_knows_its_names() {
        let session = Session::open(&Request::new("")).unwrap();
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
        let session = Session::open(&Request::new("")).unwrap();
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
