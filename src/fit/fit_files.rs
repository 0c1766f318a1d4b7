//! The command `fit`: Parquet files in, a bundle out.

use std::path::{Path, PathBuf};

use crate::bundle::{Bundle, BundleContents, Class, DensityFigures, Label, Modality, Training, Units};
use crate::error::{Error, Result};
use crate::parquet_file::EncryptionKeys;
use crate::printable::{counted, escape_line};
use crate::samples::{ColumnRequest, FateCounts, OnMissingModality};

use super::diagnostics::Diagnostics;
use super::held_out_rows::{fitted_folds, repeated_keys};
use super::member::FoldContext;
use super::memory_plan::MemoryPlan;
use super::outlook::{FitColumns, MOST_ROWS, Outlook};
use super::outlying_rows::OutlyingRows;
use super::progress::FitProgress;
use super::recipe::{DensityFit, Recipe};
use super::reservoir::ReservoirSample;
use super::row_groups::row_groups;
use super::row_reader::read_rows;
use super::streamed::{StreamedFit, UnfinishedFit};
use super::training::{Trained, train};
use super::training_files::TrainingFiles;
use super::training_source::TrainingSource;
use super::warnings;

/// Options of [`fit_files`].
#[derive(Debug, Clone, Default)]
pub struct FitOptions {
    /// Columns of the modalities x1, x2, …; inferred from the schema where empty.
    pub x: Vec<String>,
    /// Column of the label; inferred from the schema where unambiguous.
    pub label: Option<String>,
    /// Column whose equal values keep rows in one fold.
    pub group: Option<String>,
    /// Columns by whose values the bundle knows its training rows again, instead of by their
    /// embeddings; none as a rule.
    pub key: Vec<String>,
    /// Decryption keys of encrypted files.
    pub keys: Option<EncryptionKeys>,
    /// Whether pages are not compared with their checksums.
    pub no_page_checksums: bool,
    /// The convention of h.
    pub units: Units,
    /// Training parameters.
    pub recipe: Recipe,
    /// Maximum number of training rows; as many as fit in memory, and at most 200 000, where `None`. More
    /// than fit are trained on in passes over a copy of them on disk.
    pub max_rows: Option<u64>,
    /// Bytes of memory; a quarter of the machine's where `None`.
    pub memory_limit: Option<u64>,
    /// Whether an unfinished fit of the same rows and options is continued, where there is one.
    pub resume: bool,
    /// The file among the inputs that holds the rows of a stream, if any: with the same rows it is
    /// another file in every run.
    pub stream: Option<PathBuf>,
    /// Maximum number of classes; a tenth of the labelled rows where `None`, since a label with more
    /// is most often an identifier.
    pub max_classes: Option<usize>,
    /// Whether files whose content is at fault are left out, with a warning, and are no error.
    pub skip_bad_files: bool,
    /// Whether parts of the rows are fitted, too: about three quarters of the cost of the fit.
    pub power_curve: bool,
    /// Whether expectations over the label are compared with the labels' values.
    pub label_free_check: bool,
    /// Whether an existing bundle is replaced.
    pub overwrite: bool,
}

impl FitOptions {
    fn diagnostics(&self) -> Diagnostics {
        Diagnostics {
            units: self.units,
            power_curve: self.power_curve,
            label_free_check: self.label_free_check,
        }
    }

    /// Fails where a diagnostic needs what the other options exclude.
    fn check_diagnostics(&self) -> Result<()> {
        let asked = [("--power-curve", self.power_curve), ("--label-free-check", self.label_free_check)];
        match asked.into_iter().find(|(_, asked)| *asked) {
            Some((flag, _)) if self.recipe.folds < 2 => Err(Error::Usage(format!(
                "{flag} needs values of rows by models that have not seen them, which --folds 1 has not; leave \
                 --folds at its default"
            ))),
            _ => Ok(()),
        }
    }
}

/// The result of [`fit_files`].
#[derive(Debug)]
pub struct FitReport {
    /// The bundle, opened.
    pub bundle: Bundle,
    /// Fates of all rows of the files.
    pub fates: FateCounts,
}

