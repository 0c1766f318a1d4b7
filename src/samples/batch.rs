//! A batch of samples: embeddings, a class and a fate for each row.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::ScalarBuffer;

use crate::error::Result;

use super::extract::{Embeddings, InvalidEmbedding};
use super::fate::{Fate, Modality};
use super::label::LabelIndex;
use super::label_type::LabelPlace;
use super::row_key::key_hashes;

/// A batch of samples.
#[derive(Debug, Clone)]
pub struct Samples {
    /// Position of the batch's first row in its row group.
    pub first_row: usize,
    /// Rows in the batch.
    pub rows: usize,
    /// By modality `[rows, d_m]`, row-major; values of rows that are not good are undefined.
    pub x: Vec<ScalarBuffer<f32>>,
    /// The class index of each row; 0 where the label is null or unknown.
    pub class: Vec<u32>,
    /// The fate of each row.
    pub fates: Vec<Fate>,
    /// The label column as it is in the file, for reports of bad rows.
    pub label: ArrayRef,
    /// The hash of each row's key ([`key_hashes`](super::key_hashes)); empty where no key is read.
    pub keys: Vec<u64>,
}

impl Samples {
    /// Assembles samples from the columns and those of a key, if any. Every row gets one fate: the label's
    /// takes precedence over x1's, x1's over x2's, and so on.
    ///
    /// # Errors
    /// As for [`LabelIndex::encode`] and [`key_hashes`](super::key_hashes).
    pub fn assemble(
        index: &LabelIndex,
        first_row: usize,
        x: Vec<Embeddings>,
        label: ArrayRef,
        at: &LabelPlace,
        key: &[ArrayRef],
    ) -> Result<Self> {
        let rows = label.len();
        let (class, invalid_labels) = index.encode(&label, at)?;
        let mut fates = vec![Fate::Good; rows];
        let of_label = invalid_labels.into_iter();
        let of_embeddings = (0..).map(Modality).zip(&x).flat_map(|(modality, x)| {
            x.invalid.iter().map(move |(row, invalid)| (*row, fate(*invalid, modality)))
        });
        for (row, fate) in of_label.chain(of_embeddings) {
            if let Some(slot @ Fate::Good) = fates.get_mut(row) {
                *slot = fate;
            }
        }
        let keys = if key.is_empty() { Vec::new() } else { key_hashes(key, rows)? };
        let x = x.into_iter().map(|x| x.values).collect();
        Ok(Self { first_row, rows, x, class, fates, label, keys })
    }
}

fn fate(invalid: InvalidEmbedding, modality: Modality) -> Fate {
    match invalid {
        InvalidEmbedding::Null => Fate::NullEmbedding(modality),
        InvalidEmbedding::WrongLength(_) => Fate::WrongLength(modality),
        InvalidEmbedding::NonFinite => Fate::NonFinite(modality),
    }
}
