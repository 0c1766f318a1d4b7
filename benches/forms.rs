//! How close `annotate` comes to its floor in the forms in which people store embeddings: the models'
//! own time, what the codec takes for these pages, and the decoding, conversion and check of their values
//! within the cache, over all cores. The floor with the copy adds what the system takes to copy the file. The
//! last columns are the time of what only one thread does at a time, and the number of cores at which the
//! longest of it takes as long as all the rest; and how fast a query with `lsmi_r()` is, of `annotate` from
//! its start to its end.

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use parquet::basic::{Encoding, PageType, Type};
use parquet::column::page::PageReader;
use parquet::file::metadata::{PageEncodingStats, ParquetMetaDataOptions, ParquetMetaDataReader};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{SerializedFileReader, SerializedPageReader};

use super::bed::decoding::{Stored, rate};
use super::bed::models::bundle;
use super::bed::{
    annotate, data, folder, install_runtime, into_cache, json, median, number, program, python, run,
};

const ROWS: usize = 2_400_000;
const DIM: usize = 128;
const ROUNDS: usize = 5;

/// The files of [`forms.py`](peers/forms.py), and what the first one is made of.
const FORMS: [&str; 15] = [
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
    "list-f32-nulls-snappy",
    "polars",
    "duckdb",
];

pub fn ask() {
    install_runtime();
    let bundle = bundle(DIM, 5);
    let plain = data(ROWS, DIM, None);
    let forms = written(&plain);
    println!(
        "  form                          GB    codec, MB/s  floor, rows/s  annotate, rows/s  of floor  with copy  of models  \
         locate, ns a row  journal   copy  cores   sql"
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
        let (mut codec_rates, mut serial, mut sql) = (vec![], vec![], vec![]);
        for _ in 0..ROUNDS {
            into_cache(&path);
            let before = engine();
            let (codec_s, plain_bytes, entries) = decompress(&path, cores);
            let others_s = codec_s + decoding_seconds(&path, entries, cores);
            codec_rates.push(plain_bytes as f64 / codec_s / 1e6);
            let metrics = folder().join("metrics.prom");
            let more = ["--engine", "onnxruntime", "--metrics", metrics.to_str().unwrap()];
            let start = Instant::now();
            let rate = number(&annotate(&path, &bundle, &more), "rows_per_second");
            let annotate_s = start.elapsed().as_secs_f64();
            // A machine's speed drifts: the models are timed on both sides of what is compared with them.
            let alone = 2.0 / (1.0 / before + 1.0 / engine());
            let floor_s = ROWS as f64 / alone + others_s;
            let floor = ROWS as f64 / floor_s;
            let floor_with_copy = ROWS as f64 / (floor_s + copy_seconds(&path) / cores as f64);
            sql.push(annotate_s / sql_seconds(&path, &bundle));
            serial.push(
                ["locate", "journal", "write"]
                    .map(|stage| stage_seconds(&metrics, stage) / ROWS as f64 * 1e9),
            );
            found.push((alone, floor, floor_with_copy, rate));
        }
        let of = |value: &dyn Fn(&(f64, f64, f64, f64)) -> f64| median(found.iter().map(value).collect());
        let [locate, journal, copy] =
            [0, 1, 2].map(|stage| median(serial.iter().map(|of| of[stage]).collect()));
        let row = cores as f64 / of(&|found| found.3) * 1e9;
        println!(
            "  {name:<28}  {:>4.2}  {:>11.0}  {:>13.0}  {:>16.0}  {:>8.2}  {:>9.2}  {:>9.2}  {locate:>17.0}  {journal:>7.0}  \
             {copy:>5.0}  {:>5.0}  {:>4.2}",
            std::fs::metadata(&path).unwrap().len() as f64 / 1e9,
            median(codec_rates),
            of(&|found| found.1),
            of(&|found| found.3),
            of(&|found| found.3 / found.1),
            of(&|found| found.3 / found.2),
            of(&|found| found.3 / found.0),
            row / locate.max(journal).max(copy),
            median(sql),
        );
    }
}

/// Seconds of a query that evaluates the models for each row, and of all around it.
fn sql_seconds(path: &Path, bundle: &Path) -> f64 {
    let query = format!("SELECT avg(lsmi_r(x1, x2, y)) FROM '{}'", path.display());
    let start = Instant::now();
    run(program().args(["sql", "--engine", "onnxruntime", "--bundle"]).arg(bundle).arg(query));
    start.elapsed().as_secs_f64()
}

