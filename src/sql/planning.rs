//! Planning of statements that do not run: their tables, columns, functions and types are checked against
//! the tables' schemas.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::TableReference;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{CreateMemoryTable, DdlStatement, LogicalPlan, Statement, TableSource};

use crate::error::{Error, Result};

use super::check::{Expect, NO_BOOLEAN_COLUMN};
use super::copy::count_schema;
use super::definitions;
use super::errors::convert_error;
use super::output::{Format, Results};
use super::result_rows::short_schema;
use super::session::{Session, StoppableRun};
use super::statements::{Parsed, parsed, planned, unplanned};

impl Session {
    /// Names a table without rows: the output of a query that has not run.
    ///
    /// # Errors
    /// [`Error::Usage`] where the name is taken.
    pub fn register_empty(&self, name: &str, schema: SchemaRef) -> Result<()> {
        let table: Arc<dyn TableProvider> = Arc::new(EmptyTable::new(schema));
        let named = self.context().register_table(TableReference::bare(name), table);
        named.map(drop).map_err(|e| convert_error(e, name))
    }

    /// Plans statements in order and runs none but definitions of views and external tables and settings, of
    /// which later ones make use. Returns the schema of the last result.
    ///
    /// # Errors
    /// As [`Session::run_into`] would give of a file of the format, if any, before a statement's first row;
    /// [`Error::Usage`] where `expect` asks for a boolean column and there is none.
    pub fn plan(
        &self,
        sql: &str,
        (expect, output): (Option<Expect>, Option<Format>),
        stop: &AtomicBool,
    ) -> Result<Option<SchemaRef>> {
        self.run_stoppable(stop, |run| {
            let schema = plan_all(run, sql, output)?;
            let is_boolean =
                |schema: &SchemaRef| schema.fields().iter().any(|it| *it.data_type() == DataType::Boolean);
            if expect == Some(Expect::AllTrue) && !schema.as_ref().is_some_and(is_boolean) {
                return Err(Error::Usage(NO_BOOLEAN_COLUMN.to_owned()));
            }
            Ok(schema)
        })
        .map_err(|error| self.with_advice(error, sql))
    }
}

impl Session {
    /// Plans statements as [`Session::plan`] does, and undoes their definitions.
    ///
    /// # Errors
    /// As for [`Session::plan`].
    pub(super) fn plan_and_forget(&self, sql: &str, stop: &AtomicBool) -> Result<()> {
        let tables = |run: &StoppableRun<'_>| {
            let names = self.tables();
            let find = async {
                let mut found = Vec::with_capacity(names.len());
                for name in names {
                    let table = self.context().table_provider(TableReference::bare(name.as_str())).await;
                    found.extend(table.ok().map(|table| (name, table)));
                }
                found
            };
            run.block_on(find)
        };
        self.run_stoppable(stop, |run| {
            let before = tables(run)?;
            let planned = plan_all(run, sql, None);
            let forget = |e| convert_error(e, "");
            for name in self.tables() {
                self.context().deregister_table(TableReference::bare(name)).map_err(forget)?;
            }
            for (name, table) in before {
                self.context().register_table(TableReference::bare(name), table).map_err(forget)?;
            }
            planned.map(drop)
        })
        .map_err(|error| self.with_advice(error, sql))
    }
}

fn plan_all(run: &StoppableRun<'_>, sql: &str, output: Option<Format>) -> Result<Option<SchemaRef>> {
    let (mut last, mut results) = (None, Results::of_file());
    for Parsed { statement, summarized, copy } in parsed(sql)? {
        let plan = planned(run, statement, summarized.as_deref(), sql)?;
        let schema =
            run.block_on(plan_one(run.session(), plan))?.map_err(|e| unplanned(e, run.session(), sql))?;
        let written = if copy.is_some() { Some(Arc::new(count_schema())) } else { schema.clone() };
        if let (Some(format), Some(written)) = (output, written) {
            results.next_has_header(format, &written)?;
            results.hold(&written);
        }
        match (copy, schema) {
            // What a COPY writes may be read by a later statement.
            (Some(copy), Some(schema)) => _ = run.session().register_empty(copy.target(), schema),
            (_, schema) => last = schema.or(last),
        }
    }
    output.map_or(Ok(()), |_| results.require_any())?;
    Ok(last)
}

