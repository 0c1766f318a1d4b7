//! Which of several values holds: that of a flag, else of the environment, else of the
//! pipeline file, else the default; and which of them it was.

use std::fmt;

use clap::ArgMatches;
use clap::parser::ValueSource;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

use super::source::{Lines, join};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag, as it is typed.
    Flag(String),
    /// A variable of the environment.
    Environment(String),
    /// A line of the pipeline file.
    File(usize),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(line) => write!(f, "file, line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A value and where it comes from.
#[derive(Debug, Clone, Serialize)]
pub struct Setting {
    /// Its key in a pipeline file, with that of its table.
    pub key: String,
    /// The value; null where there is none.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// Settles the settings of a table. `typed` is what the parser of the command line made of
/// flags, environment and defaults, `matches` knows which of these each value is; `file` is the
/// table in the file, `lines` which of its keys are there.
pub(super) fn resolve<T: Serialize + DeserializeOwned>(
    table: &str,
    (typed, matches): (&T, &ArgMatches),
    (file, lines): (&T, &Lines),
    settings: &mut Vec<Setting>,
) -> Result<T> {
    let mut written = object(file)?;
    let mut settled = Map::new();
    for (key, value) in object(typed)? {
        let path = join(table, &key);
        let said = match matches.value_source(&key) {
            Some(ValueSource::CommandLine) => Some(Origin::Flag(flag(&key))),
            Some(ValueSource::EnvVariable) => Some(Origin::Environment(variable(&key))),
            _ => None,
        };
        let (value, origin) = match (said, lines.get(&path), written.remove(&key)) {
            (None, Some(line), Some(written)) => (written, Origin::File(*line)),
            (said, _, _) => (value, said.unwrap_or(Origin::Default)),
        };
        settings.push(Setting { key: path, value: value.clone(), origin });
        settled.insert(key, value);
    }
    serde_json::from_value(Value::Object(settled)).map_err(|e| Error::Internal(e.to_string()))
}

/// The settings of a table that only the file can give, those that have a value.
pub(super) fn listed<T: Serialize>(table: &str, file: &T, lines: &Lines) -> Result<Vec<Setting>> {
    let listed = object(file)?.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| {
        let key = join(table, &key);
        let origin = lines.get(&key).map_or(Origin::Default, |line| Origin::File(*line));
        Setting { key, value, origin }
    });
    Ok(listed.collect())
}

fn object<T: Serialize>(table: &T) -> Result<Map<String, Value>> {
    match serde_json::to_value(table) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Error::Internal("settings are no table".to_owned())),
        Err(e) => Err(Error::Internal(e.to_string())),
    }
}

/// The flag of a key.
fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

/// The variable of a key.
fn variable(key: &str) -> String {
    format!("LSMI_ETL_{}", key.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command};

    use super::super::{AnnotateSettings, Ends, EngineArgs};
    use super::*;

    /// What is shown as an origin is what is read.
    #[test]
    fn every_key_has_the_flag_and_the_variable_of_its_name() {
        let command =
            EngineArgs::augment_args(AnnotateSettings::augment_args(Ends::augment_args(Command::new("run"))));
        let keys = [
            object(&Ends::default()).unwrap(),
            object(&AnnotateSettings::default()).unwrap(),
            object(&EngineArgs::default()).unwrap(),
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
