//! The job of a run: what all of its units share, as it travels with the plan.

use std::path::{Path, PathBuf};

use ballista_core::serde::protobuf::PartitionLocation;
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::annotate::AnnotateOptions;
use crate::bundle::Bundle;
use crate::engine::{Device, Engine, EngineChoice, EngineOptions};
use crate::error::{Error, Result};
use crate::storage::is_url;

/// The version of this program, which client and executors must share.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What all units of a run share.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnnotateJob {
    /// The bundle.
    pub(super) bundle: BundleReference,
    /// The options, without the keys of encrypted files.
    pub(super) options: AnnotateOptions,
    /// The file of keys, which each executor has itself.
    pub(super) keys: Option<PathBuf>,
    /// The engine that it asks for.
    pub(super) engine: EngineRequest,
}

/// A job as it travels: after the version of its client, which may be another than that of an executor, and
/// before the place of its bundle.
#[derive(Debug, Clone)]
pub(super) struct EncodedJob {
    version: String,
    job: Vec<u8>,
    /// Where the parts of the bundle are, as Ballista's message; empty where the bundle does not travel.
    bundle_parts: Vec<u8>,
}

impl EncodedJob {
    /// Encodes a job of this version.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub(super) fn of(job: &AnnotateJob, bundle_parts: Option<&PartitionLocation>) -> Result<Self> {
        let job = rmp_serde::to_vec_named(job).map_err(|e| Error::Internal(e.to_string()))?;
        let bundle_parts = bundle_parts.map(Message::encode_to_vec).unwrap_or_default();
        Ok(Self { version: VERSION.to_owned(), job, bundle_parts })
    }

    /// Whether both are the same job, wherever their bundle is.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.version == other.version && self.job == other.job
    }

    /// The job.
    ///
    /// # Errors
    /// Why this executor does not know it, naming both sides.
    pub(super) fn decode(&self, executor: &str) -> std::result::Result<AnnotateJob, String> {
        if self.version != VERSION {
            return Err(format!(
                "executor {executor} is lsmi-etl {VERSION}, and the client is lsmi-etl {}; run the same version \
                 on both",
                self.version
            ));
        }
        rmp_serde::from_slice(&self.job).map_err(|e| {
            format!("executor {executor} is another build of lsmi-etl {VERSION} than the client: {e}")
        })
    }

    /// Where the parts of the bundle are; `None` where it does not travel.
    pub(super) fn bundle_parts(&self) -> Option<PartitionLocation> {
        // An empty message is no place.
        PartitionLocation::decode(&*self.bundle_parts).ok().filter(|place| place.executor_meta.is_some())
    }

    /// Appends its bytes.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.version.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&(self.job.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.job);
        bytes.extend_from_slice(&self.bundle_parts);
    }

    /// From its bytes. What is cut off is a job that can't be decoded.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut parts = bytes.splitn(2, |byte| *byte == 0);
        let version = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        let rest = parts.next().unwrap_or_default();
        let (length, rest) = rest.split_first_chunk().unwrap_or((&[0; 8], &[]));
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (job, bundle_parts) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        Self { version, job: job.to_owned(), bundle_parts: bundle_parts.to_owned() }
    }
}

/// A bundle by its place and its hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BundleReference {
    /// Folder or URL.
    pub(super) place: PathBuf,
    /// SHA-256 of its manifest.
    pub(super) sha256: String,
}

impl BundleReference {
    /// The reference of a bundle.
    ///
    /// # Errors
    /// [`Error::Usage`] where the working folder is unknown.
    pub(super) fn of(bundle: &Bundle) -> Result<Self> {
        Ok(Self { place: absolute(bundle.dir())?, sha256: bundle.digest().to_owned() })
    }
}

/// The engine that a run asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineRequest {
    /// "onnxruntime" or "embedded"; any where `None`.
    engine: Option<String>,
    /// Whether the models run on GPUs.
    on_gpu: bool,
    /// Whether they may use TensorFloat-32.
    tf32: bool,
}

impl EngineRequest {
    /// The engine of these options.
    pub fn of(options: &EngineOptions) -> Self {
        let named = options.engine != EngineChoice::Auto;
        Self {
            engine: named.then(|| options.engine.to_string()),
            on_gpu: options.device != Device::Cpu,
            tf32: options.tf32,
        }
    }

    /// Why an executor can't do it, naming both sides.
    pub(super) fn refusal(&self, executor: &str, engine: &Engine, tf32: bool) -> Option<String> {
        let runs = engine.describe();
        let on_gpu = engine.device() != Device::Cpu;
        if self.on_gpu != on_gpu {
            let (asked, flag) = if self.on_gpu { ("GPUs", "cuda") } else { ("the CPU", "cpu") };
            return Some(format!(
                "executor {executor} runs {runs}, and the run asks for {asked}; start executors with --device \
                 {flag}, or give another --device"
            ));
        }
        let name = if engine.is_embedded() { "embedded" } else { "onnxruntime" };
        if self.engine.as_deref().is_some_and(|asked| asked != name) {
            let asked = self.engine.as_deref().unwrap_or_default();
            return Some(format!("executor {executor} runs {runs}, and the run asks for --engine {asked}"));
        }
        if on_gpu && self.tf32 != tf32 {
            let (has, asks) = if tf32 { ("with", "without") } else { ("without", "with") };
            return Some(format!("executor {executor} runs {has} --tf32, and the run {asks}"));
        }
        None
    }
}

impl AnnotateJob {
    /// A job of these models with these options. Relative paths become absolute: executors have another
    /// working folder.
    ///
    /// # Errors
    /// [`Error::Usage`] where the working folder is unknown.
    pub fn new(
        bundle: &Bundle,
        options: &AnnotateOptions,
        keys: Option<&Path>,
        engine: EngineRequest,
    ) -> Result<Self> {
        let mut options = AnnotateOptions { keys: None, ..options.clone() };
        options.rejects = options.rejects.as_deref().map(absolute).transpose()?;
        Ok(Self {
            bundle: BundleReference::of(bundle)?,
            options,
            keys: keys.map(absolute).transpose()?,
            engine,
        })
    }
}

/// A path that means the same in any working folder.
///
/// # Errors
/// [`Error::Usage`] where the working folder is unknown.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    if is_url(path) {
        return Ok(path.to_owned());
    }
    std::path::absolute(path)
        .map_err(|e| Error::Usage(format!("{} has no absolute path: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_another_version_is_refused_naming_both() {
        let other =
            EncodedJob { version: "9.9.9".to_owned(), job: vec![0xc1, 0, 7], bundle_parts: Vec::new() };
        let mut bytes = Vec::new();
        other.write(&mut bytes);
        let read = EncodedJob::read(&bytes);
        assert!(read.is_same(&other) && read.bundle_parts().is_none());
        let reason = read.decode("a:1").unwrap_err();
        assert!(["a:1", VERSION, "9.9.9"].iter().all(|side| reason.contains(side)), "{reason}");
        let unknown = EncodedJob { version: VERSION.to_owned(), ..read };
        assert!(unknown.decode("a:1").unwrap_err().contains("another build"));
        assert!(EncodedJob::read(b"").decode("a:1").is_err());
    }
}
