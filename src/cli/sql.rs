//! The `sql` subcommand: queries over files with output to stdout or a file, and an interactive
//! shell.

use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[cfg(feature = "cluster")]
use crate::cluster::QueryCluster;
#[cfg(feature = "cluster")]
use crate::config::TlsArgs;
use crate::config::{BundlePath, ClusterArgs, DEFAULT_BUNDLE, EngineArgs};
use crate::error::{Error, Place, Result};
use crate::evaluate::{OnShift, SharedBundle};
use crate::memory::{MemoryLimit, usable_bytes};
use crate::printable::{counted, quoted_table, shown};
use crate::samples::OnMissingModality;
#[cfg(feature = "cluster")]
use crate::sql::distributed::PlanRunner;
use crate::sql::{Expect, Format, Layout, ModelOptions, Results, Session, SqlOptions, SqlRequest};
use crate::storage::{Destinations, FileEnding, Staged, no_input, read_text, without_mark};

use super::query_progress::QueryProgressBar;
use super::{output, shell};

/// Query files with SQL: a quoted path, folder, glob or URL is a table
///
/// Without a query, starts a shell on a terminal, and otherwise reads statements from standard
/// input.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  Mean redundancy and synergy of each class
    lsmi-etl sql \"SELECT label, avg(r), avg(s) FROM 'out.parquet' GROUP BY label ORDER BY label\"

  The samples with the largest synergy, as newline-delimited JSON
    lsmi-etl sql --format ndjson \"SELECT id, s FROM 'out/*.parquet' ORDER BY s DESC LIMIT 20\"

  A folder with hive partitions (date=2025-01-31/…): date is a column
    lsmi-etl sql --table t=annotated/ \"SELECT date, avg(u1) FROM t GROUP BY date\"

  Evaluate the models of a bundle on rows that are not annotated
    lsmi-etl sql --bundle lsmi-bundle \"SELECT lsmi(x1, x2, y) FROM 'in.parquet' LIMIT 20\"

  Write rows to a file, which appears when it is complete
    lsmi-etl sql --output pair.parquet \"SELECT * FROM 's3://bucket/out.parquet' WHERE s > 1\"

  An interactive shell with history and completion (Tab); \\? lists its commands
    lsmi-etl sql --table t=annotated/

File names end in .parquet, .csv, .tsv, .json, .ndjson or .arrow; text may be compressed (.csv.gz,
.csv.zst). URLs are s3://, gs://, az:// and, for single files, http(s)://; credentials come from the
environment, as in annotate. The dialect and the functions are those of DataFusion, plus: lsmi(x1,
x2, y), a struct of r, u1, u2, s, i1, i2, i12, h1 and h2 computed by the models of a bundle; its
fields lsmi_r(x1, x2, y), lsmi_u1(…) and so on; dominant(r, u1, u2, s); the aggregate
lsmi_summary(r, u1, u2, s); and lsmi_check(r, u1, u2, s, i1, i2, i12). Of three modalities they are
lsmi(x1, x2, x3, y), dominant(r, u1, u2, u3, s) and so on. Rows that lack a modality are null, or
have the values of the others with --on-missing-modality reduce. SHOW TABLES, DESCRIBE and SUMMARIZE
'out.parquet', EXPLAIN and COPY (…) TO 'file.parquet' work. Rows go to stdout, messages to stderr.")]
pub struct SqlArgs {
    /// Query; several statements are separated by semicolons
    #[arg(conflicts_with = "file", value_name = "SQL")]
    pub(super) query: Option<String>,

    /// Read statements from a file; - for standard input
    #[arg(short, long, value_name = "FILE.sql")]
    pub(super) file: Option<PathBuf>,

    /// Register a file, folder, glob or URL as a table; may be repeated
    #[arg(short, long = "table", value_name = "NAME=PATH", value_parser = parse_table)]
    pub(super) tables: Vec<(String, String)>,

    /// Output format [default: by the extension of --output, else table]
    #[arg(long, value_enum)]
    pub(super) format: Option<Format>,

    /// Write rows to a file or URL, which appears when it is complete
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,

    /// Replace an existing output, also one of COPY
    #[arg(long)]
    pub(super) overwrite: bool,

    /// Maximum number of rows that --format table prints per result; 0 for all
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(super) max_rows: usize,

    /// Memory limit for sorting, grouping and joining (512MiB, 4GiB), beyond which sorts and
    /// groups spill to disk [default: half of the machine's memory]
    #[arg(long, value_name = "SIZE")]
    pub(super) memory_limit: Option<MemoryLimit>,

