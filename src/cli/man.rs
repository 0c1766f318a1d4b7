//! The `man` subcommand: writes one manual page per command.

use std::path::PathBuf;

use clap::{Args, Command};

use crate::error::{Error, Result};
use crate::storage::Destinations;

/// Write manual pages, one per command
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lsmi-etl man -o ~/.local/share/man/man1 && man lsmi-etl-annotate")]
pub(super) struct ManArgs {
    /// Folder to write them to; it is created if missing
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

pub(super) fn run(args: &ManArgs, program: Command) -> Result<()> {
    let failed = |source| Error::CannotCreate { path: args.output.clone(), source };
    std::fs::create_dir_all(&args.output).map_err(failed)?;
    let mut pages = Destinations::default();
    for entry in std::fs::read_dir(&args.output).map_err(failed)?.flatten() {
        pages.writes("a page", &entry.path());
    }
    pages.check()?;
    clap_mangen::generate_to(program, &args.output).map_err(failed)
}
