//! Dependencies of the CUDA execution provider: CUDA's libraries, preloaded from the nvidia
//! wheels, and the GPU driver. Reports all missing libraries, since the provider's own
//! messages name one library at most.

use std::error::Error as _;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use ort::ep::cuda::CUDA_DYLIBS;
use ort::util::preload_dylib;
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto, TypeProto, ValueInfoProto,
    tensor_proto::DataType, tensor_shape_proto::Dimension, tensor_shape_proto::dimension, type_proto,
};

use crate::bundle::Graph;

/// cuDNN's main library; it loads its sub-libraries from its own folder.
const CUDNN: &str = if cfg!(windows) { "cudnn64_9.dll" } else { "libcudnn.so.9" };
/// The driver's library, installed with the driver and never by a wheel.
const DRIVER: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
/// Library folders of an nvidia wheel, below `nvidia/NAME`.
const FOLDERS: [&str; 3] = ["lib", "bin", "bin/x86_64"];

/// A library and the result of loading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CudaLibrary {
    /// Its file name.
    pub name: String,
    /// Where it was loaded from.
    pub location: LibraryLocation,
}

/// Location of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LibraryLocation {
    /// In an nvidia wheel beside ONNX Runtime's.
    Wheel(PathBuf),
    /// On the search path of the system's loader.
    System,
    /// Not found or not loadable, with the loader's reason.
    Missing(String),
}

impl CudaLibrary {
    /// Whether it could not be loaded.
    pub fn is_missing(&self) -> bool {
        matches!(self.location, LibraryLocation::Missing(_))
    }
}

impl fmt::Display for LibraryLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wheel(path) => write!(f, "{}", path.display()),
            Self::System => f.write_str("found by the system's loader"),
            Self::Missing(why) => write!(f, "missing ({why})"),
        }
    }
}

/// Preloads CUDA's libraries for the life of the process, in dependency order, the driver
/// last: from the nvidia wheels in `site_packages`, else through the system's loader. The
/// execution provider then resolves them by name.
pub fn load_libraries(site_packages: Option<&Path>) -> Vec<CudaLibrary> {
    let folders = site_packages.map(wheel_folders).unwrap_or_default();
    let names = CUDA_DYLIBS.iter().chain([&CUDNN]).map(|name| (*name, in_wheels(name, &folders)));
    names.chain([(DRIVER, None)]).map(|(name, wheel)| load(name, wheel)).collect()
}

fn load(name: &str, wheel: Option<PathBuf>) -> CudaLibrary {
    let (path, location) = match wheel {
        Some(path) => (path.clone(), LibraryLocation::Wheel(path)),
        None => (PathBuf::from(name), LibraryLocation::System),
    };
    let location = match preload_dylib(path) {
        Ok(()) => location,
        // The source error holds the loader's message.
        Err(e) => LibraryLocation::Missing(e.source().map_or_else(|| e.to_string(), ToString::to_string)),
    };
    CudaLibrary { name: name.to_owned(), location }
}

