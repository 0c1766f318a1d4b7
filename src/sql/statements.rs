//! Sequential execution of statements. The rows of each are streamed to the writer.

use std::io::Write;
use std::iter::repeat;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;

use crate::error::{Error, Result};

use super::caret::with_caret;
use super::copy::{self, CopyTarget, Copying};
use super::definitions::Definition;
use super::dropped_tables::refuse_drop_of_file;
use super::errors::{convert_error, suggest_table};
use super::function_names::suggest_function;
use super::output::{Encoding, Layout, Results};
use super::parse::parse;
use super::redacted;
use super::repeated_clauses::refuse_repeated;
use super::result_rows::{ResultRows, write_error};
use super::session::{Session, StoppableRun};
use super::summarize::summarize;
use super::summarized_rows::without_summarize;
use super::table_format::TableFormat;
use super::unused_clauses::refuse_unused_clauses;

impl Session {
    /// Runs the statements in `sql` in order, streams their rows to `out` and returns the number of
    /// rows. Memory holds one batch, or all rows shown where the layout needs them at once.
    ///
    /// # Errors
    /// As for [`Session::check_paths`]. The first statement that fails ends the run; see
    /// [`convert_error`]. Rows written before remain. [`Error::Interrupted`] soon after `stop` is set;
    /// [`Error::Io`] where `out` fails.
    pub fn run(&self, sql: &str, layout: &Layout, out: &mut dyn Write, stop: &AtomicBool) -> Result<u64> {
        self.run_into(sql, layout, (out, &mut Results::of_stream()), stop)
    }

    /// Runs statements as [`Session::run`] does, with output to what holds the results of earlier ones.
    ///
    /// # Errors
    /// As for [`Session::run`]; [`Error::Usage`] for a result that can't follow the earlier ones.
    pub fn run_into(
        &self,
        sql: &str,
        layout: &Layout,
        (out, results): (&mut dyn Write, &mut Results),
        stop: &AtomicBool,
    ) -> Result<u64> {
        self.check_paths(sql, None, stop)?;
        self.run_stoppable(stop, |run| execute(run, sql, layout, (out, results)))
    }
}

/// A statement of a text.
pub(super) struct Parsed {
    /// The statement; of a COPY its query.
    pub(super) statement: Statement,
    /// What it summarises.
    pub(super) summarized: Option<String>,
    /// Where its rows go, of a COPY.
    pub(super) copy: Option<CopyTarget>,
}

/// The statements of a text.
///
/// # Errors
/// As for [`parse`]; [`Error::Usage`] for a COPY that can't be written.
pub(super) fn parsed(sql: &str) -> Result<Vec<Parsed>> {
    let (_, rows) = without_summarize(sql);
    let statements = parse(sql)?.into_iter().zip(rows.into_iter().chain(repeat(None)));
    let parsed = |(statement, summarized)| {
        let checked = refuse_repeated(&statement).and_then(|()| Copying::of(statement));
        let Copying { statement, copy } = checked.map_err(|e| with_caret(e, sql))?;
        Ok(Parsed { statement, summarized, copy })
    };
    statements.map(parsed).collect()
}

/// Plans a statement, or the summary of its rows.
pub(super) fn planned(
    run: &StoppableRun<'_>,
    statement: Statement,
    rows: Option<&str>,
    sql: &str,
) -> Result<LogicalPlan> {
    let state = run.session().context().state();
    let mut statement = statement;
    refuse_unused_clauses(&mut statement, &state).map_err(|error| with_caret(error, sql))?;
    let definition = Definition::take(&mut statement);
    let plan = run.block_on(state.statement_to_plan(statement))?;
    let plan = match definition {
        Some(definition) => {
            let normalize = state.config_options().sql_parser.enable_ident_normalization;
            plan.and_then(|plan| definition.put(plan, normalize))
        }
        None => plan,
    };
    let plan = plan.map_err(|e| unplanned(e, run.session(), sql))?;
    refuse_drop_of_file(run, &plan).map_err(|error| with_caret(error, sql))?;
    match rows {
        Some(rows) => summarize(run, rows, &plan),
        None => Ok(plan),
    }
}

