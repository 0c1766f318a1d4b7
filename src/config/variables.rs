//! Variables of a pipeline file: substitutes `{{ ds }}` in any of its strings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use minijinja::value::Value;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use toml::de::DeValue;

use crate::error::{Error, Result};

use super::resolve::{Setting, SettingOrigin};
use super::source_text::{KeyLines, SourceText, join, suggestion};

/// The table of a pipeline file that holds the defaults of variables.
const TABLE: &str = "variables";
/// The built-in variable: the folder of the pipeline file.
const HERE: &str = "here";
/// Operations of a template, and how deep its calls may nest: a template that calls itself ends.
const FUEL: u64 = 1_000_000;
const DEPTH: usize = 100;

/// The values of variables: from `--set`, else the environment, else the file.
#[derive(Debug)]
pub(super) struct Variables<'a> {
    set: &'a BTreeMap<String, String>,
    file: BTreeMap<String, (String, usize)>,
    here: String,
    used: BTreeSet<String>,
}

impl<'a> Variables<'a> {
    /// `here` is the folder of the pipeline file.
    pub(super) fn new(set: &'a BTreeMap<String, String>, pipeline: &Path) -> Self {
        let here = match pipeline.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.display().to_string(),
            _ => ".".to_owned(),
        };
        Self { set, file: BTreeMap::new(), here, used: BTreeSet::new() }
    }

    fn get(&self, name: &str) -> Option<(String, SettingOrigin)> {
        if let Some(value) = self.set.get(name) {
            return Some((value.clone(), SettingOrigin::Flag(format!("--set {name}"))));
        }
        if let Ok(value) = std::env::var(name) {
            return Some((value, SettingOrigin::Environment(name.to_owned())));
        }
        let written = self.file.get(name).map(|(value, line)| (value.clone(), SettingOrigin::File(*line)));
        written.or_else(|| (name == HERE).then(|| (self.here.clone(), SettingOrigin::Default)))
    }

    /// Renders every string of a file, beginning with the table of variables.
    pub(super) fn render_all(
        &mut self,
        source: &SourceText,
        root: &mut toml::Spanned<DeValue<'_>>,
        lines: &KeyLines,
    ) -> Result<()> {
        let DeValue::Table(table) = root.get_mut() else { return Ok(()) };
        let mut tables: Vec<_> = table.iter_mut().collect();
        tables.sort_by_key(|(key, _)| key.get_ref() != TABLE);
        for (key, value) in tables {
            self.render(source, key.get_ref(), value)?;
            let DeValue::Table(defaults) = value.get_ref() else { continue };
            for (name, value) in defaults.iter().filter(|_| key.get_ref() == TABLE) {
                // Other types are reported when the file is deserialized as a pipeline.
                let Some(text) = value.get_ref().as_str() else { continue };
                let line = lines.get(&join(TABLE, name.get_ref())).copied().unwrap_or_default();
                self.file.insert(name.get_ref().to_string(), (text.to_owned(), line));
            }
        }
        self.refuse_unknown()
    }

    fn render(
        &mut self,
        source: &SourceText,
        path: &str,
        value: &mut toml::Spanned<DeValue<'_>>,
    ) -> Result<()> {
        let span = value.span();
        match value.get_mut() {
            DeValue::String(text) => {
                let rendered = self.render_text(text).map_err(|(line, what)| {
                    source.error(source.first_line(&span) + line.saturating_sub(1), path, what)
                })?;
                *text = rendered.into();
                Ok(())
            }
            DeValue::Table(table) => table
                .iter_mut()
                .try_for_each(|(key, value)| self.render(source, &join(path, key.get_ref()), value)),
            DeValue::Array(array) => {
                let mut values = array.iter_mut().enumerate();
                values.try_for_each(|(index, value)| self.render(source, &format!("{path}[{index}]"), value))
            }
            _ => Ok(()),
        }
    }

    /// Renders a string; an error has its line, from 1.
    fn render_text(&mut self, text: &str) -> std::result::Result<String, (usize, String)> {
        if !text.contains('{') {
            return Ok(text.to_owned());
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_keep_trailing_newline(true);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(DEPTH);
        let wrong = |error: &minijinja::Error| {
            let what = match error.kind() {
                ErrorKind::OutOfFuel => format!("takes more than {FUEL} operations; shorten its loops"),
                kind => error.detail().map_or_else(|| kind.to_string(), str::to_owned),
            };
            (error.line().unwrap_or(1), what)
        };
        let template = environment.template_from_str(text).map_err(|e| wrong(&e))?;
        let names = template.undeclared_variables(false);
        let values: BTreeMap<&String, String> =
            names.iter().filter_map(|name| Some((name, self.get(name)?.0))).collect();
        let rendered = template.render(Value::from_serialize(&values)).map_err(|error| {
            let line = error.line().unwrap_or(1);
            let written = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
            let missing = names.iter().filter(|name| !values.contains_key(name));
            match missing.filter(|name| written.contains(name.as_str())).min() {
                Some(name) if error.kind() == ErrorKind::UndefinedError => {
                    (line, format!("there is no variable {name}; give it with --set {name}=VALUE"))
                }
                _ => wrong(&error),
            }
        });
        self.used.extend(names);
        rendered
    }

    /// Refuses names in `--set` that the file does not use, which are probably misspelt.
    fn refuse_unknown(&self) -> Result<()> {
        let is_known = |name: &String| self.used.contains(name) || self.file.contains_key(name);
        let Some(name) = self.set.keys().find(|name| !is_known(name)) else { return Ok(()) };
        let known: BTreeSet<&str> = self.used.iter().chain(self.file.keys()).map(String::as_str).collect();
        let known: Vec<&str> = known.into_iter().filter(|name| *name != HERE).collect();
        Err(Error::Usage(format!(
            "--set {name}: the pipeline has no variable of this name{}",
            suggestion(name, &known)
        )))
    }

    /// The variables that the file uses or declares.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let names: BTreeSet<&String> = self.used.iter().chain(self.file.keys()).collect();
        let found = names.into_iter().filter_map(|name| {
            let (value, origin) = self.get(name)?;
            Some(Setting { key: join(TABLE, name), value: value.into(), origin })
        });
        found.collect()
    }
}