/// Fits all models on the rows of Parquet files (files, folders, globs, URLs) and writes the bundle to
/// `dir`.
///
/// # Errors
/// Those of discovery and reading ([`Error::BadData`], [`Error::NoInput`]), of training ([`train`]) and of
/// writing ([`BundleContents::write`]).
pub fn fit_files(
    inputs: &[PathBuf],
    dir: &Path,
    options: &FitOptions,
    progress: &dyn FitProgress,
) -> Result<FitReport> {
    options.check_diagnostics()?;
    if !options.key.is_empty() && options.recipe.folds < 2 {
        let what = "--key says how training rows are known again, and with --folds 1 they are not; omit one of the two";
        return Err(Error::Usage(what.into()));
    }
    let files = TrainingFiles::find(
        inputs,
        options.keys.as_ref(),
        options.no_page_checksums,
        options.skip_bad_files,
    )?;
    let interrupted = || progress.interrupted();
    let requested =
        FitColumns { x: &options.x, label: options.label.as_deref(), max_classes: options.max_classes };
    let outlook = outlook(&files, requested, options, &interrupted)?;
    let labelled_rows = outlook.labelled_rows();
    let Outlook { x, label: Some(label), classes: counts, obstacle: None, .. } = outlook else {
        let unknown = || Error::Internal("a fit has neither columns nor an obstacle".into());
        return Err(outlook.obstacle.unwrap_or_else(unknown));
    };
    // A slip in the command is the graver fault.
    check_group(options.group.as_deref(), &x, &label)?;
    BundleContents::check_target(dir, options.overwrite)?;
    let classes: Vec<Class> = counts.into_iter().map(|(class, _)| class).collect();
    let shown = x.iter().enumerate();
    let shown: Vec<String> = shown
        .map(|(m, (column, dim))| {
            format!("x{} = {} ({})", m + 1, escape_line(column), counted(*dim, "value"))
        })
        .collect();
    let classes_shown = counted(classes.len(), "class");
    tracing::info!("{}, label = {} ({classes_shown})", shown.join(", "), escape_line(&label));
    let on_missing = OnMissingModality::Null;
    let request =
        ColumnRequest { x: &x, label: Some(&label), classes: &classes, key: &options.key, on_missing };
    let source =
        TrainingSource { files: &files, request: &request, group: options.group.as_deref(), labelled_rows };
    let (trained, unfinished) = train_on(&source, dir, options, progress)?;
    let Trained { models, folds, rows, fates, warnings: mut found } = trained;
    let of_models = warnings::of_models(&models.figures, &models.prior);
    of_models.iter().for_each(|warning| tracing::warn!("{}", warning.text));
    found.extend(of_models);

    // The densities of single modalities come first.
    let modality = |((column, dim), density): (&(String, usize), &DensityFigures)| Modality {
        column: Some(column.clone()),
        dim: *dim,
        units: options.units,
        mean_h_nats: Some(density.mean_nats),
    };
    let training = Training {
        rows_seen: fates.rows(),
        rows_used: rows as u64,
        seed: options.recipe.seed,
        density_fit: match options.recipe.density_fit {
            DensityFit::Em => "em".into(),
            DensityFit::Sgd => "sgd".into(),
        },
        validation: models.figures.clone(),
        warnings: found,
    };
    let contents = BundleContents::fitted(
        x.iter().zip(&models.figures.densities).map(modality).collect(),
        Label { column: Some(label), classes, prior: models.prior },
        training,
        &models.models,
        folds.as_ref(),
    );
    let bundle = contents.write(dir, options.overwrite)?;
    unfinished.into_iter().for_each(UnfinishedFit::finish);
    Ok(FitReport { bundle, fates })
}

/// What the fit takes of the files. Where bad ones are left out, of those whose rows can all be read.
fn outlook(
    files: &TrainingFiles<'_>,
    requested: FitColumns<'_>,
    options: &FitOptions,
    interrupted: &dyn Fn() -> bool,
) -> Result<Outlook> {
    let outlook = Outlook::of_files(files, requested, interrupted)?;
    if outlook.label.is_none() || outlook.obstacle.is_some() {
        return Ok(outlook);
    }
    let classes: Vec<Class> = outlook.classes.iter().map(|(class, _)| class.clone()).collect();
    let request = ColumnRequest {
        x: &outlook.x,
        label: outlook.label.as_deref(),
        classes: &classes,
        key: &options.key,
        on_missing: OnMissingModality::Null,
    };
    let group = options.group.as_deref();
    let has_left_out = files.leave_out_damaged(|input| {
        read_rows(input, &request, group, interrupted, &mut FateCounts::default(), &mut |_| Ok(()))
    })?;
    if has_left_out { Outlook::of_files(files, requested, interrupted) } else { Ok(outlook) }
}

