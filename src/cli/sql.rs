//! `lsmi-etl sql`: queries over files, rows to stdout.

use std::io::{self, BufWriter, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::annotate::Size;
use crate::error::{Error, Place, Result};
use crate::sql::{self, Format, Layout, Models, Options, Request};

use super::engine::EngineArgs;

/// Query files with SQL: a quoted path, folder or glob is a table
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  Mean redundancy and synergy of each class
    lsmi-etl sql \"SELECT label, avg(r), avg(s) FROM 'out.parquet' GROUP BY label ORDER BY label\"

  The samples that only the pair explains, as lines of JSON
    lsmi-etl sql --format ndjson \"SELECT id, s FROM 'out/*.parquet' ORDER BY s DESC LIMIT 20\"

  A folder with hive partitions (date=2025-01-31/…): date is a column
    lsmi-etl sql --table t=annotated/ \"SELECT date, avg(u1) FROM t GROUP BY date\"

  What the models of a bundle say of rows that were never annotated
    lsmi-etl sql --bundle lsmi-bundle \"SELECT lsmi(x1, x2, y) FROM 'in.parquet' LIMIT 20\"

Files end in .parquet, .csv, .tsv, .json, .ndjson or .arrow. The dialect and the functions are
DataFusion's, and four more: lsmi(x1, x2, y), a struct of r, u1, u2, s, i1, i2, i12, h1 and h2 by a
bundle's models; its fields lsmi_r(x1, x2, y), lsmi_u1(…) and so on; dominant(r, u1, u2, s); and the
aggregate lsmi_summary(r, u1, u2, s). SHOW TABLES, DESCRIBE 'out.parquet', EXPLAIN and
COPY (…) TO 'file.parquet' work.
Rows go to stdout, messages to stderr.")]
pub struct SqlArgs {
    /// The query; several statements are separated by semicolons
    #[arg(required_unless_present = "file", conflicts_with = "file", value_name = "SQL")]
    query: Option<String>,

    /// Read the statements from a file, or from standard input with -
    #[arg(short, long, value_name = "FILE.sql")]
    file: Option<PathBuf>,

    /// Give a file, folder or glob a name; may be repeated
    #[arg(short, long = "table", value_name = "NAME=PATH", value_parser = named)]
    tables: Vec<(String, String)>,

    /// How rows are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Rows that --format table shows of each result; 0 for all
    #[arg(long, value_name = "N", default_value_t = 1000)]
    max_rows: usize,

    /// Memory for sorting, grouping and joining (512MiB, 4GiB); past it they spill to disk
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<Size>,

    /// Worker threads [default: the machine's cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    /// The models of lsmi(x1, x2, y); lsmi(x1, x2, y, 'DIR') names others
    #[arg(long, env = "LSMI_ETL_BUNDLE", default_value = "lsmi-bundle", value_name = "DIR", hide_env = true)]
    bundle: PathBuf,

    #[command(flatten)]
    engine: EngineArgs,
}

/// Runs `lsmi-etl sql`.
///
/// # Errors
/// See [`sql::explain`]. A reader that has seen enough (`| head`) is not one.
pub fn run(args: &SqlArgs) -> Result<()> {
    let request = Request {
        sql: statements(args)?,
        tables: args.tables.clone(),
        layout: Layout { format: args.format, max_table_rows: (args.max_rows > 0).then_some(args.max_rows) },
        options: Options {
            threads: args.threads,
            memory_limit_bytes: args.memory_limit.map(|size| usize::try_from(size.0).unwrap_or(usize::MAX)),
            models: Models { bundle: args.bundle.clone(), engine: args.engine.options(), sessions: None },
        },
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match sql::run(&request, &mut out) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            // What is still in the buffer has no reader: it must not be flushed at drop.
            drop(out.into_parts());
            Ok(())
        }
        Err(error) => {
            // Rows of the statements before the failed one belong to the user.
            let _ = out.flush();
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

fn statements(args: &SqlArgs) -> Result<String> {
    match (&args.query, &args.file) {
        (Some(query), _) => Ok(query.clone()),
        (None, Some(file)) if file == Path::new("-") => {
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .map_err(|e| Error::io(Place::file("standard input"), "read", e))?;
            Ok(text)
        }
        (None, Some(file)) => std::fs::read_to_string(file)
            .map_err(|source| Error::NoInput { place: Place::file(file.display()), source }),
        (None, None) => Err(Error::Usage("give a query, or a file of statements with -f".to_owned())),
    }
}

fn named(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), path.to_owned())),
        _ => Err("write it as NAME=PATH".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_before_the_first_equals_sign() {
        assert_eq!(named("t=a/date=1/x.parquet"), Ok(("t".to_owned(), "a/date=1/x.parquet".to_owned())));
        assert!(named("t=").is_err());
        assert!(named("out.parquet").is_err());
    }
}
