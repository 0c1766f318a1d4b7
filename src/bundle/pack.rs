//! `bundle pack`: a bundle from five external ONNX files. External weights are inlined, so
//! that a bundle is self-contained; densities recognised as mixtures of Gaussians are folded.

use std::io;
use std::path::{Path, PathBuf};

use prost::Message;
use tract_onnx::pb::{ModelProto, TensorProto, tensor_proto::DataLocation};

use crate::error::{Error, Place, Result};
use crate::storage::{read_range, read_regular};

use super::files::MODEL_BYTES;
use super::manifest::{Label, Modality, Units};
use super::validate::MOST_VALUES;
use super::{BundleContents, ModelOrigin, OutputKind, Role, adapt, check, fold};

/// Arguments of `bundle pack`.
#[derive(Debug, Clone)]
pub struct PackRequest {
    /// The bundle to be written, for messages.
    pub bundle: PathBuf,
    /// The ONNX files in the order of [`Role::ALL`].
    pub files: [PathBuf; 5],
    /// Default columns of x1 and x2.
    pub columns: [Option<String>; 2],
    /// Dimensions of x1 and x2 where the graphs leave them dynamic.
    pub dims: [Option<usize>; 2],
    /// The convention of h.
    pub units: Units,
    /// Mean h over the training rows; needed for centred units.
    pub mean_h_nats: [Option<f64>; 2],
    /// The label.
    pub label: Label,
    /// What the outputs of the three classifiers are.
    pub outputs: [OutputKind; 3],
    /// Whether densities may be folded; otherwise all graphs stay unchanged.
    pub fold: bool,
}

impl PackRequest {
    /// Reads the files into the contents of a bundle.
    ///
    /// # Errors
    /// [`Error::NoInput`] for a file that can't be read, [`Error::BadData`] for one that is
    /// no ONNX model or can't be adapted to its role, [`Error::Bundle`] for one that can't run,
    /// [`Error::Usage`] for an unknown dimension.
    pub fn read(self) -> Result<BundleContents> {
        let mut models = Vec::new();
        let mut dims = Vec::new();
        let kinds = [None, None].into_iter().chain(self.outputs.map(Some));
        for ((role, path), kind) in Role::ALL.into_iter().zip(&self.files).zip(kinds) {
            let refuse =
                |what: String| Error::bad_data(Place::file(path.display()), format!("{role}: {what}"));
            let mut model = read_model(path)?;
            let changes = adapt::adapt(role, &mut model, kind, &self.label.classes).map_err(refuse)?;
            for change in changes {
                tracing::info!("{role}: {change}");
            }
            dims.push(check::declared_dims(&model).map_err(refuse)?);
            models.push((role, model));
        }
        let dims = self.find_dims(&dims)?;
        let origin = ModelOrigin { bundle: self.bundle.clone(), fold: None };
        for (role, model) in &models {
            // Folding evaluates a density.
            check::check_graph(*role, model, dims).map_err(|what| origin.fault(Some(*role), what))?;
        }
        for ((role, model), dim) in models.iter_mut().zip(dims).filter(|_| self.fold) {
            match fold::fold(model, dim) {
                Ok(folded) => {
                    tracing::info!("{role} is folded: {}", fold::description(&folded).unwrap_or_default());
                    *model = folded;
                }
                Err(why) => tracing::info!("{role} is not folded: {why}"),
            }
        }
        let modality = |m: usize| Modality {
            column: self.columns[m].clone(),
            dim: dims[m],
            units: self.units,
            mean_h_nats: self.mean_h_nats[m],
        };
        let modalities = [modality(0), modality(1)];
        Ok(BundleContents::packed(modalities, self.label, models, self.outputs))
    }

    /// The dimensions of x1 and x2: those of the request, else those that the inputs of any of
    /// the five models declare.
    fn find_dims(&self, declared: &[Vec<Option<usize>>]) -> Result<[usize; 2]> {
        let dim = |m: usize| -> Result<usize> {
            // The classifier of the pair has one input for each modality, or one for both.
            let of = |model: usize, input: usize| declared.get(model)?.get(input).copied().flatten();
            let pair = || of(4, m).filter(|_| declared.get(4).is_some_and(|inputs| inputs.len() == 2));
            let found = self.dims[m].or_else(|| of(m, 0)).or_else(|| of(m + 2, 0)).or_else(pair);
            found.ok_or_else(|| {
                Error::Usage(format!(
                    "{}: the graph leaves the dimension of x{} free; give --dim-{}",
                    self.files[m].display(),
                    m + 1,
                    m + 1
                ))
            })
        };
        let dims = [dim(0)?, dim(1)?];
        for (m, &dim) in dims.iter().enumerate() {
            if dim == 0 || dim > MOST_VALUES {
                let origin = ModelOrigin { bundle: self.bundle.clone(), fold: None };
                let what = format!("x{} has {dim} values a row, and must have 1 to {MOST_VALUES}", m + 1);
                return Err(origin.fault(Role::ALL.get(m).copied(), what));
            }
        }
        Ok(dims)
    }
}

fn read_model(path: &Path) -> Result<ModelProto> {
    let place = || Place::file(path.display());
    let bytes =
        read_regular(path, MODEL_BYTES).map_err(|source| Error::NoInput { place: place(), source })?;
    let mut model = ModelProto::decode(&bytes[..])
        .map_err(|e| Error::bad_data(place(), format!("not an ONNX model: {e}")))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    if let Some(graph) = &mut model.graph {
        for tensor in &mut graph.initializer {
            inline(tensor, folder).map_err(|what| Error::bad_data(place(), what))?;
        }
    }
    Ok(model)
}

/// Inlines the external bytes of a tensor.
fn inline(tensor: &mut TensorProto, folder: &Path) -> std::result::Result<(), String> {
    if tensor.data_location != Some(DataLocation::External as i32) {
        return Ok(());
    }
    let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.clone());
    let number = |key: &str| entry(key).and_then(|v| v.parse::<u64>().ok());
    let location = entry("location").ok_or("external weights without a location; export the model again")?;
    let file = Path::new(&location);
    if file.is_absolute() || file.components().any(|c| matches!(c, std::path::Component::ParentDir)) {
        return Err(format!(
            "external weights at {location:?} lie outside the model's folder; move them beside it"
        ));
    }
    let range = (number("offset").unwrap_or(0), number("length"));
    let data = read_range(&folder.join(file), range, MODEL_BYTES);
    tensor.raw_data = data.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            format!("external weights {location:?} are shorter than the model says; copy the file again")
        }
        _ => format!("external weights {location:?}: {error}"),
    })?;
    tensor.data_location = Some(DataLocation::Default as i32);
    tensor.external_data.clear();
    Ok(())
}