/// Fails where the group of a row is its label or an embedding.
fn check_group(group: Option<&str>, x: &[(String, usize)], label: &str) -> Result<()> {
    let why = match group {
        Some(group) if group == label => {
            "is the label: the rows of a class would be in one fold, whose models have not seen the class"
        }
        Some(group) if x.iter().any(|(column, _)| column == group) => "is an embedding, which groups no rows",
        _ => return Ok(()),
    };
    Err(Error::Usage(format!(
        "--group {} {why}; name a column of what rows share, such as a patient or a video, or leave it out",
        group.unwrap_or_default()
    )))
}

/// Trains in memory, or beyond it where the rows do not fit.
fn train_on(
    source: &TrainingSource<'_>,
    bundle: &Path,
    options: &FitOptions,
    progress: &dyn FitProgress,
) -> Result<(Trained, Option<UnfinishedFit>)> {
    let recipe = &options.recipe;
    let memory = MemoryPlan::new(source.dims(), options.memory_limit);
    if options.memory_limit.is_some() {
        memory.check()?;
    }
    let most_rows = options.max_rows.unwrap_or_else(|| memory.sample_rows().min(MOST_ROWS) as u64);
    let rows = source.labelled_rows.min(most_rows);
    if rows <= memory.rows() as u64 || options.max_rows.is_none() {
        if options.resume {
            tracing::info!("the rows fit in memory: there is no unfinished fit to resume");
        }
        return Ok((train_in_memory(source, most_rows, options, progress)?, None));
    }
    if recipe.folds < 2 || recipe.density_fit != DensityFit::Em {
        let what = format!(
            "{rows} rows do not fit in memory ({} do); for a fit beyond memory leave --folds and --density-fit \
             at their defaults, or lower --max-rows, or raise --memory-limit",
            memory.rows()
        );
        return Err(Error::Usage(what));
    }
    if options.power_curve {
        let what = format!(
            "{rows} rows do not fit in memory ({} do), where --power-curve refits on parts of them; leave it out, \
             or lower --max-rows, or raise --memory-limit",
            memory.rows()
        );
        return Err(Error::Usage(what));
    }
    let sample_rows = memory.sample_rows().min(MOST_ROWS);
    let diagnostics = options.diagnostics();
    let (resume, stream) = (options.resume, options.stream.as_deref());
    let fit = StreamedFit { source, recipe, diagnostics, memory, most_rows, sample_rows, resume, stream };
    let (trained, unfinished) = fit.run(bundle, progress)?;
    Ok((trained, Some(unfinished)))
}

/// Trains on a uniform sample in memory.
fn train_in_memory(
    source: &TrainingSource<'_>,
    most_rows: u64,
    options: &FitOptions,
    progress: &dyn FitProgress,
) -> Result<Trained> {
    let most_rows = usize::try_from(most_rows).unwrap_or(usize::MAX);
    let recipe = &options.recipe;
    let mut sample = ReservoirSample::new(source.request, most_rows, recipe.seed);
    let fates = source.read(progress, &mut |row| {
        sample.offer(row);
        Ok(())
    })?;
    if (sample.rows() as u64) < fates.good {
        tracing::info!("training on {} rows drawn uniformly from {} (--max-rows)", sample.rows(), fates.good);
    }
    let far = OutlyingRows::find(&sample.training_set(source.place(), source.classes()));
    let left_out = far.map(|far| {
        sample.remove(&far.rows);
        far.warning
    });
    let set = sample.training_set(source.place(), source.classes());
    let mut found = warnings::of_rows(&set, source.classes());
    found.extend(left_out);
    found.extend(repeated_keys(&set, source.request.key));
    found.iter().for_each(|warning| tracing::warn!("{}", warning.text));
    let mut models = train(&set, recipe, progress)?;
    let groups = row_groups(&set);
    let context = FoldContext { set: &set, groups: &groups, recipe, progress };
    options.diagnostics().add(&context, &mut models)?;
    let of_folds = std::mem::take(&mut models.folds);
    let folds = fitted_folds(&set, of_folds, &models.fold_of_row, source.request.key);
    Ok(Trained { models, folds, rows: sample.rows(), fates, warnings: found })
}
