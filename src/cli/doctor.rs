//! The `doctor` subcommand: lists the searched locations of ONNX Runtime, the CUDA libraries, and
//! the engine that runs the models.

use std::fmt::Write;

use clap::Args;

use crate::config::EngineArgs;
use crate::engine::locate::{self, CandidateStatus, SearchEnvironment};
use crate::engine::{Device, cuda};
use crate::error::Result;

use super::output;

/// Show which engine runs the models and where ONNX Runtime was searched for
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lsmi-etl doctor --device cuda")]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    engine: EngineArgs,
}

pub(super) fn run(args: &DoctorArgs) -> Result<()> {
    // Writing to a string does not fail.
    let mut text = String::new();
    let _ = writeln!(text, "lsmi-etl {}", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "cores    {}", std::thread::available_parallelism().map_or(1, |n| n.get()));
    let _ = writeln!(text, "\nONNX Runtime was searched for in this order:");
    let places = locate::search(args.engine.library(), &SearchEnvironment::current());
    for place in &places {
        let status = match place.status {
            CandidateStatus::Found if place.cuda_provider().is_some() => "found, for GPUs",
            CandidateStatus::Found => "found",
            CandidateStatus::Missing => "not found",
            CandidateStatus::Untried => "the loader decides",
        };
        let _ = writeln!(text, "  {:<18} {:<19} {}", place.origin.to_string(), status, place.path.display());
    }
    if args.engine.device() != Device::Cpu {
        let _ = writeln!(text, "\nWhat CUDA needs:");
        let site_packages = places.iter().find(|place| place.cuda_provider().is_some());
        for library in cuda::load_libraries(site_packages.and_then(|place| place.site_packages())) {
            let _ = writeln!(text, "  {:<18} {}", library.name, library.location);
        }
    }
    output::text(&text)?;
    let engine = args.engine.find()?.describe();
    let mut text = format!("\nengine   {engine}\n");
    if let Some(library) = &engine.library {
        let _ = writeln!(text, "library  {}", library.display());
    } else {
        text.push_str("`lsmi-etl runtime install` installs ONNX Runtime, which is faster\n");
    }
    output::text(&text)
}
