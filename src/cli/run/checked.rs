//! The check of a pipeline before anything runs, which `run`, `run --dry-run` and `validate` share: all that can be
//! said of it without reading rows, told at once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::annotate::{AnnotateOptions, kept_columns, new_fields};
use crate::bundle::Bundle;
use crate::config::{ColumnList, Config, Faults};
use crate::error::{Error, Result};
use crate::parquet_file::Input;
use crate::storage::{FilePair, Files};

use super::super::annotate::{self, AnnotateArgs};
use super::destinations::check_destinations;
use super::empty_output::EmptyOutput;
use super::planned::check_queries;
use super::reported::check_report;
use super::steps::StepRunner;

/// Compares the paths of all steps, opens the bundle, looks for the columns that are read, and plans the queries and the
/// report over the columns that annotating will write. The stores of outputs are asked for them where
/// `asks_stores` says so.
///
/// Where no input can be read their columns are unknown, and neither queries of the output nor the report's columns
/// are checked: annotating says what is wrong with them.
///
/// # Errors
/// A single fault as it is; [`Error::Config`] of several. Of stores, and [`Error::Interrupted`].
pub(super) fn check(
    steps: &StepRunner<'_>,
    (annotation, found): (&AnnotateArgs, &Result<Option<Files>>),
    (summary, asks_stores): (Option<&Path>, bool),
    stop: &AtomicBool,
) -> Result<()> {
    let config = steps.config;
    let mut faults = config.faults.clone();
    let has_many = found.as_ref().is_ok_and(|files| files.as_ref().is_some_and(|files| !files.is_file()));
    let paths = annotate::destinations(annotation, found);
    faults.add(paths.and_then(|paths| {
        check_destinations((steps.pipeline, summary), config, paths, (has_many, asks_stores))
    }))?;
    let mut annotated = None;
    match steps.bundle.open(&config.annotate.bundle) {
        Err(error) => faults.add_at(config.place("annotate.bundle"), error)?,
        Ok(bundle) => {
            if let Ok(Some(files)) = found {
                annotated = annotated_columns(config, (&bundle, files), &mut faults)?;
            }
        }
    }
    // Without files, no step is taken.
    if !found.as_ref().is_ok_and(|files| files.as_ref().is_some_and(|files| files.pairs().is_empty())) {
        check_queries(steps, annotated.as_ref(), &mut faults, stop)?;
        if let Some(report) = &config.report {
            check_report((config, report), annotated.as_ref(), asks_stores, &mut faults)?;
        }
    }
    // Alone, this is told by what observes annotating, too.
    if let (Err(error), false) = (found, faults.is_empty()) {
        faults.add(Err(error.clone()))?;
    }
    faults.into_result()
}

/// The columns of the outputs; `None` where they are unknown.
fn annotated_columns(
    config: &Config,
    (bundle, files): (&Arc<Bundle>, &Files),
    faults: &mut Faults,
) -> Result<Option<EmptyOutput>> {
    let options = config.annotate.options()?;
    let fields = match new_fields(bundle, &options) {
        Ok(fields) => fields,
        Err(error) => return faults.add_at(flagged(config, &error), error).map(|()| None),
    };
    let mut first_fault = None;
    let mut open = |pair: &FilePair| {
        let input = Input::open_with(&pair.input, options.keys.as_ref()).ok()?;
        let kept = kept_columns(bundle, &options, &input);
        let kept = kept.map_err(|error| first_fault.get_or_insert(error).clone()).ok()?;
        Some((pair.relative.clone(), kept))
    };
    let Some(first) = files.pairs().iter().find_map(&mut open) else {
        let Some(error) = first_fault else { return Ok(None) };
        return faults.add_at(read_by(config, &options, &error), error).map(|()| None);
    };
    let last = files.pairs().iter().rev().find_map(open);
    let label = match options.label_free {
        true => None,
        false => options.label.clone().or_else(|| bundle.manifest().label.column.clone()),
    };
    EmptyOutput::write(config, [first].into_iter().chain(last), &fields, label).map(Some)
}

/// The place of the setting whose flag an error names first.
fn flagged(config: &Config, error: &Error) -> Option<String> {
    let text = error.to_string();
    let (_, after) = text.split_once("--")?;
    let flag = after.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next()?;
    config.place(&format!("annotate.{}", flag.replace('-', "_")))
}

/// The place of the setting that names the column that an error is about.
fn read_by(config: &Config, options: &AnnotateOptions, error: &Error) -> Option<String> {
    let Error::BadData { place, .. } = error else { return flagged(config, error) };
    let column = place.column.as_ref()?;
    let settings = &config.annotate;
    let is_listed = ColumnList::names(&settings.x).contains(column);
    let key = match () {
        () if settings.x1.as_ref() == Some(column) => "annotate.x1",
        () if settings.x2.as_ref() == Some(column) => "annotate.x2",
        () if is_listed => "annotate.x",
        () if options.label.as_ref() == Some(column) => "annotate.label",
        () => return None,
    };
    config.place(key)
}