/// The library folders of all nvidia wheels: CUDA 12 has a wheel per component, CUDA 13 one
/// for all but cuDNN.
fn wheel_folders(site_packages: &Path) -> Vec<PathBuf> {
    let wheels = fs::read_dir(site_packages.join("nvidia")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = wheels
        .flat_map(|wheel| FOLDERS.map(|folder| wheel.path().join(folder)))
        .filter(|folder| folder.is_dir())
        .collect();
    folders.sort();
    folders
}

/// A library in the wheels: the exact name, else another version of it, for older builds
/// of ONNX Runtime.
fn in_wheels(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let exact = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    exact.or_else(|| {
        let stem = name.rsplit_once(".so.").map(|(stem, _)| format!("{stem}.so."))?;
        let files = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        let others = files.filter(|file| file.file_name().to_string_lossy().starts_with(&stem));
        others.map(|file| file.path()).max()
    })
}

/// The end of an error message: why CUDA is not usable, and the remedy.
pub(super) fn advice(has_provider: bool, libraries: &[CudaLibrary]) -> String {
    if !has_provider {
        return "this ONNX Runtime is a build for the CPU: `lsmi-etl runtime install --cuda` installs one for GPUs \
                with CUDA's libraries, or use --device cpu"
            .to_owned();
    }
    let missing = |library: &&CudaLibrary| library.is_missing();
    let mut reasons = Vec::new();
    let missing_names: Vec<&str> = libraries
        .iter()
        .filter(|library| library.name != DRIVER)
        .filter(missing)
        .map(|library| library.name.as_str())
        .collect();
    if !missing_names.is_empty() {
        reasons.push(format!(
            "CUDA's libraries {} are missing: `lsmi-etl runtime install --cuda` installs them beside ONNX Runtime",
            missing_names.join(", ")
        ));
    }
    if libraries.iter().filter(missing).any(|library| library.name == DRIVER) {
        reasons.push(format!(
            "the driver's library {DRIVER} is missing: this machine has no NVIDIA GPU, or its driver is not \
             installed, or the container has no access to it (docker run --gpus all)"
        ));
    }
    if reasons.is_empty() {
        reasons.push("CUDA's libraries were found: check that nvidia-smi lists this GPU".to_owned());
    }
    format!("{}; or use --device cpu", reasons.join("; "))
}

/// A graph of one node, which tests that a GPU accepts a session.
pub(super) fn smallest_graph() -> Graph {
    let value = |name: &str| {
        let dim = Dimension { value: Some(dimension::Value::DimValue(1)), ..Dimension::default() };
        let shape = Some(TensorShapeProto { dim: vec![dim] });
        let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape };
        let value = Some(type_proto::Value::TensorType(tensor));
        let r#type = Some(TypeProto { value, ..TypeProto::default() });
        ValueInfoProto { name: name.into(), r#type, ..ValueInfoProto::default() }
    };
    let node = NodeProto {
        op_type: "Neg".into(),
        input: vec!["x".into()],
        output: vec!["y".into()],
        ..NodeProto::default()
    };
    let graph = GraphProto {
        name: "probe".into(),
        node: vec![node],
        input: vec![value("x")],
        output: vec![value("y")],
        ..GraphProto::default()
    };
    let model = ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        graph: Some(graph),
        ..ModelProto::default()
    };
    Graph { model, inputs: Vec::new(), roles: Vec::new(), places: Vec::new() }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn library(name: &str, missing: bool) -> CudaLibrary {
        let location =
            if missing { LibraryLocation::Missing("no such file".into()) } else { LibraryLocation::System };
        CudaLibrary { name: name.into(), location }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn wheels_of_both_layouts_are_searched() {
        let dir = TempDir::new().unwrap();
        let put = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "no library").unwrap();
            path
        };
        let thirteen = put("nvidia/cu13/lib/libcublas.so.13");
        let cudnn = put("nvidia/cudnn/lib/libcudnn.so.9");
        let twelve = put("nvidia/cufft/lib/libcufft.so.11");
        put("nvidia/cublas/lib/libcublas.so.12");
        put("nvidia/cublas/include/cublas.h");
        let folders = wheel_folders(dir.path());
        assert_eq!(folders.len(), 4);
        assert_eq!(in_wheels("libcublas.so.13", &folders), Some(thirteen));
        assert_eq!(in_wheels(CUDNN, &folders), Some(cudnn.clone()));
        assert_eq!(in_wheels("libcufft.so.12", &folders), Some(twelve));
        assert_eq!(in_wheels("libcublasLt.so.13", &folders), None);

        // A file that is not a library counts as missing, with the loader's reason.
        let loaded = load_libraries(Some(dir.path()));
        let names: Vec<&str> = loaded.iter().map(|library| library.name.as_str()).collect();
        assert_eq!(names[..3], ["libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13"]);
        assert_eq!(names[names.len() - 2..], [CUDNN, DRIVER]);
        let LibraryLocation::Missing(why) = &loaded[names.len() - 2].location else { panic!("{loaded:?}") };
        assert!(why.contains(&cudnn.display().to_string()), "{why}");
    }

    #[test]
    fn advice_names_what_is_missing() {
        let advised = advice(false, &[]);
        assert!(
            advised.contains("build for the CPU") && advised.contains("runtime install --cuda"),
            "{advised}"
        );
        let all = [library("libcudart.so.13", false), library(CUDNN, false), library(DRIVER, false)];
        assert!(advice(true, &all).contains("nvidia-smi"));
        let no_driver = [library("libcudart.so.13", false), library(DRIVER, true)];
        let advised = advice(true, &no_driver);
        assert!(advised.contains(DRIVER) && !advised.contains("runtime install"), "{advised}");
        let nothing = [library("libcudart.so.13", true), library(CUDNN, true), library(DRIVER, true)];
        let advised = advice(true, &nothing);
        for part in ["libcudart.so.13", CUDNN, "runtime install --cuda", DRIVER, "--device cpu"] {
            assert!(advised.contains(part), "no {part} in {advised}");
        }
    }
}