    /// Do not compare the pages of Parquet files with their checksums, as described for annotate
    #[arg(long, env = "LSMI_ETL_NO_PAGE_CHECKSUMS", hide_env = true)]
    pub(super) no_page_checksums: bool,

    /// Worker threads [default: number of cores]
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZeroUsize>,

    /// What to do if the rows of a query are unlike those that the models of lsmi() were validated on
    ///
    /// As for annotate: mean information below zero or far below that of the validation rows of fit, or mean h
    /// far from theirs, as another bundle, swapped columns, embeddings on another scale or drift give. With
    /// fail, --output is not written.
    #[arg(long, value_enum, default_value = "warn", env = "LSMI_ETL_ON_SHIFT", hide_env = true)]
    pub(super) on_shift: OnShift,

    /// Handling of a row of lsmi() whose embedding of some modality, and not of all, is null
    ///
    /// As for annotate: with reduce, the values are those of the modalities that the row has, and fields that
    /// are not of these are null.
    #[arg(long, value_enum, default_value = "null", env = "LSMI_ETL_ON_MISSING_MODALITY", hide_env = true)]
    pub(super) on_missing_modality: OnMissingModality,

    /// The models of lsmi(x1, x2, y): a folder or a URL; lsmi(x1, x2, y, 'DIR') names others,
    /// and lsmi(x1, x2, y, 'DIR', id) gives the key by which these know their training rows
    #[arg(long, env = "LSMI_ETL_BUNDLE", default_value = DEFAULT_BUNDLE, value_name = "DIR|URL", hide_env = true)]
    pub(super) bundle: BundlePath,

    /// The bundle, where a pipeline has opened it.
    #[arg(skip)]
    pub(super) shared: SharedBundle,

    #[command(flatten)]
    pub(super) engine: EngineArgs,

    #[command(flatten)]
    pub(super) cluster: ClusterArgs,

    #[cfg(feature = "cluster")]
    #[command(flatten)]
    pub(super) tls: TlsArgs,
}

impl SqlArgs {
    /// Whether to start the interactive shell: no query is given and stdin is a terminal.
    pub(super) fn is_interactive(&self) -> bool {
        self.query.is_none() && self.file.is_none() && io::stdin().is_terminal()
    }

    fn request(&self, sql: String, format: Format) -> Result<SqlRequest> {
        self.cluster.check_feature()?;
        let memory = self.memory_limit.map_or_else(|| usable_bytes() / 2, |size| size.0);
        Ok(SqlRequest {
            sql,
            tables: self.tables.clone(),
            layout: Layout {
                format,
                max_table_rows: (self.max_rows > 0).then_some(self.max_rows),
                width: None,
            },
            options: SqlOptions {
                threads: self.threads,
                overwrite: self.overwrite,
                no_page_checksums: self.no_page_checksums,
                memory_limit_bytes: Some(usize::try_from(memory).unwrap_or(usize::MAX)),
                models: self.models(),
                on_shift: self.on_shift,
                progress: QueryProgressBar::on_terminal(self.output.is_some()),
                #[cfg(feature = "cluster")]
                runner: self.runner()?,
            },
        })
    }

    /// The request of statements that are planned in this process, over these tables.
    pub(super) fn planning(&self, tables: Vec<(String, String)>, sql: String) -> SqlRequest {
        let options = SqlOptions { models: self.models(), ..SqlOptions::default() };
        SqlRequest { tables, options, ..SqlRequest::new(sql) }
    }

    fn models(&self) -> ModelOptions {
        ModelOptions {
            bundle: self.bundle.to_path_buf(),
            engine: self.engine.options(),
            sessions: None,
            on_missing: self.on_missing_modality,
            shared: self.shared.clone(),
        }
    }

    /// The cluster that runs the queries.
    #[cfg(feature = "cluster")]
    fn runner(&self) -> Result<Option<Arc<dyn PlanRunner>>> {
        let Some(address) = self.cluster.address() else { return Ok(None) };
        let find_engine = || self.engine.find();
        let cluster = QueryCluster::open(
            address,
            &self.engine.options(),
            &find_engine,
            self.threads,
            self.tls.open()?,
        )?;
        tracing::info!("cluster: {address}");
        Ok(Some(Arc::new(cluster)))
    }
}

/// Runs `lsmi-etl sql`.
///
/// # Errors
/// See [`crate::sql::convert_error`]; [`Error::OutputExists`] and [`Error::CannotCreate`] for
/// `--output`. A broken pipe on stdout (`| head`) is not an error.
pub(super) fn run(args: &SqlArgs, stop: &AtomicBool) -> Result<()> {
    if args.is_interactive() {
        if args.output.is_some() {
            return Err(Error::Usage("--output needs a query; use \\o FILE in the shell".to_owned()));
        }
        let request = args.request(String::new(), args.format.unwrap_or_default())?;
        return shell::run(&request, args.overwrite, stop);
    }
    write(args, stop).map(drop)
}

