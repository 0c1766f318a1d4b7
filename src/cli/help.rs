//! The layout of `--help`: examples before the options, and the options in groups.

use clap::{Arg, Command};

/// The groups of options, by the names of the options; `pack --output` is an option of one command only.
const GROUPS: [(&str, &[&str]); 8] = [
    (
        "Input",
        &[
            "x",
            "x1",
            "x2",
            "label",
            "label-free",
            "pairs",
            "key",
            "group",
            "parquet-keys",
            "no-page-checksums",
            "input",
            "set",
            "table",
            "file",
            "compare",
            "pack --dim",
            "pack --dim-1",
            "pack --dim-2",
        ],
    ),
    (
        "Models",
        &[
            "bundle",
            "folds",
            "density-fit",
            "units",
            "seed",
            "max-classes",
            "power-curve",
            "label-free-check",
            "density",
            "density-1",
            "density-2",
            "classifier",
            "classifier-1",
            "classifier-2",
            "classifier-12",
            "pack --output",
            "pack --classes",
            "pack --prior",
            "centre-on",
            "no-fold",
        ],
    ),
    (
        "Rows",
        &[
            "on-missing-modality",
            "on-bad-row",
            "max-bad-rows",
            "on-bad-file",
            "on-shift",
            "fit --max-rows",
            "inspect --max-rows",
            "split --test",
            "split --validation",
            "split --by",
            "rows",
            "modalities",
            "classes",
            "prior",
            "rho",
            "sigma",
            "d1",
            "d2",
            "d3",
            "d4",
            "dims",
            "distribution-seed",
            "warp",
            "samples",
        ],
    ),
    (
        "Output",
        &[
            "output",
            "columns",
            "prefix",
            "replace-columns",
            "adjust",
            "unit-bytes",
            "rejects",
            "overwrite",
            "verify-inputs",
            "restart",
            "if-nothing",
            "new-columns-only",
            "dry-run",
            "json",
            "summary",
            "format",
            "svg",
            "title",
            "link-template",
            "truth",
            "row-group-rows",
            "show-config",
            "sql --max-rows",
            "dir",
        ],
    ),
    (
        "Speed",
        &[
            "memory-limit",
            "workers",
            "threads",
            "batch-rows",
            "files-per-job",
            "resume",
            "seconds",
            "slots",
            "work-dir",
        ],
    ),
    ("Engine", &["install --cuda", "install --dir", "install --force", "install --version"]),
    ("Cluster", &["bind", "advertise", "scheduler", "executor-timeout"]),
    ("Logs and telemetry", &["verbose", "quiet", "log-format", "progress-every", "metrics", "metrics-bind"]),
];

/// The parts of a help page, in their order.
const PAGE: &str = "{about-with-newline}\n{usage-heading} {usage}{after-help}\n\n{all-args}";

/// Gives a program and its commands their groups of options, and puts the examples first.
pub(super) fn arrange(program: Command) -> Command {
    let program = group(program);
    let names: Vec<String> = program.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(program, |program, name| program.mut_subcommand(name, command_page))
}

/// A command's page, and those of its own commands.
fn command_page(command: Command) -> Command {
    let command = group(command).help_template(PAGE);
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, command_page))
}

fn group(command: Command) -> Command {
    let name = command.get_name().to_owned();
    command.mut_args(|arg| match heading(&name, &arg) {
        Some(heading) => arg.help_heading(heading),
        None => arg,
    })
}

/// The group of an option; `None` of a positional argument, and of an option whose type states its own.
fn heading(command: &str, arg: &Arg) -> Option<&'static str> {
    let option = arg.get_long().filter(|_| arg.get_help_heading().is_none())?;
    let of_command = format!("{command} --{option}");
    let group_of = |name: &str| GROUPS.iter().find(|(_, options)| options.contains(&name));
    group_of(&of_command).or_else(|| group_of(option)).map(|(heading, _)| *heading)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Cli;
    use super::*;

    fn without_group(command: &Command, found: &mut Vec<String>) {
        let options = command.get_arguments().filter(|arg| arg.get_help_heading().is_none());
        let options =
            options.filter_map(Arg::get_long).filter(|option| !["help", "version"].contains(option));
        found.extend(options.map(|option| format!("{} --{option}", command.get_name())));
        command.get_subcommands().for_each(|command| without_group(command, found));
    }

    #[test]
    fn every_option_has_a_group() {
        let mut program = arrange(Cli::command());
        program.build();
        let mut found = Vec::new();
        without_group(&program, &mut found);
        assert!(found.is_empty(), "not in GROUPS of src/cli/help.rs: {found:?}");
    }

    #[test]
    fn the_examples_precede_the_options() {
        for name in ["annotate", "fit", "sql", "report"] {
            let mut program = arrange(Cli::command());
            let command = program.find_subcommand_mut(name).unwrap();
            let page = command.render_long_help().to_string();
            let at = |word: &str| page.find(word).unwrap_or_else(|| panic!("no {word:?} in {page}"));
            assert!(at("Usage:") < at("Examples:") && at("Examples:") < at("\nOutput:"), "{page}");
        }
    }
}