fn execute(
    run: &StoppableRun<'_>,
    sql: &str,
    layout: &Layout,
    (out, results): (&mut dyn Write, &mut Results),
) -> Result<u64> {
    let statements = parsed(sql)?;
    if statements.is_empty() {
        return Err(Error::Usage("the query is empty; give SQL, or a file of it with -f".to_owned()));
    }
    let mut rows = 0;
    for Parsed { statement, summarized, copy } in statements {
        run.session().begin_progress();
        let plan = redacted::unbroken(planned(run, statement, summarized.as_deref(), sql)?);
        let layout = match plan {
            // A plan is not cut to the terminal's width.
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => Layout { width: None, ..*layout },
            _ => *layout,
        };
        // As little as of CREATE TABLE there is of INSERT to write.
        let is_change = matches!(plan, LogicalPlan::Dml(_));
        let source = match copy {
            Some(copy) => {
                results.next_has_header(layout.format, &copy::count_schema())?;
                let count = copy.write(run, ResultRows::start(run, plan, sql)?)?;
                ResultRows::of_batch(copy::count(count)?)
            }
            None => ResultRows::start(run, plan, sql)?,
        };
        let schema = Arc::clone(source.schema());
        if is_change || schema.fields().is_empty() {
            source.drain(run)?;
            run.session().check_shift()?;
            continue;
        }
        let header = results.next_has_header(layout.format, &schema)?;
        let encoding = Encoding { header, ..Encoding::of(layout) };
        rows += source.write(run, encoding, (&mut *out, "the query's output"))?;
        results.hold(&schema);
        run.session().check_shift()?;
    }
    out.flush().map_err(|e| write_error("the query's output", e))?;
    Ok(rows)
}

/// What is wrong with a statement that cannot be planned, and where.
pub(super) fn unplanned(error: DataFusionError, session: &Session, sql: &str) -> Error {
    let error = suggest_table(convert_error(error, ""), &candidate_tables(session));
    with_caret(suggest_function(error, &session.functions()), sql)
}

