//! The check of a pipeline's report before anything runs: its columns, what it compares with, and its bundle.

use std::path::Path;

use crate::config::{Config, Faults, ReportSettings};
use crate::error::{Error, Result};
use crate::evaluate::open_bundle;
use crate::parquet_file::Input;
use crate::report::{LinkTemplate, require_column, require_values};
use crate::storage::{find_files, is_url, lies_in};

use super::empty_output::EmptyOutput;

/// Looks for the columns of the report in the output, where they are known, and in the files that it compares with.
///
/// # Errors
/// As for [`Faults::add`].
pub(super) fn check_report(
    (config, report): (&Config, &ReportSettings),
    annotated: Option<&EmptyOutput>,
    asks_stores: bool,
    faults: &mut Faults,
) -> Result<()> {
    if let Some(annotated) = annotated {
        let prefix = report.prefix.as_ref().or(config.annotate.prefix.as_ref()).cloned().unwrap_or_default();
        if let Err(error) = require_values(&annotated.first, &prefix) {
            faults.add_at(config.place("report.prefix"), without_file(error))?;
        }
        for (key, column) in columns(report) {
            if let Err(error) = require_column(&annotated.first, &column) {
                faults.add_at(config.place(key), without_file(error))?;
            }
        }
    }
    let is_made = |other: &Path| {
        let mut outputs = config.queries.iter().filter_map(|query| query.step.output.as_deref());
        lies_in(other, &config.output) || outputs.any(|output| lies_in(output, other))
    };
    for other in &report.compare {
        if is_made(other) || is_url(other) && !asks_stores {
            continue;
        }
        let label = annotated.and_then(|annotated| annotated.label.as_deref());
        if let Err(error) = check_compared(other, report, label) {
            faults.add_at(config.place("report.compare"), error)?;
        }
    }
    match &report.bundle {
        Some(bundle) if asks_stores || !is_url(bundle) => match open_bundle(bundle) {
            Ok(_) => Ok(()),
            Err(error) => faults.add_at(config.place("report.bundle"), error),
        },
        _ => Ok(()),
    }
}

/// The columns that a report names, and their keys in the pipeline file.
fn columns(report: &ReportSettings) -> Vec<(&'static str, String)> {
    let link = report.link_template.as_deref().and_then(|link| LinkTemplate::parse(link).ok());
    let linked =
        link.iter().flat_map(LinkTemplate::columns).map(|it| ("report.link_template", it.to_owned()));
    let label = report.label.iter().map(|column| ("report.label", column.clone()));
    let keys = report.key.iter().map(|column| ("report.key", column.clone()));
    label.chain(keys).chain(linked).collect()
}

/// Looks for the columns in the first file of a data set to compare with.
fn check_compared(other: &Path, report: &ReportSettings, label: Option<&str>) -> Result<()> {
    let Some(first) = find_files(other)?.into_iter().next() else { return Ok(()) };
    let input = Input::open(&first)?;
    let named = columns(report).into_iter().map(|(_, column)| column);
    let label = label.filter(|_| report.label.is_none()).map(str::to_owned);
    named.chain(label).try_for_each(|column| require_column(&input, &column))
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
