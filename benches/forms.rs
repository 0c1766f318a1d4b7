//! How close `annotate` comes to its floor in the forms in which people store embeddings: the models'
//! own time, what the codec takes for these pages, and one pass over the bytes that it makes and the
//! f32 values of the batches, over all cores. The last columns are the time of what only one thread does
//! at a time, and the number of cores at which the longest of it takes as long as all the rest.

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use parquet::column::page::PageReader;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{SerializedFileReader, SerializedPageReader};

use super::bed::models::bundle;
use super::bed::{
    annotate, data, folder, install_runtime, into_cache, json, median, number, program, python, run,
};

const ROWS: usize = 600_000;
const DIM: usize = 128;
const ROUNDS: usize = 3;

/// The files of [`forms.py`](peers/forms.py), and what the first one is made of.
const FORMS: [&str; 14] = [
    "list-f32-snappy",
    "list-f32-zstd",
    "list-f32-gzip",
    "list-f32-lz4",
    "list-f32-brotli",
    "list-f16-zstd",
    "list-f32-split-zstd",
    "list-f64-split-zstd",
    "list-f32-dictionary-snappy",
    "list-f64-snappy",
    "binary-f32-snappy",
    "list-f32-snappy-delta-labels",
    "polars",
    "duckdb",
];

pub fn ask() {
    install_runtime();
    let bundle = bundle(DIM, 5);
    let plain = data(ROWS, DIM, None);
    let forms = written(&plain);
    println!(
        "  form                          GB    codec, MB/s  floor, rows/s  annotate, rows/s  of floor  of models"
    );
    let cores = std::thread::available_parallelism().unwrap().get();
    for (name, path) in std::iter::once(("fixed-size-list-f32-plain", plain)).chain(forms) {
        let engine = || {
            let mut bench = program();
            bench
                .args(["bundle", "bench", "--json", "--seconds", "1", "--engine", "onnxruntime"])
                .arg(&bundle);
            bench.args(["--workers", &cores.to_string(), "--batch-rows", "1024"]);
            number(&json(&mut bench)["engines"][0]["best"], "rows_per_second")
        };
        let mut found = vec![];
        let (mut codec_rates, mut serial) = (vec![], vec![]);
        for _ in 0..ROUNDS {
            into_cache(&path);
            let alone = engine();
            let (codec_s, plain_bytes) = decompress(&path, cores);
            let copied = plain_bytes.max((ROWS * DIM * 2 * 4) as u64) as f64;
            let floor = ROWS as f64 / (ROWS as f64 / alone + codec_s + copied / copy_rate(cores));
            codec_rates.push(plain_bytes as f64 / codec_s / 1e6);
            let metrics = folder().join("metrics.prom");
            let more = ["--engine", "onnxruntime", "--metrics", metrics.to_str().unwrap()];
            let rate = number(&annotate(&path, &bundle, &more), "rows_per_second");
            serial.push(
                ["locate", "journal", "write"]
                    .map(|stage| stage_seconds(&metrics, stage) / ROWS as f64 * 1e9),
            );
            found.push((alone, floor, rate));
        }
        let of = |value: &dyn Fn(&(f64, f64, f64)) -> f64| median(found.iter().map(value).collect());
        let [locate, journal, copy] =
            [0, 1, 2].map(|stage| median(serial.iter().map(|of| of[stage]).collect()));
        let row = cores as f64 / of(&|found| found.2) * 1e9;
        println!(
            "  {name:<28}  {:>4.2}  {:>11.0}  {:>13.0}  {:>16.0}  {:>8.2}  {:>9.2}  {locate:>17.0}  {journal:>7.0}  \
             {copy:>5.0}  {:>5.0}",
            std::fs::metadata(&path).unwrap().len() as f64 / 1e9,
            median(codec_rates),
            of(&|found| found.1),
            of(&|found| found.2),
            of(&|found| found.2 / found.1),
            of(&|found| found.2 / found.0),
            row / locate.max(journal).max(copy),
        );
    }
}

/// Seconds of a stage, from the metrics of a run.
fn stage_seconds(metrics: &Path, stage: &str) -> f64 {
    let text = std::fs::read_to_string(metrics).unwrap();
    let line = text.lines().find(|line| line.contains(&format!("stage=\"{stage}\""))).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn written(plain: &Path) -> Vec<(&'static str, PathBuf)> {
    let forms = folder().join(format!("forms-{ROWS}x{DIM}"));
    if !forms.join("duckdb.parquet").exists() {
        std::fs::create_dir_all(&forms).unwrap();
        let python = python("requirements-forms.txt");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/forms.py");
        run(Command::new(python).arg(script).arg(plain).arg(&forms));
    }
    FORMS.iter().map(|name| (*name, forms.join(format!("{name}.parquet")))).collect()
}

/// Seconds that all cores take to read and decompress the pages of the embeddings, and the bytes these
/// have. Row groups and columns are divided among the cores.
fn decompress(path: &Path, cores: usize) -> (f64, u64) {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let metadata = reader.metadata();
    let mut parts: Vec<(usize, usize)> = vec![];
    for group in 0..metadata.num_row_groups() {
        for leaf in 0..metadata.row_group(group).num_columns() {
            if metadata.file_metadata().schema_descr().get_column_root(leaf).name().starts_with('x') {
                parts.push((group, leaf));
            }
        }
    }
    let start = Instant::now();
    let bytes = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|core| {
                let parts = &parts;
                scope.spawn(move || {
                    // A handle of its own: copies of one share their position.
                    let file = Arc::new(File::open(path).unwrap());
                    let mut bytes = 0;
                    for (group, leaf) in parts.iter().skip(core).step_by(cores) {
                        let group = metadata.row_group(*group);
                        let rows = group.num_rows() as usize;
                        let chunk = group.column(*leaf);
                        let mut pages =
                            SerializedPageReader::new(Arc::clone(&file), chunk, rows, None).unwrap();
                        while let Some(page) = pages.get_next_page().unwrap() {
                            bytes += black_box(page.buffer()).len() as u64;
                        }
                    }
                    bytes
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    (start.elapsed().as_secs_f64(), bytes)
}

/// Bytes a second that all cores copy, each within its cache.
fn copy_rate(cores: usize) -> f64 {
    const BLOCK: usize = 1 << 18;
    const TIMES: usize = 4_000;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let (from, mut to) = (vec![1_u8; BLOCK], vec![0_u8; BLOCK]);
                for _ in 0..TIMES {
                    black_box(&mut to).copy_from_slice(black_box(&from));
                }
            });
        }
    });
    (BLOCK * TIMES * cores) as f64 / start.elapsed().as_secs_f64()
}
