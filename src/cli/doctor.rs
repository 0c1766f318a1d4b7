//! `lsmi-etl doctor`: what engine there is, where it was looked for, and whether it
//! works.

use std::fmt::Write;

use clap::Args;

use super::engine::EngineArgs;
use super::output;
use crate::engine::locate::{self, Environment, Status};
use crate::error::Result;

/// Show which engine runs the models, and where ONNX Runtime was looked for
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
    let _ = writeln!(text, "\nONNX Runtime was looked for in this order:");
    for place in locate::search(args.engine.library(), &Environment::current()) {
        let status = match place.status {
            Status::Found => "found",
            Status::Missing => "not there",
            Status::Untried => "the loader decides",
        };
        let _ = writeln!(text, "  {:<18} {:<19} {}", place.origin.to_string(), status, place.path.display());
    }
    output::print(&text)?;
    let engine = args.engine.find()?.describe();
    let mut text = format!("\nengine   {engine}\n");
    if let Some(library) = &engine.library {
        let _ = writeln!(text, "library  {}", library.display());
    } else {
        text.push_str("`lsmi-etl runtime install` puts ONNX Runtime in place, which is faster\n");
    }
    output::print(&text)
}
