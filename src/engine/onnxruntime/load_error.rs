//! The reason why ONNX Runtime's library does not load, in the words of the system's loader.

use std::error::Error as _;
use std::path::Path;

use ort::LoadDynamicError;

use super::locate::LibraryOrigin;

/// The reason on one line, without the library's path in front, which the message has already.
pub(super) fn reason(error: &LoadDynamicError, library: &Path) -> String {
    let text = match error {
        // The text of the error itself is only "dlopen failed"; its source is what dlerror returned.
        LoadDynamicError::Dlopen { error, .. } => {
            error.source().map_or_else(|| error.to_string(), ToString::to_string)
        }
        LoadDynamicError::MissingApi { .. } => "it is a library, but not ONNX Runtime".to_owned(),
        LoadDynamicError::BadVersion { version_str, .. } => {
            format!("it is version {version_str}, and 1.{}.0 or newer is needed", ort::MINOR_VERSION)
        }
        other => other.to_string(),
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let prefix = format!("{}: ", library.display());
    match text.strip_prefix(&prefix) {
        Some(reason) if library.is_absolute() => reason.to_owned(),
        _ => text,
    }
}

/// The remedy of a library that does not load.
pub(super) fn advice(origin: LibraryOrigin) -> String {
    match origin {
        LibraryOrigin::Flag | LibraryOrigin::OrtDylibPath => {
            format!("correct {origin}, or leave it out to use what is installed")
        }
        _ => {
            "install it again with `lsmi-etl runtime install --force`, or name another one with --onnxruntime"
                .to_owned()
        }
    }
}

/// Whether the system's loader found no library of this name, which is not worth a warning; all
/// else, such as a damaged file or a missing dependency, is.
pub(in crate::engine) fn is_absent(message: &str, name: &Path) -> bool {
    let says_so = ["no such file", "cannot open shared object file", "os error 126", "not found"];
    let message = message.to_lowercase();
    // A dependency that is missing is named instead of the library. The name is in the message
    // once in any case.
    let names = message.matches(&name.display().to_string().to_lowercase()).count();
    (names > 1 || cfg!(windows)) && says_so.iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_library_is_told_from_a_broken_one() {
        let name = Path::new("libonnxruntime.so");
        let message =
            |reason: &str| format!("ONNX Runtime can't be loaded from libonnxruntime.so (system): {reason}");
        for absent in [
            "libonnxruntime.so: cannot open shared object file: No such file or directory",
            "Error loading shared library libonnxruntime.so: No such file or directory",
        ] {
            assert!(is_absent(&message(absent), name), "{absent}");
        }
        for broken in [
            "/usr/lib/libonnxruntime.so: file too short",
            "libstdc++.so.6: cannot open shared object file: No such file or directory",
        ] {
            assert!(!is_absent(&message(broken), name), "{broken}");
        }
    }
}
