//! Targets for libFuzzer, and the fixture that they share. `tests/fuzz` runs the same targets on
//! seeded mutations of small files.

pub mod targets;

use std::path::PathBuf;
use std::sync::OnceLock;

use lsmi_etl::Result;
use lsmi_etl::fit::{FitOptions, FitProgress, fit_files};
use lsmi_etl::interaction::truth::{Gaussian, Generator, Prior};
use lsmi_etl::synth::{self, SynthOptions, Truth};

use self::targets::{Fixture, TARGETS};

struct Silent;

impl FitProgress for Silent {
    fn stage(&self, _: &str) {}
    fn epoch(&self, _: &str, _: usize, _: usize, _: f64) {}
}

/// Runs the target of this name.
///
/// # Panics
/// Where it ends as it must not: libFuzzer keeps the bytes.
pub fn check(name: &str, bytes: &[u8]) {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    let fixture = FIXTURE.get_or_init(|| fixture().expect("a bundle and a file"));
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    if let Err(what) = target.check(fixture, bytes) {
        panic!("{what}");
    }
}

/// A bundle and a file of synthetic data, in a folder of this process.
fn fixture() -> Result<Fixture> {
    let folder = std::env::temp_dir().join(format!("lsmi-etl-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("work")).expect("a folder for temporary files");
    let generator = Generator::Gaussian(Gaussian::new(2, Prior::uniform(4)?, 0.5, 0.5)?);
    let write = |name: &str, rows: u64, seed: u64| -> Result<PathBuf> {
        let output = folder.join(name);
        let options = SynthOptions {
            output: output.clone(),
            rows,
            seed,
            row_group_rows: None,
            truth: Truth::None,
            overwrite: true,
            lineage: Vec::new(),
        };
        synth::write(&generator, &options, &|| false)?;
        Ok(output)
    };
    let (train, good) = (write("train.parquet", 2000, 1)?, write("good.parquet", 200, 2)?);
    let bundle = folder.join("bundle");
    fit_files(&[train], &bundle, &FitOptions::default(), &Silent)?;
    Fixture::new(&bundle, &good, &folder.join("work"))
}
