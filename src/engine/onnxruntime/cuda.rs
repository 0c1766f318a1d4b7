//! What the CUDA execution provider needs of the machine: CUDA's own libraries, loaded
//! from the nvidia wheels before it asks for them, and the GPU's driver. Says what is
//! missing, since the provider's own messages name one library at most.

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

/// cuDNN's front; it loads the rest of itself from its own folder.
const CUDNN: &str = if cfg!(windows) { "cudnn64_9.dll" } else { "libcudnn.so.9" };
/// The driver's library. It comes with the driver and never with a wheel.
const DRIVER: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
/// Where a wheel of nvidia's has its libraries, below `nvidia/NAME`.
const FOLDERS: [&str; 3] = ["lib", "bin", "bin/x86_64"];

/// A library and whether it could be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Its file name.
    pub name: String,
    /// Where it is.
    pub found: Found,
}

/// Where a library is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// In a wheel of nvidia's beside ONNX Runtime's.
    Wheel(PathBuf),
    /// Where the system's loader looks.
    System,
    /// Nowhere, or it can't be loaded: the loader's reason.
    Missing(String),
}

impl Library {
    /// Whether it could not be loaded.
    pub fn is_missing(&self) -> bool {
        matches!(self.found, Found::Missing(_))
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wheel(path) => write!(f, "{}", path.display()),
            Self::System => f.write_str("found by the system's loader"),
            Self::Missing(why) => write!(f, "missing ({why})"),
        }
    }
}

/// Loads CUDA's libraries for the life of the process, each after those it needs: from
/// the nvidia wheels in `site_packages`, else by the system's loader. The driver is
/// the last of them. Whatever needs them later finds them by their names.
pub fn load_libraries(site_packages: Option<&Path>) -> Vec<Library> {
    let folders = site_packages.map(wheel_folders).unwrap_or_default();
    let names = CUDA_DYLIBS.iter().chain([&CUDNN]).map(|name| (*name, in_wheels(name, &folders)));
    names.chain([(DRIVER, None)]).map(|(name, wheel)| load(name, wheel)).collect()
}

fn load(name: &str, wheel: Option<PathBuf>) -> Library {
    let (path, found) = match wheel {
        Some(path) => (path.clone(), Found::Wheel(path)),
        None => (PathBuf::from(name), Found::System),
    };
    let found = match preload_dylib(path) {
        Ok(()) => found,
        // The loader's own words are beneath.
        Err(e) => Found::Missing(e.source().map_or_else(|| e.to_string(), ToString::to_string)),
    };
    Library { name: name.to_owned(), found }
}

/// The folders of libraries of all nvidia wheels: one a component for CUDA 12, one for
/// all but cuDNN for CUDA 13.
fn wheel_folders(site_packages: &Path) -> Vec<PathBuf> {
    let wheels = fs::read_dir(site_packages.join("nvidia")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = wheels
        .flat_map(|wheel| FOLDERS.map(|folder| wheel.path().join(folder)))
        .filter(|folder| folder.is_dir())
        .collect();
    folders.sort();
    folders
}

/// A library in the wheels: by its name, else another version of it, which an older
/// ONNX Runtime was built for.
fn in_wheels(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let exact = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    exact.or_else(|| {
        let stem = name.rsplit_once(".so.").map(|(stem, _)| format!("{stem}.so."))?;
        let files = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        let others = files.filter(|file| file.file_name().to_string_lossy().starts_with(&stem));
        others.map(|file| file.path()).max()
    })
}

/// Why CUDA can't be used and what to do, to end an error with.
pub(super) fn advice(has_provider: bool, libraries: &[Library]) -> String {
    if !has_provider {
        return "this ONNX Runtime is a build for the CPU: `lsmi-etl runtime install --cuda` installs one for GPUs \
                with CUDA's libraries, or use --device cpu"
            .to_owned();
    }
    let missing = |library: &&Library| library.is_missing();
    let mut reasons = Vec::new();
    let lacking: Vec<&str> = libraries
        .iter()
        .filter(|library| library.name != DRIVER)
        .filter(missing)
        .map(|library| library.name.as_str())
        .collect();
    if !lacking.is_empty() {
        reasons.push(format!(
            "CUDA's libraries {} are missing: `lsmi-etl runtime install --cuda` installs them beside ONNX Runtime",
            lacking.join(", ")
        ));
    }
    if libraries.iter().filter(missing).any(|library| library.name == DRIVER) {
        reasons.push(format!(
            "the driver's library {DRIVER} is missing: this machine has no NVIDIA GPU, or its driver is not \
             installed, or a container was not given it (docker run --gpus all)"
        ));
    }
    if reasons.is_empty() {
        reasons.push("CUDA's libraries are there: see whether nvidia-smi shows this GPU".to_owned());
    }
    format!("{}; or use --device cpu", reasons.join("; "))
}

/// A graph of one node, to see whether a GPU takes any.
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
    Graph { model, inputs: Vec::new(), roles: Vec::new() }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn library(name: &str, missing: bool) -> Library {
        let found = if missing { Found::Missing("no such file".into()) } else { Found::System };
        Library { name: name.into(), found }
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

        // What is there but is no library is missing, with the loader's reason.
        let loaded = load_libraries(Some(dir.path()));
        let names: Vec<&str> = loaded.iter().map(|library| library.name.as_str()).collect();
        assert_eq!(names[..3], ["libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13"]);
        assert_eq!(names[names.len() - 2..], [CUDNN, DRIVER]);
        let Found::Missing(why) = &loaded[names.len() - 2].found else { panic!("{loaded:?}") };
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
