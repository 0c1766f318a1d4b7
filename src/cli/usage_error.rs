//! What is wrong with the arguments, as the parser of the command line says it: in words of the command
//! line where its words are those of Rust, and without tips that lead nowhere.

use std::borrow::Cow;
use std::error::Error as _;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};
use std::path::Path;

use clap::error::{ContextKind, ErrorKind};

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

/// Prints an error of the arguments of `command` to stderr, and where `--json` is given, as an object to stdout.
pub(super) fn print(error: clap::Error, command: &clap::Command) -> std::io::Result<()> {
    let error = without_dashes(error);
    let typed: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let is_plain = typed.iter().all(|arg| matches!(escape_line(arg), Cow::Borrowed(_)));
    let is_styled = is_plain && std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    std::io::stderr().write_all(text(&error, (command, &typed), is_styled).as_bytes())?;
    if typed.iter().any(|arg| arg == "--json") {
        Failure::of_arguments(&text(&error, (command, &typed), false)).print();
    }
    Ok(())
}

/// The text without colours, for who prints it elsewhere.
pub(super) fn plain_text(error: clap::Error, command: &clap::Command, typed: &[OsString]) -> String {
    let typed: Vec<String> = typed.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    text(&without_dashes(error), (command, &typed), false)
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
fn text(error: &clap::Error, (command, typed): (&clap::Command, &[String]), is_styled: bool) -> String {
    let rendered = error.render();
    let mut text = if is_styled { rendered.ansi().to_string() } else { rendered.to_string() };
    let value = error.get(ContextKind::InvalidValue).map(ToString::to_string).unwrap_or_default();
    if let Some(cause) = error.source()
        && let Some(words) = words(cause, &value)
    {
        text = text.replacen(&format!(": {cause}"), &format!(": {words}"), 1);
    }
    if let Some(variable) = variable_of(error, typed) {
        text = text.replacen(&variable.named, &format!("{} ({})", variable.named, variable.name), 1);
    }
    if is_one_too_many(error) {
        let value = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
        let tip = format!("\n\n  tip: {}", surplus_tip(command, typed, &value));
        let place = text.find("\n\nUsage").unwrap_or(text.trim_end().len());
        text.insert_str(place, &tip);
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

/// A variable of the environment whose value is refused, and its option as the message names it.
struct Variable {
    name: String,
    named: String,
}

/// The variable, where the refused option was not typed.
fn variable_of(error: &clap::Error, typed: &[String]) -> Option<Variable> {
    let option = error.get(ContextKind::InvalidArg)?.to_string();
    error.get(ContextKind::InvalidValue)?;
    let flag = option.split_whitespace().next().filter(|flag| flag.starts_with("--"))?;
    let is_typed =
        |arg: &String| arg.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
    if typed.iter().any(is_typed) {
        return None;
    }
    let name = flag.trim_start_matches('-').replace('-', "_").to_uppercase();
    Some(Variable { name: format!("LSMI_ETL_{name}"), named: format!("'{option}'") })
}

/// What is probably meant by an argument that is one too many.
fn surplus_tip(command: &clap::Command, typed: &[String], value: &str) -> String {
    let at = typed.iter().rposition(|arg| arg == value);
    let before = |steps: usize| at.and_then(|at| typed.get(at.checked_sub(steps)?)).map(String::as_str);
    let is_typed = |words: &[&str]| typed.iter().any(|arg| words.contains(&arg.as_str()));
    let is_assignment = value.contains('=') && is_typed(&["run", "validate"]);
    match before(2).zip(before(1)) {
        Some(("--set", name)) if !name.contains('=') => {
            // NAME = VALUE, with blanks somewhere.
            let next = at.and_then(|at| typed.get(at + 1)).map_or("VALUE", String::as_str);
            let value = if value == "=" { next } else { value.trim_start_matches('=') };
            format!("write --set {name}={value}")
        }
        _ if is_assignment => format!("write --set {value}"),
        Some((option, first)) if is_list(command, option) && !first.starts_with('-') => {
            format!("of several values it is {option} {},{value}", first.trim_end_matches(','))
        }
        _ if value.ends_with(".onnx") && is_typed(&["export"]) => format!("write -o {value}"),
        _ => "quote a glob, a query or a name with spaces, which the shell makes several arguments of"
            .to_owned(),
    }
}

/// Whether an option of a command or its subcommands takes several values, with commas between them.
fn is_list(command: &clap::Command, option: &str) -> bool {
    let is_it = |arg: &clap::Arg| {
        let long = arg.get_long().filter(|_| arg.get_value_delimiter().is_some());
        long.is_some() && long == option.strip_prefix("--")
    };
    command.get_arguments().any(is_it) || command.get_subcommands().any(|command| is_list(command, option))
}

/// Whether there are more arguments than the command takes, none of which looks like a flag.
fn is_one_too_many(error: &clap::Error) -> bool {
    let value = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    error.kind() == ErrorKind::UnknownArgument && !value.starts_with('-')
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

    #[test]
    fn a_surplus_argument_is_answered_by_what_stands_before_it() {
        let tip = |args: &[&str], value| {
            surplus_tip(
                &super::super::command(),
                &args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>(),
                value,
            )
        };
        assert!(
            tip(&["annotate", "a", "b", "--columns", "i1", "i2"], "i2").ends_with("it is --columns i1,i2")
        );
        for surplus in
            [&["split", "d", "p", "--by", "label", "id"], &["annotate", "a", "b", "--bundle", "m", "id"]]
        {
            assert!(tip(surplus, "id").starts_with("quote a glob"));
        }
        assert_eq!(tip(&["bundle", "export", "m", "e.onnx"], "e.onnx"), "write -o e.onnx");
        for spaced in
            [&["run", "p.toml", "--set", "ds", "=", "1"][..], &["run", "p.toml", "--set", "ds", "=1"]]
        {
            assert_eq!(tip(spaced, spaced[4]), "write --set ds=1");
        }
        assert_eq!(tip(&["run", "p.toml", "--set", "a=1", "b=2"], "b=2"), "write --set b=2");
        assert_eq!(tip(&["run", "p.toml", "--set", "ds", "1"], "1"), "write --set ds=1");
        assert_eq!(tip(&["run", "p.toml", "ds=1"], "ds=1"), "write --set ds=1");
        assert!(tip(&["annotate", "a", "b", "c"], "c").starts_with("quote a glob"));
        assert!(tip(&["annotate", "--x1=a", "b", "c"], "c").starts_with("quote a glob"));
    }

    fn said(args: &[&str]) -> String {
        said_of(args, args)
    }

    fn said_of(args: &[&str], args_typed: &[&str]) -> String {
        let number = |name| Arg::new(name).long(name);
        let command = Command::new("p")
            .arg(number("workers").value_parser(value_parser!(NonZeroU16)))
            .arg(number("share").value_parser(value_parser!(f64)));
        let args = std::iter::once("p").chain(args.iter().copied());
        let error = with_negative_numbers(command).try_get_matches_from(args).unwrap_err();
        let typed: Vec<String> = args_typed.iter().map(|arg| (*arg).to_owned()).collect();
        text(&without_dashes(error), (&Command::new("p"), &typed), false)
    }

    #[test]
    fn a_value_that_was_not_typed_is_of_a_variable() {
        let text = said_of(&["--workers", "two"], &[]);
        assert!(
            text.starts_with("error: invalid value 'two' for '--workers <workers>' (LSMI_ETL_WORKERS): "),
            "{text}"
        );
        assert!(!said(&["--workers=two"]).contains("LSMI_ETL_"));
    }

    #[test]
    fn one_argument_too_many_is_most_often_a_glob() {
        let text = said(&["b.parquet"]);
        assert!(text.contains("unexpected argument 'b.parquet' found\n\n  tip: quote a glob"), "{text}");
        assert!(!said(&["--quorum"]).contains("tip: quote"));
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
