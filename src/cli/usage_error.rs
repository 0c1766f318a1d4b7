//! What is wrong with the arguments, as the parser of the command line says it: in words of the command
//! line where its words are those of Rust, and without tips that lead nowhere.

use std::borrow::Cow;
use std::error::Error as _;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};
use std::path::Path;

use clap::error::ContextKind;

use crate::printable::{escape_line, message, redact, without_secrets};

use super::failure::Failure;

/// The command, whose options take numbers below zero for values, which they may refuse, and not for flags
/// that do not exist.
pub(super) fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| {
        let is_option = !arg.is_positional() && arg.get_action().takes_values();
        if is_option { arg.allow_negative_numbers(true) } else { arg }
    });
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_negative_numbers))
}

/// Prints it to stderr, and where `--json` is given, as an object to stdout.
pub(super) fn print(error: clap::Error) -> std::io::Result<()> {
    let error = without_dashes(error);
    let typed: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let is_plain = typed.iter().all(|arg| matches!(escape_line(arg), Cow::Borrowed(_)));
    let is_styled = is_plain && std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    std::io::stderr().write_all(text(&error, &typed, is_styled).as_bytes())?;
    if typed.iter().any(|arg| arg == "--json") {
        Failure::of_arguments(&text(&error, &typed, false)).print();
    }
    Ok(())
}

/// The text without colours, for who prints it elsewhere.
pub(super) fn plain_text(error: clap::Error, typed: &[OsString]) -> String {
    let typed: Vec<String> = typed.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    text(&without_dashes(error), &typed, false)
}

/// The error without the tip to write `-- --flag`, which would make a path of a flag.
fn without_dashes(mut error: clap::Error) -> clap::Error {
    let is_of_dashes = |tip: &str| tip.contains("to pass '") && tip.contains("as a value");
    if error.get(ContextKind::Suggested).is_some_and(|tips| is_of_dashes(&tips.to_string())) {
        error.remove(ContextKind::Suggested);
    }
    error
}

/// The text, which quotes what was `typed`: without colours where that holds characters that a terminal
/// obeys, and without secrets.
fn text(error: &clap::Error, typed: &[String], is_styled: bool) -> String {
    let rendered = error.render();
    let mut text = if is_styled { rendered.ansi().to_string() } else { rendered.to_string() };
    let value = error.get(ContextKind::InvalidValue).map(ToString::to_string).unwrap_or_default();
    if let Some(cause) = error.source()
        && let Some(words) = words(cause, &value)
    {
        text = text.replacen(&format!(": {cause}"), &format!(": {words}"), 1);
    }
    for arg in typed {
        // A whole URL, with the blanks that may be in it.
        let value =
            arg.split_once('=').filter(|(flag, _)| flag.starts_with("--")).map_or(arg.as_str(), |it| it.1);
        if value.contains("://") {
            text = text.replace(value, &without_secrets(Path::new(value)));
        }
    }
    if is_styled { redact(&text).into_owned() } else { message(&text) }
}

/// What an option expects whose value is no such number.
fn words(cause: &(dyn std::error::Error + 'static), value: &str) -> Option<&'static str> {
    if cause.is::<ParseFloatError>() {
        return Some("expected a number");
    }
    Some(match cause.downcast_ref::<ParseIntError>()?.kind() {
        IntErrorKind::Zero => "expected a whole number from 1",
        IntErrorKind::PosOverflow => "expected a smaller number",
        IntErrorKind::NegOverflow => "expected a larger number",
        _ if value.starts_with('-') && value.parse::<f64>().is_ok() => {
            "expected a number that is not negative"
        }
        _ => "expected a whole number",
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use clap::{Arg, Command, value_parser};

    use super::*;

    fn said(args: &[&str]) -> String {
        let number = |name| Arg::new(name).long(name);
        let command = Command::new("p")
            .arg(number("workers").value_parser(value_parser!(NonZeroU16)))
            .arg(number("share").value_parser(value_parser!(f64)));
        let args = std::iter::once("p").chain(args.iter().copied());
        let error = with_negative_numbers(command).try_get_matches_from(args).unwrap_err();
        text(&without_dashes(error), &[], false)
    }

    #[test]
    fn numbers_are_refused_in_words() {
        for (value, words) in [
            ("0", "expected a whole number from 1"),
            ("-1", "expected a number that is not negative"),
            ("many", "expected a whole number"),
            ("70000", "expected a smaller number"),
        ] {
            let text = said(&["--workers", value]);
            let expected = format!("error: invalid value '{value}' for '--workers <workers>': {words}\n");
            assert!(text.starts_with(&expected), "{text}");
        }
        assert!(said(&["--share", "half"]).contains("': expected a number\n"));
    }

    #[test]
    fn tips_that_lead_nowhere_are_left_out() {
        let text = said(&["--quorum"]);
        assert!(text.contains("unexpected argument '--quorum'") && !text.contains("tip:"), "{text}");
        assert!(said(&["--worker", "1"]).contains("tip: a similar argument exists: '--workers'"));
    }
}
