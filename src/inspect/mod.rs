//! What a dataset holds, before a fit: sizes and codecs from the footers, classes from the label's
//! column, norms, constant dimensions and near duplicates from a sample of the rows, and what a fit would
//! take and say. Memory is bounded by the sample. Writes nothing.

mod column_sample;
mod file_sizes;
mod near_duplicates;
mod sample_plan;
mod summary;

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::fit::{EmbeddingMatrix, FitColumns, Outlook};
use crate::parquet_file::{EncryptionKeys, Input};
use crate::samples::{self, EmbeddingType, FolderLabel};
use crate::storage::{find_files_of, is_stdio};

use self::column_sample::{ColumnSample, SampledRows};
use self::file_sizes::FileSizes;
use self::sample_plan::SamplePlan;

pub use summary::{
    ClassRows, CodecBytes, ColumnType, EmbeddingColumn, FileDifference, FitOutlook, Inspection, LabelColumn,
    ModalityColumn, NearDuplicates, Norms, SampleSize,
};

/// Values of a sample, of all columns together: 128 MiB.
const MOST_VALUES: usize = 1 << 25;

/// Options of [`inspect`].
#[derive(Debug, Clone, Default)]
pub struct InspectOptions {
    /// Columns of the modalities; inferred as a fit does where empty.
    pub x: Vec<String>,
    /// Column of the label; inferred as a fit does.
    pub label: Option<String>,
    /// Maximum of rows whose embeddings are read.
    pub max_rows: u64,
    /// Decryption keys of encrypted files.
    pub keys: Option<EncryptionKeys>,
    /// Whether pages are not compared with their checksums.
    pub no_page_checksums: bool,
}

impl InspectOptions {
    fn open(&self, file: &std::path::Path) -> Result<Input> {
        let input = Input::open_with(file, self.keys.as_ref())?.ignoring_checksums(self.no_page_checksums);
        input.check_keys()?;
        Ok(input)
    }
}

/// Looks at Parquet files (files, folders, globs, URLs).
///
/// # Errors
/// Those of discovery and of reading: [`Error::NoInput`], [`Error::BadData`] of a file that is damaged,
/// and of a named column that does not exist; [`Error::Usage`] of a stream.
pub fn inspect(inputs: &[PathBuf], options: &InspectOptions) -> Result<Inspection> {
    if inputs.iter().any(|input| is_stdio(input)) {
        return Err(Error::Usage("a stream can be read once only; write it to a Parquet file first".into()));
    }
    let files = find_files_of(inputs)?;
    let open = |file: &PathBuf| options.open(file);
    let mut sizes = FileSizes::default();
    files.iter().try_for_each(|file| open(file).map(|input| sizes.add(&input)))?;
    let first = files.iter().map(open).find(|input| input.as_ref().is_ok_and(|input| input.rows() > 0));
    let Some(first) = first.or_else(|| files.first().map(open)).transpose()? else {
        return Err(Error::Internal("no file to inspect".into()));
    };
    options.x.iter().try_for_each(|name| first.column(name).map(|_| ()))?;
    if let Some(label) = &options.label
        && FolderLabel::text(&first.place().file, label).is_none()
    {
        first.column(label)?;
    }
    let outlook = Outlook::find(
        inputs,
        options.keys.as_ref(),
        options.no_page_checksums,
        FitColumns { x: &options.x, label: options.label.as_deref(), max_classes: None },
    )?;
    let mut columns = samples::embedding_columns(&first)?;
    let is_new = |name: &&str| !columns.contains(name);
    let named: Vec<&str> = options.x.iter().map(String::as_str).filter(is_new).collect();
    columns.extend(named);
    let mut samples: Vec<ColumnSample> = columns.into_iter().map(|name| empty_sample(&first, name)).collect();
    let values: usize = samples.iter().map(|sample| sample.dim).sum();
    let most = options.max_rows.min((MOST_VALUES / values.max(1)).max(1) as u64);
    let plan = match samples.is_empty() {
        true => SamplePlan::default(),
        false => SamplePlan::new(sizes.rows, most),
    };
    let rows = SampledRows::read(&files, &plan, &mut samples, &open)?;

    let of_fit: Vec<&ColumnSample> = outlook
        .x
        .iter()
        .filter_map(|(name, _)| samples.iter().find(|sample| sample.column == *name))
        .collect();
    let is_known = !outlook.x.is_empty() && of_fit.len() == outlook.x.len();
    let compared = if is_known { of_fit } else { samples.iter().filter(|sample| sample.dim > 0).collect() };
    let whole = rows.whole(&compared);
    let matrices: Vec<EmbeddingMatrix<'_>> = compared
        .iter()
        .zip(&whole.values)
        .map(|(sample, values)| EmbeddingMatrix { column: &sample.column, dim: sample.dim, values })
        .collect();
    let near_duplicates = near_duplicates::find(&matrices, &whole.files);
    let fit = fit_outlook(&outlook, is_known.then_some(matrices));
    Ok(Inspection {
        files: files.len(),
        rows: sizes.rows,
        row_groups: sizes.row_groups,
        bytes: sizes.bytes,
        codecs: sizes.codecs(),
        columns: column_types(&first),
        differences: sizes.differences,
        sample: SampleSize {
            rows: rows.len(),
            places: plan.places(),
            whole: rows.len() as u64 == sizes.rows,
        },
        embeddings: samples.iter().map(ColumnSample::summary).collect(),
        label: label_column(&outlook, sizes.rows),
        near_duplicates,
        fit,
    })
}

/// The sample of a column before any row is read; of dimension 0 where the first file has no embedding in it.
fn empty_sample(first: &Input, name: &str) -> ColumnSample {
    let is_embedding =
        first.column(name).is_ok_and(|(_, field)| EmbeddingType::of(field.data_type()).is_some());
    let dim = if is_embedding { samples::dimension_of(first, name).unwrap_or(0) } else { 0 };
    let data_type = first.column(name).map(|(_, field)| field.data_type().to_string()).unwrap_or_default();
    ColumnSample::new(name, data_type, dim)
}

fn column_types(input: &Input) -> Vec<ColumnType> {
    let fields = input.schema().fields().iter();
    fields
        .map(|field| ColumnType { column: field.name().clone(), data_type: field.data_type().to_string() })
        .collect()
}

fn label_column(outlook: &Outlook, rows: u64) -> Option<LabelColumn> {
    let classes = outlook.classes.iter();
    Some(LabelColumn {
        column: outlook.label.clone()?,
        rows_without: rows.saturating_sub(outlook.labelled_rows()),
        classes: classes.map(|(class, rows)| ClassRows { value: class.clone(), rows: *rows }).collect(),
    })
    .filter(|label| !label.classes.is_empty())
}

/// What a fit would take, and say about the sample.
fn fit_outlook(outlook: &Outlook, sample: Option<Vec<EmbeddingMatrix<'_>>>) -> FitOutlook {
    let mut obstacle = outlook.obstacle.as_ref().map(ToString::to_string);
    let mut warnings = Vec::new();
    if let (None, Some(sample)) = (&obstacle, sample) {
        match outlook.warnings(sample) {
            Ok(found) => warnings = found,
            Err(error) => obstacle = Some(error.to_string()),
        }
    }
    FitOutlook {
        x: outlook
            .x
            .iter()
            .map(|(column, dim)| ModalityColumn { column: column.clone(), dim: *dim })
            .collect(),
        label: outlook.label.clone(),
        classes: outlook.classes.len(),
        labelled_rows: outlook.labelled_rows(),
        obstacle,
        warnings,
    }
}
