//! The check of a pipeline before anything runs, which `run`, `run --dry-run` and `validate` share: all that can be
//! said of it without reading rows, told at once.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::annotate::{kept_columns, new_fields};
use crate::bundle::Bundle;
use crate::config::{AnnotateSettings, ColumnList, Config, Faults};
use crate::error::{Error, Result};
use crate::parquet_file::Input;
use crate::printable::shown;
use crate::report::require_column;
use crate::sql::{StatementPaths, data_files_of};
use crate::storage::{FilePair, Files, PathIdentity, find_files, is_url};

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
    match paths {
        Ok(paths) => {
            let flags = (has_many, asks_stores);
            check_destinations((steps.pipeline, summary), config, paths, flags, &mut faults)?;
        }
        Err(error) => faults.add(Err(error))?,
    }
    let files = found.as_ref().ok().and_then(Option::as_ref);
    let annotated = match steps.bundle.open(&config.annotate.bundle) {
        Err(error) => {
            faults.add_at(config.place("annotate.bundle"), error)?;
            files.map_or(Ok(()), |files| tell_absent_columns(config, files, &mut faults).map(drop))?;
            None
        }
        Ok(bundle) => match files {
            Some(files) => annotated_columns(config, (&bundle, files), &mut faults)?,
            None => None,
        },
    };
    if let Some(files) = files.filter(|_| has_many) {
        check_outside(config, files, &mut faults)?;
        check_output_folder(config, files, &mut faults)?;
    }
    check_outside_tables(config, &mut faults)?;
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

/// Tells the outputs of steps that the next run would take for inputs.
fn check_outside(config: &Config, files: &Files, faults: &mut Faults) -> Result<()> {
    for query in &config.queries {
        let output = query.step.output.as_deref().map(|output| files.check_outside(output));
        if let Some(Err(error)) = output {
            faults.add_at(config.place(&format!("{}.output", query.table)), error)?;
        }
        let statements = if query.is_faulty { Vec::new() } else { StatementPaths::parse(&query.sql)? };
        for target in statements.into_iter().filter_map(|statement| statement.writes) {
            if let Err(error) = files.check_outside(Path::new(&target)) {
                faults.add_at(Some(query.place.clone()), error)?;
            }
        }
    }
    Ok(())
}

/// Tells the outputs of steps that the next run would take for files of a table.
fn check_outside_tables(config: &Config, faults: &mut Faults) -> Result<()> {
    let tables = config.tables.iter().map(|(_, path)| Path::new(path)).filter(|path| !is_url(path));
    let found: Vec<_> =
        tables.filter_map(|path| data_files_of(path).ok()).filter(|found| !found.is_file()).collect();
    for query in &config.queries {
        let Some(output) = query.step.output.as_deref() else { continue };
        if let Err(error) = found.iter().try_for_each(|found| found.check_outside(output)) {
            faults.add_at(config.place(&format!("{}.output", query.table)), error)?;
        }
    }
    Ok(())
}

/// Tells inputs in the output's folder, which the steps would read as annotated, and warns of files there that are of no
/// input, as one of a former name has left them. A share of the inputs has outputs of the others there.
fn check_output_folder(config: &Config, files: &Files, faults: &mut Faults) -> Result<()> {
    if is_url(&config.output) || (config.queries.is_empty() && config.report.is_none()) {
        return Ok(());
    }
    let of = |path: fn(&FilePair) -> &Path| -> HashSet<_> {
        files.pairs().iter().map(|pair| PathIdentity::of(path(pair))).collect()
    };
    let (inputs, outputs) = (of(|pair| &pair.input), of(|pair| &pair.output));
    let there = find_files(&config.output).unwrap_or_default();
    if let Some(input) = there.iter().find(|file| inputs.contains(&PathIdentity::of(file))) {
        let what = format!(
            "{}: the input {} lies in it, and the steps would read it, too; write elsewhere",
            config.output.display(),
            shown(input)
        );
        return faults.add_at(config.place("output"), Error::Usage(what));
    }
    if config.annotate.files_per_job.is_some() {
        return Ok(());
    }
    let leftovers: Vec<_> = there.iter().filter(|file| !outputs.contains(&PathIdentity::of(file))).collect();
    if let [first, ..] = &leftovers[..] {
        tracing::warn!(
            "{}: {} of no file of the input, such as {}; the steps read {}, too: remove what an earlier input has left",
            config.output.display(),
            if leftovers.len() == 1 {
                "one file is".to_owned()
            } else {
                format!("{} files are", leftovers.len())
            },
            shown(first),
            if leftovers.len() == 1 { "it" } else { "them" },
        );
    }
    Ok(())
}

