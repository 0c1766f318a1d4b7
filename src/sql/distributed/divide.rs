//! The division of a scan's files into partitions: consecutive ranges of about the same size. Parquet files
//! are divided between row groups, others are not.

use super::super::file_scan::ScannedFile;

/// The least size of a part of a file. Opening a file counts as much.
const LEAST_BYTES: u64 = 1 << 20;

/// At most this many partitions of files, in their order.
pub(super) fn divide(files: &[ScannedFile], partitions: usize, is_parquet: bool) -> Vec<Vec<ScannedFile>> {
    let partitions = partitions.max(1);
    let all: u64 = files.iter().map(|file| LEAST_BYTES.saturating_add(file.file.object_meta.size)).sum();
    let share = all.div_ceil(partitions as u64).max(LEAST_BYTES);
    let mut parts: Vec<Vec<ScannedFile>> = vec![Vec::new()];
    let mut left = share;
    for file in files {
        let size = file.file.object_meta.size;
        let mut from = 0;
        loop {
            if left == 0 && parts.len() < partitions {
                parts.push(Vec::new());
                left = share;
            }
            let is_last = parts.len() == partitions;
            let taken = piece_bytes(size - from, left.saturating_sub(LEAST_BYTES), is_parquet && !is_last);
            let piece = match taken == size {
                true => file.clone(),
                false => part_of(file, from..from + taken),
            };
            if let Some(last) = parts.last_mut() {
                last.push(piece);
            }
            left = left.saturating_sub(LEAST_BYTES.saturating_add(taken));
            from += taken;
            if from >= size {
                break;
            }
        }
    }
    parts
}

/// How much of the rest of a file a partition takes that has room for so many bytes.
fn piece_bytes(rest: u64, room: u64, may_divide: bool) -> u64 {
    let taken = room.max(LEAST_BYTES);
    // What would be left is not worth a piece.
    if may_divide && rest > taken.saturating_add(LEAST_BYTES) { taken } else { rest }
}

fn part_of(ScannedFile { file, .. }: &ScannedFile, bytes: std::ops::Range<u64>) -> ScannedFile {
    let end = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    ScannedFile { file: file.clone().with_range(end(bytes.start), end(bytes.end)), rows: None }
}

#[cfg(test)]
mod tests {
    use datafusion::datasource::listing::PartitionedFile;

    use super::*;

    fn file(bytes: u64) -> ScannedFile {
        ScannedFile { file: PartitionedFile::new(format!("{bytes}.parquet"), bytes), rows: Some(1) }
    }

    /// The bytes of each file that the partitions have, in their order.
    fn covered(parts: &[Vec<ScannedFile>]) -> Vec<(u64, u64)> {
        parts
            .iter()
            .flatten()
            .map(|piece| match &piece.file.range {
                Some(range) => (range.start as u64, range.end as u64),
                None => (0, piece.file.object_meta.size),
            })
            .collect()
    }

    #[test]
    fn every_byte_is_in_one_partition() {
        let mega = 1 << 20;
        for sizes in
            [vec![100 * mega], vec![5, 7, 100 * mega, 3], vec![0], vec![10 * mega; 20], vec![10; 1000]]
        {
            let files: Vec<ScannedFile> = sizes.iter().map(|bytes| file(*bytes)).collect();
            for partitions in [1, 2, 3, 8, 64] {
                let parts = divide(&files, partitions, true);
                assert!(parts.len() <= partitions && parts.iter().all(|part| !part.is_empty()), "{sizes:?}");
                let (mut covered, mut at) = (covered(&parts).into_iter(), 0);
                for size in &sizes {
                    loop {
                        let (from, to) = covered.next().unwrap();
                        assert_eq!(from, at);
                        at = to;
                        if to == *size {
                            break;
                        }
                    }
                    at = 0;
                }
                assert!(covered.next().is_none());
                let whole = divide(&files, partitions, false);
                assert_eq!(whole.iter().map(Vec::len).sum::<usize>(), files.len());
            }
        }
        assert_eq!(divide(&[file(100 * mega)], 8, true).len(), 8);
        assert_eq!(divide(&vec![file(1000); 16], 4, true).len(), 4);
    }
}
