//! Conversion of DataFusion errors into this program's. The cause determines the variant and so
//! the exit code; the message is reduced to the innermost error.

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::object_store;
use datafusion::parquet::errors::ParquetError;
use tokio::task::JoinError;

use crate::error::{Error, Place, shortage};
use crate::printable::quoted_table;
use crate::storage::{io_errors, is_url, read_error};
use crate::threads::is_start_panic;

use super::bounded_functions::IN_ONE_BATCH;
use super::function_names::missing_function;
use super::missing_column::missing_column;
use super::plain_sentences::plain_sentence;

/// Converts a DataFusion error.
///
/// `inputs` names the files being read, for data errors that do not name their file. Errors in the
/// query are [`Error::Usage`], files of another format than their ending [`Error::BadData`], and
/// missing files [`Error::NoInput`].
pub fn convert_error(error: DataFusionError, inputs: &str) -> Error {
    match unwrap_own_error(error) {
        Ok(error) => error,
        Err(error) => classify(&error, inputs),
    }
}

/// Wraps an error for DataFusion; [`convert_error`] unwraps it.
pub(super) fn to_datafusion_error(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Unwraps this program's own error, raised by a table provider or a function; otherwise DataFusion's
/// innermost error.
fn unwrap_own_error(error: DataFusionError) -> Result<Error, DataFusionError> {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(error) => Ok(*error),
            Err(inner) => unwrap_known_error(inner),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            unwrap_own_error(*inner)
        }
        DataFusionError::Collection(mut errors) if !errors.is_empty() => {
            unwrap_own_error(errors.swap_remove(0))
        }
        DataFusionError::ArrowError(inner, trace) => match *inner {
            ArrowError::ExternalError(inner) => unwrap_own_error(DataFusionError::from(inner)),
            inner => Err(DataFusionError::ArrowError(Box::new(inner), trace)),
        },
        DataFusionError::ParquetError(inner) => match *inner {
            ParquetError::External(inner) if blames_bytes(inner.as_ref()) => {
                Err(DataFusionError::ParquetError(Box::new(ParquetError::General(inner.to_string()))))
            }
            ParquetError::External(inner) => unwrap_own_error(DataFusionError::from(inner)),
            inner => Err(DataFusionError::ParquetError(Box::new(inner))),
        },
        // One error for all partitions of an exchange.
        DataFusionError::Shared(inner) => match Arc::try_unwrap(inner) {
            Ok(inner) => unwrap_own_error(inner),
            Err(shared) => match own_error(&shared) {
                Some(error) => Ok(error.clone()),
                None => Err(DataFusionError::Shared(shared)),
            },
        },
        // In the error of a store.
        error => own_error(&error).cloned().ok_or(error),
    }
}

/// Unwraps an error of the crates of Arrow, Parquet and DataFusion, which wrap each other's.
fn unwrap_known_error(error: Box<dyn StdError + Send + Sync>) -> Result<Error, DataFusionError> {
    let error = match error.downcast::<ArrowError>() {
        Ok(error) => return unwrap_own_error(DataFusionError::ArrowError(error, None)),
        Err(error) => error,
    };
    let error = match error.downcast::<ParquetError>() {
        Ok(error) => return unwrap_own_error(DataFusionError::ParquetError(error)),
        Err(error) => error,
    };
    match error.downcast::<DataFusionError>() {
        Ok(error) => unwrap_own_error(*error),
        Err(error) => Err(DataFusionError::External(error)),
    }
}

/// Whether the cause of a Parquet error is neither ours nor one of a store, but of decoding: text that
/// is no UTF-8, or what a decompressor does not take.
fn blames_bytes(cause: &(dyn StdError + 'static)) -> bool {
    let known = cause.is::<Error>()
        || cause.is::<DataFusionError>()
        || cause.is::<ArrowError>()
        || cause.is::<object_store::Error>()
        || cause.is::<ParquetError>();
    let of_system = cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.raw_os_error().is_some());
    !known && !of_system
}

