//! The set of the rows that the models of a bundle were trained on: for each fold a binary fuse
//! filter (Graf and Lemire, ACM Journal of Experimental Algorithmics 27, 2022) of row hashes.
//! Fingerprints have 16 bits, about 18 bits a row: one fresh row in 65 536 is taken for a row of
//! a given fold. With 8 bits it would be one in 256, so that with five folds 2 % of fresh rows
//! counted as trained on, and every batch ran some rows through the models of every fold.
//!
//! A training row must not be taken for one of another fold, whose models have seen it. When the filters
//! are made the rows of all folds are known, and those of other folds that a filter takes for its
//! own are listed with it: its *strangers*.
//!
//! The file of a filter, all numbers little-endian:
//!
//! ```text
//! "LSMIROW1", rows u64, seed u64, segment length s u32, length of segments c u32,
//! (c + 2 s) fingerprints u16, then to the end of the file the hashes of strangers u64, ascending
//! ```
//!
//! A row of hash k is in the filter where f = a ^ b ^ c for three of its fingerprints: with
//! m = murmur3_64(k + seed), f is the lower half of m ^ (m >> 32), and the places are
//! p = (m·c) >> 64, (p + s) ^ ((m >> 18) mod s) and (p + 2 s) ^ (m mod s).

use xorf::{BinaryFuse16, Descriptor, Filter};

const MAGIC: &[u8; 8] = b"LSMIROW1";
/// Bytes before the fingerprints.
const HEAD_BYTES: usize = 32;

/// The rows that the models were trained on, by the fold that each was held out of.
#[derive(Debug, Clone, Default)]
pub struct TrainingRows {
    filters: Vec<RowFilter>,
}

impl TrainingRows {
    pub(super) fn new(filters: Vec<RowFilter>) -> Self {
        Self { filters }
    }

    /// The fold of a row by its hash ([`RowHasher`](super::RowHasher)), exact for rows that were trained
    /// on; `None` for a fresh row. A row that was held out of several folds, a duplicate, has the
    /// first of them.
    pub fn fold_of(&self, hash: u64) -> Option<usize> {
        self.filters.iter().position(|filter| filter.contains(hash))
    }

    /// Distinct rows of each fold.
    pub fn rows(&self) -> impl Iterator<Item = u64> {
        self.filters.iter().map(|filter| filter.rows)
    }
}

/// The rows of one fold.
#[derive(Debug, Clone)]
pub(super) struct RowFilter {
    rows: u64,
    fingerprints: BinaryFuse16,
    /// Rows of other folds that the fingerprints match, ascending.
    strangers: Vec<u64>,
}

impl RowFilter {
    /// The filters of the hashes of each fold, each as often as it likes.
    ///
    /// # Errors
    /// Where a filter can't be built, its fold and the reason.
    pub(super) fn of_folds(folds: &[Vec<u64>]) -> Result<Vec<Self>, (usize, String)> {
        let distinct: Vec<Vec<u64>> = folds.iter().map(|hashes| distinct(hashes.clone())).collect();
        let filter = |(fold, own): (usize, &Vec<u64>)| {
            let mut filter = Self::new(own).map_err(|what| (fold, what))?;
            let others = distinct.iter().enumerate().filter(|(other, _)| *other != fold);
            let others = others.flat_map(|(_, hashes)| hashes).copied();
            let strangers = others.filter(|hash| filter.contains(*hash) && own.binary_search(hash).is_err());
            filter.strangers = self::distinct(strangers.collect());
            Ok(filter)
        };
        distinct.iter().enumerate().map(filter).collect()
    }

    /// The filter of these hashes, all different.
    fn new(hashes: &Vec<u64>) -> Result<Self, String> {
        if u32::try_from(hashes.len()).is_err() {
            return Err(format!("{} rows are too many for one filter", hashes.len()));
        }
        let fingerprints = BinaryFuse16::try_from(hashes).map_err(str::to_owned)?;
        Ok(Self { rows: hashes.len() as u64, fingerprints, strangers: Vec::new() })
    }

