//! The variables of the environment whose names begin with `LSMI_ETL_`, and a warning of those that nothing reads.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use crate::parquet_file::most_similar;
use crate::printable::escape_line;

/// What the names of all variables begin with.
const PREFIX: &str = "LSMI_ETL_";

/// The variables of no option of the command line, and what each sets, for the reference of commands.
pub const OTHER_VARIABLES: [(&str, &str); 5] = [
    (
        "LSMI_ETL_LOG",
        "A filter of log lines in the notation of tracing, such as `lsmi_etl=debug`, instead of `--verbose`",
    ),
    ("LSMI_ETL_RUNTIME_DIR", "The folder of `lsmi-etl runtime install`"),
    (
        "LSMI_ETL_RETRY_SECONDS",
        "How long a request to an object store is tried again, in seconds; up to ten times within 180 seconds by default",
    ),
    (
        "LSMI_ETL_TRIAL_SECONDS",
        "How long models may take on a few rows before they are refused, in seconds, 60 by default",
    ),
    ("LSMI_ETL_BIN", "The program that the Python package runs"),
];

/// The options of a program with the feature `cluster`, which other programs need not know.
const OF_CLUSTERS: [&str; 4] =
    ["LSMI_ETL_TLS_CERT", "LSMI_ETL_TLS_KEY", "LSMI_ETL_TLS_CA", "LSMI_ETL_TLS_NAME"];

/// Variables that are not set by hand: those between the Python package and the program, and those of tests,
/// benchmarks and fuzzing.
const INTERNAL: [&str; 11] = [
    "LSMI_ETL_PARENT",
    "LSMI_ETL_COMMIT",
    "LSMI_ETL_REGENERATE",
    "LSMI_ETL_FUZZ_SECONDS",
    "LSMI_ETL_FUZZ_FROM",
    "LSMI_ETL_FUZZ_SEEDS",
    "LSMI_ETL_FUZZ_CHILD",
    "LSMI_ETL_BENCH_DIR",
    "LSMI_ETL_BENCH_ROWS",
    "LSMI_ETL_BENCH_GENERATORS",
    "LSMI_ETL_BENCH_PICTURE",
];

/// The variables of no option that are numbers of seconds.
const SECONDS: [&str; 2] = ["LSMI_ETL_RETRY_SECONDS", "LSMI_ETL_TRIAL_SECONDS"];

/// Warns of each variable with the program's prefix that has no effect: of those that it does not know, and of
/// numbers that are none.
pub(super) fn warn_of_ineffective(command: &clap::Command) {
    let set = std::env::vars_os().map(|(name, _)| name);
    let numbers = SECONDS.iter().filter_map(|name| no_number(name, &std::env::var_os(name)?));
    for warning in warnings(command, set).into_iter().chain(numbers) {
        tracing::warn!("{warning}");
    }
}

/// Whether a variable of this name is read by the program of this command, its Python package or its tests.
pub fn is_known_variable(command: &clap::Command, name: &str) -> bool {
    documented(command).contains(name) || INTERNAL.contains(&name)
}

/// The variables that users set.
fn documented(command: &clap::Command) -> BTreeSet<String> {
    let mut names = BTreeSet::from(OTHER_VARIABLES.map(|(name, _)| name.to_owned()));
    names.extend(OF_CLUSTERS.map(str::to_owned));
    of_options(command, &mut names);
    names
}

fn warnings(command: &clap::Command, set: impl Iterator<Item = OsString>) -> Vec<String> {
    let documented = documented(command);
    // All names are alike in what they begin with.
    let endings: Vec<&str> = documented.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
    let set = set.map(|name| name.to_string_lossy().into_owned());
    let mut unknown: Vec<String> =
        set.filter(|name| !documented.contains(name) && !INTERNAL.contains(&name.as_str())).collect();
    unknown.sort();
    let warning = |name: &String| {
        let ending = name.strip_prefix(PREFIX)?;
        let meant = match most_similar(ending, &endings) {
            Some(near) => format!("; did you mean {PREFIX}{near}?"),
            None => String::new(),
        };
        Some(format!("the environment variable {} is unknown and has no effect{meant}", escape_line(name)))
    };
    unknown.iter().filter_map(warning).collect()
}

/// The warning of a variable that takes a number of seconds and has another value.
fn no_number(name: &str, value: &OsStr) -> Option<String> {
    let is_number = value.to_str().is_some_and(|text| text.parse::<u64>().is_ok());
    (!is_number).then(|| {
        let value = value.to_string_lossy();
        format!(
            "the environment variable {name} takes a whole number of seconds; {:?} has no effect",
            escape_line(&value)
        )
    })
}

/// Adds the variables of the options of a command and of its own commands.
fn of_options(command: &clap::Command, names: &mut BTreeSet<String>) {
    let of_args = command.get_arguments().filter_map(|arg| arg.get_env());
    names.extend(of_args.map(|name| name.to_string_lossy().into_owned()));
    command.get_subcommands().for_each(|command| of_options(command, names));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(set: &[&str]) -> Vec<String> {
        warnings(&super::super::command(), set.iter().map(OsString::from))
    }

    #[test]
    fn seconds_are_numbers() {
        for value in ["zz", "-1", "1.5", "", "1s"] {
            let warning = no_number("LSMI_ETL_RETRY_SECONDS", OsStr::new(value)).unwrap();
            let told = ["LSMI_ETL_RETRY_SECONDS takes a whole number of seconds", &format!("{value:?}")];
            assert!(told.iter().all(|words| warning.contains(words)), "{warning}");
        }
        assert_eq!(no_number("LSMI_ETL_RETRY_SECONDS", OsStr::new("600")), None);
    }

    #[test]
    fn an_unknown_variable_is_told_with_the_nearest() {
        assert_eq!(
            warned(&["LSMI_ETL_MEMORY_LIMT", "PATH", "LSMI_ETL_MEMORY_LIMIT", "LSMI_ETL_QQQQ"]),
            [
                "the environment variable LSMI_ETL_MEMORY_LIMT is unknown and has no effect; did you mean \
                 LSMI_ETL_MEMORY_LIMIT?",
                "the environment variable LSMI_ETL_QQQQ is unknown and has no effect",
            ]
        );
        let known =
            ["LSMI_ETL_LOG", "LSMI_ETL_PARENT", "LSMI_ETL_TLS_CA", "LSMI_ETL_BUNDLE", "LSMI_ETL_LOG_FORMAT"];
        assert!(warned(&known).is_empty());
    }
}