/// Seconds of a stage, from the metrics of a run.
fn stage_seconds(metrics: &Path, stage: &str) -> f64 {
    let text = std::fs::read_to_string(metrics).unwrap();
    let line = text.lines().find(|line| line.contains(&format!("stage=\"{stage}\""))).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn written(plain: &Path) -> Vec<(&'static str, PathBuf)> {
    let forms = folder().join(format!("forms-{ROWS}x{DIM}"));
    let path = |name: &str| forms.join(format!("{name}.parquet"));
    if !FORMS.iter().all(|name| path(name).exists()) {
        std::fs::create_dir_all(&forms).unwrap();
        let python = python("requirements-forms.txt");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/forms.py");
        run(Command::new(python).arg(script).arg(plain).arg(&forms));
    }
    FORMS.iter().map(|name| (*name, path(name))).collect()
}

/// Seconds that all cores take to read and decompress the pages of the embeddings, the bytes these have, and
/// the values of the longest dictionary. Row groups and columns are divided among the cores.
fn decompress(path: &Path, cores: usize) -> (f64, u64, u32) {
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
    let (bytes, entries) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|core| {
                let parts = &parts;
                scope.spawn(move || {
                    // A handle of its own: copies of one share their position.
                    let file = Arc::new(File::open(path).unwrap());
                    let (mut bytes, mut entries) = (0, 0);
                    for (group, leaf) in parts.iter().skip(core).step_by(cores) {
                        let group = metadata.row_group(*group);
                        let rows = group.num_rows() as usize;
                        let chunk = group.column(*leaf);
                        let mut pages =
                            SerializedPageReader::new(Arc::clone(&file), chunk, rows, None).unwrap();
                        while let Some(page) = pages.get_next_page().unwrap() {
                            bytes += black_box(page.buffer()).len() as u64;
                            if page.page_type() == PageType::DICTIONARY_PAGE {
                                entries = entries.max(page.num_values());
                            }
                        }
                    }
                    (bytes, entries)
                })
            })
            .collect();
        let parts = threads.into_iter().map(|thread| thread.join().unwrap());
        parts.fold((0, 0), |all, part| (all.0 + part.0, all.1.max(part.1)))
    });
    (start.elapsed().as_secs_f64(), bytes, entries)
}

/// Seconds that all cores take to make f32 values of decompressed pages and to check them; `entries` are the
/// values of the longest dictionary.
fn decoding_seconds(path: &Path, entries: u32, cores: usize) -> f64 {
    let options = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
    let reader = ParquetMetaDataReader::new().with_metadata_options(Some(options));
    let metadata = reader.parse_and_finish(&File::open(path).unwrap()).unwrap();
    let (mut of_dictionary, mut pages) = (0, 0);
    let mut others = Stored::Plain(4);
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        if !column.column_path().parts().first().is_some_and(|name| name.starts_with('x')) {
            continue;
        }
        let width = match (column.column_type(), column.column_descr().type_length()) {
            (Type::FIXED_LEN_BYTE_ARRAY, 2) => 2,
            (Type::DOUBLE, _) => 8,
            _ => 4,
        };
        let of_data = |page: &&PageEncodingStats| page.page_type != PageType::DICTIONARY_PAGE;
        for page in column.page_encoding_stats().into_iter().flatten().filter(of_data) {
            pages += page.count;
            match page.encoding {
                Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => of_dictionary += page.count,
                Encoding::BYTE_STREAM_SPLIT => others = Stored::Split(width),
                _ => others = Stored::Plain(width),
            }
        }
    }
    let values = (ROWS * DIM * 2) as f64;
    let indexed = values * f64::from(of_dictionary) / f64::from(pages.max(1));
    indexed / rate(Stored::Indexed(entries as usize), cores) + (values - indexed) / rate(others, cores)
}

/// Seconds that the system takes to copy a file, without waiting for the disk.
fn copy_seconds(path: &Path) -> f64 {
    let copy = folder().join("copy.parquet");
    let start = Instant::now();
    std::fs::copy(path, &copy).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    std::fs::remove_file(copy).unwrap();
    seconds
}
