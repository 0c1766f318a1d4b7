//! Pieces of an object, in which ranges that readers need are requested. Small neighbouring ranges are one
//! piece.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Bytes of a piece, except the last of a range.
pub(super) const PIECE_BYTES: u64 = 1 << 22;

/// Ranges shorter than this are joined, with what is between them if that is no longer than the second.
const SHORT_BYTES: u64 = PIECE_BYTES / 2;
const GAP_BYTES: u64 = 1 << 18;

/// A range of a file that one reader will read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRead {
    /// Where in the file.
    pub bytes: Range<u64>,
    /// What is read in the order of the file, such as a column: its next range follows.
    pub column: usize,
}

/// A range of the object that is requested at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) range: Range<u64>,
    pub(super) readers: usize,
    /// The piece that its readers need next, if it is of other ranges.
    pub(super) next: Option<usize>,
}

/// The pieces of ranges, in order.
pub(super) fn pieces(reads: &[PlannedRead], copies: usize) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut is_short = false;
    // By column, the last piece of its last range.
    let mut last_of: HashMap<usize, usize> = HashMap::new();
    for PlannedRead { bytes, column } in reads.iter().filter(|read| !read.bytes.is_empty()) {
        let first = pieces.len();
        let was_short = std::mem::replace(&mut is_short, bytes.end - bytes.start < SHORT_BYTES);
        let joined = pieces.last_mut().filter(|last| {
            let gap = bytes.start - last.range.end;
            was_short && is_short && gap <= GAP_BYTES && bytes.end - last.range.start <= PIECE_BYTES
        });
        match joined {
            Some(last) => {
                last.range.end = bytes.end;
                last.readers += 1;
            }
            None => {
                let starts = (bytes.start..bytes.end).step_by(PIECE_BYTES as usize);
                pieces.extend(starts.map(|start| Piece {
                    range: start..bytes.end.min(start + PIECE_BYTES),
                    readers: 1 + copies,
                    next: None,
                }));
            }
        }
        let (first, last) = (first.min(pieces.len() - 1), pieces.len() - 1);
        let before = last_of.insert(*column, last).filter(|before| *before < first);
        if let Some(before) = before.and_then(|before| pieces.get_mut(before)) {
            before.next.get_or_insert(first);
        }
    }
    pieces
}

/// The piece that a reader of one needs next: within a range they follow each other.
pub(super) fn next_piece(pieces: &[Piece], piece: usize) -> Option<usize> {
    let next = pieces.get(piece)?.next;
    next.or_else(|| Some(piece + 1).filter(|next| *next < pieces.len()))
}

/// The first piece of each column, with the one that its readers need next as long as all are of at most so
/// many bytes.
pub(super) fn first_pieces(reads: &[PlannedRead], most_bytes: u64) -> Vec<(Range<u64>, Option<Range<u64>>)> {
    let pieces = pieces(reads, 0);
    let mut columns = HashSet::new();
    let mut firsts: Vec<usize> = reads
        .iter()
        .filter(|read| !read.bytes.is_empty() && columns.insert(read.column))
        .map(|read| pieces.partition_point(|piece| piece.range.end <= read.bytes.start))
        .collect();
    firsts.dedup();
    let range = |piece: usize| pieces.get(piece).map(|piece| piece.range.clone());
    let length = |piece: usize| range(piece).map_or(0, |range| range.end - range.start);
    let mut left = most_bytes.saturating_sub(firsts.iter().map(|first| length(*first)).sum());
    let mut chosen: HashSet<usize> = firsts.iter().copied().collect();
    let with_next = firsts.iter().filter_map(|first| {
        let next = next_piece(&pieces, *first).filter(|next| length(*next) <= left && chosen.insert(*next));
        left -= next.map_or(0, length);
        Some((range(*first)?, next.and_then(range)))
    });
    with_next.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn read(bytes: Range<u64>, column: usize) -> PlannedRead {
        PlannedRead { bytes, column }
    }

    #[test]
    fn the_first_pieces_of_columns_come_with_their_next_ones() {
        let reads = [
            read(100..100 + 9 * MIB, 0),
            read(10 * MIB..13 * MIB, 1),
            read(20 * MIB..23 * MIB, 0),
            read(30 * MIB..33 * MIB, 1),
        ];
        let first = (100..100 + 4 * MIB, 100 + 4 * MIB..100 + 8 * MIB);
        let second = (10 * MIB..13 * MIB, 30 * MIB..33 * MIB);
        let both = vec![(first.0.clone(), Some(first.1.clone())), (second.0.clone(), Some(second.1))];
        assert_eq!(first_pieces(&reads, 14 * MIB), both);
        assert_eq!(
            first_pieces(&reads, 13 * MIB),
            [(first.0.clone(), Some(first.1)), (second.0.clone(), None)]
        );
        assert_eq!(first_pieces(&reads, 0), [(first.0, None), (second.0, None)]);
        // One piece behind those of both columns.
        let reads = [
            read(0..3 * MIB, 0),
            read(3 * MIB..6 * MIB, 1),
            read(6 * MIB..7 * MIB, 0),
            read(7 * MIB..8 * MIB, 1),
        ];
        let found = first_pieces(&reads, 20 * MIB);
        assert_eq!(found, [(0..3 * MIB, Some(6 * MIB..8 * MIB)), (3 * MIB..6 * MIB, None)]);
        // A piece of both columns, and no other.
        let reads = [read(0..MIB, 0), read(MIB..2 * MIB, 1)];
        assert_eq!(first_pieces(&reads, 9 * MIB), [(0..2 * MIB, None)]);
        assert_eq!(first_pieces(&[read(5..5, 0)], 9 * MIB), []);
    }
}