/// Tells the columns that the settings name and the first input that can be read does not have; whether there are any.
fn tell_absent_columns(config: &Config, files: &Files, faults: &mut Faults) -> Result<bool> {
    let keys = config.annotate.options()?.keys;
    let mut inputs =
        files.pairs().iter().filter_map(|pair| Input::open_with(&pair.input, keys.as_ref()).ok());
    let Some(first) = inputs.next() else { return Ok(false) };
    let mut are_absent = false;
    for (key, column) in named_columns(&config.annotate) {
        if let Err(error) = require_column(&first, &column) {
            are_absent = true;
            faults.add_at(config.place(key), error)?;
        }
    }
    Ok(are_absent)
}

/// The columns that the settings name, with their keys.
fn named_columns(settings: &AnnotateSettings) -> Vec<(&'static str, String)> {
    let one = |key: &'static str, column: &Option<String>| column.clone().map(|column| (key, column));
    let listed = ColumnList::names(&settings.x).into_iter().map(|column| ("annotate.x", column));
    let single = [
        one("annotate.x1", &settings.x1),
        one("annotate.x2", &settings.x2),
        one("annotate.label", &settings.label),
    ];
    single.into_iter().flatten().chain(listed).collect()
}

/// The columns of the outputs; `None` where they are unknown. Where the inputs do not have those that the settings
/// name, which is told, or others that are read, the outputs are taken to have what there is.
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
    let open = |pair: &FilePair| {
        let input = Input::open_with(&pair.input, options.keys.as_ref()).ok()?;
        Some((pair.relative.clone(), input))
    };
    let mut first_fault = None;
    let mut keep = |pair: &FilePair| {
        let (relative, input) = open(pair)?;
        let kept = kept_columns(bundle, &options, &input);
        let kept = kept.map_err(|error| first_fault.get_or_insert(error).clone()).ok()?;
        Some((relative, kept))
    };
    let pairs = files.pairs();
    if let Some(first) = pairs.iter().find_map(&mut keep) {
        let last = pairs.iter().rev().find_map(keep);
        return EmptyOutput::write(config, [first].into_iter().chain(last), &fields).map(Some);
    }
    if let Some(error) = first_fault
        && !tell_absent_columns(config, files, faults)?
    {
        faults.add_at(read_by(config, &error), error)?;
    }
    let Some(first) = pairs.iter().find_map(open) else {
        // Annotating says of several files what is wrong with each.
        let unread = files.is_file().then(|| pairs.first()).flatten();
        let error = unread.and_then(|pair| Input::open_with(&pair.input, options.keys.as_ref()).err());
        return match error.filter(|error| matches!(error, Error::BadData { .. })) {
            Some(error) => faults.add(Err(config.named_by("input", error))).map(|()| None),
            None => Ok(None),
        };
    };
    EmptyOutput::write(config, [first].into_iter(), &fields).map(Some)
}

/// The place of the first setting of those whose flags an error names.
fn flagged(config: &Config, error: &Error) -> Option<String> {
    error.to_string().split("--").skip(1).find_map(|after| {
        let flag = after.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next()?;
        config.place(&format!("annotate.{}", flag.replace('-', "_")))
    })
}

/// The place of the setting that names the column that an error is about.
fn read_by(config: &Config, error: &Error) -> Option<String> {
    let Error::BadData { place, .. } = error else { return flagged(config, error) };
    let column = place.column.as_ref()?;
    let named = named_columns(&config.annotate).into_iter().find(|(_, named)| named == column);
    named.and_then(|(key, _)| config.place(key))
}
