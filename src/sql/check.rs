//! Data checks: a query and an expectation of its rows, such as that there are none.

use std::sync::atomic::AtomicBool;

use datafusion::arrow::array::{Array, AsArray, BooleanArray};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches_with_options;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{SetExpr, Statement as SqlStatement};
use futures::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

use super::caret::with_caret;
use super::errors::convert_error;
use super::output::cell_options;
use super::parse::{parse, with_deep_stack};
use super::result_rows::start;
use super::session::{Session, StoppableRun};
use super::statements::unplanned;
use super::summarized_rows::without_summarize;

/// Maximum number of offending rows shown.
const SHOWN: usize = 20;

pub(super) const NO_BOOLEAN_COLUMN: &str =
    "the query has no boolean column that could be true; write one, such as count(*) > 0 AS some_rows";

/// Expectation of a query's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// There are no rows: the query selects violations.
    NoRows,
    /// There is at least one row, and all boolean columns are true.
    AllTrue,
}

/// The number of statements in a text.
///
/// # Errors
/// [`Error::Usage`] where the text is not valid SQL.
pub fn count_statements(sql: &str) -> Result<usize> {
    with_deep_stack(|| parse(sql).map(|statements| statements.len()))
}

/// Checks that a text is one query, whose rows a check looks at.
///
/// # Errors
/// [`Error::Usage`] of several statements, and of one that does something else, or is not valid SQL.
pub fn require_query(sql: &str) -> Result<()> {
    with_deep_stack(|| {
        let statements = parse(sql)?.into_iter().collect::<Vec<_>>();
        let [statement] = &statements[..] else {
            let count = statements.len();
            return Err(Error::Usage(format!("a check is one statement, and this has {count}")));
        };
        let (_, summarized) = without_summarize(sql);
        let is_summary = summarized.iter().any(Option::is_some);
        if is_query(statement) && !is_summary {
            return Ok(());
        }
        let text = if is_summary { "SUMMARIZE".to_owned() } else { statement.to_string() };
        let word = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let what = format!(
            "SQL: {word} does not begin a query whose rows can be checked; a check is one statement SELECT, WITH, VALUES, \
             SHOW, DESCRIBE or EXPLAIN that writes nothing"
        );
        Err(with_caret(Error::Usage(what), sql))
    })
}

/// Whether a statement gives rows and does nothing else.
fn is_query(statement: &Statement) -> bool {
    let statement = match statement {
        Statement::Statement(statement) => statement,
        Statement::Explain(explain) => return !explain.options.analyze || is_query(&explain.statement),
        _ => return false,
    };
    match statement.as_ref() {
        SqlStatement::Query(query) => only_reads(&query.body),
        SqlStatement::ExplainTable { .. }
        | SqlStatement::Explain { .. }
        | SqlStatement::ShowTables { .. }
        | SqlStatement::ShowColumns { .. }
        | SqlStatement::ShowFunctions { .. }
        | SqlStatement::ShowVariable { .. }
        | SqlStatement::ShowVariables { .. }
        | SqlStatement::ShowCreate { .. } => true,
        _ => false,
    }
}

fn only_reads(rows: &SetExpr) -> bool {
    match rows {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::Query(query) => only_reads(&query.body),
        SetExpr::SetOperation { left, right, .. } => only_reads(left) && only_reads(right),
        SetExpr::Values(_) => true,
        _ => false,
    }
}

impl Session {
    /// Runs a query of one statement. Returns `None` where the expectation holds, otherwise a table of
    /// the offending rows.
    ///
    /// # Errors
    /// As for [`require_query`]; see [`convert_error`]; [`Error::Usage`] where no column is boolean;
    /// [`Error::Interrupted`] soon after `stop` is set.
    pub fn check(&self, sql: &str, expect: Expect, stop: &AtomicBool) -> Result<Option<String>> {
        let checked = self.run_stoppable(stop, |run| offending_rows(run, sql, expect));
        checked.map_err(|error| self.with_advice(error, sql))
    }
}

fn offending_rows(run: &StoppableRun<'_>, sql: &str, expect: Expect) -> Result<Option<String>> {
    let failed = |e| convert_error(e, "the check's tables");
    // Refuses what nests too deep, too, before DataFusion parses it itself.
    require_query(sql)?;
    let frame = run.block_on(run.session().context().sql(sql))?;
    let frame = frame.map_err(|e| unplanned(e, run.session(), sql))?;
    let started = start(run, frame.logical_plan().clone())?;
    let mut stream = started.map_err(|e| with_caret(failed(e), sql))?;
    if expect == Expect::AllTrue && boolean_columns(&stream.schema()).next().is_none() {
        return Err(Error::Usage(NO_BOOLEAN_COLUMN.to_owned()));
    }
    let (mut rows, mut offending, mut shown) = (0, 0, Vec::new());
    while let Some(batch) = run.block_on(stream.next())? {
        let batch = batch.map_err(failed)?;
        rows += batch.num_rows();
        let wrong = match expect {
            Expect::NoRows => batch,
            Expect::AllTrue => rows_not_true(&batch).map_err(|e| failed(e.into()))?,
        };
        let room = SHOWN.saturating_sub(offending);
        shown.push(wrong.slice(0, wrong.num_rows().min(room)));
        offending += wrong.num_rows();
        if offending > SHOWN {
            break;
        }
    }
    run.session().check_shift()?;
    if rows == 0 && expect == Expect::AllTrue {
        return Ok(Some("(no row)".to_owned()));
    }
    if offending == 0 {
        return Ok(None);
    }
    let table = pretty_format_batches_with_options(&shown, &cell_options()).map_err(|e| failed(e.into()))?;
    let more = if offending > SHOWN { "\n(and more)" } else { "" };
    Ok(Some(format!("{table}{more}")))
}

