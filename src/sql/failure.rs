//! DataFusion's errors as this program's: whose fault it is decides the exit code,
//! and the message loses the layers it was wrapped in.

use std::path::Path;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::object_store;
use datafusion::parquet::errors::ParquetError;

use crate::error::{Error, Place};
use crate::storage::{is_url, read_error};

/// What a DataFusion error means to the user.
///
/// `inputs` names the file or files being read, for errors in data that do not name
/// theirs. The query's own faults are [`Error::Usage`], files that are not what their
/// name says [`Error::BadData`], missing ones [`Error::NoInput`].
pub fn explain(error: DataFusionError, inputs: &str) -> Error {
    match ours(error) {
        Ok(error) => error,
        Err(error) => classify(&error, inputs),
    }
}

/// The error of this program that a table provider or a function raised, if one did;
/// otherwise DataFusion's innermost.
fn ours(error: DataFusionError) -> Result<Error, DataFusionError> {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(error) => Ok(*error),
            Err(inner) => Err(DataFusionError::External(inner)),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => ours(*inner),
        DataFusionError::Collection(mut errors) if !errors.is_empty() => ours(errors.swap_remove(0)),
        DataFusionError::ArrowError(inner, trace) => match *inner {
            ArrowError::ExternalError(inner) => ours(DataFusionError::from(inner)),
            inner => Err(DataFusionError::ArrowError(Box::new(inner), trace)),
        },
        DataFusionError::ParquetError(inner) => match *inner {
            ParquetError::External(inner) => ours(DataFusionError::from(inner)),
            inner => Err(DataFusionError::ParquetError(Box::new(inner))),
        },
        error => Err(error),
    }
}

fn classify(error: &DataFusionError, inputs: &str) -> Error {
    let place = || place(inputs);
    match error {
        DataFusionError::Shared(inner) => classify(inner, inputs),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => classify(inner, inputs),
        DataFusionError::ParquetError(e) => Error::bad_data(place(), clean(&e.to_string())),
        DataFusionError::ArrowError(e, _) => match e.as_ref() {
            ArrowError::CsvError(_)
            | ArrowError::JsonError(_)
            | ArrowError::IpcError(_)
            | ArrowError::ParquetError(_)
            | ArrowError::SchemaError(_) => Error::bad_data(place(), clean(&e.to_string())),
            e => Error::Usage(clean(&e.to_string())),
        },
        DataFusionError::ObjectStore(e) => stored(e, inputs),
        DataFusionError::External(e) => match e.downcast_ref::<object_store::Error>() {
            Some(e) => stored(e, inputs),
            None => Error::Usage(format!("SQL: {}", clean(&e.to_string()))),
        },
        DataFusionError::IoError(e) => {
            Error::io(place(), "read or spill", std::io::Error::new(e.kind(), e.to_string()))
        }
        DataFusionError::ResourcesExhausted(what) => Error::Usage(exhausted(what)),
        DataFusionError::Internal(what) => Error::Internal(clean(what)),
        DataFusionError::ExecutionJoin(e) => Error::Internal(clean(&e.to_string())),
        DataFusionError::SQL(e, _) => {
            let message = e.to_string();
            Error::Usage(format!("SQL: {}", clean(message.trim_start_matches("sql parser error: "))))
        }
        DataFusionError::Plan(what) => match missing_table(what) {
            Some(name) => Error::Usage(format!(
                "{NO_TABLE}{name}{AFTER_TABLE} in quotes ('{name}'), or --table NAME=PATH names it"
            )),
            None => Error::Usage(format!("SQL: {}", clean(what))),
        },
        error => Error::Usage(format!("SQL: {}", clean(&error.message()))),
    }
}

fn place(inputs: &str) -> Place {
    Place::file(if inputs.is_empty() { "the query's input" } else { inputs })
}

const CUT_OFF: &str = "is shorter than its footer promises; the file is damaged, write it again";

/// Whether bytes were asked for that the file does not have. The crate keeps the type of
/// this error to itself.
fn is_beyond_the_end(error: &object_store::Error) -> bool {
    let text = error.to_string();
    text.contains("Requested range was invalid") || text.contains("Out of range of file")
}

fn exhausted(what: &str) -> String {
    let way = match what.contains("for HashJoinInput") {
        true => {
            "a join by hashing cannot spill; raise the limit, or join by sorting on two threads or more: \
             SET datafusion.optimizer.prefer_hash_join = false"
        }
        false => "this part of it cannot spill; raise the limit or lower --threads",
    };
    format!("the query needs more memory than --memory-limit allows, and {way} ({})", clean(what))
}

/// What a failed request means, to a store or to the local file system.
fn stored(error: &object_store::Error, inputs: &str) -> Error {
    if is_url(Path::new(inputs)) {
        return read_error(Path::new(inputs), error);
    }
    match error {
        object_store::Error::NotFound { path, source } => Error::NoInput {
            place: Place::file(path),
            source: std::io::Error::new(std::io::ErrorKind::NotFound, source.to_string()),
        },
        e if is_beyond_the_end(e) => Error::bad_data(place(inputs), CUT_OFF),
        e => Error::io(place(inputs), "read", std::io::Error::other(clean(&e.to_string()))),
    }
}

