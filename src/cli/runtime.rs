//! The `runtime` subcommand: installs ONNX Runtime into the user's data folder.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::engine::cuda;
use crate::engine::install::{InstallOptions, install};
use crate::engine::locate::SearchEnvironment;
use crate::error::{Error, Place, Result};
use crate::printable::shown;

/// Install ONNX Runtime, which is faster than the embedded engine
#[derive(Debug, clap::Args)]
pub struct RuntimeArgs {
    #[command(subcommand)]
    command: RuntimeCommand,
}

#[derive(Debug, clap::Subcommand)]
enum RuntimeCommand {
    /// Install ONNX Runtime into your data folder with uv or pip
    #[command(after_long_help = "\
Examples:
  lsmi-etl runtime install
  lsmi-etl runtime install --cuda
  lsmi-etl runtime install --dir /opt/lsmi-etl/runtime   (then set LSMI_ETL_RUNTIME_DIR to it)

Nothing else on the system changes: the wheel is unpacked atomically into a folder of its own.
`lsmi-etl doctor` lists the searched locations and what was found.")]
    Install(InstallArgs),
}

#[derive(Debug, clap::Args)]
struct InstallArgs {
    /// Install the GPU build with its CUDA 13 and cuDNN libraries (about 2 GB)
    #[arg(long)]
    cuda: bool,

    /// Reinstall if it is installed already
    #[arg(long)]
    force: bool,

    /// Folder to install to [default: LSMI_ETL_RUNTIME_DIR, else lsmi-etl/runtime in your data folder]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Version to install instead of the newest compatible one
    #[arg(long, value_name = "X.Y.Z")]
    version: Option<String>,
}

/// Runs `lsmi-etl runtime` and prints the path of the library.
///
/// # Errors
/// See [`install`].
pub fn run(args: &RuntimeArgs) -> Result<()> {
    let RuntimeCommand::Install(args) = &args.command;
    let options = InstallOptions {
        cuda: args.cuda,
        force: args.force,
        dir: args.dir.clone(),
        version: args.version.clone(),
    };
    let installed = install(&options, &SearchEnvironment::current())?;
    match installed.already {
        true => tracing::info!("ONNX Runtime is installed already; --force reinstalls it"),
        false => tracing::info!("installed ONNX Runtime"),
    }
    if args.cuda {
        // <folder>/onnxruntime/capi/<library>: the nvidia wheels are in the folder.
        for library in cuda::load_libraries(installed.library.ancestors().nth(3)) {
            match library.is_missing() {
                true => tracing::warn!("{}: {}; --device cuda needs it", library.name, library.location),
                false => tracing::info!("{}: {}", library.name, library.location),
            }
        }
    }
    writeln!(io::stdout(), "{}", shown(&installed.library))
        .map_err(|e| Error::io(Place::file("standard output"), "write", e))
}
