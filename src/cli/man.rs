//! `lsmi-etl man`: manual pages, one for each command.

use std::path::PathBuf;

use clap::{Args, Command};

use crate::error::{Error, Result};

/// Write the manual pages, one for each command
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lsmi-etl man -o ~/.local/share/man/man1 && man lsmi-etl-annotate")]
pub(super) struct ManArgs {
    /// The folder to write them to; it is created where it is not there
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

pub(super) fn run(args: &ManArgs, program: Command) -> Result<()> {
    let failed = |source| Error::CannotCreate { path: args.output.clone(), source };
    std::fs::create_dir_all(&args.output).map_err(failed)?;
    clap_mangen::generate_to(program, &args.output).map_err(failed)
}
