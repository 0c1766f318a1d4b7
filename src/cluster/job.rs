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

use super::trace_context::TraceContext;

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

/// A job as it travels. Any version of this program can read whose job it is.
#[derive(Clone, PartialEq, Message)]
pub(super) struct EncodedJob {
    /// The version of the client.
    #[prost(string, tag = "1")]
    version: String,
    /// An [`AnnotateJob`].
    #[prost(bytes = "vec", tag = "2")]
    job: Vec<u8>,
    /// Where the parts of the bundle are; nowhere where it does not travel.
    #[prost(message, optional, tag = "3")]
    pub(super) bundle_parts: Option<PartitionLocation>,
    /// The trace of the run.
    #[prost(message, required, tag = "4")]
    pub(super) trace: TraceContext,
}

impl EncodedJob {
    /// Encodes a job of this version, of the present span.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub(super) fn of(job: &AnnotateJob, bundle_parts: Option<PartitionLocation>) -> Result<Self> {
        let job = rmp_serde::to_vec_named(job).map_err(|e| Error::Internal(e.to_string()))?;
        Ok(Self { version: VERSION.to_owned(), job, bundle_parts, trace: TraceContext::current() })
    }

    /// Whether both are the same job, of whichever run, wherever their bundle is.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.version == other.version && self.job == other.job
    }

    /// The job.
    ///
    /// # Errors
    /// Why this executor does not know it, naming both sides.
    pub(super) fn open(&self, executor: &str) -> std::result::Result<AnnotateJob, String> {
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
    /// Checks that executors can read the keys of encrypted files, too.
    ///
    /// # Errors
    /// [`Error::Usage`] where they are a pipe or the like.
    pub fn check_keys(keys: Option<&Path>) -> Result<()> {
        match keys.filter(|keys| keys.exists() && !keys.is_file()) {
            None => Ok(()),
            Some(keys) => Err(Error::Usage(format!(
                "--parquet-keys {} is no regular file, and executors read it themselves; write the keys to a file \
                 that they see under this path",
                keys.display()
            ))),
        }
    }

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
            EncodedJob { version: "9.9.9".to_owned(), job: vec![0xc1, 0, 7], ..EncodedJob::default() };
        let read = EncodedJob::decode(&*other.encode_to_vec()).unwrap();
        assert!(read.is_same(&other) && read == other);
        let reason = read.open("a:1").unwrap_err();
        assert!(["a:1", VERSION, "9.9.9"].iter().all(|side| reason.contains(side)), "{reason}");
        let unknown = EncodedJob { version: VERSION.to_owned(), ..read };
        assert!(unknown.open("a:1").unwrap_err().contains("another build"));
        assert!(EncodedJob::default().open("a:1").is_err());
    }
}
