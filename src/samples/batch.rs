//! A batch of samples: embeddings, a class and a fate for each row.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::ScalarBuffer;

use crate::error::Result;
use crate::interaction::Subset;

use super::extract::{Embeddings, InvalidEmbedding};
use super::fate::{Fate, Modality};
use super::label::LabelIndex;
use super::label_type::LabelPlace;
use super::on_missing::OnMissingModality;
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
    /// The modalities that each row has; empty where all rows that are good have all of them.
    pub present: Vec<Subset>,
    /// The label column as it is in the file, for reports of bad rows.
    pub label: ArrayRef,
    /// The hash of each row's key ([`key_hashes`](super::key_hashes)); empty where no key is read.
    pub keys: Vec<u64>,
}

impl Samples {
    /// Assembles samples from the columns and those of a key, if any. Every row gets one fate: the label's
    /// takes precedence over x1's, x1's over x2's, and so on. A row without some of its embeddings is good
    /// where it is to be reduced to the others.
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
        on_missing: OnMissingModality,
    ) -> Result<Self> {
        let rows = label.len();
        let present = match on_missing {
            OnMissingModality::Null => Vec::new(),
            OnMissingModality::Reduce => present(&x, rows),
        };
        let (class, invalid_labels) = index.encode(&label, at)?;
        let mut fates = vec![Fate::Good; rows];
        let of_label = invalid_labels.into_iter();
        let of_embeddings = (0..).map(Modality).zip(&x).flat_map(|(modality, x)| {
            x.invalid.iter().map(move |(row, invalid)| (*row, fate(*invalid, modality)))
        });
        for (row, fate) in of_label.chain(of_embeddings) {
            let has_others = || present.get(row).is_some_and(Option::is_some);
            let is_reduced = matches!(fate, Fate::NullEmbedding(_)) && has_others();
            if let Some(slot @ Fate::Good) = fates.get_mut(row).filter(|_| !is_reduced) {
                *slot = fate;
            }
        }
        let keys = if key.is_empty() { Vec::new() } else { key_hashes(key, rows)? };
        let full = Subset::full(x.len());
        let present = present.into_iter().filter_map(|set| set.or(full)).collect();
        let x = x.into_iter().map(|x| x.values).collect();
        Ok(Self { first_row, rows, x, class, fates, present, label, keys })
    }

    /// Whether a good row lacks a modality.
    pub fn has_reduced(&self) -> bool {
        let mut rows = self.present.iter().zip(&self.fates);
        rows.any(|(set, fate)| *fate == Fate::Good && set.len() < self.x.len())
    }
}

/// The modalities that each row has, `None` where it has none; empty where no embedding is null.
fn present(x: &[Embeddings], rows: usize) -> Vec<Option<Subset>> {
    let is_null = |(_, invalid): &&(usize, InvalidEmbedding)| *invalid == InvalidEmbedding::Null;
    if !x.iter().any(|embeddings| embeddings.invalid.iter().any(|invalid| is_null(&invalid))) {
        return Vec::new();
    }
    let mut present = vec![Subset::full(x.len()); rows];
    for (modality, embeddings) in x.iter().enumerate() {
        for (row, _) in embeddings.invalid.iter().filter(is_null) {
            if let Some(slot) = present.get_mut(*row) {
                *slot = slot.and_then(|set| set.without(modality));
            }
        }
    }
    present
}

fn fate(invalid: InvalidEmbedding, modality: Modality) -> Fate {
    match invalid {
        InvalidEmbedding::Null => Fate::NullEmbedding(modality),
        InvalidEmbedding::WrongLength(_) => Fate::WrongLength(modality),
        InvalidEmbedding::NonFinite => Fate::NonFinite(modality),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_modalities_that_are_not_null() {
        let embeddings = |nulls: &[usize]| {
            let null = |row: &usize| (*row, InvalidEmbedding::Null);
            Embeddings { values: vec![0.0; 4].into(), invalid: nulls.iter().map(null).collect() }
        };
        let shown = |x: &[Embeddings]| -> Vec<String> {
            present(x, 4).iter().map(|set| set.map_or("none".to_owned(), |set| set.to_string())).collect()
        };
        assert_eq!(shown(&[embeddings(&[]), embeddings(&[])]), [""; 0]);
        assert_eq!(
            shown(&[embeddings(&[0, 3]), embeddings(&[3]), embeddings(&[1, 3])]),
            ["23", "12", "123", "none"]
        );
    }
}
