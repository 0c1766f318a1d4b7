//! The table of all errors for `docs/messages.md`: exit code, message and remedy of each, made from the errors
//! themselves.

use std::io;
use std::path::PathBuf;

use crate::error::{Error, Place};

/// An error for a person who reads of it.
struct Explained {
    name: &'static str,
    /// What has happened.
    when: &'static str,
    /// What to do.
    remedy: &'static str,
}

/// The page as Markdown.
pub fn message_table() -> String {
    let mut page =
        format!("{INTRODUCTION}\n| code | error | message | when | what to do |\n|---|---|---|---|---|\n");
    let mut errors: Vec<Error> = std::iter::successors(Some(first()), following).collect();
    errors.sort_by_key(Error::exit_code);
    for error in errors {
        let Explained { name, when, remedy } = explained(&error);
        let place = if error.place().is_some() { "" } else { " (no place)" };
        page += &format!("| {} | {name}{place} | {error} | {when} | {remedy} |\n", error.exit_code());
    }
    page + CONCLUSION
}

const INTRODUCTION: &str = "\
# Messages

A command that fails prints one line to stderr, `ERROR` and the message, and ends with an exit code of
[sysexits](https://man.openbsd.org/sysexits). With `--json` its last line on stdout is an object with `error` (the
message), `code`, `place` (what it is about) and `advice` (the part of the message that says what to do), as
`schemas/failure.schema.json` has it; with `--log-format json` the line on stderr is an object, too. A message
begins with its place, says what is wrong, and after a semicolon what to do. Names that look like a slip come with the
name that is there: of columns, tables, files, folders, bundles, functions and options. A query's error has a mark
under the word. A command line that can't be understood (64) is answered in several lines: `error:` with the argument,
and how the command is used.

This page is made from the error types (`LSMI_ETL_REGENERATE=1`, tests/README.md). Capitals stand for what the message
names.
";

const CONCLUSION: &str = "
Schedulers run a task again that ended with 75: nothing is wrong with the input or the settings, and what is finished
stays; Ctrl-C and a termination end with it. The other codes are the same the next time, until someone changes what the
message names. 0 is success, also of a run that had nothing to do, unless `--if-nothing` gives another code.
";

fn first() -> Error {
    Error::Usage("WHAT; WHAT TO DO".to_owned())
}

/// The error after one of the same kind; every kind comes once.
fn following(error: &Error) -> Option<Error> {
    let place = || Place::file("FILE");
    let inside = || place().row_group(0).column("COLUMN");
    let path = || PathBuf::from("OUTPUT");
    let what = || "WHAT; WHAT TO DO".to_owned();
    let reason = || io::Error::other("REASON");
    Some(match error {
        Error::Usage(_) => Error::NoInput { place: place(), source: reason() },
        Error::NoInput { .. } => Error::BadData { place: inside(), what: what() },
        Error::BadData { .. } => Error::BadRows { place: inside(), what: what() },
        Error::BadRows { .. } => Error::Engine(what()),
        Error::Engine(_) => Error::OutputExists(path()),
        Error::OutputExists(_) => Error::OtherOutput { path: path(), why: "WHY IT DIFFERS".to_owned() },
        Error::OtherOutput { .. } => Error::OtherKind { path: path(), what: "A KIND OF FILE".to_owned() },
        Error::OtherKind { .. } => Error::CannotCreate { path: path(), source: reason() },
        Error::CannotCreate { .. } => Error::Io { place: place(), doing: "read", source: reason() },
        Error::Io { .. } => Error::Interrupted,
        Error::Interrupted => Error::NoThread(reason()),
        Error::NoThread(_) => Error::Transient { place: place(), what: "WHAT".to_owned() },
        Error::Transient { .. } => {
            Error::ExecutorLost { place: Place::file("HOST:PORT"), what: "WHAT".to_owned() }
        }
        Error::ExecutorLost { .. } => Error::Bundle {
            bundle: PathBuf::from("DIR"),
            file: "FILE".to_owned(),
            field: Some("FIELD".to_owned()),
            what: what(),
        },
        Error::Bundle { .. } => Error::Config(what()),
        Error::Config(_) => Error::Internal("WHAT".to_owned()),
        Error::Internal(_) => return None,
    })
}

