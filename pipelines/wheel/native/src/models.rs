//! The models of a bundle with the options of `annotate`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow_pyarrow::FromPyArrow;
use lsmi_etl::cli::BatchAnnotator;
use pyo3::prelude::*;

use crate::channel::Channel;
use crate::failure::{exception, not_carried};

/// The models of a bundle with the options of `annotate`, for any number of channels.
#[pyclass(frozen, module = "lsmi_etl._native")]
pub(crate) struct Models {
    annotator: Arc<BatchAnnotator>,
}

#[pymethods]
impl Models {
    /// Opens the bundle and the engine of these flags; ONNX Runtime is searched for beside `program`.
    #[new]
    fn open(py: Python<'_>, flags: Vec<OsString>, program: Option<PathBuf>) -> PyResult<Self> {
        let opened = py.detach(|| BatchAnnotator::open(flags, program));
        let annotator = opened.map_err(|error| exception(py, &error))?;
        Ok(Self { annotator: Arc::new(annotator) })
    }

    /// The columns that are read, without repetitions.
    fn columns_read(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.annotator.columns_read().map_err(|error| exception(py, &error))
    }

    /// The places of those columns of a schema that the output has, before the new ones, and the metadata of these.
    fn kept_columns(
        &self,
        py: Python<'_>,
        schema: &Bound<'_, PyAny>,
    ) -> PyResult<(Vec<usize>, HashMap<String, String>)> {
        let schema = Schema::from_pyarrow_bound(schema).map_err(|failed| not_carried(py, &failed))?;
        let kept = self.annotator.kept_columns(&schema).map_err(|error| exception(py, &error))?;
        Ok((kept.0, kept.1.metadata))
    }

    /// Starts to annotate batches of a schema.
    fn channel(&self, py: Python<'_>, schema: &Bound<'_, PyAny>) -> PyResult<Channel> {
        let schema = Schema::from_pyarrow_bound(schema).map_err(|failed| not_carried(py, &failed))?;
        Channel::start(py, Arc::clone(&self.annotator), Arc::new(schema))
    }
}