    /// Distinct rows.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    fn contains(&self, hash: u64) -> bool {
        self.rows > 0 && self.fingerprints.contains(&hash) && self.strangers.binary_search(&hash).is_err()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let BinaryFuse16 { descriptor, fingerprints } = &self.fingerprints;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + 2 * fingerprints.len() + 8 * self.strangers.len());
        bytes.extend(MAGIC);
        bytes.extend(self.rows.to_le_bytes());
        bytes.extend(descriptor.seed.to_le_bytes());
        bytes.extend(descriptor.segment_length.to_le_bytes());
        bytes.extend(descriptor.segment_count_length.to_le_bytes());
        bytes.extend(fingerprints.iter().flat_map(|fingerprint| fingerprint.to_le_bytes()));
        bytes.extend(self.strangers.iter().flat_map(|hash| hash.to_le_bytes()));
        bytes
    }

    /// Reads a filter.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let not_a_filter = || "not a filter of training rows; restore the file".to_owned();
        let (head, body) = bytes.split_at_checked(HEAD_BYTES).ok_or_else(not_a_filter)?;
        let head = head.strip_prefix(MAGIC).ok_or_else(not_a_filter)?;
        let [rows, seed, lengths] = head.as_chunks::<8>().0 else { return Err(not_a_filter()) };
        let (rows, seed) = (u64::from_le_bytes(*rows), u64::from_le_bytes(*seed));
        let lengths = u64::from_le_bytes(*lengths);
        let (segment_length, segment_count_length) = (lengths as u32, (lengths >> 32) as u32);
        let count = u64::from(segment_count_length) + 2 * u64::from(segment_length);
        let split = usize::try_from(2 * count).ok().and_then(|at| body.split_at_checked(at));
        // Every place that a hash can have is then within the fingerprints.
        let fits = segment_length.is_power_of_two()
            && segment_count_length > 0
            && segment_count_length.is_multiple_of(segment_length)
            && u32::try_from(count).is_ok();
        let (Some((body, strangers)), true) = (split.map(|(body, rest)| (body, rest.as_chunks())), fits)
        else {
            return Err(not_as_its_header(bytes));
        };
        let (strangers, rest) = strangers;
        let strangers: Vec<u64> = strangers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        if !rest.is_empty() || !strangers.is_sorted() {
            return Err(not_as_its_header(bytes));
        }
        let segment_length_mask = segment_length - 1;
        let descriptor = Descriptor { seed, segment_length, segment_length_mask, segment_count_length };
        let fingerprints = body.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect();
        Ok(Self { rows, fingerprints: BinaryFuse16 { descriptor, fingerprints }, strangers })
    }
}

fn not_as_its_header(bytes: &[u8]) -> String {
    format!("its {} bytes are not what its header says; restore the file", bytes.len())
}

fn distinct(mut hashes: Vec<u64>) -> Vec<u64> {
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Well-mixed numbers, all different.
    fn hashes(from: u64, count: u64) -> Vec<u64> {
        (from..from + count).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (i << 7)).collect()
    }

    #[test]
    fn rows_have_their_fold_and_fresh_ones_have_none() {
        let folds: Vec<Vec<u64>> = (0..5).map(|fold| hashes(fold * 100_000, 20_000)).collect();
        let filters = RowFilter::of_folds(&folds).unwrap();
        // Fingerprints alone take about six of 80 000 rows of other folds for the filter's own.
        assert!(filters.iter().any(|filter| !filter.strangers.is_empty()));
        let read = filters.iter().map(|filter| RowFilter::parse(&filter.to_bytes()).unwrap());
        let rows = TrainingRows::new(read.collect());
        assert_eq!(rows.rows().collect::<Vec<_>>(), [20_000; 5]);
        for (fold, hashes) in folds.iter().enumerate() {
            assert!(hashes.iter().all(|hash| rows.fold_of(*hash) == Some(fold)), "{fold}");
        }
        let fresh = hashes(10_000_000, 200_000);
        let taken = fresh.iter().filter(|hash| rows.fold_of(**hash).is_some()).count();
        assert!(taken < 50, "{taken} of 200 000 fresh rows");
    }

    #[test]
    fn few_rows_and_none_are_sets_too() {
        for count in [0, 1, 2, 3, 10, 100] {
            let hashes = hashes(7, count);
            let twice = [&hashes[..], &hashes[..]].concat();
            let filter = RowFilter::parse(&RowFilter::of_folds(&[twice]).unwrap()[0].to_bytes()).unwrap();
            assert_eq!(filter.rows(), count);
            assert!(hashes.iter().all(|hash| filter.contains(*hash)), "{count}");
            assert!((0..1000).filter(|hash| filter.contains(*hash)).count() < 3, "{count}");
        }
    }

    /// The file's bytes are a contract: another version of the crate must not change them.
    #[test]
    fn the_bytes_of_a_filter_are_always_the_same() {
        let bytes = RowFilter::new(&hashes(0, 1000)).unwrap().to_bytes();
        let hash = "50c45b70514d45e3db48d1a1314aa699b6c3232d84a89caebafd9a6259c80812";
        assert_eq!((bytes.len(), super::super::sha256::sha256_hex(&bytes).as_str()), (2848, hash));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let whole = RowFilter::new(&hashes(0, 1000)).unwrap().to_bytes();
        let descending = [&whole[..], &[1; 8], &[0; 8]].concat();
        let long = [&whole[..], &[0, 0]].concat();
        for bytes in [&whole[..0], &whole[..31], &whole[..whole.len() - 2], &long, &descending] {
            assert!(RowFilter::parse(bytes).is_err(), "{}", bytes.len());
        }
        for place in [0, 24, 25, 28, 31] {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x41;
            assert!(RowFilter::parse(&bytes).is_err(), "byte {place}");
        }
    }
}
