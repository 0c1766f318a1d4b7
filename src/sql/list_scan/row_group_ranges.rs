//! The ranges of a file that the partitions of a scan read, cut between row groups. DataFusion cuts a file
//! into equal numbers of bytes and has a row group read where it begins, so that of three row groups one
//! partition gets two, or all.

use std::collections::HashMap;

use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::object_store::path::Path;
use datafusion::parquet::file::metadata::ParquetMetaData;

use super::super::parquet_reader::MetadataCache;

/// Moves each cut within a file to the start of a row group: of the first that has at most a half before it.
pub(super) fn cut_between_row_groups(groups: &[FileGroup], cache: &MetadataCache) -> Vec<FileGroup> {
    // Looked up once for a file: both sides of a cut have to move to the same place, and the cache may drop
    // metadata in between.
    let mut known: HashMap<Path, Option<Vec<i64>>> = HashMap::new();
    let mut cut = |file: &PartitionedFile| {
        let (Some(range), Ok(end)) = (&file.range, i64::try_from(file.object_meta.size)) else {
            return file.clone();
        };
        let starts = known
            .entry(file.object_meta.location.clone())
            .or_insert_with(|| cache.get(&file.object_meta).and_then(|metadata| row_group_starts(&metadata)));
        let Some(starts) = starts else { return file.clone() };
        let [start, end] = [range.start, range.end].map(|at| nearest(starts, end, at));
        PartitionedFile { range: Some(FileRange { start, end }), ..file.clone() }
    };
    let cut_group = |group: &FileGroup| match group.iter().any(|file| file.range.is_some()) {
        true => FileGroup::new(group.iter().map(&mut cut).collect()),
        false => group.clone(),
    };
    groups.iter().map(cut_group).collect()
}

/// Where DataFusion looks whether a row group is in a range. None unless each is behind the one before it.
fn row_group_starts(metadata: &ParquetMetaData) -> Option<Vec<i64>> {
    let starts = metadata.row_groups().iter().map(|group| {
        let first = group.columns().first()?;
        Some(first.dictionary_page_offset().unwrap_or_else(|| first.data_page_offset()))
    });
    let starts = starts.collect::<Option<Vec<i64>>>()?;
    starts.is_sorted_by(|start, next| start < next).then_some(starts)
}

/// A cut of a file that ends at `end`, moved to the start of the first row group whose middle is at `cut`
/// or behind it.
fn nearest(starts: &[i64], end: i64, cut: i64) -> i64 {
    if cut <= 0 || cut >= end {
        return cut;
    }
    let ends = starts.iter().skip(1).chain([&end]);
    let mut groups = starts.iter().zip(ends);
    groups.find(|(start, end)| *start + (*end - *start) / 2 >= cut).map_or(end, |(start, _)| *start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_goes_to_the_nearer_end_of_its_row_group() {
        let starts = [4, 504, 1004];
        let cuts = [0, 1, 253, 254, 255, 576, 754, 755, 1077, 1078, 1149, 1152, 1200];
        let moved = cuts.map(|cut| nearest(&starts, 1152, cut));
        assert_eq!(moved, [0, 4, 4, 4, 504, 504, 504, 1004, 1004, 1004, 1152, 1152, 1200]);
        // One row group is read whole.
        assert_eq!([300, 600, 900].map(|cut| nearest(&[4], 1000, cut)), [4, 1000, 1000]);
    }
}
