//! The two notations of the modalities' columns, `x` once for each and `x1` with `x2`: which of them counts
//! where both are given.

use clap::ArgMatches;

use crate::error::{Error, Result};

use super::AnnotateSettings;
use super::resolve::{Setting, SettingOrigin, given};
use super::source_text::{SourceText, join};

/// The keys of the notations: the list, and the columns of the first two modalities.
const LIST: &str = "x";
const NUMBERED: [&str; 2] = ["x1", "x2"];

/// A key of the one notation and one of the other that are given at the same place.
#[derive(Debug, PartialEq, Eq)]
struct Contradiction {
    list: SettingOrigin,
    numbered: (&'static str, SettingOrigin),
}

/// The keys that do not count: those of the notation that is given at a place that is overridden by the
/// place of the other.
fn overridden(
    origin: impl Fn(&str) -> SettingOrigin,
) -> std::result::Result<&'static [&'static str], Contradiction> {
    let list = origin(LIST);
    let numbered = NUMBERED.map(|key| (key, origin(key)));
    let Some(first) = numbered.iter().min_by_key(|(_, origin)| rank(origin)).cloned() else { return Ok(&[]) };
    match rank(&list).cmp(&rank(&first.1)) {
        std::cmp::Ordering::Less => Ok(&NUMBERED),
        std::cmp::Ordering::Greater => Ok(&[LIST]),
        std::cmp::Ordering::Equal if list == SettingOrigin::Default => Ok(&[]),
        std::cmp::Ordering::Equal => Err(Contradiction { list, numbered: first }),
    }
}

/// The place of an origin in the precedence of settings.
fn rank(origin: &SettingOrigin) -> u8 {
    match origin {
        SettingOrigin::Flag(_) => 0,
        SettingOrigin::Environment(_) => 1,
        SettingOrigin::File(_) => 2,
        SettingOrigin::Default => 3,
    }
}

impl Contradiction {
    fn error(&self, source: Option<&SourceText>) -> Error {
        let why = "they name the same columns: give x once for each modality, or x1 and x2";
        let (key, numbered) = &self.numbered;
        match (&self.list, numbered, source) {
            (SettingOrigin::Flag(list), SettingOrigin::Flag(other), _) => Error::Usage(format!(
                "{list} cannot be used with {other}: give --x once for each modality, or --x1 and --x2"
            )),
            (SettingOrigin::Environment(list), SettingOrigin::Environment(other), _) => {
                Error::Usage(format!(
                    "the environment variables {list} and {other} are both set, and name the same columns; unset one of them"
                ))
            }
            (SettingOrigin::File(list), SettingOrigin::File(line), Some(source)) => {
                let what = format!("line {list} sets {} too, and {why}", join("annotate", LIST));
                source.error(*line, &join("annotate", key), what)
            }
            (list, other, _) => Error::Usage(format!("{LIST} ({list}) and {key} ({other}): {why}")),
        }
    }
}

impl AnnotateSettings {
    /// Leaves of the columns of the modalities those whose flags or variables count: a flag overrides the
    /// environment, also of the other notation.
    ///
    /// # Errors
    /// [`Error::Usage`] where both notations are flags, or both are variables.
    pub fn settle_columns(&mut self, matches: &ArgMatches) -> Result<()> {
        let origin = |key: &str| given(matches, key).unwrap_or(SettingOrigin::Default);
        self.clear(overridden(origin).map_err(|both| both.error(None))?);
        Ok(())
    }

    /// Likewise of settings that may come from a pipeline file; `settings` lists them with their origins.
    pub(super) fn settle_columns_of(&mut self, settings: &mut [Setting], source: &SourceText) -> Result<()> {
        let key = |setting: &Setting| setting.key.strip_prefix("annotate.").map(str::to_owned);
        let origin = |name: &str| {
            let found = settings.iter().find(|setting| key(setting).as_deref() == Some(name));
            found.map_or(SettingOrigin::Default, |setting| setting.origin.clone())
        };
        let overridden = overridden(origin).map_err(|both| both.error(Some(source)))?;
        self.clear(overridden);
        for setting in settings {
            if let Some(name) = key(setting).filter(|name| overridden.contains(&name.as_str())) {
                setting.value =
                    if name == LIST { Vec::<String>::new().into() } else { serde_json::Value::Null };
                setting.origin = SettingOrigin::Default;
            }
        }
        Ok(())
    }

    fn clear(&mut self, keys: &[&str]) {
        for key in keys {
            match *key {
                LIST => self.x.clear(),
                "x1" => self.x1 = None,
                _ => self.x2 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(x: SettingOrigin, x1: SettingOrigin, x2: SettingOrigin) -> Option<&'static [&'static str]> {
        overridden(|key| match key {
            "x" => x.clone(),
            "x1" => x1.clone(),
            _ => x2.clone(),
        })
        .ok()
    }

    #[test]
    fn the_notation_of_the_place_that_comes_first_counts() {
        let (flag, variable) = (SettingOrigin::Flag("f".into()), SettingOrigin::Environment("e".into()));
        let (file, none) = (SettingOrigin::File(3), SettingOrigin::Default);
        assert_eq!(of(none.clone(), none.clone(), none.clone()), Some(&[][..]));
        assert_eq!(of(flag.clone(), variable.clone(), none.clone()), Some(&["x1", "x2"][..]));
        assert_eq!(of(variable.clone(), none.clone(), flag.clone()), Some(&["x"][..]));
        assert_eq!(of(file.clone(), variable.clone(), none.clone()), Some(&["x"][..]));
        assert_eq!(of(variable.clone(), file.clone(), file.clone()), Some(&["x1", "x2"][..]));
        assert_eq!(of(flag.clone(), none.clone(), flag), None);
        assert_eq!(of(variable.clone(), variable, none.clone()), None);
        assert_eq!(of(file.clone(), none, file), None);
    }
}
