//! The paths in statements: the files that they read as tables, and the targets of COPY. They are
//! compared before anything runs, since COPY takes the place of what is there.

use std::path::{Path, PathBuf};

use datafusion::sql::parser::{CopyToStatement, CreateExternalTable, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use crate::error::{Error, Place, Result};
use crate::storage::{DataNames, Destinations, exists, is_url, require_regular};

use super::errors::convert_error;
use super::parse::parsed_text;
use super::summarized_rows::without_summarize;
use super::table_files::expand_home;
use super::table_format::OTHER_NAMES;

/// What a statement reads and writes by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatementPaths {
    /// Names of tables, some of which are files.
    pub reads: Vec<String>,
    /// The target of a COPY.
    pub writes: Option<String>,
    /// Whether later statements read the same, through a view or a table.
    pub(super) is_definition: bool,
}

impl StatementPaths {
    /// Those of each statement.
    ///
    /// # Errors
    /// [`Error::Usage`] where the statements can't be parsed.
    pub fn parse(sql: &str) -> Result<Vec<Self>> {
        let (sql, _) = without_summarize(sql);
        let sql = sql.as_ref();
        let statements = parsed_text(sql)?;
        statements.iter().map(Self::of).collect()
    }

    fn of(statement: &Statement) -> Result<Self> {
        let (tables, _) = resolve_table_references(statement, true).map_err(|e| convert_error(e, ""))?;
        let mut paths = Self {
            reads: tables.iter().map(ToString::to_string).collect(),
            writes: target(statement).map(str::to_owned),
            is_definition: false,
        };
        match statement {
            Statement::CreateExternalTable(CreateExternalTable { locations, .. }) => {
                paths.reads = locations.clone();
                paths.is_definition = true;
            }
            Statement::Statement(statement) => {
                paths.is_definition = matches!(**statement, SqlStatement::CreateView { .. });
            }
            _ => {}
        }
        Ok(paths)
    }
}

/// The target of a COPY, also of one that is explained with what it takes.
fn target(statement: &Statement) -> Option<&str> {
    match statement {
        Statement::CopyTo(CopyToStatement { target, .. }) => Some(target),
        Statement::Explain(explain) if explain.options.analyze => target(&explain.statement),
        _ => None,
    }
}

/// Checks that statements write over nothing that they or the `tables` read, and over each other
/// neither; and over no other file, unless `overwrite` is given. `output` takes their rows. Returns
/// the tables that the statements define.
///
/// # Errors
/// [`Error::Usage`] and [`Error::CannotCreate`] as for [`Destinations::check`];
/// [`Error::OutputExists`]; [`Error::NoInput`] of a pipe, socket or device as an external table; of
/// stores.
pub(super) fn check_paths(
    sql: &str,
    output: Option<&Path>,
    tables: &[String],
    overwrite: bool,
) -> Result<Vec<String>> {
    let (mut reads, mut defined) = (tables.to_vec(), Vec::new());
    let mut all = Destinations::default();
    for StatementPaths { reads: of_statement, writes, is_definition } in StatementPaths::parse(sql)? {
        if is_definition {
            of_statement.iter().try_for_each(|location| check_location(Path::new(location)))?;
            defined.extend(of_statement.iter().cloned());
        }
        reads.extend(of_statement);
        let Some(target) = writes else { continue };
        let mut paths = Destinations::default();
        search(&mut paths, &reads);
        let path = PathBuf::from(&target);
        for paths in [&mut paths, &mut all] {
            match target.ends_with('/') || path.is_dir() {
                true if is_url(&path) => {}
                true => paths.writes_folder("the target of a COPY", &path),
                false => paths.writes("the target of a COPY", &path),
            }
        }
        paths.check()?;
        if !overwrite && !path.is_dir() && !target.ends_with('/') && exists(&path)? {
            return Err(Error::OutputExists(path));
        }
    }
    if let Some(output) = output {
        search(&mut all, &reads);
        all.writes("--output", output);
    }
    all.check().map(|()| defined)
}

fn search(paths: &mut Destinations, names: &[String]) {
    for name in names {
        for kind in [DataNames::PARQUET, OTHER_NAMES] {
            paths.searches(&expand_home(name), kind);
        }
    }
}

/// DataFusion opens the location of an external table itself, and would wait for a pipe.
fn check_location(location: &Path) -> Result<()> {
    match std::fs::metadata(location) {
        Ok(metadata) if !metadata.is_dir() => require_regular(&metadata)
            .map_err(|source| Error::NoInput { place: Place::file(location.display()), source }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_all_kinds_of_statements() {
        let sql = "CREATE VIEW v AS SELECT * FROM 'a/b.parquet'; \
                   WITH c AS (SELECT * FROM t) SELECT * FROM c JOIN 's3://in/x.parquet' USING (id); \
                   EXPLAIN ANALYZE COPY (SELECT * FROM v) TO 'out.parquet'; \
                   COPY t TO 'out.csv'; \
                   CREATE EXTERNAL TABLE e STORED AS CSV LOCATION 'e.csv'";
        let found = StatementPaths::parse(sql).unwrap();
        let reads: Vec<_> = found.iter().map(|paths| paths.reads.join(" ")).collect();
        assert_eq!(reads[0], "a/b.parquet");
        assert!(reads[1].contains("s3://in/x.parquet") && reads[1].contains('t'), "{}", reads[1]);
        assert_eq!(reads[2..], ["v", "t", "e.csv"]);
        let writes: Vec<_> = found.iter().map(|paths| paths.writes.as_deref()).collect();
        assert_eq!(writes, [None, None, Some("out.parquet"), Some("out.csv"), None]);
        let definitions: Vec<_> = found.iter().map(|paths| paths.is_definition).collect();
        assert_eq!(definitions, [true, false, false, false, true]);
        assert_eq!(StatementPaths::parse("SELEC 1").unwrap_err().exit_code(), 64);
    }
}