/// This program's own error among the causes of another.
fn own_error(error: &DataFusionError) -> Option<&Error> {
    let mut causes = std::iter::successors(Some(error as &(dyn StdError + 'static)), |&error| error.source());
    causes.find_map(|cause| cause.downcast_ref())
}

fn classify(error: &DataFusionError, inputs: &str) -> Error {
    let place = || place(inputs);
    match error {
        DataFusionError::Shared(inner) => classify(inner, inputs),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => classify(inner, inputs),
        DataFusionError::ParquetError(e) => Error::bad_data(place(), io_errors::undecodable(&e.to_string())),
        DataFusionError::ArrowError(e, _) => match e.as_ref() {
            ArrowError::ParquetError(e) => Error::bad_data(place(), io_errors::undecodable(e)),
            ArrowError::CsvError(_)
            | ArrowError::JsonError(_)
            | ArrowError::IpcError(_)
            | ArrowError::SchemaError(_) => Error::bad_data(place(), normalize_message(&e.to_string())),
            ArrowError::IoError(_, e) if is_words_of_a_codec(e) => {
                Error::bad_data(place(), io_errors::undecodable(&e.to_string()))
            }
            ArrowError::IoError(_, e) => io_error(e, inputs),
            e => refused(&e.to_string()),
        },
        DataFusionError::ObjectStore(e) => store_error(e, inputs),
        DataFusionError::External(e) => match (e.downcast_ref(), join_error(e.as_ref())) {
            (Some(e), _) => store_error(e, inputs),
            (None, Some(e)) if e.is_panic() => reader_panic(e, inputs),
            _ => refused(&e.to_string()),
        },
        DataFusionError::IoError(e) => io_error(e, inputs),
        DataFusionError::ResourcesExhausted(what) => Error::Usage(memory_limit_message(what)),
        // DataFusion reads page indexes itself, and takes their numbers of rows for true.
        DataFusionError::Internal(what) if what.contains("Invalid ParquetAccessPlan Selection") => {
            let what = "has a page index whose rows are not those of its footer; the file is damaged, write it again";
            Error::bad_data(place(), what)
        }
        // The types of a BETWEEN.
        DataFusionError::Internal(what) if what.contains("Failed to coerce types ") => refused(what),
        DataFusionError::Internal(what) => Error::Internal(normalize_message(what)),
        DataFusionError::ExecutionJoin(e) if e.is_panic() => reader_panic(e, inputs),
        DataFusionError::ExecutionJoin(e) => Error::Internal(normalize_message(&e.to_string())),
        DataFusionError::SQL(e, _) => {
            let message = e.to_string();
            Error::Usage(format!(
                "SQL: {}",
                normalize_message(message.trim_start_matches("sql parser error: "))
            ))
        }
        DataFusionError::Plan(what) => match missing_table(what) {
            Some(name) => Error::Usage(format!(
                "{NO_TABLE}{name}{AFTER_TABLE} in quotes ('{name}'), or {TABLE_FLAG} names it"
            )),
            None => refused(what),
        },
        DataFusionError::SchemaError(e, _) => Error::Usage(format!(
            "SQL: {}",
            missing_column(e).unwrap_or_else(|| normalize_message(&error.message()))
        )),
        error => refused(&error.message()),
    }
}

/// The error of a query that can't be planned, or not be evaluated.
fn refused(what: &str) -> Error {
    let sentence = missing_function(what).or_else(|| plain_sentence(what));
    Error::Usage(format!("SQL: {}", sentence.unwrap_or_else(|| normalize_message(what))))
}

/// Whether an I/O error is one of a decompressor, which reads from memory, and not of the system.
fn is_words_of_a_codec(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};

    error.raw_os_error().is_none()
        && matches!(error.kind(), InvalidData | InvalidInput | Other | UnexpectedEof)
        && !error.to_string().contains("(os error ")
}

/// A failed read of a file, or a failed write of rows that do not fit in memory.
fn io_error(error: &io::Error, inputs: &str) -> Error {
    let text = error.to_string();
    // Wrapped by DataFusion and Arrow, it has lost its kind.
    let told = system_error(&text);
    let kind = told.as_ref().map_or(error.kind(), io::Error::kind);
    if let Some(short) = told.filter(|told| shortage(told).is_some()) {
        return Error::io(place(inputs), "read or spill", short);
    }
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            let text =
                format!("{error}; free space there, set TMPDIR to another folder or raise --memory-limit");
            let place = Place::file(std::env::temp_dir().display());
            Error::io(place, "write of the query's temporary files", io::Error::new(error.kind(), text))
        }
        _ => Error::io(place(inputs), "read or spill", io::Error::new(kind, text)),
    }
}

/// The error of the operating system that a text ends with.
fn system_error(text: &str) -> Option<io::Error> {
    let (_, rest) = text.rsplit_once("(os error ")?;
    rest.split_once(')')?.0.parse().ok().map(io::Error::from_raw_os_error)
}

