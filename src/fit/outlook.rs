//! The columns and classes that a fit takes of files, and what stands against it: what is known before
//! any model is trained. A fit begins with it; `inspect` ends with it.

use std::path::PathBuf;

use crate::bundle::{Class, FitWarning, repeated_column};
use crate::error::{Error, Place, Result};
use crate::interaction::lattice::Lattice;
use crate::parquet_file::{EncryptionKeys, Input};
use crate::samples;

use super::outlying_rows::OutlyingRows;
use super::training_files::TrainingFiles;
use super::training_set::{EmbeddingMatrix, LEAST_ROWS, TrainingSet};
use super::warnings;

/// Default maximum of training rows: more seldom change the models.
pub(super) const MOST_ROWS: usize = 200_000;

/// The columns that are asked for; those that are not are inferred from the schema.
#[derive(Debug, Clone, Copy, Default)]
pub struct FitColumns<'a> {
    /// Columns of the modalities; inferred where empty.
    pub x: &'a [String],
    /// Column of the label.
    pub label: Option<&'a str>,
    /// Maximum number of classes; a tenth of the labelled rows where `None`.
    pub max_classes: Option<usize>,
}

/// What a fit takes of files.
#[derive(Debug)]
pub struct Outlook {
    /// The column of each modality and its dimension; empty where they are not found.
    pub x: Vec<(String, usize)>,
    /// The column of the label, where one is found.
    pub label: Option<String>,
    /// The classes in ascending order, each with its rows.
    pub classes: Vec<(Class, u64)>,
    /// The first error of a fit, where it would fail before it trains.
    pub obstacle: Option<Error>,
    place: Place,
}

impl Outlook {
    /// What a fit would take of files, folders, globs and URLs.
    ///
    /// # Errors
    /// Those of discovery, and of opening the first file.
    pub fn find(
        inputs: &[PathBuf],
        keys: Option<&EncryptionKeys>,
        no_page_checksums: bool,
        requested: FitColumns<'_>,
    ) -> Result<Self> {
        let files = TrainingFiles::find(inputs, keys, no_page_checksums, false)?;
        Self::of_files(&files, requested, &|| false)
    }

    /// What a fit takes of these files.
    ///
    /// # Errors
    /// Those of opening the first file.
    pub(super) fn of_files(
        files: &TrainingFiles<'_>,
        requested: FitColumns<'_>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Self> {
        let mut found =
            Self { x: Vec::new(), label: None, classes: Vec::new(), obstacle: None, place: files.place() };
        let input = files.first()?;
        if input.rows() == 0 {
            let what = "has no rows; give rows to fit on";
            found.obstacle = Some(Error::bad_data(files.place(), what));
            return Ok(found);
        }
        let x = embeddings(&input, requested.x);
        let label = match requested.label {
            Some(label) => Ok(label.to_owned()),
            None => samples::obvious_label(&input),
        };
        // The first error of a fit is that of the embeddings.
        let (x, label) = match (x, label) {
            (Ok(x), Ok(label)) => (x, label),
            (Ok(x), Err(error)) => {
                (found.x, found.obstacle) = (with_dimensions(&input, x).unwrap_or_default(), Some(error));
                return Ok(found);
            }
            (Err(error), label) => {
                found.obstacle = Some(error);
                if let Ok(label) = label {
                    found.classes = files.count_classes(&[], &label, interrupted).unwrap_or_default();
                    found.label = Some(label);
                }
                return Ok(found);
            }
        };
        let counted = with_dimensions(&input, x).and_then(|x| {
            found.x = x;
            let counts = files.count_classes(&found.x, &label, interrupted)?;
            let checked = check_classes(&counts, requested.max_classes, files.place().column(&label));
            found.classes = counts;
            checked
        });
        (found.label, found.obstacle) = (Some(label), counted.err());
        Ok(found)
    }

    /// Rows with a label.
    pub fn labelled_rows(&self) -> u64 {
        self.classes.iter().map(|(_, rows)| rows).sum()
    }

