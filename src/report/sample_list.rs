//! Conversion of a ranking into the report's list of samples: file names, keys and links.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::interaction::Subset;
use crate::printable::without_secrets;
use crate::storage::locate;

use super::annotated_files::AnnotatedFiles;
use super::link_template::LinkTemplate;
use super::parts::{Information, Parts};
use super::row_query::row_query;
use super::sample::Sample;
use super::top_k::{ExtremeRow, TopK};

/// The samples of a ranking, with file names as the user wrote them.
pub(super) fn samples(
    ranking: &TopK,
    files: &AnnotatedFiles,
    names: &FileNames,
    link: Option<&LinkTemplate>,
) -> Vec<Sample> {
    let modalities = files.values.modalities;
    let full = Subset::full(modalities);
    let sample = |row: &ExtremeRow| {
        let value = |name: &str| {
            let column = files.key.iter().position(|column| column == name)?;
            row.description.key.get(column).map(String::as_str)
        };
        let file = names.name(&row.location.file);
        Sample {
            key: row.description.key.iter().take(files.key_columns).cloned().collect(),
            query: row_query(&file, row.location.row, &files.embeddings),
            file,
            row: row.location.row,
            trained_on: row.description.is_trained,
            link: link.map(|template| template.fill(value)),
            class: row.description.class.clone(),
            parts: Parts::from_values(row.values.parts.iter().copied().flatten()).unwrap_or_default(),
            information: Information::new(modalities, full.zip(row.values.information)),
        }
    };
    ranking.rows.iter().map(sample).collect()
}

/// A map from the keys by which DataFusion names files to the names under which they were found.
pub(super) struct FileNames(HashMap<String, String>);

impl FileNames {
    pub(super) fn new(files: &[PathBuf]) -> Self {
        let key = |path: &Path| locate(path).ok().map(|location| location.key.to_string());
        let names = files.iter().flat_map(|file| {
            let real = file.canonicalize().ok().and_then(|real| key(&real));
            key(file).into_iter().chain(real).map(|known| (known, without_secrets(file)))
        });
        Self(names.collect())
    }

    fn name(&self, known: &str) -> String {
        let known = known.strip_prefix("file://").unwrap_or(known);
        self.0.get(known.trim_start_matches('/')).cloned().unwrap_or_else(|| known.to_owned())
    }
}