fn boolean_columns(schema: &SchemaRef) -> impl Iterator<Item = usize> {
    let fields = schema.fields().iter().enumerate();
    fields.filter(|(_, field)| *field.data_type() == DataType::Boolean).map(|(column, _)| column)
}

/// The rows with a boolean that is false or null.
fn rows_not_true(
    batch: &RecordBatch,
) -> std::result::Result<RecordBatch, datafusion::arrow::error::ArrowError> {
    let columns: Vec<&BooleanArray> =
        boolean_columns(batch.schema_ref()).map(|column| batch.column(column).as_boolean()).collect();
    let is_true = |row| columns.iter().all(|column| column.is_valid(row) && column.value(row));
    let wrong: BooleanArray = (0..batch.num_rows()).map(|row| Some(!is_true(row))).collect();
    filter_record_batch(batch, &wrong)
}

#[cfg(test)]
mod tests {
    use super::super::SqlRequest;
    use super::*;

    fn checked(sql: &str, expect: Expect) -> Result<Option<String>> {
        Session::open(&SqlRequest::new("")).unwrap().check(sql, expect, &AtomicBool::new(false))
    }

    fn offending(sql: &str, expect: Expect) -> Option<String> {
        checked(sql, expect).unwrap()
    }

    #[test]
    fn rows_that_should_not_be_there_are_shown() {
        let sql = "SELECT value AS bad FROM generate_series(1, 50) WHERE value > ";
        assert_eq!(offending(&format!("{sql} 50"), Expect::NoRows), None);
        let few = offending(&format!("{sql} 48"), Expect::NoRows).unwrap();
        assert!(few.contains("| bad |") && few.contains("| 49  |") && few.contains("| 50  |"), "{few}");
        let many = offending(&format!("{sql} 9"), Expect::NoRows).unwrap();
        assert!(many.ends_with("(and more)"), "{many}");
        assert_eq!(many.lines().count(), SHOWN + 4 + 1, "{many}");
    }

    #[test]
    fn long_lists_are_shortened() {
        let rows = offending("SELECT range(0, 2000) AS x", Expect::NoRows).unwrap();
        assert!(rows.contains("| [0, 1, 2, …] (2000) |"), "{rows}");
    }

    #[test]
    fn what_must_be_true_is_not_where_it_is_null_or_absent() {
        let rows = "SELECT * FROM (VALUES (1, 2 > 1), (2, true), (3, NULL), (4, 1 > 2)) AS t(k, holds)";
        let wrong = offending(rows, Expect::AllTrue).unwrap();
        assert!(wrong.contains("| 3 |") && wrong.contains("| 4 | false |"), "{wrong}");
        assert_eq!(wrong.lines().count(), 2 + 4, "{wrong}");
        assert_eq!(offending(&format!("{rows} WHERE k < 3"), Expect::AllTrue), None);
        assert_eq!(offending(&format!("{rows} WHERE k > 9"), Expect::AllTrue).as_deref(), Some("(no row)"));
        let error = checked("SELECT 1 AS k", Expect::AllTrue).unwrap_err();
        assert_eq!(error.exit_code(), 64, "{error}");
    }

    #[test]
    fn a_check_is_one_query() {
        for sql in [
            "WITH t AS (SELECT 1 AS a) SELECT a FROM t",
            "(SELECT 1) UNION VALUES (2)",
            "SELECT * FROM t; -- all of it",
            "SHOW TABLES",
            "SHOW datafusion.execution.batch_size",
            "DESCRIBE t",
            "EXPLAIN SELECT 1",
        ] {
            require_query(sql).unwrap();
        }
        for (sql, word) in [
            ("CREATE VIEW v AS SELECT 1", "CREATE"),
            ("CREATE TABLE v AS SELECT 1", "CREATE"),
            ("SET datafusion.execution.batch_size = 1", "SET"),
            ("DROP TABLE t", "DROP"),
            ("COPY t TO 'x.csv'", "COPY"),
            ("INSERT INTO t VALUES (1)", "INSERT"),
            ("summarize t", "SUMMARIZE"),
            ("EXPLAIN ANALYZE COPY t TO 'x.csv'", "EXPLAIN"),
            ("SELECT 1 AS a INTO t", "SELECT"),
        ] {
            let error = checked(sql, Expect::NoRows).unwrap_err();
            let told = format!("SQL: {word} does not begin a query whose rows can be checked");
            assert!(error.exit_code() == 64 && error.to_string().starts_with(&told), "{error}");
        }
    }

    #[test]
    fn statements_are_counted_and_their_errors_told() {
        assert_eq!(count_statements("SELECT 1; SELECT 2 -- and\n;").unwrap(), 2);
        assert_eq!(count_statements("SUMMARIZE t; SELECT $$a;b$$, $t$;$$;$t$; SELECT 2").unwrap(), 3);
        assert_eq!(count_statements("SELEKT 1").unwrap_err().exit_code(), 64);
    }
}
