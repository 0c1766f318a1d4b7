//! A dataset divided into a training, a test and perhaps a validation part: stratified by a column,
//! without a group in two parts. Two passes: the first reads the columns of strata and groups alone, the
//! second streams all columns, so that memory is bounded by the strata, the groups and a row group of
//! each part.

mod allotment;
mod choice;
mod grouped;
mod options;
mod origin;
mod part;
mod part_files;
mod strata;
mod summary;

use std::path::{Path, PathBuf};

use arrow::array::{Array, BinaryArray};

use crate::error::{Error, Result};
use crate::output::BatchSource;
use crate::parquet_file::Input;
use crate::printable::counted;
use crate::samples::{ValueReader, value_hash, values_as_bytes};
use crate::storage::{DataFiles, DataNames, OpenedVersions, find_files_of, is_stdio, partition_values};

use self::allotment::Allotment;
use self::grouped::GroupCounts;
use self::origin::InputsDigest;
use self::part_files::PartFiles;
use self::strata::Strata;

pub use options::SplitOptions;
pub use part::Part;
pub use summary::{PartSummary, Split, StratumRows};

/// Approximate bytes of a batch, and its most rows.
const BATCH_BYTES: u64 = 8 << 20;
const BATCH_ROWS: u64 = 8192;

/// Divides the rows of Parquet files (files, folders, globs, URLs) and writes a file for each part to a
/// folder. All columns are kept, and the rows' order. The files appear when all of them are complete,
/// one after the other; where a run ended in between, the same call completes the parts.
/// `should_stop` is polled between batches.
///
/// # Errors
/// Those of discovery and of reading; [`Error::Usage`] of shares that leave a part without rows;
/// [`Error::BadData`] of files with different columns and of columns with too many values;
/// [`Error::OutputExists`]; those of writing; [`Error::Interrupted`].
pub fn split(
    inputs: &[PathBuf],
    folder: &Path,
    options: &SplitOptions,
    should_stop: &dyn Fn() -> bool,
) -> Result<Split> {
    check_shares(options)?;
    if let (Some(by), Some(group)) = (&options.by, &options.group)
        && by == group
    {
        return Err(Error::Usage(format!(
            "--by {by} gives each part its share of every value, and --group {group} puts all rows of a value in one part; \
             name another column or leave one out"
        )));
    }
    if inputs.iter().any(|input| is_stdio(input)) {
        return Err(Error::Usage("a stream can be read once only; write it to a Parquet file first".into()));
    }
    let files = find_files_of(inputs)?;
    for input in inputs {
        let found = DataFiles::find(input, DataNames::PARQUET)?;
        options.parts().try_for_each(|part| found.check_outside(&part.file(folder)))?;
    }
    let [first, ..] = &files[..] else { return Err(Error::Internal("no file to split".into())) };
    let versions = OpenedVersions::default();
    let open = |file: &PathBuf| {
        let input = options.open(file)?;
        versions.check(input.file()).map(|()| input)
    };
    let first = open(first)?;
    let (mut digest, mut rows) = (InputsDigest::default(), 0);
    // Faults of the inputs are told before that a part exists.
    for file in &files {
        let input = open(file)?;
        digest.add(&input)?;
        rows += input.rows();
        check_same_columns(&first, &input)?;
        for name in options.by.iter().chain(&options.group) {
            input.column(name)?;
        }
    }
    if rows == 0 {
        let what = "has no rows; give rows to split";
        return Err(Error::bad_data(first.place(), what));
    }
    let mut parts = PartFiles::create(&first, folder, options, digest.origin(options)?)?;
    let mut strata = Strata::default();
    let mut groups = options.group.is_some().then(GroupCounts::default);
    for file in &files {
        let input = open(file)?;
        count(&input, options, &mut strata, groups.as_mut(), should_stop)
            .map_err(|error| input.file().or_input_changed(error))?;
    }
    let group_count = groups.as_ref().map(GroupCounts::groups);
    let mut allotment = match groups {
        Some(groups) => Allotment::of_groups(groups, &strata, options.shares(), options.seed),
        None => Allotment::of_rows(&strata, options.shares(), options.seed),
    };
    let mut written = vec![[0_u64; 3]; strata.len()];
    let mut row_number = 0;
    for file in &files {
        let input = open(file)?;
        for batch in BatchSource::of_file(&input, batch_rows(&input)) {
            if should_stop() {
                return Err(Error::Interrupted);
            }
            let batch = batch.map_err(|error| input.file().or_input_changed(error))?;
            let column = |name: &Option<String>| {
                let Some(name) = name else { return Ok(None) };
                let place = input.place().row_group(batch.group).column(name);
                let (position, _) = input.column(name)?;
                values_as_bytes(batch.rows.column(position), &place).map(Some)
            };
            let (by, group) = (column(&options.by)?, column(&options.group)?);
            let mut of_rows = Vec::with_capacity(batch.rows.num_rows());
            for row in 0..batch.rows.num_rows() {
                let stratum = strata.find(value(by.as_ref(), row)).ok_or_else(|| changed(&input))?;
                let group = group.as_ref().map(|group| value_hash(value(Some(group), row)));
                let part = allotment.part(stratum, group, row_number).ok_or_else(|| changed(&input))?;
                written
                    .get_mut(stratum)
                    .and_then(|parts| parts.get_mut(part as usize))
                    .into_iter()
                    .for_each(|rows| *rows += 1);
                of_rows.push(part);
                row_number += 1;
            }
            parts.write(&batch.rows, &of_rows)?;
        }
        input.verify_unchanged()?;
    }
    for part in options.parts() {
        if written.iter().all(|parts| parts.get(part as usize) == Some(&0)) {
            let what = match group_count {
                Some(groups) => format!("{} in {}", counted(groups, "group"), counted(row_number, "row")),
                None => counted(row_number, "row"),
            };
            return Err(Error::Usage(format!(
                "{what} would leave the {} part without rows; choose other shares with --test and --validation, or give \
                 more rows",
                part.name()
            )));
        }
    }
    Ok(Split {
        rows: row_number,
        seed: options.seed,
        by: options.by.clone(),
        group: options.group.clone(),
        groups: group_count,
        parts: parts.finish(row_number)?,
        strata: if options.by.is_some() { strata.summary(&written) } else { Vec::new() },
    })
}

