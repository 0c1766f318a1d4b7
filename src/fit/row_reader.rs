//! The usable rows of a training file, one after the other.

use arrow::array::Array;

use crate::error::{Error, Result};
use crate::parquet_file::Input;
use crate::samples::{
    ColumnRequest, Fate, FateCounts, ReadAhead, ReadBuffers, Source, ValueReader, value_hash,
};

/// Rows per read batch.
const BATCH_ROWS: usize = ValueReader::BATCH_ROWS;

/// A sixteenth of it may be pages that are decompressed before their rows are read.
const READ_AHEAD_BYTES: u64 = 1 << 30;

/// A row to train on.
pub(super) struct TrainingRow<'a> {
    /// The embedding of each modality, finite.
    pub x: &'a [&'a [f32]],
    /// The class.
    pub y: u32,
    /// The value of the group column, where there is one.
    pub group: Option<u64>,
    /// The hash of the row's key, where the bundle is to know rows by one.
    pub key: Option<u64>,
}

/// Visits the usable rows of a file, and counts the fates of all.
///
/// # Errors
/// Those of reading and of `visit`; [`Error::Interrupted`].
pub(super) fn read_rows(
    input: &Input,
    request: &ColumnRequest<'_>,
    group: Option<&str>,
    interrupted: &dyn Fn() -> bool,
    fates: &mut FateCounts,
    visit: &mut dyn FnMut(&TrainingRow<'_>) -> Result<()>,
) -> Result<()> {
    let source = Source::new(input, request)?;
    let row_groups = 0..input.metadata().num_row_groups();
    input.file().plan(&source.planned_reads(row_groups.clone()), None, READ_AHEAD_BYTES);
    ReadAhead::with_helpers(READ_AHEAD_BYTES, |read_ahead| {
        let mut memory = ReadBuffers::default();
        for row_group in row_groups {
            let rows = input.rows_in(row_group);
            let mut groups = group.map(|group| ValueReader::open(input, group, row_group)).transpose()?;
            for found in source.read(row_group, 0..rows, BATCH_ROWS, read_ahead)? {
                if interrupted() {
                    return Err(Error::Interrupted);
                }
                let samples = found?.read(&mut memory)?;
                let groups = groups.as_mut().map(|groups| groups.read(samples.rows)).transpose()?;
                let mut x: Vec<&[f32]> = Vec::with_capacity(request.x.len());
                for (row, &fate) in samples.fates.iter().enumerate() {
                    fates.add(fate);
                    if fate == Fate::Good {
                        let modalities = samples.x.iter().zip(request.x);
                        x.clear();
                        x.extend(modalities.map(|(values, (_, dim))| &values[row * dim..][..*dim]));
                        visit(&TrainingRow {
                            x: &x,
                            y: samples.class[row],
                            group: groups
                                .as_ref()
                                .map(|groups| value_hash(groups.is_valid(row).then(|| groups.value(row)))),
                            key: samples.keys.get(row).copied(),
                        })?;
                    }
                }
                memory.reuse(samples);
            }
        }
        Ok(())
    })
}
