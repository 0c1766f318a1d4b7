//! Training on more rows than fit in memory: models of a sample, refined by passes over all rows.
//!
//! All usable rows are written to a folder beside the bundle ([`row_store`]). Hyper-parameters are
//! chosen, and first models fitted, on a sample of them in memory. Then every pass reads all rows:
//! expectation-maximisation of the densities and the discriminant analyses, whose sufficient
//! statistics are kept by fold ([`statistics`]), and epochs of gradient descent for regressions and
//! networks ([`descent`]). After each the state is saved ([`work_folder`]), from which an interrupted
//! fit continues.
//!
//! A row's fold is a function of its group, else of its key, else of its embeddings: copies of a row are in
//! one fold.

mod adoption;
mod common_scale;
mod density_pass;
mod descent;
mod discriminant_pass;
mod refinement;
mod row_sample;
mod row_store;
mod state;
mod statistics;
mod work_folder;

use std::hash::BuildHasher;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::bundle::{FittedFolds, RowHasher};
use crate::error::{Error, Result};
use crate::interaction::Subset;
use crate::provenance::InputOrigin;
use crate::storage::FileVersion;

use super::classifier_data::ClassifierData;
use super::diagnostics::Diagnostics;
use super::held_out_rows::repeated_keys;
use super::member::FoldContext;
use super::memory_plan::MemoryPlan;
use super::outlying_rows::OutlyingRows;
use super::progress::FitProgress;
use super::recipe::Recipe;
use super::row_groups::row_groups;
use super::split::assigned_folds;
use super::training::{FittedModels, Trained, cross_fit_all, prior_of};
use super::training_set::check;
use super::training_source::TrainingSource;
use super::warnings;

use adoption::Sample;
use descent::ShuffledRows;
use row_sample::RowSample;
use row_store::{RowBlock, RowStore, RowStoreWriter, row_bytes};
use state::State;
use work_folder::{StoredRows, WorkFolder};

/// A fit on more rows than fit in memory.
pub(super) struct StreamedFit<'a> {
    pub source: &'a TrainingSource<'a>,
    pub recipe: &'a Recipe,
    /// Of the sample.
    pub diagnostics: Diagnostics,
    pub memory: MemoryPlan,
    /// Rows to train on, drawn at random where there are more.
    pub most_rows: u64,
    /// Rows of the sample in memory.
    pub sample_rows: usize,
    /// Whether to continue an unfinished fit.
    pub resume: bool,
    /// The file that holds the rows of a stream.
    pub stream: Option<&'a Path>,
}

/// Everything that the stored rows and the models depend on.
#[derive(Serialize)]
struct Work<'a> {
    version: &'a str,
    inputs: Vec<(InputOrigin, Option<FileVersion>)>,
    group: Option<&'a str>,
    key: &'a [String],
    recipe: String,
    most_rows: u64,
    sample_rows: usize,
}

