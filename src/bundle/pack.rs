//! `bundle pack`: a bundle from external ONNX files. External weights are inlined, so
//! that a bundle is self-contained; densities recognised as mixtures of Gaussians are folded.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use prost::Message;
use tract_onnx::pb::{ModelProto, TensorProto, tensor_proto::DataLocation};

use crate::error::{Error, Place, Result};
use crate::interaction::Subset;
use crate::storage::{no_input, read_range, read_regular};

use super::files::MODEL_BYTES;
use super::manifest::{Label, Modality, Units};
use super::validate::MOST_VALUES;
use super::{BundleContents, ModelOrigin, OutputKind, Role, adapt, check, fold};

/// Arguments of `bundle pack`.
#[derive(Debug, Clone)]
pub struct PackRequest {
    /// The bundle to be written, for messages.
    pub bundle: PathBuf,
    /// The modalities.
    pub modalities: Vec<PackedModality>,
    /// The ONNX files in the order of [`Role::all`].
    pub files: Vec<PathBuf>,
    /// The convention of h.
    pub units: Units,
    /// Mean h over the training rows of the densities of several modalities; needed for centred units.
    pub mean_h_nats: BTreeMap<Role, f64>,
    /// The label.
    pub label: Label,
    /// What the outputs of the classifiers are, in their order.
    pub outputs: Vec<OutputKind>,
    /// Whether densities may be folded; otherwise all graphs stay unchanged.
    pub fold: bool,
}

/// A modality of a bundle to be packed.
#[derive(Debug, Clone, Default)]
pub struct PackedModality {
    /// Its default column.
    pub column: Option<String>,
    /// Its dimension, where the graphs leave it dynamic.
    pub dim: Option<usize>,
    /// Mean h over the training rows; needed for centred units.
    pub mean_h_nats: Option<f64>,
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
        let roles = Role::all(self.modalities.len());
        let mut outputs = self.outputs.iter().copied();
        for (role, path) in roles.iter().copied().zip(&self.files) {
            let kind = if role.is_density() { None } else { outputs.next() };
            let refuse =
                |what: String| Error::bad_data(Place::file(path.display()), format!("{role}: {what}"));
            let mut model = read_model(path)?;
            if let Some(what) = adapt::misnamed_inputs(role, self.modalities.len(), &model) {
                tracing::warn!("{role}: {what}");
            }
            let changes = adapt::adapt(role, &mut model, kind, &self.label.classes).map_err(refuse)?;
            for change in changes {
                tracing::info!("{role}: {change}");
            }
            dims.push((role, check::declared_dims(&model).map_err(refuse)?));
            models.push((role, model));
        }
        let dims = self.find_dims(&dims)?;
        let origin = ModelOrigin { bundle: self.bundle.clone(), fold: None };
        for (role, model) in &models {
            // Folding evaluates a density.
            check::check_graph(*role, model, &dims).map_err(|what| origin.fault(Some(*role), what))?;
        }
        for (role, model) in models.iter_mut().filter(|(role, _)| self.fold && role.is_density()) {
            let dims: Vec<_> = role.modalities().members().filter_map(|m| dims.get(m).copied()).collect();
            match fold::fold(model, &dims) {
                Ok(folded) => {
                    tracing::info!("{role} is folded: {}", fold::description(&folded).unwrap_or_default());
                    *model = folded;
                }
                Err(why) => tracing::info!("{role} is not folded: {why}"),
            }
        }
        let modalities = self.modalities.into_iter().zip(dims).map(|(packed, dim)| Modality {
            column: packed.column,
            dim,
            units: self.units,
            mean_h_nats: packed.mean_h_nats,
        });
        Ok(BundleContents::packed(modalities.collect(), self.label, models, self.outputs, self.mean_h_nats))
    }

    /// The dimensions of the modalities: those of the request, else those that the inputs of any of the
    /// models declare.
    fn find_dims(&self, declared: &[(Role, Vec<Option<usize>>)]) -> Result<Vec<usize>> {
        let dim = |(m, modality): (usize, &PackedModality)| -> Result<usize> {
            // A model of several modalities has one input for each of them, or one for all.
            let of = |(role, inputs): &(Role, Vec<Option<usize>>)| {
                let place = role.modalities().members().position(|member| member == m)?;
                inputs.get(place).copied().flatten().filter(|_| inputs.len() == role.modalities().len())
            };
            let dim = modality.dim.or_else(|| declared.iter().find_map(of)).ok_or_else(|| {
                let file = self.files.get(m).map(|file| format!("{}: ", file.display())).unwrap_or_default();
                Error::Usage(format!(
                    "{file}the graph leaves the dimension of x{0} free; give --dim-{0}",
                    m + 1
                ))
            })?;
            if dim == 0 || dim > MOST_VALUES {
                let origin = ModelOrigin { bundle: self.bundle.clone(), fold: None };
                let what = format!("x{} has {dim} values a row, and must have 1 to {MOST_VALUES}", m + 1);
                return Err(origin.fault(Subset::new([m]).map(Role::density), what));
            }
            Ok(dim)
        };
        self.modalities.iter().enumerate().map(dim).collect()
    }
}

fn read_model(path: &Path) -> Result<ModelProto> {
    let place = || Place::file(path.display());
    let bytes = read_regular(path, MODEL_BYTES).map_err(|source| no_input(path, source))?;
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
