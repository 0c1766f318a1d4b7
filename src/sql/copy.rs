//! COPY: the rows of a query in a file or a folder, which appears when it is complete. DataFusion's own
//! writes under the final name from the first row on.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::parser::{CopyToSource, CopyToStatement, DFParser, ExplainStatement, Statement};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use crate::error::{Error, Result};
use crate::printable::shown;
use crate::storage::{Staged, is_url};

use super::copy_folder;
use super::copy_options::encoding;
use super::errors::convert_error;
use super::output::Encoding;
use super::result_rows::{ResultRows, write_error};
use super::session::StoppableRun;

/// A statement, and where its rows go if it is a COPY.
pub(super) struct Copying {
    /// The statement; of a COPY its query.
    pub(super) statement: Statement,
    pub(super) copy: Option<CopyTarget>,
}

/// Where the rows of a COPY go.
pub(super) struct CopyTarget {
    target: String,
    encoding: Encoding,
    partitioned_by: Vec<String>,
}

impl Copying {
    /// What a statement is.
    ///
    /// # Errors
    /// [`Error::Usage`] for a format, an option or a place that a COPY does not write.
    pub(super) fn of(statement: Statement) -> Result<Self> {
        match statement {
            Statement::CopyTo(copy) => {
                let target = CopyTarget::of(&copy)?;
                Ok(Self { statement: query(copy.source)?, copy: Some(target) })
            }
            Statement::Explain(ExplainStatement { options, statement }) => {
                let statement = match *statement {
                    Statement::CopyTo(_) if options.analyze => {
                        let what = "SQL: EXPLAIN ANALYZE runs what it is of, and would write; give it the query of the COPY";
                        return Err(Error::Usage(what.to_owned()));
                    }
                    Statement::CopyTo(copy) => query(copy.source)?,
                    other => other,
                };
                let explain = ExplainStatement { options, statement: Box::new(statement) };
                Ok(Self { statement: Statement::Explain(explain), copy: None })
            }
            statement => Ok(Self { statement, copy: None }),
        }
    }
}

/// The query of a COPY; of a table that of all its rows.
fn query(source: CopyToSource) -> Result<Statement> {
    match source {
        CopyToSource::Query(query) => Ok(Statement::Statement(Box::new(SqlStatement::Query(query)))),
        CopyToSource::Relation(table) => {
            let all = format!("SELECT * FROM {table}");
            let parsed = DFParser::parse_sql(&all).map_err(|e| convert_error(e, ""))?;
            parsed.into_iter().next().ok_or_else(|| Error::Internal("a COPY of nothing".to_owned()))
        }
    }
}

impl CopyTarget {
    fn of(copy: &CopyToStatement) -> Result<Self> {
        let target = Self {
            target: copy.target.clone(),
            encoding: encoding(copy)?,
            partitioned_by: copy.partitioned_by.clone(),
        };
        match is_url(&target.path()) && target.is_folder() {
            true => Err(Error::Usage(format!(
                "COPY: {}: a folder of objects can't appear as a whole; name one object, without PARTITIONED BY",
                shown(&target.path())
            ))),
            false => Ok(target),
        }
    }

    /// The name as it is given.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(&self.target)
    }

    fn is_folder(&self) -> bool {
        !self.partitioned_by.is_empty() || self.target.ends_with('/') || self.path().is_dir()
    }

    /// Writes all rows, and gives them their name then. Returns their number.
    ///
    /// # Errors
    /// As for [`ResultRows::write`], [`Staged`] and [`copy_folder::write`]; [`Error::BadData`] with
    /// `--on-shift fail`.
    pub(super) fn write(&self, run: &StoppableRun<'_>, source: ResultRows) -> Result<u64> {
        let path = self.path();
        if self.is_folder() {
            return copy_folder::write(run, source, &path, (&self.partitioned_by, self.encoding));
        }
        let name = shown(&path).to_string();
        let staged = Staged::create(&path, run.session().overwrites())?;
        let mut out = BufWriter::with_capacity(1 << 16, staged.writer()?);
        let rows = source.write(run, self.encoding, (&mut out, &name))?;
        let flushed =
            out.into_inner().map_err(io::IntoInnerError::into_error).and_then(|mut out| out.flush());
        flushed.map_err(|e| write_error(&name, e))?;
        run.session().check_shift()?;
        staged.commit()?;
        Ok(rows)
    }
}

/// The columns of the result of a COPY.
pub(super) fn count_schema() -> Schema {
    Schema::new(vec![Field::new("count", DataType::UInt64, false)])
}

/// The result of a COPY of so many rows.
///
/// # Errors
/// [`Error::Internal`].
pub(super) fn count(rows: u64) -> Result<RecordBatch> {
    let rows: ArrayRef = Arc::new(UInt64Array::from(vec![rows]));
    let batch = RecordBatch::try_new(Arc::new(count_schema()), vec![rows]);
    batch.map_err(|e| Error::Internal(e.to_string()))
}