impl StreamedFit<'_> {
    /// Fits the models of a bundle. The folder of the work is removed by [`WorkFolder::finish`] once the bundle
    /// is written.
    ///
    /// # Errors
    /// Those of reading, of training and of writing the rows.
    pub(super) fn run(&self, bundle: &Path, progress: &dyn FitProgress) -> Result<(Trained, UnfinishedFit)> {
        let (mut folder, stored) = WorkFolder::open(bundle, &self.identity()?, self.resume)?;
        let stored = match stored {
            Some(stored) => stored,
            None => {
                let stored = self.store_rows(&folder, progress)?;
                folder.save_rows(&stored)?;
                stored
            }
        };
        let mut store = RowStore::open(folder.path(), &stored.folds, &self.source.dims())?;
        let mut sample = RowSample::draw(&store, self.sample_rows, self.recipe.seed, progress)?;
        let columns = &self.source.columns();
        let is_keyed = !self.source.request.key.is_empty();
        let classes = self.source.classes().len();
        let far = OutlyingRows::find(&sample.training_set(self.source.place(), columns, classes, is_keyed));
        let left_out = far.map(|far| {
            sample.remove(&far.outlying);
            store.leave_out(far.outlying);
            far.warning
        });
        let set = sample.training_set(self.source.place(), columns, classes, is_keyed);
        check(&set)?;
        let mut found = warnings::of_rows(&set, self.source.classes());
        found.extend(left_out);
        found.extend(repeated_keys(&set, self.source.request.key));
        found.iter().for_each(|warning| tracing::warn!("{}", warning.text));
        let folds = assigned_folds(&sample.folds, store.folds());
        if folds.iter().any(|fold| fold.held_out.is_empty()) {
            let what = "the groups leave a fold without rows; fit with fewer --folds";
            return Err(Error::bad_data(self.source.place(), what));
        }

        let all: Vec<usize> = (0..set.y.len()).collect();
        let sets = Subset::all(set.x.len()).into_iter();
        let data: Vec<ClassifierData> =
            sets.map(|modalities| ClassifierData::measure(&set, modalities, &all)).collect();
        let groups = row_groups(&set);
        let context = FoldContext { set: &set, groups: &groups, recipe: self.recipe, progress };
        let mut state = match folder.load_state::<State>()? {
            Some(state) => state,
            None => {
                let state = State::new(cross_fit_all(&context, &folds)?, &data);
                folder.save_state(&state)?;
                state
            }
        };
        let rows = ShuffledRows {
            store: &store,
            classes: set.classes,
            data: &data,
            seed: self.recipe.seed,
            pool_blocks: (self.memory.pool_bytes() / ShuffledRows::block_bytes(store.dims())).clamp(1, 64),
        };
        let sampled = Sample { set: &set, folds: &folds };
        refinement::refine(&sampled, &mut state, &rows, progress, &|state| folder.save_state(state))?;
        let hashes = hashes(&store)?;
        let trained_rows = hashes.iter().map(Vec::len).sum();
        let models = state.models.fitted(&set, trained_rows, prior_of(&stored.classes));
        let mut models = FittedModels { fold_of_row: sample.folds.clone(), ..models };
        self.diagnostics.add(&context, &mut models)?;
        let trained = Trained {
            folds: Some(FittedFolds {
                models: std::mem::take(&mut models.folds),
                rows: hashes,
                key: self.source.request.key.to_vec(),
            }),
            models,
            rows: trained_rows,
            fates: stored.fates,
            warnings: found,
        };
        Ok((trained, UnfinishedFit(folder)))
    }

    fn identity(&self) -> Result<String> {
        let request = self.source.request;
        let (x, label) = (self.source.columns(), request.label.unwrap_or_default());
        let mut inputs = Vec::new();
        self.source.files.for_each(|input| {
            let version = (self.stream != Some(input.file().path())).then(|| input.file().version().clone());
            inputs.push((InputOrigin::of_file(input, &x, label)?, version));
            Ok(())
        })?;
        let work = Work {
            version: env!("CARGO_PKG_VERSION"),
            inputs,
            group: self.source.group,
            key: self.source.request.key,
            recipe: format!("{:?}", self.recipe),
            most_rows: self.most_rows,
            sample_rows: self.sample_rows,
        };
        let text = serde_json::to_vec(&work).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(format!("{:x}", Sha256::digest(text)))
    }

    fn store_rows(&self, folder: &WorkFolder, progress: &dyn FitProgress) -> Result<StoredRows> {
        let dims = self.source.dims();
        let labelled = self.source.labelled_rows;
        let rows = labelled.min(self.most_rows);
        let bytes = rows as f64 * row_bytes(&dims) as f64;
        tracing::info!(
            "training on {rows} rows, more than fit in memory: {} takes {:.0} MB meanwhile",
            folder.path().display(),
            (bytes / 1e6).ceil()
        );
        progress.stage("rows");
        let draw = RowDraw { seed: self.recipe.seed, share: rows as f64 / labelled.max(1) as f64 };
        let mut writer = RowStoreWriter::create(folder.path(), self.recipe.folds, &dims)?;
        let mut hasher = RowHasher::default();
        let mut classes = vec![0u64; self.source.classes().len()];
        let mut seen = 0;
        let fates = self.source.read(progress, &mut |row| {
            seen += 1;
            if seen % 8192 == 0 {
                progress.rows("reading", seen, labelled);
            }
            let hash = row.key.unwrap_or_else(|| hasher.hash(row.x.iter().copied()));
            if !draw.takes(seen) {
                return Ok(());
            }
            classes[row.y as usize] += 1;
            let fold = draw.fold(row.group.unwrap_or(hash), self.recipe.folds);
            writer.push(fold, hash, row.y, row.x)
        })?;
        Ok(StoredRows { identity: self.identity()?, folds: writer.finish()?, classes, fates })
    }
}

/// A fit whose bundle is not written yet: until then its folder is kept.
pub(super) struct UnfinishedFit(WorkFolder);

impl UnfinishedFit {
    /// Removes the folder.
    pub(super) fn finish(self) {
        self.0.finish();
    }
}

/// The draw of rows and folds, by hashes: the same in every run.
struct RowDraw {
    seed: u64,
    /// Share of the rows that are taken.
    share: f64,
}

impl RowDraw {
    const SAMPLE: u64 = 1;
    const FOLD: u64 = 2;

    /// A number in [0, 1) for a key, another for each purpose.
    fn uniform(&self, key: u64, purpose: u64) -> f64 {
        let hash = foldhash::quality::FixedState::with_seed(self.seed ^ purpose).hash_one(key);
        (hash >> 11) as f64 / (1u64 << 53) as f64
    }

    fn takes(&self, row: u64) -> bool {
        self.share >= 1.0 || self.uniform(row, Self::SAMPLE) < self.share
    }

    fn fold(&self, key: u64, folds: usize) -> usize {
        ((self.uniform(key, Self::FOLD) * folds as f64) as usize).min(folds.saturating_sub(1))
    }
}

/// The hashes of each fold's rows that were trained on.
fn hashes(store: &RowStore) -> Result<Vec<Vec<u64>>> {
    let of_fold = |fold| {
        let (mut rows, mut hashes) = (RowBlock::new(store.dims().len()), Vec::new());
        for block in 0..store.blocks(fold) {
            rows.clear();
            store.read(fold, block, &mut rows)?;
            hashes.extend_from_slice(&rows.hashes);
        }
        Ok(hashes)
    };
    (0..store.folds()).map(of_fold).collect()
}
