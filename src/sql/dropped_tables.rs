//! The refusal to drop a file: DataFusion takes its name for a table and drops nothing.

use datafusion::common::TableReference;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};

use crate::error::{Error, Result};
use crate::printable::quoted_table;

use super::session::StoppableRun;

/// Fails where a statement drops a table that is none of the session's, but a file.
///
/// # Errors
/// [`Error::Usage`]; [`Error::Interrupted`].
pub(super) fn refuse_drop_of_file(run: &StoppableRun<'_>, plan: &LogicalPlan) -> Result<()> {
    let (name, word) = match plan {
        LogicalPlan::Ddl(DdlStatement::DropTable(drop)) => (&drop.name, "TABLE"),
        LogicalPlan::Ddl(DdlStatement::DropView(drop)) => (&drop.name, "VIEW"),
        _ => return Ok(()),
    };
    let table = name.table();
    if run.session().tables().iter().any(|known| known == table) {
        return Ok(());
    }
    let file = run.session().context().table_provider(TableReference::bare(table));
    match run.block_on(file)? {
        Ok(_) => Err(Error::Usage(format!(
            "SQL: DROP {word} drops what CREATE {word} made, and no files; remove {} by other means",
            quoted_table(table)
        ))),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::{Layout, Session, SqlRequest};

    #[test]
    fn a_file_is_not_dropped() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("t.csv");
        std::fs::write(&file, "a\n1\n").unwrap();
        let file = file.display().to_string();
        let session = Session::open(&SqlRequest::new("")).unwrap();
        let go = AtomicBool::new(false);
        let run = |sql: &str| session.run(sql, &Layout::default(), &mut Vec::new(), &go);
        for (word, of) in [("TABLE", ""), ("TABLE", "IF EXISTS "), ("VIEW", "")] {
            let sql = format!("DROP {word} {of}'{file}'");
            for error in [run(&sql).unwrap_err(), session.plan(&sql, (None, None), &go).unwrap_err()] {
                let text = error.to_string();
                assert!(error.exit_code() == 64 && text.contains("and no files; remove"), "{text}");
            }
        }
        let made = "CREATE TABLE t AS SELECT 1 AS b; DROP TABLE t; DROP TABLE IF EXISTS t";
        assert_eq!(run(made).unwrap(), 0);
        assert_eq!(run(&format!("SELECT a FROM '{file}'")).unwrap(), 1);
    }
}