    /// What a fit would say about the rows, by a sample of the modalities' values: rows that lie apart,
    /// sizes against dimensions and classes, norms, copies. Sizes are those of all rows.
    ///
    /// # Errors
    /// [`Error::BadData`] where a fit would find too few rows.
    pub fn warnings(&self, sample: Vec<EmbeddingMatrix<'_>>) -> Result<Vec<FitWarning>> {
        let labelled = self.labelled_rows();
        if labelled < LEAST_ROWS as u64 {
            let what = format!("{labelled} labelled rows are too few to fit on; give at least {LEAST_ROWS}");
            return Err(Error::bad_data(self.place.clone(), what));
        }
        let y = vec![0; sample.first().map_or(0, EmbeddingMatrix::len)];
        let set =
            TrainingSet { place: self.place.clone(), x: sample, y: &y, classes: 1, groups: None, keys: None };
        let (classes, counts): (Vec<Class>, Vec<u64>) = self.classes.iter().cloned().unzip();
        let rows = usize::try_from(labelled).unwrap_or(usize::MAX).min(MOST_ROWS);
        let mut found = warnings::of_sample(&set, rows, &classes, &counts);
        found.extend(OutlyingRows::find(&set).map(|far| far.warning));
        Ok(found)
    }
}

/// The columns of the embeddings: those named, else those of the schema.
///
/// # Errors
/// [`Error::Usage`] where they are not two to four different ones; as for [`samples::obvious_embeddings`].
fn embeddings(input: &Input, named: &[String]) -> Result<Vec<String>> {
    let columns: Vec<String> = match named {
        [] => samples::obvious_embeddings(input)?.into_iter().map(str::to_owned).collect(),
        named => named.to_vec(),
    };
    let count = columns.len();
    if !(2..=Lattice::MODALITIES).contains(&count) {
        return Err(Error::Usage(format!(
            "a fit needs two to {} embedding columns, and {count} {} named ({}); give --x COLUMN once for each{}",
            Lattice::MODALITIES,
            if count == 1 { "is" } else { "are" },
            columns.join(", "),
            if count > Lattice::MODALITIES { ", or fit each pair of them, with --x1 and --x2" } else { "" }
        )));
    }
    if let Some(what) = repeated_column(columns.iter().map(|column| Some(column.as_str()))) {
        return Err(Error::Usage(what));
    }
    Ok(columns)
}

fn with_dimensions(input: &Input, columns: Vec<String>) -> Result<Vec<(String, usize)>> {
    let with_dim = |column: String| Ok((column.clone(), samples::dimension_of(input, &column)?));
    columns.into_iter().map(with_dim).collect()
}

/// Fails where a column has too few classes for a label, or so many that it is an identifier.
fn check_classes(counts: &[(Class, u64)], max_classes: Option<usize>, place: Place) -> Result<()> {
    let found = counts.len();
    if found < 2 {
        let found =
            counts.first().map_or("no class".to_owned(), |(class, _)| format!("one class only ({class})"));
        let what = format!("holds {found}; a label needs at least two, choose another column with --label");
        return Err(Error::bad_data(place, what));
    }
    let rows: u64 = counts.iter().map(|(_, rows)| rows).sum();
    let most = max_classes.unwrap_or_else(|| usize::try_from(rows / 10).unwrap_or(usize::MAX).max(2));
    if found <= most || rows < LEAST_ROWS as u64 {
        return Ok(());
    }
    let limit = match max_classes {
        Some(most) => format!("more than --max-classes {most}"),
        None => "more classes than a tenth of the rows".to_owned(),
    };
    let what = format!(
        "holds {found} distinct values in {rows} rows ({}), {limit}: it looks like an identifier; choose the label \
         with --label, or allow so many classes with --max-classes {found}",
        samples::class_examples(counts.iter().map(|(class, _)| class))
    );
    Err(Error::bad_data(place, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_at_most_a_tenth_of_the_rows_as_classes() {
        let counts = |classes: i64, rows: u64| -> Vec<(Class, u64)> {
            (0..classes).map(|class| (Class::Integer(class), rows)).collect()
        };
        let check =
            |counts: &[(Class, u64)], most| check_classes(counts, most, Place::file("f").column("id"));
        let text = |counts: &[(Class, u64)], most| check(counts, most).unwrap_err().to_string();
        assert!(check(&counts(60, 10), None).is_ok());
        let error = text(&counts(60, 9), None);
        assert!(
            error.contains("column \"id\": holds 60 distinct values in 540 rows (0, 1, 2, 3, 4, …)"),
            "{error}"
        );
        assert!(error.contains("more classes than a tenth of the rows"), "{error}");
        assert!(error.ends_with("--max-classes 60"), "{error}");
        assert!(check(&counts(60, 9), Some(60)).is_ok());
        assert!(text(&counts(60, 10), Some(59)).contains("more than --max-classes 59"));
        // Too few rows are another error.
        assert!(check(&counts(29, 1), None).is_ok());
        assert!(check(&counts(30, 1), None).is_err());
        assert!(text(&counts(1, 100), None).contains("one class only (0)"));
        assert!(text(&[], None).contains("no class;"));
    }
}
