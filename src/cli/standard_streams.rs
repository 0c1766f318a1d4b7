//! `-`, which stands for standard input or output, where a command takes files alone.

use std::path::{Path, PathBuf};

use clap::ArgMatches;

use crate::error::{Error, Result};

/// The arguments that take it, or say themselves why not, by their subcommand.
const STREAMS: [(&str, &str); 8] = [
    ("annotate", "input"),
    ("annotate", "output"),
    ("fit", "train"),
    ("inspect", "data"),
    ("report", "output"),
    ("split", "data"),
    ("sql", "file"),
    ("run", "output"),
];

/// Refuses `-` where it would be the name of a file.
///
/// # Errors
/// [`Error::Usage`] with the argument.
pub(super) fn check(command: &clap::Command, matches: &ArgMatches) -> Result<()> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(()) };
    let Some(command) = command.find_subcommand(name) else { return Ok(()) };
    let is_stream = |id: &str| {
        let paths = matches.try_get_many::<PathBuf>(id).ok().flatten();
        paths.is_some_and(|mut paths| paths.any(|path| path == Path::new("-")))
    };
    let is_known = |id: &str| STREAMS.contains(&(name, id));
    match command
        .get_arguments()
        .find(|arg| is_stream(arg.get_id().as_str()) && !is_known(arg.get_id().as_str()))
    {
        Some(arg) => Err(Error::Usage(format!(
            "{} -: this is neither read from stdin nor written to stdout; name a file (one that is called - is ./-)",
            named(arg)
        ))),
        None => check(command, matches),
    }
}

/// An argument as it is typed, or as its usage has it.
fn named(arg: &clap::Arg) -> String {
    match arg.get_long() {
        Some(long) => format!("--{long}"),
        None => arg
            .get_value_names()
            .and_then(|names| names.first())
            .map_or_else(String::new, ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(args: &[&str]) -> Result<()> {
        let command = super::super::command();
        let matches = command.clone().get_matches_from(std::iter::once(&"lsmi-etl").chain(args));
        check(&command, &matches)
    }

    #[test]
    fn files_are_no_streams() {
        for (args, named) in [
            (&["split", "a.parquet", "-"][..], "OUT -: "),
            (&["synth", "gaussian", "--rows", "9", "-o", "-"], "--output -: "),
            (&["fit", "a.parquet", "--bundle", "-"], "--bundle -: "),
            (&["bundle", "export", "m", "-o", "-"], "--output -: "),
            (&["annotate", "a.parquet", "b.parquet", "--rejects", "-"], "--rejects -: "),
            (&["annotate", "a.parquet", "b.parquet", "--summary", "-"], "--summary -: "),
            (&["report", "-"], "ANNOTATED -: "),
            (&["run", "-"], "PIPELINE.toml -: "),
        ] {
            let error = checked(args).unwrap_err();
            assert!(error.exit_code() == 64 && error.to_string().starts_with(named), "{args:?}: {error}");
        }
        for args in [
            &["annotate", "-", "-"][..],
            &["fit", "-"],
            &["report", "a.parquet", "-o", "-"],
            &["sql", "-f", "-"],
            &["split", "a.parquet", "./-"],
        ] {
            assert!(checked(args).is_ok(), "{args:?}");
        }
    }
}
