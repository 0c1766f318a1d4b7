//! A batch of samples: two embeddings, a class and a fate a row.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::ScalarBuffer;

use crate::error::Result;

use super::extract::{Embeddings, Flaw};
use super::fate::{Fate, Modality};
use super::label::LabelIndex;

/// A batch of samples.
#[derive(Debug, Clone)]
pub struct Samples {
    /// Position of the batch's first row in its row group.
    pub first_row: usize,
    /// Rows in the batch.
    pub rows: usize,
    /// `[rows, d1]`, row-major; values of rows that are not good mean nothing.
    pub x1: ScalarBuffer<f32>,
    /// `[rows, d2]`, likewise.
    pub x2: ScalarBuffer<f32>,
    /// The class index of each row; 0 where the label is null or unknown.
    pub class: Vec<u32>,
    /// What becomes of each row.
    pub fates: Vec<Fate>,
    /// The label column as it is in the file, for whoever reports bad rows.
    pub label: ArrayRef,
}

impl Samples {
    /// Samples from the three columns as they were read. Every row gets one fate: the
    /// label's goes before x1's, and that before x2's.
    ///
    /// # Errors
    /// [`Error::Internal`] where the labels are of a type that the index does not take.
    pub fn assemble(
        index: &LabelIndex,
        first_row: usize,
        x1: Embeddings,
        x2: Embeddings,
        label: ArrayRef,
    ) -> Result<Self> {
        let rows = label.len();
        let (class, label_flaws) = index.encode(&label)?;
        let mut fates = vec![Fate::Good; rows];
        let of_label = label_flaws.into_iter();
        let of_x1 = x1.flaws.iter().map(|(row, flaw)| (*row, fate(*flaw, Modality::First)));
        let of_x2 = x2.flaws.iter().map(|(row, flaw)| (*row, fate(*flaw, Modality::Second)));
        for (row, fate) in of_label.chain(of_x1).chain(of_x2) {
            if let Some(slot @ Fate::Good) = fates.get_mut(row) {
                *slot = fate;
            }
        }
        Ok(Self { first_row, rows, x1: x1.values, x2: x2.values, class, fates, label })
    }
}

fn fate(flaw: Flaw, modality: Modality) -> Fate {
    match flaw {
        Flaw::Null => Fate::NullEmbedding(modality),
        Flaw::WrongLength(_) => Fate::WrongLength(modality),
        Flaw::NonFinite => Fate::NonFinite(modality),
    }
}