/// Writes the rows of the statements to the output or to stdout and returns their number.
pub(super) fn write(args: &SqlArgs, stop: &AtomicBool) -> Result<u64> {
    let sql = statements(args)?;
    if sql.trim_start().starts_with(['.', '\\']) {
        let command = sql.split_whitespace().next().unwrap_or_default();
        return Err(Error::Usage(format!(
            "{command} is for the shell, which `lsmi-etl sql` starts on a terminal; elsewhere there are SHOW TABLES, \
             DESCRIBE 'FILE', --format, --output and --file"
        )));
    }
    match &args.output {
        Some(path) => to_file(args, sql, path, stop),
        None => to_stdout(args, sql, stop),
    }
}

/// Runs a check and returns the rows that violate it, if any.
pub(super) fn check(args: &SqlArgs, expect: Expect, stop: &AtomicBool) -> Result<Option<String>> {
    let request = args.request(statements(args)?, Format::default())?;
    Session::open(&request)?.check(&request.sql, expect, stop)
}

fn to_stdout(args: &SqlArgs, sql: String, stop: &AtomicBool) -> Result<u64> {
    let format = args.format.unwrap_or_default();
    if format.is_binary() && io::stdout().is_terminal() {
        let name = format.name();
        return Err(Error::Usage(format!("{name} is not for a terminal; give --output FILE or a pipe")));
    }
    let mut request = args.request(sql, format)?;
    request.layout.width = output::terminal_width();
    let session = Session::open(&request)?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match session.run(&request.sql, &request.layout, &mut out, stop) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            // The buffer must not be flushed on drop: the pipe has no reader.
            drop(out.into_parts());
            Ok(0)
        }
        Err(error) => {
            // The rows of the statements before the failed one are still written.
            let _ = out.flush();
            Err(error)
        }
        Ok(rows) => Ok(rows),
    }
}

fn to_file(args: &SqlArgs, sql: String, path: &Path, stop: &AtomicBool) -> Result<u64> {
    let format = Format::of_output(path, args.format)?;
    let request = args.request(sql, format)?;
    let mut paths = Destinations::default();
    args.file.iter().for_each(|file| paths.reads("the file of statements", file));
    paths.writes("--output", path);
    paths.check()?;
    let session = Session::open(&request)?;
    session.check_paths(&request.sql, Some(path), stop)?;
    let staged = match Staged::create(path, args.overwrite) {
        Ok(staged) => staged,
        // A fault of the query is told first.
        Err(error) => {
            session.plan(&request.sql, (None, Some(format)), stop)?;
            return Err(error);
        }
    };
    let mut out = BufWriter::with_capacity(1 << 16, staged.writer()?);
    let mut results = Results::of_file();
    let output = (&mut out as &mut dyn Write, &mut results);
    let rows = session.run_into(&request.sql, &request.layout, output, stop)?;
    results.require_any()?;
    drop(out);
    staged.commit()?;
    tracing::info!("{}: {}", shown(path), counted(rows, "row"));
    Ok(rows)
}

fn statements(args: &SqlArgs) -> Result<String> {
    match (&args.query, &args.file) {
        (Some(query), _) if !query.contains(char::is_whitespace) && Path::new(query).is_file() => {
            let name = shown(Path::new(query)).to_string();
            Err(Error::Usage(match FileEnding::of(Path::new(query)) {
                Some(_) => {
                    format!("{name} is a file; a query of it is SELECT * FROM {}", quoted_table(&name))
                }
                None => format!("{name} is a file; -f {name} runs the statements in it"),
            }))
        }
        (Some(query), _) => Ok(query.clone()),
        (None, Some(file)) if file != Path::new("-") => {
            read_text(file).map_err(|source| no_input(file, source))
        }
        (None, _) => {
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .map_err(|e| Error::io(Place::file("standard input"), "read", e))?;
            Ok(without_mark(text))
        }
    }
}

fn parse_table(text: &str) -> std::result::Result<(String, String), String> {
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
        assert_eq!(
            parse_table("t=a/date=1/x.parquet"),
            Ok(("t".to_owned(), "a/date=1/x.parquet".to_owned()))
        );
        assert!(parse_table("t=").is_err());
        assert!(parse_table("out.parquet").is_err());
    }
}
