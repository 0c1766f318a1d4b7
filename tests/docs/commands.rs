//! `docs/commands.md`: the commands with their options, made from the definitions of the command line.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Arg, Command};

use lsmi_etl::cli::is_known_variable;

use crate::harness::repository;
use crate::house::matches_file;

const INTRODUCTION: &str = "\
# Commands

This page is made from the program (`LSMI_ETL_REGENERATE=1`, tests/README.md), as are `lsmi-etl COMMAND --help`, which
wraps the same text to the terminal's width, and the manual pages of `lsmi-etl man`. An option that names a variable of
the environment takes its value from there where it is not given; one that is set to nothing counts as not set.
Commands of the cluster, and `--cluster`, are in a program built with the feature `cluster`.
";

#[test]
fn the_reference_of_commands_is_the_command_line() {
    let mut program = lsmi_etl::cli::command();
    program.build();
    let mut page = INTRODUCTION.to_owned();
    page += "\n## Options of all commands\n\n";
    options(&mut page, program.get_arguments().filter(|arg| arg.is_global_set()));
    page += "\n## Variables of the environment\n\nBeside those of options. A variable whose name begins with `LSMI_ETL_` and that is \
             none of these is warned of, with the name that is most like it.\n\n";
    for (name, what) in lsmi_etl::cli::OTHER_VARIABLES {
        writeln!(page, "- `{name}`: {what}").unwrap();
    }
    for command in program.get_subcommands() {
        section(&mut page, command, "lsmi-etl", 2);
    }
    matches_file("docs/commands.md", page.trim_end());
}

/// The section of a command and of its own commands.
fn section(page: &mut String, command: &Command, parent: &str, level: usize) {
    if command.get_name() == "help" || command.is_hide_set() {
        return;
    }
    let name = format!("{parent} {}", command.get_name());
    write!(page, "\n{} {name}\n\n", "#".repeat(level)).unwrap();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    write!(page, "{}\n\n", prose(&about)).unwrap();
    if command.get_subcommands().next().is_none() {
        let usage = command.clone().bin_name(&name).render_usage().to_string();
        write!(page, "```text\n{}\n```\n", usage.trim_start_matches("Usage: ")).unwrap();
    }
    let help = command.get_after_long_help().or(command.get_after_help());
    if let Some(examples) = help {
        write!(page, "\n```text\n{}\n```\n", examples.to_string().trim_end()).unwrap();
    }
    let shown: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| {
            !arg.is_global_set()
                && !arg.is_hide_set()
                && !["help", "version"].contains(&arg.get_id().as_str())
        })
        .collect();
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in &shown {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    for heading in headings {
        let title = heading.unwrap_or("Arguments");
        write!(page, "\n**{title}**\n\n").unwrap();
        options(page, shown.iter().copied().filter(|arg| arg.get_help_heading() == heading));
    }
    for own in command.get_subcommands() {
        section(page, own, &name, level + 1);
    }
}

/// A list of options, one paragraph each.
fn options<'a>(page: &mut String, args: impl Iterator<Item = &'a Arg>) {
    for arg in args {
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let help = prose(&help).replace("\n\n", "\n\n  ");
        write!(page, "- `{}`: {help}", signature(arg)).unwrap();
        let values: Vec<_> =
            arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set()).collect();
        let takes_values = arg.get_action().takes_values();
        if takes_values && values.iter().any(|value| value.get_help().is_some()) {
            for value in &values {
                let help = value.get_help().map(ToString::to_string).unwrap_or_default();
                write!(page, "\n  - `{}`: {}", value.get_name(), prose(&help)).unwrap();
            }
        } else if takes_values && !values.is_empty() {
            let names: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
            write!(page, " ({})", names.join(", ")).unwrap();
        }
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let mut notes = Vec::new();
        if takes_values && !defaults.is_empty() && !arg.is_hide_default_value_set() {
            notes.push(format!("default `{}`", defaults.join(",")));
        }
        if let Some(variable) = arg.get_env() {
            notes.push(format!("environment `{}`", variable.to_string_lossy()));
        }
        if !notes.is_empty() {
            let between = if values.iter().any(|value| value.get_help().is_some()) { "\n\n  " } else { " " };
            write!(page, "{between}[{}]", notes.join("; ")).unwrap();
        }
        page.push('\n');
    }
}

/// `-o, --output FILE`, or `INPUT…` of an argument without a name.
fn signature(arg: &Arg) -> String {
    let values = arg.get_value_names().filter(|_| arg.get_action().takes_values()).unwrap_or_default();
    let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
    let values = values.join(" ");
    let names =
        [arg.get_short().map(|short| format!("-{short}")), arg.get_long().map(|long| format!("--{long}"))];
    let names: Vec<String> = names.into_iter().flatten().collect();
    match (names.is_empty(), values.is_empty()) {
        (true, _) => values,
        (false, true) => names.join(", "),
        (false, false) => format!("{} {values}", names.join(", ")),
    }
}

/// Text for Markdown: what it would take for a tag or emphasis is escaped.
fn prose(text: &str) -> String {
    let mut escaped = String::new();
    for (index, part) in text.trim().split('`').enumerate() {
        if index > 0 {
            escaped.push('`');
        }
        if index % 2 == 1 {
            escaped += part;
        } else {
            escaped += &part.replace('<', "\\<").replace('*', "\\*").replace('|', "\\|").replace('[', "\\[");
        }
    }
    escaped
}

/// All files below a folder.
fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

/// A variable that is read or documented anywhere is one that the program does not warn of.
#[test]
fn every_variable_of_the_environment_is_known() {
    let program = lsmi_etl::cli::command();
    let (mut files, mut unknown) = (Vec::new(), BTreeSet::new());
    for folder in ["src", "tests", "pipelines", "benches", "fuzz", "docs"] {
        files_below(&repository().join(folder), &mut files);
    }
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for (at, prefix) in text.match_indices("LSMI_ETL_") {
            let rest = text[at + prefix.len()..].chars();
            let is_part = |c: &char| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_';
            let name = format!("{prefix}{}", rest.take_while(is_part).collect::<String>());
            // Names with a hole, and those that are wrong on purpose.
            let is_name = !name.ends_with('_') && !name.ends_with("_LIMT") && !name.ends_with("QQQQ");
            if is_name && !is_known_variable(&program, &name) {
                unknown.insert(format!("{name} in {}", file.display()));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}