fn check_shares(options: &SplitOptions) -> Result<()> {
    let is_share = |share: f64| share.is_finite() && (0.0..1.0).contains(&share);
    if options.test > 0.0 && is_share(options.test) && is_share(options.validation) && {
        options.test + options.validation < 1.0 - 1e-9
    } {
        return Ok(());
    }
    Err(Error::Usage(
        "--test and --validation are shares of the rows between 0 and 1, of which some are left to train on; such as \
         --test 0.2 --validation 0.1"
            .into(),
    ))
}

/// Every file has the columns of the first, in its order, and no folder is a column: its values would be
/// lost.
fn check_same_columns(first: &Input, input: &Input) -> Result<()> {
    let advice =
        "write all rows to one file first: lsmi-etl sql --output all.parquet \"SELECT * FROM 'FOLDER'\"";
    if let Some((name, _)) = partition_values(Path::new(&input.place().file)).first()
        && input.column(name).is_err()
    {
        let what =
            format!("lies in a folder that is a column ({name}=…), which a part would not have; {advice}");
        return Err(Error::bad_data(input.place(), what));
    }
    let (old, new) = (first.schema().fields(), input.schema().fields());
    let differs = old.iter().zip(new).find(|(old, new)| {
        let is_null_new = new.is_nullable() && !old.is_nullable();
        old.name() != new.name() || old.data_type() != new.data_type() || is_null_new
    });
    let what = match differs {
        None if old.len() == new.len() => return Ok(()),
        None => format!("has {} columns, {} has {}", new.len(), first.place(), old.len()),
        Some((old, new)) => {
            let null = |nullable| if nullable { "" } else { ", never null" };
            format!(
                "has a column {} ({}{}) where {} has {} ({}{})",
                new.name(),
                new.data_type(),
                null(new.is_nullable()),
                first.place(),
                old.name(),
                old.data_type(),
                null(old.is_nullable())
            )
        }
    };
    Err(Error::bad_data(input.place(), format!("{what}; {advice}")))
}

/// Counts the strata and groups of a file.
fn count(
    input: &Input,
    options: &SplitOptions,
    strata: &mut Strata,
    mut groups: Option<&mut GroupCounts>,
    should_stop: &dyn Fn() -> bool,
) -> Result<()> {
    for row_group in 0..input.metadata().num_row_groups() {
        let open = |name: &Option<String>| {
            name.as_deref().map(|name| ValueReader::open(input, name, row_group)).transpose()
        };
        let (mut by, mut group) = (open(&options.by)?, open(&options.group)?);
        let rows = input.rows_in(row_group);
        if by.is_none() && group.is_none() {
            strata.add(None, rows as u64, || input.place())?;
            continue;
        }
        for start in (0..rows).step_by(ValueReader::BATCH_ROWS) {
            if should_stop() {
                return Err(Error::Interrupted);
            }
            let count = ValueReader::BATCH_ROWS.min(rows - start);
            let by = by.as_mut().map(|by| by.read(count)).transpose()?;
            let group = group.as_mut().map(|group| group.read(count)).transpose()?;
            for row in 0..count {
                let place = || input.place().column(options.by.as_deref().unwrap_or_default());
                let stratum = strata.add(value(by.as_ref(), row), 1, place)?;
                if let (Some(groups), Some(group)) = (groups.as_deref_mut(), &group) {
                    let place = || input.place().column(options.group.as_deref().unwrap_or_default());
                    groups.add(value_hash(value(Some(group), row)), stratum, place)?;
                }
            }
        }
    }
    Ok(())
}

/// A row's value; none where it is null.
fn value(values: Option<&BinaryArray>, row: usize) -> Option<&[u8]> {
    values.filter(|values| values.is_valid(row)).map(|values| values.value(row))
}

fn changed(input: &Input) -> Error {
    match input.verify_unchanged() {
        Err(error) => error,
        Ok(()) => Error::Internal("a row of the second pass was not in the first".into()),
    }
}

/// Rows of a batch of all columns.
fn batch_rows(input: &Input) -> usize {
    let groups = input.metadata().row_groups();
    let bytes: u64 = groups.iter().map(|group| group.total_byte_size().unsigned_abs()).sum();
    let row_bytes = bytes / input.rows().max(1) + 1;
    (BATCH_BYTES / row_bytes).clamp(1, BATCH_ROWS) as usize
}