/// The end of a task as an error; that of an exchange's input is shared by all of its outputs.
fn join_error<'a>(error: &'a (dyn StdError + Send + Sync + 'static)) -> Option<&'a JoinError> {
    error.downcast_ref().or_else(|| error.downcast_ref::<Arc<JoinError>>().map(Arc::as_ref))
}

/// A panic of a task, which a decoder raises at some damaged bytes.
fn reader_panic(error: &JoinError, inputs: &str) -> Error {
    if is_start_panic(&error.to_string()) {
        return Error::NoThread(io::ErrorKind::WouldBlock.into());
    }
    let what = format!("cannot be decoded, most likely because it is damaged ({error})");
    Error::bad_data(place(inputs), what)
}

fn place(inputs: &str) -> Place {
    Place::file(if inputs.is_empty() { "the query's input" } else { inputs })
}

const CUT_OFF: &str = "is shorter than its footer promises; the file is damaged, write it again";

/// Whether a read went beyond the end of the file. The type of this error is private to the
/// `object_store` crate.
fn is_beyond_the_end(error: &object_store::Error) -> bool {
    let text = error.to_string();
    text.contains("Requested range was invalid") || text.contains("Out of range of file")
}

fn memory_limit_message(what: &str) -> String {
    let way = if what.contains("for HashJoinInput") {
        "a join by hashing cannot spill; raise the limit, or join by sorting on two threads or more: \
         SET datafusion.optimizer.prefer_hash_join = false"
    } else if what.ends_with(IN_ONE_BATCH) {
        "what a function makes is not spilled; raise the limit, or take fewer rows at once: \
         SET datafusion.execution.batch_size = 256"
    } else {
        "this part of it cannot spill; raise the limit or lower --threads"
    };
    format!("the query needs more memory than --memory-limit allows, and {way} ({})", normalize_message(what))
}

/// Converts the error of an object store or of the local file system.
fn store_error(error: &object_store::Error, inputs: &str) -> Error {
    if is_url(Path::new(inputs)) {
        return read_error(Path::new(inputs), error);
    }
    match error {
        object_store::Error::NotFound { path, source } => Error::NoInput {
            place: Place::file(path),
            source: std::io::Error::new(std::io::ErrorKind::NotFound, source.to_string()),
        },
        // Its task reserves memory for the range that a damaged page index gives.
        object_store::Error::JoinError { source } if source.is_panic() => reader_panic(source, inputs),
        e if is_beyond_the_end(e) => Error::bad_data(place(inputs), CUT_OFF),
        e => {
            let told = system_error(&e.to_string()).filter(|told| shortage(told).is_some());
            let source = told.unwrap_or_else(|| io::Error::other(normalize_message(&e.to_string())));
            Error::io(place(inputs), "read", source)
        }
    }
}

/// Adds the most similar of `names` to the error of a missing table.
pub(super) fn suggest_table(error: Error, names: &[String]) -> Error {
    const MIN_SIMILARITY: f64 = 0.8;
    let Error::Usage(message) = &error else { return error };
    let Some((table, _)) = message.strip_prefix(NO_TABLE).and_then(|message| message.split_once(AFTER_TABLE))
    else {
        return error;
    };
    let similarity =
        |name: &str| strsim::jaro_winkler(&name.to_ascii_lowercase(), &table.to_ascii_lowercase());
    let stem = |name: &str| Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let best_similarity = |name: &str| similarity(name).max(stem(name).map_or(0.0, |stem| similarity(&stem)));
    let nearest =
        names.iter().map(|name| (best_similarity(name), name)).filter(|(score, _)| *score > MIN_SIMILARITY);
    match nearest.max_by(|(a, _), (b, _)| a.total_cmp(b)) {
        Some((_, name)) => Error::Usage(format!("{NO_TABLE}{table}; did you mean {}?", quoted_table(name))),
        None => error,
    }
}

/// The flag that names a table, in messages.
pub const TABLE_FLAG: &str = "--table NAME=PATH";

const NO_TABLE: &str = "there is no table ";
const AFTER_TABLE: &str = "; a file's name stands";

/// The missing table's name as written in the query.
fn missing_table(message: &str) -> Option<&str> {
    let name = message.strip_prefix("table '")?.split_once("' not found")?.0;
    let name = name.strip_prefix("datafusion.").unwrap_or(name);
    Some(name.strip_prefix("public.").unwrap_or(name))
}

/// What DataFusion puts behind errors that it thinks to be its own.
const BUG_REPORT: &str = "This issue was likely caused by a bug in DataFusion's code";

/// Normalizes a message: one line, lower-case start, no trailing full stop, nothing of DataFusion's bug reports.
fn normalize_message(message: &str) -> String {
    let message = message.split(BUG_REPORT).next().unwrap_or(message).trim_end();
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches('.');
    let mut rest = line.chars();
    match (rest.next(), rest.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => first.to_lowercase().chain(rest).collect(),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_ours_comes_back_through_every_wrapping() {
        let own_error = Error::bad_data(Place::file("a.parquet"), "truncated");
        let wrapped = DataFusionError::External(Box::new(own_error)).context("while planning");
        let wrapped =
            DataFusionError::ArrowError(Box::new(ArrowError::ExternalError(Box::new(wrapped))), None);
        assert_eq!(convert_error(wrapped, "").to_string(), "a.parquet: truncated");
    }

    #[test]
    fn bytes_are_blamed_through_the_errors_of_other_crates() {
        let inner = ArrowError::ParquetError("Required field type_ is missing".to_owned());
        let parquet = ParquetError::External(Box::new(inner));
        let external = DataFusionError::External(Box::new(ParquetError::EOF("cut off".to_owned())));
        let nested = DataFusionError::External(Box::new(external));
        for error in [DataFusionError::ParquetError(Box::new(parquet)), nested] {
            assert_eq!(convert_error(error, "a.parquet").exit_code(), 65);
        }
    }

    #[test]
    fn what_a_page_index_makes_of_a_reader_is_damage() {
        let selection = "assertion failed: Invalid ParquetAccessPlan Selection. Row group 0 has 600 rows";
        assert_eq!(convert_error(DataFusionError::Internal(selection.to_owned()), "a").exit_code(), 65);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let panicked = runtime.block_on(async { tokio::spawn(async { panic!("capacity overflow") }).await });
        let panicked = object_store::Error::JoinError { source: panicked.unwrap_err() };
        assert_eq!(convert_error(DataFusionError::ObjectStore(Box::new(panicked)), "a").exit_code(), 65);
    }

    #[test]
    fn an_error_of_ours_comes_back_to_every_partition() {
        let own_errors: [fn() -> Error; 3] = [
            || Error::bad_data(Place::file("a.parquet").row_group(3), "truncated"),
            || Error::io(Place::file("a.parquet"), "read", std::io::Error::from_raw_os_error(5)),
            || Error::Interrupted,
        ];
        for own_error in own_errors {
            let arrow = ArrowError::ExternalError(Box::new(to_datafusion_error(own_error())));
            let arrow = DataFusionError::ArrowError(Box::new(arrow), None);
            for inner in [to_datafusion_error(own_error()), arrow.context("while planning")] {
                let shared = Arc::new(inner);
                let partitions = [0, 1].map(|_| DataFusionError::from(&shared));
                for error in partitions.map(|error| convert_error(error.context("partition"), "")) {
                    assert_eq!(error.to_string(), own_error().to_string());
                    assert_eq!(error.exit_code(), own_error().exit_code());
                }
            }
        }
    }

    #[test]
    fn fault_decides_the_exit_code() {
        let parquet = || DataFusionError::ParquetError(Box::new(ParquetError::General("bad page".into())));
        assert_eq!(convert_error(parquet(), "x.parquet").exit_code(), 65);
        assert_eq!(convert_error(DataFusionError::Shared(Arc::new(parquet())), "x.parquet").exit_code(), 65);
        assert_eq!(convert_error(DataFusionError::Plan("No such function".into()), "").exit_code(), 64);
        assert_eq!(convert_error(DataFusionError::Internal("oops".into()), "").exit_code(), 70);
        let codec = ArrowError::IoError(String::new(), std::io::Error::other("Src size is incorrect"));
        let codec = DataFusionError::ArrowError(Box::new(codec), None);
        assert_eq!(convert_error(codec, "x.arrow").exit_code(), 65);
        let io = DataFusionError::IoError(std::io::Error::other("disk full"));
        assert_eq!(convert_error(io, "x.parquet").exit_code(), 74);
    }

    #[test]
    fn a_missing_table_is_named_as_it_was_written() {
        let unquoted = DataFusionError::Plan("table 'datafusion.out.parquet' not found".into());
        let message = convert_error(unquoted, "").to_string();
        assert!(message.starts_with("there is no table out.parquet;"), "{message}");
        let bare = DataFusionError::Plan("table 'datafusion.public.t' not found".into());
        assert!(convert_error(bare, "").to_string().contains("no table t;"));
    }

    #[test]
    fn the_nearest_table_is_offered() {
        let missing = |name: &str| {
            let plan = DataFusionError::Plan(format!("table 'datafusion.public.{name}' not found"));
            let names = ["samples", "out.parquet", "notes.csv"].map(str::to_owned);
            suggest_table(convert_error(plan, ""), &names).to_string()
        };
        assert!(missing("sample").starts_with("there is no table sample; did you mean samples?"));
        assert!(missing("out").contains("did you mean 'out.parquet'?"));
        assert!(!missing("elsewhere").contains("did you mean"));
    }

    #[test]
    fn a_store_that_refuses_is_told_from_a_damaged_file() {
        let not_found = || object_store::Error::NotFound { path: "k".into(), source: "gone".into() };
        let inside = ParquetError::External(Box::new(not_found()));
        let error = DataFusionError::ParquetError(Box::new(inside));
        assert_eq!(convert_error(error, "s3://data/k.parquet").exit_code(), 66);
        let answerless = object_store::Error::Generic { store: "S3", source: "timed out".into() };
        let error = DataFusionError::ObjectStore(Box::new(answerless));
        assert_eq!(convert_error(error, "s3://data/k.parquet").exit_code(), 75);
    }
}
