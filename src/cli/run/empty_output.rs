//! Files without rows in the places of the outputs of a pipeline that has not run, with the columns that
//! annotating will write.

use std::fs::File;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use crate::config::Config;
use crate::error::{Error, Place, Result};
use crate::parquet_file::Input;
use crate::storage::{create_parent_folder, io_errors};

/// Files without rows, below a temporary folder.
pub(super) struct EmptyOutput {
    _folder: TempDir,
    /// The output, a file or a folder.
    pub(super) output: PathBuf,
    /// The first file.
    pub(super) first: Input,
}

impl EmptyOutput {
    /// Those of some inputs, whose columns may differ, by their paths below the input's folder; of one file the
    /// path is empty.
    ///
    /// # Errors
    /// Of writing.
    pub(super) fn write(
        config: &Config,
        inputs: impl Iterator<Item = (PathBuf, Input)>,
        fields: &[Field],
    ) -> Result<Self> {
        let failed = |e: std::io::Error| Error::io(Place::file(std::env::temp_dir().display()), "write", e);
        let folder = tempfile::tempdir().map_err(failed)?;
        // Folders of the output's path may hold values of columns.
        let names = config.output.components().filter(|part| matches!(part, Component::Normal(_)));
        let mut output = folder.path().join(names.collect::<PathBuf>());
        let mut paths = Vec::new();
        for (relative, input) in inputs {
            let is_kept = |name: &String| !fields.iter().any(|new| new.name() == name);
            let old = input.schema().fields().iter().filter(|field| is_kept(field.name())).cloned();
            let all = old.chain(fields.iter().cloned().map(Arc::new)).collect::<Vec<_>>();
            // Of one file; another ending than Parquet's is told elsewhere.
            if relative == Path::new("") {
                output.set_extension("parquet");
            }
            let path = if relative == Path::new("") { output.clone() } else { output.join(relative) };
            write_empty(&path, Arc::new(Schema::new(all)))?;
            paths.push(path);
        }
        let first = paths
            .first()
            .map_or(Err(Error::Internal("no output is empty".to_owned())), |it| Input::open(it))?;
        Ok(Self { _folder: folder, output, first })
    }
}

fn write_empty(path: &Path, schema: SchemaRef) -> Result<()> {
    create_parent_folder(path)?;
    let place = || Place::file(path.display());
    let file = File::create(path).map_err(|e| Error::io(place(), "write", e))?;
    let written = ArrowWriter::try_new(file, schema, None).and_then(ArrowWriter::close);
    written.map(drop).map_err(|e| io_errors::parquet(place(), "write", e))
}
