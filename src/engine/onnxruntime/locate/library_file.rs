//! The library's file in a folder: its name, and where wheels, releases and Conda put it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of Python's ONNX Runtime within `site-packages`.
pub(super) const CAPI: &str = "onnxruntime/capi";

/// Resolves a path from the user: the library itself, or a folder that holds it directly,
/// in `lib` (a release archive) or in a wheel.
pub(super) fn resolve(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path.to_owned());
    }
    in_folder(path)
        .or_else(|| in_folder(&path.join("lib")))
        .or_else(|| in_folder(&path.join(CAPI)))
        .or_else(|| in_prefix(path))
}

/// The path of the wheel in a Python environment, as a pattern for messages.
pub(super) fn wheel_pattern(prefix: &Path) -> PathBuf {
    let packages = if cfg!(windows) { "Lib/site-packages" } else { "lib/python3.*/site-packages" };
    prefix.join(packages).join(CAPI)
}

/// The library in a Python environment: in the newest Python that has one, or in `lib`,
/// where Conda installs the C++ package.
pub(super) fn in_prefix(prefix: &Path) -> Option<PathBuf> {
    if cfg!(windows) {
        return in_folder(&prefix.join("Lib/site-packages").join(CAPI));
    }
    let lib = prefix.join("lib");
    let mut pythons: Vec<(Vec<u64>, PathBuf)> = entries(&lib)
        .filter_map(|(name, path)| Some((version(name.to_str()?.strip_prefix("python")?), path)))
        .collect();
    pythons.sort();
    pythons
        .iter()
        .rev()
        .find_map(|(_, python)| in_folder(&python.join("site-packages").join(CAPI)))
        .or_else(|| in_folder(&lib))
}

/// The library in a folder: the plain name, else the highest version.
pub(super) fn in_folder(folder: &Path) -> Option<PathBuf> {
    entries(folder)
        .filter_map(|(name, path)| Some((LibraryName::HOST.version(name.to_str()?)?, path)))
        .filter(|(_, path)| path.is_file())
        .max()
        .map(|(_, path)| path)
}

fn entries(folder: &Path) -> impl Iterator<Item = (OsString, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| (entry.file_name(), entry.path()))
}

/// File name of the library. Wheels hold only the versioned name.
pub(super) struct LibraryName {
    stem: &'static str,
    ending: &'static str,
}

impl LibraryName {
    pub(super) const HOST: Self = if cfg!(windows) {
        Self { stem: "onnxruntime", ending: ".dll" }
    } else if cfg!(target_os = "macos") {
        Self { stem: "libonnxruntime", ending: ".dylib" }
    } else {
        Self { stem: "libonnxruntime", ending: ".so" }
    };

    pub(super) fn plain(&self) -> String {
        format!("{}{}", self.stem, self.ending)
    }

    /// The version in a library's file name, `None` for other files. The plain name sorts
    /// above all versions: it is the link that installers create for lookup.
    fn version(&self, file: &str) -> Option<Vec<u64>> {
        let rest = file.strip_prefix(self.stem)?;
        if rest == self.ending {
            return Some(vec![u64::MAX]);
        }
        // Linux: libonnxruntime.so.1.32.0; macOS: libonnxruntime.1.32.0.dylib.
        let number =
            rest.strip_prefix(self.ending).or_else(|| rest.strip_suffix(self.ending))?.strip_prefix('.')?;
        number.split('.').map(|part| part.parse().ok()).collect()
    }
}

/// The components of a version, as a sort key that orders 3.9 before 3.13.
fn version(text: &str) -> Vec<u64> {
    text.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINUX: LibraryName = LibraryName { stem: "libonnxruntime", ending: ".so" };
    const MACOS: LibraryName = LibraryName { stem: "libonnxruntime", ending: ".dylib" };

    #[test]
    fn names_are_told_from_their_neighbours() {
        assert_eq!(LINUX.version("libonnxruntime.so.1.32.0"), Some(vec![1, 32, 0]));
        assert_eq!(MACOS.version("libonnxruntime.1.32.0.dylib"), Some(vec![1, 32, 0]));
        assert!(LINUX.version("libonnxruntime.so") > LINUX.version("libonnxruntime.so.1"));
        for other in
            ["libonnxruntime_providers_cuda.so", "libonnxruntime.so.txt", "onnxruntime_pybind11_state.so"]
        {
            assert_eq!(LINUX.version(other), None, "{other}");
        }
    }
}
