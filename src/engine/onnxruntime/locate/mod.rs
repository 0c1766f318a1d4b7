//! Search for ONNX Runtime's shared library. Inspects the file system only and loads
//! nothing.

mod library_file;

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use self::library_file::{CAPI, LibraryName, in_folder, in_prefix, resolve, wheel_pattern};

/// The file of the CUDA execution provider, which ONNX Runtime loads from its own folder.
const CUDA_PROVIDER: &str =
    if cfg!(windows) { "onnxruntime_providers_cuda.dll" } else { "libonnxruntime_providers_cuda.so" };

/// The source of a candidate path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LibraryOrigin {
    /// `--onnxruntime PATH`.
    Flag,
    /// The environment variable `ORT_DYLIB_PATH`.
    OrtDylibPath,
    /// The Python environment whose `bin` holds this program.
    Executable,
    /// The Python environment in `VIRTUAL_ENV`.
    VirtualEnv,
    /// The Conda environment in `CONDA_PREFIX`.
    CondaPrefix,
    /// The folder of `lsmi-etl runtime install`.
    Installed,
    /// The system's loader.
    System,
}

impl fmt::Display for LibraryOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "--onnxruntime",
            Self::OrtDylibPath => "ORT_DYLIB_PATH",
            Self::Executable => "beside the program",
            Self::VirtualEnv => "VIRTUAL_ENV",
            Self::CondaPrefix => "CONDA_PREFIX",
            Self::Installed => "runtime install",
            Self::System => "system",
        })
    }
}

/// State of a candidate path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateStatus {
    /// The library's file exists.
    Found,
    /// No such file.
    Missing,
    /// A bare name, which only the system's loader can resolve.
    Untried,
}

/// A candidate path for the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryCandidate {
    /// The source of the path.
    pub origin: LibraryOrigin,
    /// The library where it was found; otherwise the file, folder or pattern that was
    /// searched for.
    pub path: PathBuf,
    /// State of the path.
    pub status: CandidateStatus,
}

impl LibraryCandidate {
    /// The path to pass to the loader: absolute where the file exists, since a loader looks for a
    /// bare name in the system's folders only.
    pub(super) fn to_load(&self) -> PathBuf {
        match self.status {
            CandidateStatus::Found => std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone()),
            CandidateStatus::Missing | CandidateStatus::Untried => self.path.clone(),
        }
    }

    /// The `site-packages` (or `runtime install`) folder of a library in a wheel. The CUDA
    /// libraries are in its sub-folder `nvidia`.
    pub fn site_packages(&self) -> Option<&Path> {
        let capi = self.path.parent()?;
        capi.ends_with(CAPI).then(|| capi.ancestors().nth(2)).flatten()
    }

    /// The CUDA execution provider beside the library; GPU builds include it.
    pub fn cuda_provider(&self) -> Option<PathBuf> {
        let provider = self.path.parent()?.join(CUDA_PROVIDER);
        (self.status == CandidateStatus::Found && provider.is_file()).then_some(provider)
    }
}

/// The environment variables and paths that the search depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchEnvironment {
    /// `ORT_DYLIB_PATH`.
    pub ort_dylib_path: Option<PathBuf>,
    /// This program's executable.
    pub executable: Option<PathBuf>,
    /// `VIRTUAL_ENV`.
    pub virtual_env: Option<PathBuf>,
    /// `CONDA_PREFIX`.
    pub conda_prefix: Option<PathBuf>,
    /// The folder of `lsmi-etl runtime install`: `LSMI_ETL_RUNTIME_DIR`, else
    /// `lsmi-etl/runtime` in the user's data folder.
    pub runtime_dir: Option<PathBuf>,
}

impl SearchEnvironment {
    /// The environment of this process. Empty variables count as unset.
    pub fn current() -> Self {
        Self::of(None)
    }

    /// The environment of this process, as this program would find it.
    pub fn of(program: Option<PathBuf>) -> Self {
        let path = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            ort_dylib_path: path("ORT_DYLIB_PATH"),
            executable: program.or_else(|| env::current_exe().ok()),
            virtual_env: path("VIRTUAL_ENV"),
            conda_prefix: path("CONDA_PREFIX"),
            runtime_dir: path("LSMI_ETL_RUNTIME_DIR")
                .or_else(|| Some(data_folder(path)?.join("lsmi-etl/runtime"))),
        }
    }
}

