//! The hash by which a row is known again, wherever it lies and however its embeddings are stored.

use xxhash_rust::xxh3::xxh3_64;

/// Hashes rows; holds the bytes of one row between calls.
#[derive(Debug, Clone, Default)]
pub struct RowHasher {
    bytes: Vec<u8>,
}

impl RowHasher {
    /// XXH3 (64 bit) of a row's embeddings, as f32 in the way that samples hold them: the length of x1
    /// as u32 and its values, then the same of each other, all little-endian. −0.0 counts as 0.0. The
    /// hash is part of the bundle's format: the same in every version and on every machine.
    pub fn hash<'a>(&mut self, row: impl IntoIterator<Item = &'a [f32]>) -> u64 {
        let mut used = 0;
        for x in row {
            let end = used + 4 * x.len() + 4;
            if self.bytes.len() < end {
                self.bytes.resize(end, 0);
            }
            if let Some(bytes) = self.bytes.get_mut(used..end) {
                fill(bytes, x);
            }
            used = end;
        }
        xxh3_64(self.bytes.get(..used).unwrap_or_default())
    }
}

/// The length of an embedding and its values.
fn fill(bytes: &mut [u8], x: &[f32]) {
    let Some((length, values)) = bytes.split_first_chunk_mut() else { return };
    *length = (x.len() as u32).to_le_bytes();
    for (slot, value) in values.as_chunks_mut().0.iter_mut().zip(x) {
        // The sum is 0.0 for −0.0, and for all others the value itself.
        *slot = (value + 0.0).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_row_is_always_the_same() {
        let mut hasher = RowHasher::default();
        let x: Vec<f32> = (0..300).map(|i| i as f32 / 8.0 - 7.0).collect();
        // As other implementations of XXH3 give them.
        assert_eq!(hasher.hash([&[1.0, -2.5][..], &[0.5]]), 0xa8ce_114c_570e_8f34);
        assert_eq!(hasher.hash([&x[..128], &x[128..]]), 0x25e2_3b71_0569_42a1);
        assert_eq!(hasher.hash([&[][..], &[]]), 0xc77b_3abb_6f87_acd9);
        assert_eq!(hasher.hash([&[1.0, -2.5][..], &[0.5]]), 0xa8ce_114c_570e_8f34);
    }

    #[test]
    fn zeros_are_alike_and_lengths_count() {
        let mut hasher = RowHasher::default();
        let mut hash = |x1: &[f32], x2: &[f32]| hasher.hash([x1, x2]);
        assert_eq!(hash(&[0.0, 1.0], &[-0.0]), hash(&[-0.0, 1.0], &[0.0]));
        assert_ne!(hash(&[0.0, 1.0], &[2.0]), hash(&[0.0], &[1.0, 2.0]));
        assert_ne!(hash(&[0.0, 1.0], &[2.0]), hash(&[2.0, 1.0], &[0.0]));
        assert_ne!(hash(&[f32::MIN_POSITIVE / 2.0], &[0.0]), hash(&[0.0], &[0.0]));
    }
}