/// The same error, with what may have been meant where a table is missing: the nearest
/// of `names`.
pub(super) fn suggest(error: Error, names: &[String]) -> Error {
    const ALIKE: f64 = 0.8;
    let Error::Usage(message) = &error else { return error };
    let Some((table, rest)) =
        message.strip_prefix(NO_TABLE).and_then(|message| message.split_once(AFTER_TABLE))
    else {
        return error;
    };
    let alike = |name: &str| strsim::jaro_winkler(&name.to_ascii_lowercase(), &table.to_ascii_lowercase());
    let stem = |name: &str| Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let likeness = |name: &str| alike(name).max(stem(name).map_or(0.0, |stem| alike(&stem)));
    let nearest = names.iter().map(|name| (likeness(name), name)).filter(|(alike, _)| *alike > ALIKE);
    match nearest.max_by(|(a, _), (b, _)| a.total_cmp(b)) {
        Some((_, name)) => {
            Error::Usage(format!("{NO_TABLE}{table} (did you mean {}?){AFTER_TABLE}{rest}", quoted(name)))
        }
        None => error,
    }
}

/// A table's name as SQL takes it.
fn quoted(name: &str) -> String {
    match name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit()) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', "''")),
    }
}

const NO_TABLE: &str = "there is no table ";
const AFTER_TABLE: &str = "; a file's name stands";

/// The table that DataFusion could not find, as the query had it.
fn missing_table(message: &str) -> Option<&str> {
    let name = message.strip_prefix("table '")?.split_once("' not found")?.0;
    let name = name.strip_prefix("datafusion.").unwrap_or(name);
    Some(name.strip_prefix("public.").unwrap_or(name))
}

/// One line, starting in lower case, without a trailing full stop.
fn clean(message: &str) -> String {
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
    use std::sync::Arc;

    use super::*;

    #[test]
    fn an_error_of_ours_comes_back_through_every_wrapping() {
        let ours = Error::bad_data(Place::file("a.parquet"), "truncated");
        let wrapped = DataFusionError::External(Box::new(ours)).context("while planning");
        let wrapped =
            DataFusionError::ArrowError(Box::new(ArrowError::ExternalError(Box::new(wrapped))), None);
        assert_eq!(explain(wrapped, "").to_string(), "a.parquet: truncated");
    }

    #[test]
    fn fault_decides_the_exit_code() {
        let parquet = || DataFusionError::ParquetError(Box::new(ParquetError::General("bad page".into())));
        assert_eq!(explain(parquet(), "x.parquet").exit_code(), 65);
        assert_eq!(explain(DataFusionError::Shared(Arc::new(parquet())), "x.parquet").exit_code(), 65);
        assert_eq!(explain(DataFusionError::Plan("No such function".into()), "").exit_code(), 64);
        assert_eq!(explain(DataFusionError::Internal("oops".into()), "").exit_code(), 70);
        let io = DataFusionError::IoError(std::io::Error::other("disk full"));
        assert_eq!(explain(io, "x.parquet").exit_code(), 74);
    }

    #[test]
    fn a_missing_table_is_named_as_it_was_written() {
        let unquoted = DataFusionError::Plan("table 'datafusion.out.parquet' not found".into());
        let message = explain(unquoted, "").to_string();
        assert!(message.starts_with("there is no table out.parquet;"), "{message}");
        let bare = DataFusionError::Plan("table 'datafusion.public.t' not found".into());
        assert!(explain(bare, "").to_string().contains("no table t;"));
    }

    #[test]
    fn the_nearest_table_is_offered() {
        let missing = |name: &str| {
            let plan = DataFusionError::Plan(format!("table 'datafusion.public.{name}' not found"));
            let names = ["samples", "out.parquet", "notes.csv"].map(str::to_owned);
            suggest(explain(plan, ""), &names).to_string()
        };
        assert!(missing("sample").starts_with("there is no table sample (did you mean samples?); a file's"));
        assert!(missing("out").contains("did you mean 'out.parquet'?"));
        assert!(!missing("elsewhere").contains("did you mean"));
    }

    #[test]
    fn a_store_that_refuses_is_told_from_a_damaged_file() {
        let not_found = || object_store::Error::NotFound { path: "k".into(), source: "gone".into() };
        let inside = ParquetError::External(Box::new(not_found()));
        let error = DataFusionError::ParquetError(Box::new(inside));
        assert_eq!(explain(error, "s3://data/k.parquet").exit_code(), 66);
        let answerless = object_store::Error::Generic { store: "S3", source: "timed out".into() };
        let error = DataFusionError::ObjectStore(Box::new(answerless));
        assert_eq!(explain(error, "s3://data/k.parquet").exit_code(), 75);
    }
}