/// The user's data folder, by the platform's convention.
fn data_folder(path: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if cfg!(windows) {
        path("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        Some(path("HOME")?.join("Library/Application Support"))
    } else {
        path("XDG_DATA_HOME")
            .filter(|folder| folder.is_absolute())
            .or_else(|| Some(path("HOME")?.join(".local/share")))
    }
}

/// All candidates in order of precedence.
///
/// `explicit` is the flag's file or folder. The last candidate is always the system's
/// loader.
pub fn search(explicit: Option<&Path>, environment: &SearchEnvironment) -> Vec<LibraryCandidate> {
    let mut places = Vec::new();
    let named = [
        (LibraryOrigin::Flag, explicit),
        (LibraryOrigin::OrtDylibPath, environment.ort_dylib_path.as_deref()),
    ];
    for (origin, path) in named {
        places.extend(path.map(|path| candidate(origin, path, resolve(path))));
    }
    let prefixes = [
        (
            LibraryOrigin::Executable,
            environment.executable.as_deref().and_then(|file| file.parent()?.parent()),
        ),
        (LibraryOrigin::VirtualEnv, environment.virtual_env.as_deref()),
        (LibraryOrigin::CondaPrefix, environment.conda_prefix.as_deref()),
    ];
    for (origin, prefix) in prefixes {
        places.extend(prefix.map(|prefix| candidate(origin, &wheel_pattern(prefix), in_prefix(prefix))));
    }
    if let Some(runtime) = &environment.runtime_dir {
        // The GPU build first: it also runs on the CPU.
        for device in ["cuda", "cpu"] {
            let folder = runtime.join(device).join(CAPI);
            places.push(candidate(LibraryOrigin::Installed, &folder, in_folder(&folder)));
        }
    }
    let name = PathBuf::from(LibraryName::HOST.plain());
    places.push(LibraryCandidate {
        origin: LibraryOrigin::System,
        path: name,
        status: CandidateStatus::Untried,
    });
    places
}

/// The library to load: the first that exists, else the bare name for the system's loader
/// ([`CandidateStatus::Untried`]).
///
/// # Errors
/// [`Error::Engine`] where the flag or `ORT_DYLIB_PATH` names a path that holds no
/// library.
pub fn first_found(explicit: Option<&Path>, environment: &SearchEnvironment) -> Result<LibraryCandidate> {
    let places = search(explicit, environment);
    let first = places.into_iter().find(|place| {
        place.status != CandidateStatus::Missing
            || matches!(place.origin, LibraryOrigin::Flag | LibraryOrigin::OrtDylibPath)
    });
    match first {
        Some(place) if place.status != CandidateStatus::Missing => Ok(place),
        Some(place) => Err(Error::Engine(format!(
            "{}: {} is not ONNX Runtime's library nor a folder that holds it ({}); \
             correct it, or leave it out to use what is installed",
            place.origin,
            place.path.display(),
            LibraryName::HOST.plain(),
        ))),
        None => Err(Error::Internal("the search for ONNX Runtime has no last candidate".to_owned())),
    }
}

/// The library in a folder of `pip install --target` or a Python environment.
pub(super) fn installed_in(target: &Path) -> Option<PathBuf> {
    in_folder(&target.join(CAPI))
}

fn candidate(origin: LibraryOrigin, searched: &Path, found: Option<PathBuf>) -> LibraryCandidate {
    let status = if found.is_some() { CandidateStatus::Found } else { CandidateStatus::Missing };
    LibraryCandidate { origin, path: found.unwrap_or_else(|| searched.to_owned()), status }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// The host's library name with a version in it, where the host writes one.
    fn versioned(version: &str) -> String {
        if cfg!(windows) {
            LibraryName::HOST.plain()
        } else if cfg!(target_os = "macos") {
            format!("libonnxruntime.{version}.dylib")
        } else {
            format!("libonnxruntime.so.{version}")
        }
    }

    fn put(folder: &Path, name: &str) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, "library").unwrap();
        path
    }

    fn site_packages(prefix: &Path, python: &str) -> PathBuf {
        let packages = if cfg!(windows) { "Lib".into() } else { format!("lib/python{python}") };
        prefix.join(packages).join("site-packages")
    }

    fn wheel(prefix: &Path, python: &str) -> PathBuf {
        put(&site_packages(prefix, python).join(CAPI), &versioned("1.32.0"))
    }

    #[test]
    fn places_count_in_the_documented_order() {
        let dir = TempDir::new().unwrap();
        let root = dir.path();
        let flag = put(&root.join("flag"), &versioned("1.30.0"));
        let variable = put(&root.join("variable"), &versioned("1.30.0"));
        let beside = wheel(&root.join("prefix"), "3.12");
        let venv = wheel(&root.join("venv"), "3.12");
        let conda = wheel(&root.join("conda"), "3.12");
        let cuda = put(&root.join("data/cuda").join(CAPI), &versioned("1.31.0"));
        let cpu = put(&root.join("data/cpu").join(CAPI), &versioned("1.32.0"));
        let mut environment = SearchEnvironment {
            ort_dylib_path: Some(root.join("variable")),
            executable: Some(root.join("prefix/bin/lsmi-etl")),
            virtual_env: Some(root.join("venv")),
            conda_prefix: Some(root.join("conda")),
            runtime_dir: Some(root.join("data")),
        };
        let found: Vec<PathBuf> =
            search(Some(&flag), &environment).into_iter().map(|place| place.path).collect();
        let all = [&flag, &variable, &beside, &venv, &conda, &cuda, &cpu];
        assert_eq!(found[..7].iter().collect::<Vec<_>>(), all);
        assert_eq!(found[7], Path::new(&LibraryName::HOST.plain()));

        let first = |environment: &SearchEnvironment| first_found(None, environment).unwrap().path;
        assert_eq!(first_found(Some(&root.join("flag")), &environment).unwrap().path, flag);
        assert_eq!(first(&environment), variable);
        environment.ort_dylib_path = None;
        assert_eq!(first(&environment), beside);
        environment.executable = None;
        assert_eq!(first(&environment), venv);
        environment.virtual_env = Some(root.join("empty"));
        assert_eq!(first(&environment), conda);
        environment.conda_prefix = None;
        assert_eq!(first(&environment), cuda);
        fs::remove_file(&cuda).unwrap();
        assert_eq!(first(&environment), cpu);
        environment.runtime_dir = None;
        let last = first_found(None, &environment).unwrap();
        assert_eq!((last.origin, last.status), (LibraryOrigin::System, CandidateStatus::Untried));
    }

    #[test]
    fn a_named_place_with_nothing_in_it_is_an_error() {
        let dir = TempDir::new().unwrap();
        let environment =
            SearchEnvironment { virtual_env: Some(dir.path().join("venv")), ..SearchEnvironment::default() };
        wheel(&dir.path().join("venv"), "3.12");
        let missing = dir.path().join("nowhere");
        let error = first_found(Some(&missing), &environment).unwrap_err();
        assert_eq!(error.exit_code(), 69);
        assert!(error.to_string().starts_with("--onnxruntime: "), "{error}");
        let environment = SearchEnvironment { ort_dylib_path: Some(missing), ..environment };
        let error = first_found(None, &environment).unwrap_err();
        assert!(error.to_string().starts_with("ORT_DYLIB_PATH: "), "{error}");
        let places = search(None, &environment);
        assert_eq!(places[0].status, CandidateStatus::Missing);
        assert_eq!(places[1].status, CandidateStatus::Found);
    }

    #[test]
    fn a_named_folder_may_be_a_release_a_target_or_an_environment() {
        let dir = TempDir::new().unwrap();
        let release = put(&dir.path().join("release/lib"), &versioned("1.30.0"));
        let target = put(&dir.path().join("target").join(CAPI), &versioned("1.30.0"));
        let venv = wheel(&dir.path().join("venv"), "3.12");
        for (folder, library) in [("release", release), ("target", target), ("venv", venv)] {
            let found = first_found(Some(&dir.path().join(folder)), &SearchEnvironment::default()).unwrap();
            assert_eq!(found.path, library);
        }
    }

    #[test]
    fn builds_for_gpus_have_a_provider_beside_them() {
        let dir = TempDir::new().unwrap();
        let library = wheel(dir.path(), "3.12");
        let found = || candidate(LibraryOrigin::VirtualEnv, dir.path(), in_prefix(dir.path()));
        assert_eq!(found().cuda_provider(), None);
        let provider = put(library.parent().unwrap(), CUDA_PROVIDER);
        assert_eq!(found().cuda_provider(), Some(provider));
        assert_eq!(candidate(LibraryOrigin::VirtualEnv, &library, None).cuda_provider(), None);
    }

    #[test]
    #[cfg(not(windows))]
    fn the_newest_of_several_is_taken() {
        let dir = TempDir::new().unwrap();
        wheel(dir.path(), "3.9");
        let newest = wheel(dir.path(), "3.13");
        fs::create_dir_all(site_packages(dir.path(), "3.14")).unwrap();
        assert_eq!(in_prefix(dir.path()), Some(newest.clone()));
        put(newest.parent().unwrap(), &versioned("1.9.0"));
        assert_eq!(in_prefix(dir.path()), Some(newest.clone()));
        let place = candidate(LibraryOrigin::VirtualEnv, dir.path(), Some(newest));
        assert_eq!(place.site_packages(), Some(site_packages(dir.path(), "3.13").as_path()));
    }
}
