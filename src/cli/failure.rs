//! The JSON object of a command that fails, where `--json` is given: the last line on stdout. A run that
//! fails after its summary, since files of a folder are bad, has that.

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use crate::error::Error;

use super::output;

/// Why a command has failed, as `--json` prints it; its JSON Schema is in `schemas/`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Failure {
    /// The message, as on stderr.
    error: String,
    /// The exit code.
    code: u8,
    /// What it is about, as the message names it: a file with its row group and column, an output, a file of
    /// a bundle.
    place: Option<String>,
    /// The part of the message that says what to do.
    advice: Option<String>,
}

/// The JSON Schema of what `--json` prints where a command fails.
pub fn failure_schema() -> Schema {
    schema_for!(Failure)
}

impl Failure {
    /// That of an error.
    pub(super) fn of(error: &Error) -> Self {
        Self::new(error.to_string(), error.exit_code(), error.place())
    }

    /// That of arguments that the parser refuses: the first paragraph of its text.
    pub(super) fn of_arguments(text: &str) -> Self {
        let paragraph: Vec<&str> =
            text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
        let paragraph = paragraph.join(" ");
        let message = paragraph.strip_prefix("error: ").unwrap_or(&paragraph);
        Self::new(message.to_owned(), 64, None)
    }

    fn new(error: String, code: u8, place: Option<String>) -> Self {
        let advice = error.split_once("; ").map(|(_, advice)| advice.to_owned());
        Self { error, code, place, advice }
    }

    /// Prints it, unless there is a result.
    pub(super) fn print(&self) {
        if output::has_result() {
            return;
        }
        // The exit code tells of the failure; that of the output cannot be told anywhere.
        let _ = output::json(self);
    }
}

/// Whether the flag `--json` of a command is given, and stdout is not for the rows of a stream.
pub(super) fn is_json(matches: &ArgMatches) -> bool {
    let output = matches.try_get_one::<PathBuf>("output").ok().flatten();
    if output.is_some_and(|output| output == Path::new("-")) {
        return false;
    }
    let here = matches.try_get_one::<bool>("json").ok().flatten().is_some_and(|json| *json);
    here || matches.subcommand().is_some_and(|(_, matches)| is_json(matches))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;

    #[test]
    fn the_advice_is_what_follows_the_fault() {
        let error =
            Error::bad_data(Place::file("a.parquet").column("x"), "is no label; choose another; or none");
        let failure = Failure::of(&error);
        assert_eq!(failure.place.as_deref(), Some("a.parquet, column \"x\""));
        assert_eq!((failure.code, failure.advice.as_deref()), (65, Some("choose another; or none")));
        let parsed = Failure::of_arguments("error: unexpected argument '--nope' found\n\n  tip: …\n");
        assert_eq!((parsed.error.as_str(), parsed.code), ("unexpected argument '--nope' found", 64));
        assert!(parsed.place.is_none() && parsed.advice.is_none());
    }
}
