//! The check of a pipeline's report before anything runs: its columns, what it compares with, and its bundle.

use std::path::{Path, PathBuf};

use crate::config::{Config, Faults, ReportSettings};
use crate::error::{Error, Result};
use crate::evaluate::open_bundle;
use crate::interaction::ColumnPrefix;
use crate::report::{self, LinkTemplate, require_column};
use crate::storage::{is_url, lies_in};

use super::empty_output::EmptyOutput;

/// Looks for the columns of the report in the output, where they are known, and in the files that it compares with.
///
/// # Errors
/// As for [`Faults::add`].
pub(super) fn check_report(
    (config, settings): (&Config, &ReportSettings),
    annotated: Option<&EmptyOutput>,
    asks_stores: bool,
    faults: &mut Faults,
) -> Result<()> {
    let prefix = settings.prefix.as_ref().or(config.annotate.prefix.as_ref()).cloned().unwrap_or_default();
    let mut modalities = None;
    if let Some(annotated) = annotated {
        match report::modalities(&annotated.first, &prefix) {
            Ok(number) => modalities = Some(number),
            Err(error) => faults.add_at(config.place("report.prefix"), without_file(error))?,
        }
        for (key, column) in columns(settings) {
            if let Err(error) = require_column(&annotated.first, &column) {
                faults.add_at(config.place(key), without_file(error))?;
            }
        }
    }
    let is_made = |other: &Path| {
        let mut outputs = config.queries.iter().filter_map(|query| query.step.output.as_deref());
        lies_in(other, &config.output) || outputs.any(|output| lies_in(output, other))
    };
    let others = settings.compare.iter().filter(|other| !is_made(other) && (asks_stores || !is_url(other)));
    let others: Vec<_> = others.cloned().collect();
    let check = |compare| check_compared((config, settings), compare, &prefix, modalities);
    // Alone, so that each of them is told; then as the one data set that they are.
    let alone: Vec<_> = others.iter().filter_map(|other| check(vec![other.clone()]).err()).collect();
    let together = if alone.is_empty() && others.len() > 1 { check(others).err() } else { None };
    for error in alone.into_iter().chain(together) {
        faults.add_at(config.place("report.compare"), error)?;
    }
    match &settings.bundle {
        Some(bundle) if asks_stores || !is_url(bundle) => match open_bundle(bundle) {
            Ok(_) => Ok(()),
            Err(error) => faults.add_at(config.place("report.bundle"), error),
        },
        _ => Ok(()),
    }
}

/// The columns that a report names, and their keys in the pipeline file.
fn columns(settings: &ReportSettings) -> Vec<(&'static str, String)> {
    let link = settings.link_template.as_deref().and_then(|link| LinkTemplate::parse(link).ok());
    let linked =
        link.iter().flat_map(LinkTemplate::columns).map(|it| ("report.link_template", it.to_owned()));
    let label = settings.label.iter().map(|column| ("report.label", column.clone()));
    let keys = settings.key.iter().map(|column| ("report.key", column.clone()));
    label.chain(keys).chain(linked).collect()
}

/// Checks files to compare with, beside those that annotating will write.
fn check_compared(
    (config, settings): (&Config, &ReportSettings),
    compare: Vec<PathBuf>,
    prefix: &ColumnPrefix,
    modalities: Option<usize>,
) -> Result<()> {
    // What is wrong with the template itself is told where it is read.
    let link_template = settings.link_template.clone().filter(|link| LinkTemplate::parse(link).is_ok());
    let prefix = Some(prefix.clone());
    let settings = ReportSettings { compare, prefix, link_template, ..settings.clone() };
    let name = config.output.to_string_lossy();
    report::check_compared(&settings.options(&[])?, modalities.map(|number| (name.as_ref(), number)))
}

/// The error of a column, without the file that stands for an output.
fn without_file(error: Error) -> Error {
    match error {
        Error::BadData { place, what } => {
            let column = place.column.map(|column| format!(", column {column:?}")).unwrap_or_default();
            Error::Usage(format!("the annotated files{column}: {what}"))
        }
        error => error,
    }
}