/// Candidates for a misspelt table name: registered tables, and data files in the current folder.
fn candidate_tables(session: &Session) -> Vec<String> {
    let mut names = session.tables();
    let files = std::fs::read_dir(".").into_iter().flatten().flatten();
    names.extend(
        files
            .filter_map(|file| file.file_name().into_string().ok())
            .filter(|name| TableFormat::of_name(name).is_some()),
    );
    names
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::num::NonZeroUsize;

    use datafusion::arrow::record_batch::RecordBatch;

    use super::super::{Format, SqlOptions, SqlRequest, run};
    use super::*;

    fn text(request: &SqlRequest) -> Result<String> {
        let mut out = Vec::new();
        run(request, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn csv(sql: &str) -> SqlRequest {
        let layout = Layout { format: Format::Csv, ..Layout::default() };
        SqlRequest { layout, ..SqlRequest::new(sql) }
    }

    #[test]
    fn statements_run_in_order_and_only_rows_are_printed() {
        let sql = "CREATE VIEW v AS SELECT 1 AS a; -- a comment; with a semicolon\nSELECT a, ';' AS b FROM v;\nSELECT 2 AS c";
        assert_eq!(text(&csv(sql)).unwrap(), "a,b\n1,;\nc\n2\n");
    }

    #[test]
    fn a_failing_statement_keeps_what_came_before() {
        let mut out = Vec::new();
        let error = run(&csv("SELECT 1 AS a; SELECT b; SELECT 2 AS c"), &mut out).unwrap_err();
        assert_eq!(error.exit_code(), 64);
        assert_eq!(out, b"a\n1\n");
        assert_eq!(text(&csv(" ; ")).unwrap_err().exit_code(), 64);
    }

    #[test]
    fn named_tables_are_files() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, "k,r\n1,0.5\n1,1.5\n2,3.0\n").unwrap();
        let tables = vec![("t".to_owned(), path.display().to_string())];
        let request = SqlRequest { tables, ..csv("SELECT k, avg(r) AS r FROM t GROUP BY k ORDER BY k") };
        assert_eq!(text(&request).unwrap(), "k,r\n1,1.0\n2,3.0\n");
        let missing = vec![("t".to_owned(), "no/such.csv".to_owned())];
        assert_eq!(text(&SqlRequest { tables: missing, ..request }).unwrap_err().exit_code(), 66);
    }

    fn limited(bytes: usize, sql: &str) -> SqlRequest {
        let options = SqlOptions {
            memory_limit_bytes: Some(bytes),
            threads: NonZeroUsize::new(2),
            ..SqlOptions::default()
        };
        SqlRequest { options, ..csv(sql) }
    }

    #[test]
    fn sorting_spills_under_a_memory_limit() {
        // Two million keys are 16 MB, which a sort holds twice: more than the limit.
        let sql = "SELECT sum(r) AS s FROM (SELECT row_number() OVER (ORDER BY k) % 2 AS r FROM \
            (SELECT (value * 7919) % 2000003 AS k FROM generate_series(1, 2000000)))";
        assert_eq!(text(&limited(24 << 20, sql)).unwrap(), "s\n1000000\n");
        let plan = text(&limited(24 << 20, &format!("EXPLAIN ANALYZE {sql}"))).unwrap();
        let (_, sort) = plan.split_once("SortExec: ").unwrap();
        let (_, spills) = sort.split_once("spill_count=").unwrap();
        assert!(!spills.starts_with("0,"), "{plan}");
    }

    #[test]
    fn too_small_a_memory_limit_says_what_to_raise() {
        let sql = "SELECT value FROM generate_series(1, 100000) ORDER BY -value";
        let error = text(&limited(1 << 10, sql)).unwrap_err();
        assert_eq!(error.exit_code(), 64);
        assert!(error.to_string().contains("--memory-limit"), "{error}");
    }

    #[test]
    fn columns_are_titled_without_their_file() {
        let dir = tempfile::TempDir::new().unwrap();
        for name in ["a.csv", "b.csv"] {
            std::fs::write(dir.path().join(name), "k,r\n1,0.5\n").unwrap();
        }
        let (a, b) = (dir.path().join("a.csv"), dir.path().join("b.csv"));
        let (a, b) = (a.display(), b.display());
        assert_eq!(
            text(&csv(&format!("SELECT avg(r), count(*) FROM '{a}'"))).unwrap(),
            "avg(r),count(*)\n0.5,1\n"
        );
        let both = format!("SELECT avg(\"{a}\".r), avg(\"{b}\".r) FROM '{a}', '{b}'");
        assert_eq!(text(&csv(&both)).unwrap(), format!("avg({a}.r),avg({b}.r)\n0.5,0.5\n"));
    }

    /// A writer that fails with a broken pipe after a number of bytes.
    struct BrokenPipeWriter(usize);

    impl Write for BrokenPipeWriter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.0.checked_sub(bytes.len()) {
                Some(left) => self.0 = left,
                None => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn rows_leave_as_they_come_and_a_closed_reader_ends_the_query() {
        // Collecting ten billion rows first would outlast any test.
        let endless = csv("SELECT value FROM generate_series(1, 10000000000)");
        match run(&endless, &mut BrokenPipeWriter(1 << 20)).unwrap_err() {
            Error::Io { source, .. } => assert_eq!(source.kind(), io::ErrorKind::BrokenPipe),
            error => panic!("{error}"),
        }
    }

    #[test]
    fn a_table_stops_the_query_at_its_limit() {
        let layout = Layout { max_table_rows: Some(5), ..Layout::default() };
        let endless = SqlRequest { layout, ..csv("SELECT value FROM generate_series(1, 10000000000)") };
        assert_eq!(text(&endless).unwrap().lines().count(), 5 + 4);
    }

    #[test]
    fn a_damaged_page_is_bad_data_that_names_the_file() {
        use datafusion::arrow::array::{ArrayRef, Float64Array};
        use datafusion::parquet::arrow::ArrowWriter;

        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("damaged.parquet");
        let values: ArrayRef = Arc::new(Float64Array::from_iter_values((0..5000).map(f64::from)));
        let batch = RecordBatch::try_from_iter([("r", values)]).unwrap();
        let mut writer =
            ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4..2000].fill(0xff);
        std::fs::write(&path, bytes).unwrap();
        let error = text(&csv(&format!("SELECT avg(r) FROM '{}'", path.display()))).unwrap_err();
        assert_eq!(error.exit_code(), 65, "{error}");
        assert!(error.to_string().contains("damaged.parquet"), "{error}");
    }
}
