//! The router of rows: a row that the models were trained on is evaluated by those of its fold,
//! which have not seen it, every other row by the main models. Rows of a fold are gathered into a
//! batch of their own, and their outputs scattered to the rows' places.

use crate::bundle::RowHasher;
use crate::engine::{Backend, BatchInputs, BatchOutputs};
use crate::error::{Error, Result};
use crate::samples::Fate;

use super::fold_sessions::{FoldSession, FoldSessions};

/// Gathered batches are padded to a multiple of so many rows: in these, ONNX Runtime computes all rows by
/// the same code, and none by that for the rest of a vector. The last bits of a density still depend on
/// whether the row's place is even or odd.
const ROWS_MULTIPLE: usize = 16;

/// Routes the rows of batches; owned by one worker.
pub(super) struct FoldRouter<'a> {
    folds: &'a FoldSessions,
    /// The sessions that were needed so far, by fold.
    sessions: Vec<Option<FoldSession>>,
    hasher: RowHasher,
    /// The fold of each row of the batch.
    of_row: Vec<Option<u8>>,
    gathered: GatheredRows,
    part: BatchOutputs,
}

impl<'a> FoldRouter<'a> {
    pub(super) fn new(folds: &'a FoldSessions, modalities: usize) -> Self {
        Self {
            folds,
            sessions: Vec::new(),
            hasher: RowHasher::default(),
            of_row: Vec::new(),
            gathered: GatheredRows::default(),
            part: BatchOutputs::new(modalities),
        }
    }

    /// The fold whose models evaluated each row of the last batch; `None` for the main models.
    pub(super) fn folds_of_rows(&self) -> &[Option<u8>] {
        &self.of_row
    }

    /// Evaluates a batch, its good rows each by the models that have not seen it. `main` is the
    /// session of the main models. Where rows are known by their keys, `keys` are the hashes of
    /// these; without them every row counts as fresh.
    ///
    /// # Errors
    /// As for [`Backend::evaluate`] and [`FoldSessions::take`].
    pub(super) fn evaluate(
        &mut self,
        batch: &BatchInputs<'_>,
        fates: &[Fate],
        keys: &[u64],
        main: &mut dyn Backend,
        out: &mut BatchOutputs,
    ) -> Result<()> {
        let last = self.find_folds(batch, fates, keys);
        if last.is_none() && batch.rows.is_multiple_of(ROWS_MULTIPLE) {
            return main.evaluate(batch, out);
        }
        out.all_mut().iter_mut().for_each(Vec::clear);
        for fold in std::iter::once(None).chain((0..=last.unwrap_or(0)).map(Some)) {
            self.gathered.gather(batch, &self.of_row, fold);
            let x = self.gathered.embeddings();
            let Some(gathered) = self.gathered.batch(&x) else { continue };
            match fold {
                None => main.evaluate(&gathered, &mut self.part)?,
                Some(fold) => {
                    let fold = usize::from(fold);
                    if self.sessions.len() <= fold {
                        self.sessions.resize_with(fold + 1, || None);
                    }
                    let place = self.sessions.get_mut(fold);
                    let place = place.ok_or_else(|| Error::Internal(format!("no place for fold {fold}")))?;
                    let session = match place {
                        Some(session) => session,
                        None => place.insert(self.folds.take(fold)?),
                    };
                    session.session()?.evaluate(&gathered, &mut self.part)?;
                }
            }
            let given = out.all_mut().iter_mut().zip(self.part.all()).filter(|(_, part)| !part.is_empty());
            for (values, part) in given {
                values.resize(batch.rows, 0.0);
                for (&row, value) in self.gathered.rows.iter().zip(part) {
                    if let Some(slot) = values.get_mut(row) {
                        *slot = *value;
                    }
                }
            }
        }
        Ok(())
    }

    /// Finds the fold of each row, and returns the last of them.
    fn find_folds(&mut self, batch: &BatchInputs<'_>, fates: &[Fate], keys: &[u64]) -> Option<u8> {
        self.of_row.clear();
        let Some(trained) = self.folds.training_rows() else {
            self.of_row.resize(batch.rows, None);
            return None;
        };
        let fold_of = |hash| trained.fold_of(hash).and_then(|fold| u8::try_from(fold).ok());
        if self.folds.are_keyed() {
            let rows = keys.iter().zip(fates);
            self.of_row.extend(rows.map(|(key, fate)| (*fate == Fate::Good).then(|| fold_of(*key))?));
            self.of_row.resize(batch.rows, None);
        } else {
            let hasher = &mut self.hasher;
            self.of_row.extend(fates.iter().enumerate().map(|(row, fate)| match fate {
                Fate::Good => fold_of(hasher.hash(row_of(batch, row))),
                _ => None,
            }));
        }
        self.of_row.iter().copied().max().flatten()
    }
}

/// The embeddings of a row.
fn row_of<'a>(batch: &BatchInputs<'a>, row: usize) -> impl Iterator<Item = &'a [f32]> {
    let rows = batch.rows.max(1);
    batch.x.iter().map(move |x| {
        let dim = x.len() / rows;
        x.get(row * dim..(row + 1) * dim).unwrap_or_default()
    })
}

/// The rows of one fold, or those of none, as a batch of their own.
#[derive(Debug, Default)]
struct GatheredRows {
    /// Their places in the batch that they came from.
    rows: Vec<usize>,
    /// By modality.
    x: Vec<Vec<f32>>,
    y: Vec<i64>,
}

impl GatheredRows {
    /// Copies the rows of a fold, and the last of them until the batch is long enough.
    fn gather(&mut self, batch: &BatchInputs<'_>, of_row: &[Option<u8>], fold: Option<u8>) {
        self.rows.clear();
        self.rows.extend(of_row.iter().enumerate().filter(|(_, of)| **of == fold).map(|(row, _)| row));
        self.x.resize_with(batch.x.len(), Vec::new);
        self.x.iter_mut().for_each(Vec::clear);
        self.y.clear();
        let Some(last) = self.rows.last() else { return };
        let padding = self.rows.len().next_multiple_of(ROWS_MULTIPLE) - self.rows.len();
        for &row in self.rows.iter().chain(std::iter::repeat_n(last, padding)) {
            for (gathered, values) in self.x.iter_mut().zip(row_of(batch, row)) {
                gathered.extend_from_slice(values);
            }
            self.y.push(batch.y[row]);
        }
    }

    fn embeddings(&self) -> Vec<&[f32]> {
        self.x.iter().map(Vec::as_slice).collect()
    }

    /// The batch of these embeddings, unless it is empty.
    fn batch<'a>(&'a self, x: &'a [&'a [f32]]) -> Option<BatchInputs<'a>> {
        let y = &self.y;
        (!y.is_empty()).then_some(BatchInputs { rows: y.len(), x, y })
    }
}
