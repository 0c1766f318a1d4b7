//! The `synth` subcommand: writes synthetic data with known exact values.

mod args;
mod distribution;

use std::time::Instant;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::printable::counted;
use crate::provenance;
use crate::storage::FileEnding;
use crate::synth::{SynthOptions, write};

use super::output;

pub use args::SynthArgs;

#[derive(Debug, Serialize)]
struct SynthRunSummary {
    rows: u64,
    bytes: u64,
    seconds: f64,
}

/// Runs the command; `should_stop` is polled between batches.
///
/// # Errors
/// [`Error::Usage`] where flags contradict each other; else those of [`write`].
pub fn run(args: &SynthArgs, should_stop: &(dyn Fn() -> bool + Sync)) -> Result<()> {
    let start = Instant::now();
    FileEnding::check_parquet(&args.output, "synthetic data")?;
    let (generator, parameters) = distribution::generator(args)?;
    let lineage = serde_json::to_string(&parameters).map_err(|error| Error::Internal(error.to_string()))?;
    let options = SynthOptions {
        output: args.output.clone(),
        rows: args.rows,
        seed: args.seed,
        row_group_rows: args.row_group_rows,
        truth: args.truth.into(),
        overwrite: args.overwrite,
        lineage: vec![(provenance::SYNTH.into(), lineage)],
    };
    let written = write(&generator, &options, should_stop)?;
    let seconds = start.elapsed().as_secs_f64();
    tracing::info!(
        "wrote {}: {} in {}, {} bytes, {seconds:.1} s",
        args.output.display(),
        counted(written.rows, "row"),
        counted(written.row_groups, "row group"),
        written.bytes
    );
    if args.json {
        output::json(&SynthRunSummary { rows: written.rows, bytes: written.bytes, seconds })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::args::{TestCli, parse};
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        TestCli::command().debug_assert();
    }

    #[test]
    fn a_run_writes_the_file_and_how_it_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.parquet");
        let line = format!("wide -o {} --rows 100 --d1 4 --d2 5 --classes 3", output.display());
        run(&parse(&line), &|| false).unwrap();

        let reader = parquet::file::serialized_reader::SerializedFileReader::new(
            std::fs::File::open(&output).unwrap(),
        );
        let metadata = parquet::file::reader::FileReader::metadata(&reader.unwrap()).file_metadata().clone();
        assert_eq!(metadata.num_rows(), 100);
        let lineage =
            metadata.key_value_metadata().unwrap().iter().find(|kv| kv.key == provenance::SYNTH).unwrap();
        let lineage: serde_json::Value = serde_json::from_str(lineage.value.as_deref().unwrap()).unwrap();
        assert_eq!(lineage["generator"], "wide");
        assert_eq!(lineage["dims"], serde_json::json!([4, 5]));

        assert!(matches!(run(&parse(&line), &|| false), Err(Error::OutputExists(_))));
    }
}
