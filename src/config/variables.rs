//! Variables of a pipeline file: substitutes `{{ ds }}` in any of its strings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use minijinja::value::Value;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use toml::de::{DeTable, DeValue};

use crate::error::Error;

use super::faults::Faults;
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
    /// Those of the file that stand below the one that is rendered.
    later: BTreeSet<String>,
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
        Self { set, file: BTreeMap::new(), later: BTreeSet::new(), here, used: BTreeSet::new() }
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

    /// Renders every string of a file, beginning with the table of variables. Values at fault are left out.
    pub(super) fn render_all(
        &mut self,
        source: &SourceText,
        root: &mut toml::Spanned<DeValue<'_>>,
        lines: &KeyLines,
        faults: &mut Faults,
    ) {
        let DeValue::Table(table) = root.get_mut() else { return };
        if let Some(DeValue::Table(defaults)) = table.get_mut(TABLE).map(toml::Spanned::get_mut) {
            self.define(source, defaults, lines, faults);
        }
        self.render_table(source, "", table, faults);
        self.refuse_unknown(faults);
    }

    /// Takes the defaults of the file in the order of its lines: each may use those above it.
    fn define(
        &mut self,
        source: &SourceText,
        defaults: &mut DeTable<'_>,
        lines: &KeyLines,
        faults: &mut Faults,
    ) {
        self.later = defaults.keys().map(|name| name.get_ref().to_string()).collect();
        let mut defaults: Vec<_> = defaults.iter_mut().collect();
        defaults.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in defaults {
            let name = name.get_ref().to_string();
            let key = join(TABLE, &name);
            self.render(source, &key, value, faults);
            // Other types are reported when the file is deserialized as a pipeline, and their uses are no faults.
            let written = value.get_ref().as_str().or_else(|| source.text.get(value.span()));
            let text = written.unwrap_or_default().to_owned();
            self.later.remove(&name);
            self.file.insert(name, (text, lines.get(&key).copied().unwrap_or_default()));
        }
    }

    /// Renders a value; whether it, or all of a list, is sound.
    fn render(
        &mut self,
        source: &SourceText,
        path: &str,
        value: &mut toml::Spanned<DeValue<'_>>,
        faults: &mut Faults,
    ) -> bool {
        let span = value.span();
        match value.get_mut() {
            DeValue::String(text) => match self.render_text(text) {
                Ok(rendered) => {
                    *text = rendered.into();
                    true
                }
                Err(wrong) => {
                    for (line, what) in wrong {
                        let line = source.first_line(&span) + line.saturating_sub(1);
                        faults.push(path, source.error(line, path, what));
                    }
                    false
                }
            },
            DeValue::Table(table) => {
                self.render_table(source, path, table, faults);
                true
            }
            DeValue::Array(array) => {
                let mut is_sound = true;
                for (index, value) in array.iter_mut().enumerate() {
                    is_sound &= self.render(source, &format!("{path}[{index}]"), value, faults);
                }
                is_sound
            }
            _ => true,
        }
    }

    /// Renders the values of a table, without the variables, and leaves out those at fault.
    fn render_table(
        &mut self,
        source: &SourceText,
        path: &str,
        table: &mut DeTable<'_>,
        faults: &mut Faults,
    ) {
        let mut at_fault = Vec::new();
        for (name, value) in table.iter_mut() {
            let key = join(path, name.get_ref());
            if key != TABLE && !self.render(source, &key, value, faults) {
                at_fault.push(name.clone());
            }
        }
        at_fault.iter().for_each(|name| _ = table.remove(name));
    }

    /// Renders a string; what is wrong with it has its line, from 1.
    fn render_text(&mut self, text: &str) -> std::result::Result<String, Vec<(usize, String)>> {
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
            vec![(error.line().unwrap_or(1), what)]
        };
        let template = environment.template_from_str(text).map_err(|e| wrong(&e))?;
        let names: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
        self.used.extend(names.iter().cloned());
        let found: BTreeMap<&str, String> =
            names.iter().filter_map(|name| Some((name.as_str(), self.get(name)?.0))).collect();
        let absent: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| !found.contains_key(name)).collect();
        template.render(Value::from_serialize(&found)).map_err(|error| {
            // A name that the template can do without has a default there.
            let needed = absent.iter().filter_map(|name| {
                let others =
                    absent.iter().filter(|other| *other != name).map(|other| (*other, String::new()));
                let values: BTreeMap<&str, String> = found.clone().into_iter().chain(others).collect();
                let error = template.render(Value::from_serialize(&values)).err();
                let error = error.filter(|error| error.kind() == ErrorKind::UndefinedError)?;
                Some((error.line().unwrap_or(1), self.without_value(name)))
            });
            let needed: Vec<(usize, String)> = needed.collect();
            if needed.is_empty() { wrong(&error) } else { needed }
        })
    }

    fn without_value(&self, name: &str) -> String {
        match self.later.contains(name) {
            true => format!("the variable {name} stands below; a variable may use those above it"),
            false => format!("there is no variable {name}; give it with --set {name}=VALUE"),
        }
    }

    /// Refuses names in `--set` that the file does not use, which are probably misspelt.
    fn refuse_unknown(&self, faults: &mut Faults) {
        let is_known = |name: &String| self.used.contains(name) || self.file.contains_key(name);
        let known: BTreeSet<&str> = self.used.iter().chain(self.file.keys()).map(String::as_str).collect();
        let known: Vec<&str> = known.into_iter().filter(|name| *name != HERE).collect();
        for name in self.set.keys().filter(|name| !is_known(name)) {
            let near = suggestion(name, &known);
            let what = format!("--set {name}: the pipeline has no variable of this name{near}");
            faults.push(&join(TABLE, name), Error::Usage(what));
        }
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