fn explained(error: &Error) -> Explained {
    let (name, when, remedy) = match error {
        Error::Usage(_) => (
            "Usage",
            "flags that contradict each other or the data, a query with a mistake, a limit that a query needs more than",
            "change the command as it says; `--help` shows the flags",
        ),
        Error::NoInput { .. } => (
            "NoInput",
            "an input is not there, not readable, a pipe or device, or a folder or glob without a Parquet file",
            "correct the path; a similar one that is there is named",
        ),
        Error::BadData { .. } => (
            "BadData",
            "a file is damaged, no Parquet, encrypted, or without a column of the name and type that is needed",
            "name another column or file, cast the column by the query that is given, or write the file again",
        ),
        Error::BadRows { .. } => (
            "BadRows",
            "more rows without values than --max-bad-rows, any with --on-bad-row fail, or a model's impossible value",
            "correct the rows, or raise the limit: complete row groups are kept, and --rejects then lists the rows without values",
        ),
        Error::Engine(_) => (
            "Engine",
            "no ONNX Runtime for the device, or a model that it cannot run; no executor of a cluster",
            "`lsmi-etl doctor` shows what was found, `lsmi-etl runtime install` installs it",
        ),
        Error::OutputExists(_) => (
            "OutputExists",
            "the output is there and was not made by this work",
            "--overwrite, or another name",
        ),
        Error::OtherOutput { .. } => (
            "OtherOutput",
            "it was made of another input, bundle or with other options",
            "--overwrite, or another name",
        ),
        Error::OtherKind { .. } => {
            ("OtherKind", "a file of another kind has the output's name", "another name, or --overwrite")
        }
        Error::CannotCreate { .. } => (
            "CannotCreate",
            "the output's folder is not there, or not writable",
            "create the folder, or its permissions",
        ),
        Error::Io { .. } => (
            "Io",
            "the system failed to read, write or sync: a full disk, a bad block, a file server that is gone",
            "see to the disk, and run again: what was computed is kept",
        ),
        Error::Interrupted => ("Interrupted", "a signal ended the run", "run again"),
        Error::NoThread(_) => {
            ("NoThread", "the limit of processes or memory is reached", "raise it, or fewer --workers")
        }
        Error::Transient { .. } => (
            "Transient",
            "a store did not answer, for LSMI_ETL_RETRY_SECONDS where that is set; a limit of open files or memory is reached; another run writes the output, the input was changed",
            "run again",
        ),
        Error::ExecutorLost { .. } => ("ExecutorLost", "a machine of the cluster is gone", "run again"),
        Error::Bundle { .. } => (
            "Bundle",
            "a bundle is not there, damaged, or contradicts its manifest; a model fails its trial",
            "name another with --bundle, restore the file, or fit or pack it again",
        ),
        Error::Config(_) => (
            "Config",
            "a key, value, query or variable of a pipeline file; a variable of the environment; credentials of a store \
             that are missing; the journal of other work",
            "correct the line that it names, or set the variable",
        ),
        Error::Internal(_) => ("Internal", "a fault of this program", "report it, with the command and `-v`"),
    };
    Explained { name, when, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_one_row() {
        let page = message_table();
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        let names: std::collections::BTreeSet<_> = rows.iter().map(|row| row.split('|').nth(2)).collect();
        assert_eq!(rows.len(), names.len());
        assert!(rows.iter().all(|row| row.split('|').count() == 7), "{page}");
        assert!(page.contains("| 66 | NoInput | FILE: cannot open the input: REASON |"), "{page}");
        assert!(
            page.contains("| 65 | BadData | FILE, row group 0, column \"COLUMN\": WHAT; WHAT TO DO |"),
            "{page}"
        );
    }
}