/// Checks a plan; where it is a definition, makes it. Returns the schema of its rows.
async fn plan_one(session: &Session, plan: LogicalPlan) -> datafusion::error::Result<Option<SchemaRef>> {
    let context = session.context();
    let checked = |plan: &LogicalPlan| context.state().optimize(plan);
    match plan {
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(table)) => {
            let CreateMemoryTable { name, input, if_not_exists, or_replace, .. } = table;
            let is_known = context.table_exist(name.clone())?;
            if is_known && if_not_exists {
                return Ok(None);
            }
            if is_known && or_replace {
                context.deregister_table(name.clone())?;
            }
            let schema = Arc::new(Schema::clone(checked(&input)?.schema().as_arrow()));
            context.register_table(name, Arc::new(MemTable::try_new(schema, vec![Vec::new()])?))?;
            Ok(None)
        }
        plan @ (LogicalPlan::Ddl(_) | LogicalPlan::Statement(Statement::SetVariable(_))) => {
            definitions::context_of(context, &plan).execute_logical_plan(plan).await?;
            Ok(None)
        }
        // A table in memory takes rows.
        LogicalPlan::Dml(change) if is_in_memory(&change.target) => Ok(None),
        plan @ (LogicalPlan::Dml(_)
        | LogicalPlan::Statement(Statement::TransactionStart(_) | Statement::TransactionEnd(_))) => {
            context.state().create_physical_plan(&plan).await.map(|_| None)
        }
        LogicalPlan::Statement(_) => Ok(None),
        plan @ LogicalPlan::DescribeTable(_) => Ok(Some(short_schema(&checked(&plan)?))),
        plan => {
            // Of some expressions only the second stage of planning says that they can't be computed where they stand.
            context.state().create_physical_plan(&plan).await?;
            Ok(Some(short_schema(&checked(&plan)?)))
        }
    }
}

fn is_in_memory(table: &Arc<dyn TableSource>) -> bool {
    source_as_provider(table).is_ok_and(|table| table.is::<MemTable>())
}

#[cfg(test)]
mod tests {
    use super::super::SqlRequest;
    use super::*;
    use datafusion::arrow::datatypes::Field;

    fn planned(sql: &str) -> Result<Option<SchemaRef>> {
        let session = Session::open(&SqlRequest::new("")).unwrap();
        let fields = vec![Field::new("r", DataType::Float32, true), Field::new("y", DataType::Utf8, true)];
        session.register_empty("annotated", Arc::new(Schema::new(fields))).unwrap();
        session.plan(sql, (None, None), &AtomicBool::new(false))
    }

    fn names(sql: &str) -> String {
        let schema = planned(sql).unwrap().unwrap();
        schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn statements_are_planned_and_none_is_run() {
        let dir = tempfile::TempDir::new().unwrap();
        let target = dir.path().join("o.csv").display().to_string();
        let sql = format!(
            "CREATE VIEW v AS SELECT avg(r) AS mean, y FROM annotated GROUP BY y; COPY v TO '{target}'; \
             CREATE TABLE t AS SELECT * FROM '{target}'; SELECT mean, upper(y) AS label FROM t"
        );
        assert_eq!(names(&sql), "mean label");
        assert_eq!(names("SELECT avg(r) FROM annotated"), "avg(r)");
        let changes = "INSERT INTO t SELECT * FROM t; CREATE OR REPLACE TABLE t AS SELECT 2 * r AS r FROM t";
        assert_eq!(
            names(&format!("CREATE TABLE t AS SELECT r FROM annotated; {changes}; SELECT r FROM t")),
            "r"
        );
        assert!(names("SUMMARIZE annotated").starts_with("column_name column_type min max"));
        assert!(names("DESCRIBE annotated").starts_with("column_name data_type"));
        assert!(!std::path::Path::new(&target).exists());
    }

    #[test]
    fn names_and_types_are_checked() {
        for (sql, what) in [
            ("SELECT avg(rr) FROM annotated", "there is no column rr; did you mean r?"),
            ("SELECT avgg(r) FROM annotated", "there is no function avgg; did you mean avg?"),
            ("SUMMARIZE annotatet", "did you mean annotated?"),
            ("SELECT 1 FROM annotatet", "did you mean annotated?"),
            ("SELECT sqrt(y, r, y) FROM annotated", "sqrt"),
            ("SELECT r FROM annotated WHERE y", "WHERE takes what is true or false"),
            ("SELECT dominant(r, r, r) FROM annotated", "dominant"),
            ("DELETE FROM annotated WHERE r < 0", "DELETE is not possible; write the rows to keep"),
            ("UPDATE annotated SET r = 0", "UPDATE is not possible; write the changed rows"),
            (
                "INSERT INTO annotated SELECT r, y FROM annotated",
                "INSERT adds rows to tables of CREATE TABLE",
            ),
            ("COMMIT", "there are no transactions"),
        ] {
            let error = planned(sql).unwrap_err();
            assert_eq!(error.exit_code(), 64, "{sql}: {error}");
            assert!(error.to_string().to_lowercase().contains(&what.to_lowercase()), "{sql}: {error}");
        }
    }

    #[test]
    fn a_check_needs_what_may_be_true() {
        let session = Session::open(&SqlRequest::new("")).unwrap();
        let of = |sql: &str| session.plan(sql, (Some(Expect::AllTrue), None), &AtomicBool::new(false));
        assert!(of("SELECT 1 > 0 AS holds").is_ok());
        assert_eq!(of("SELECT 1 AS one").unwrap_err().to_string(), NO_BOOLEAN_COLUMN);
    }
}
