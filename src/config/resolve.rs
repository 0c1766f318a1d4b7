//! Precedence of settings: flag, environment, pipeline file, default. Records the origin of every
//! value.

use std::fmt;

use clap::ArgMatches;
use clap::parser::ValueSource;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

use super::source_text::{KeyLines, join};

/// The origin of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingOrigin {
    /// A flag.
    Flag(String),
    /// An environment variable.
    Environment(String),
    /// A line of the pipeline file.
    File(usize),
    /// The default.
    Default,
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(line) => write!(f, "file, line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl Serialize for SettingOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A value and its origin.
#[derive(Debug, Clone, Serialize)]
pub struct Setting {
    /// Its key in a pipeline file, prefixed by that of its table.
    pub key: String,
    /// The value; null if there is none.
    pub value: Value,
    /// The origin of the value.
    pub origin: SettingOrigin,
}

/// Resolves the settings of a table. `typed` are the values from flags, environment and
/// defaults, and `matches` has the source of each; `file` is the table in the pipeline file, and
/// `lines` has the keys that it sets.
pub(super) fn resolve<T: Serialize + DeserializeOwned>(
    table: &str,
    (typed, matches): (&T, &ArgMatches),
    (file, lines): (&T, &KeyLines),
    settings: &mut Vec<Setting>,
) -> Result<T> {
    let mut written = object(file)?;
    let mut resolved = Map::new();
    for (key, value) in object(typed)? {
        let path = join(table, &key);
        let (value, origin) = match (given(matches, &key), lines.get(&path), written.remove(&key)) {
            (None, Some(line), Some(written)) => (written, SettingOrigin::File(*line)),
            (given, _, _) => (value, given.unwrap_or(SettingOrigin::Default)),
        };
        settings.push(Setting { key: path, value: value.clone(), origin });
        resolved.insert(key, value);
    }
    serde_json::from_value(Value::Object(resolved)).map_err(|e| Error::Internal(e.to_string()))
}

/// The settings of a table that only the file can set, without nulls.
pub(super) fn file_settings<T: Serialize>(table: &str, file: &T, lines: &KeyLines) -> Result<Vec<Setting>> {
    let listed = object(file)?.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| {
        let key = join(table, &key);
        let origin = lines.get(&key).map_or(SettingOrigin::Default, |line| SettingOrigin::File(*line));
        Setting { key, value, origin }
    });
    Ok(listed.collect())
}

fn object<T: Serialize>(table: &T) -> Result<Map<String, Value>> {
    match serde_json::to_value(table) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Error::Internal("settings are not a table".to_owned())),
        Err(e) => Err(Error::Internal(e.to_string())),
    }
}

/// The flag or the environment variable that gives a key its value.
pub(super) fn given(matches: &ArgMatches, key: &str) -> Option<SettingOrigin> {
    match matches.value_source(key) {
        Some(ValueSource::CommandLine) => Some(SettingOrigin::Flag(flag(key))),
        Some(ValueSource::EnvVariable) => Some(SettingOrigin::Environment(variable(key))),
        _ => None,
    }
}

/// The name of a key's flag.
fn flag(key: &str) -> String {
    format!("--{}", name(key).replace('_', "-"))
}

/// The name of a key's environment variable.
fn variable(key: &str) -> String {
    format!("LSMI_ETL_{}", name(key).to_ascii_uppercase())
}

/// The name of a key outside of its table: that of the scheduler is the cluster's.
fn name(key: &str) -> &str {
    if key == "scheduler" { "cluster" } else { key }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command};

    use super::super::{AnnotateSettings, ClusterArgs, EngineArgs, InputOutput};
    use super::*;

    /// The displayed origin must be the name that is read.
    #[test]
    fn every_key_has_the_flag_and_the_variable_of_its_name() {
        let command = InputOutput::augment_args(Command::new("run"));
        let command = EngineArgs::augment_args(AnnotateSettings::augment_args(command));
        let command = ClusterArgs::augment_args(command);
        let keys = [
            object(&InputOutput::default()).unwrap(),
            object(&AnnotateSettings::default()).unwrap(),
            object(&EngineArgs::default()).unwrap(),
            object(&ClusterArgs::default()).unwrap(),
        ];
        let keys: Vec<String> = keys.into_iter().flatten().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), command.get_arguments().count());
        for key in keys {
            let arg = command.get_arguments().find(|arg| arg.get_id().as_str() == key).unwrap();
            assert_eq!(format!("--{}", arg.get_long().unwrap()), flag(&key));
            assert_eq!(arg.get_env().unwrap().to_str().unwrap(), variable(&key));
        }
    }
}
