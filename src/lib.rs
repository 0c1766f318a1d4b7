//! Redundancy, uniqueness and synergy of multimodal samples (LSMI: Yang, Wang, Hu, *Efficient
//! Quantification of Multimodal Interaction at Sample Level*, ICML 2025) over Parquet and Arrow.
//! The binary `lsmi-etl` is [`cli::main`]; everything that it does can be called from here.
//!
//! # Rooms
//!
//! Each module is a room and imports only rooms above it in this list. `docs/design.md` has the
//! exact imports, the pipeline and the protocol of the journal.
//!
//! 1. [`error`]: the error enum of all rooms. An [`Error`] has a place (file, row group,
//!    column) and an exit code. [`memory`]: byte sizes, and the memory that the process may use.
//!    [`vectors`]: loops in the widest vectors of the processor.
//! 2. [`interaction`]: the mathematics, pure functions on slices. [`interaction::Quantity`] names
//!    the columns, [`interaction::decompose_batch`] computes r, u1, u2 and s.
//! 3. [`storage`]: bytes in and out of files, object stores and pipes. [`storage::Staged`] is an
//!    output that appears under its name only when it is complete, [`storage::Destinations`] compares
//!    the paths of a command before it starts. [`parquet_file::Input`]: one open Parquet file.
//! 4. [`bundle::Bundle`]: five ONNX models and their manifest, fused into one
//!    [`bundle::Program`].
//! 5. [`samples`]: rows as embeddings, a class and a fate. [`samples::Roles`] finds the columns,
//!    [`samples::Source`] reads a file in batches of [`samples::Samples`].
//!    [`output::Writer`]: a copy of a Parquet file with columns added.
//!    [`provenance`]: the `lsmi_etl.*` key-values in the footer of such a copy.
//! 6. [`engine::Engine`]: ONNX Runtime, or the embedded engine, each session a
//!    [`engine::Backend`]. [`evaluate::Evaluator`]: a batch of samples through a session and the
//!    mathematics.
//! 7. [`synth`], [`fit`], [`inspect`], [`split`], [`annotate`], [`sql`], [`report`]: the work of the subcommands.
//!    [`annotate::Run`] annotates files and streams, [`sql::register`] adds the SQL functions to
//!    a DataFusion session.
//! 8. [`config`], [`telemetry`], [`cli`]: settings, logs and metrics, the command line.
//!
//! # Annotating a file
//!
//! The bundle comes from `lsmi-etl fit`, from [`fit::fit_files`] or from `lsmi-etl bundle pack`.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! use lsmi_etl::annotate::{self, AnnotateOptions, Run};
//! use lsmi_etl::bundle::Bundle;
//! use lsmi_etl::engine::{Engine, EngineChoice, EngineOptions};
//! # use lsmi_etl::fit::{FitOptions, fit_files};
//! # use lsmi_etl::interaction::truth::{Gaussian, Generator, Prior};
//! # use lsmi_etl::synth;
//! # struct Silent;
//! # impl lsmi_etl::fit::FitProgress for Silent {
//! #     fn stage(&self, _: &str) {}
//! #     fn epoch(&self, _: &str, _: usize, _: usize, _: f64) {}
//! # }
//! # impl annotate::Progress for Silent {
//! #     fn begin(&self, _: annotate::InputStart) {}
//! #     fn advance(&self, _: &lsmi_etl::samples::FateCounts) {}
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let generator = Generator::Gaussian(Gaussian::new(2, Prior::uniform(2)?, 0.5, 0.5)?);
//! # let dir = tempfile::tempdir()?;
//! # let (input, bundle_dir) = (dir.path().join("in.parquet"), dir.path().join("bundle"));
//! # let synthetic = synth::SynthOptions {
//! #     output: input.clone(),
//! #     rows: 400,
//! #     seed: 0,
//! #     row_group_rows: None,
//! #     truth: synth::Truth::None,
//! #     overwrite: false,
//! #     lineage: Vec::new(),
//! # };
//! # synth::write(&generator, &synthetic, &|| false)?;
//! # fit_files(std::slice::from_ref(&input), &bundle_dir, &FitOptions::default(), &Silent)?;
//! # let output = dir.path().join("out.parquet");
//! let bundle = Bundle::open(&bundle_dir)?;
//! let engine = Engine::find(&EngineOptions { engine: EngineChoice::Embedded, ..Default::default() })?;
//! let (options, stop) = (AnnotateOptions::default(), AtomicBool::new(false));
//! let run = Run::new(&bundle, &engine, &options, &Silent, &stop);
//! let summary = run.file(&input, &output)?;
//! assert_eq!((summary.rows, summary.bad_rows), (400, 0));
//! // Once more: the output is recognised by its footer, and nothing is computed.
//! assert!(run.file(&input, &output)?.skipped);
//! # Ok(())
//! # }
//! ```
//!
//! # Evaluating a record batch
//!
//! [`samples::Roles`] turns rows of a batch into samples, a session evaluates the models, and
//! [`evaluate::Evaluator`] does the arithmetic.
//!
//! ```
//! use std::sync::Arc;
//!
//! use arrow::array::{ArrayRef, FixedSizeListArray, Int64Array, RecordBatch};
//! use arrow::datatypes::Float32Type;
//! use lsmi_etl::bundle::Bundle;
//! use lsmi_etl::engine::{Engine, EngineChoice, EngineOptions};
//! use lsmi_etl::error::{Error, Place};
//! use lsmi_etl::evaluate::{EvaluationConstants, Evaluator, FoldSessions};
//! use lsmi_etl::interaction::Quantity;
//! use lsmi_etl::samples::{ColumnRequest, Fate, OnMissingModality, Roles};
//! # use lsmi_etl::fit::{FitOptions, fit_files};
//! # use lsmi_etl::interaction::truth::{Gaussian, Generator, Prior};
//! # use lsmi_etl::synth;
//! # struct Silent;
//! # impl lsmi_etl::fit::FitProgress for Silent {
//! #     fn stage(&self, _: &str) {}
//! #     fn epoch(&self, _: &str, _: usize, _: usize, _: f64) {}
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let generator = Generator::Gaussian(Gaussian::new(2, Prior::uniform(2)?, 0.5, 0.5)?);
//! # let dir = tempfile::tempdir()?;
//! # let (input, bundle_dir) = (dir.path().join("in.parquet"), dir.path().join("bundle"));
//! # let synthetic = synth::SynthOptions {
//! #     output: input.clone(),
//! #     rows: 400,
//! #     seed: 0,
//! #     row_group_rows: None,
//! #     truth: synth::Truth::None,
//! #     overwrite: false,
//! #     lineage: Vec::new(),
//! # };
//! # synth::write(&generator, &synthetic, &|| false)?;
//! # fit_files(std::slice::from_ref(&input), &bundle_dir, &FitOptions::default(), &Silent)?;
//! let bundle = Bundle::open(&bundle_dir)?;
//! let engine = Engine::find(&EngineOptions { engine: EngineChoice::Embedded, ..Default::default() })?;
//!
//! // Three samples of class 0, the second under a wrong label, the third without one.
//! let embedding = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
//!     [[1.0, 0.0]; 3].map(|row| Some(row.map(Some))),
//!     2,
//! );
//! let embedding: ArrayRef = Arc::new(embedding);
//! let label = Int64Array::from(vec![Some(0), Some(1), None]);
//! let batch = RecordBatch::try_from_iter([
//!     ("image", Arc::clone(&embedding)),
//!     ("text", embedding),
//!     ("label", Arc::new(label) as ArrayRef),
//! ])?;
//!
//! let x = [("image".to_owned(), 2), ("text".to_owned(), 2)];
//! let on_missing = OnMissingModality::Null;
//! let request = ColumnRequest { x: &x, label: Some("label"), classes: bundle.classes(), key: &[], on_missing };
//! let roles = Roles::find(&batch.schema(), &Place::file("a batch"), &request)?;
//! let samples = roles.samples(&batch, 0..batch.num_rows(), Place::file("the batch"), 0)?;
//! let session = engine.sessions(&bundle.program(), 1)?.remove(0);
//! let folds = FoldSessions::new(&engine, &bundle, 1);
//! let constants = EvaluationConstants::new(&bundle, &[Quantity::R], &folds)?;
//! let bad_data = |row: usize, what: String| {
//!     Error::bad_data(Place::file("a batch"), format!("row {row}: {what}"))
//! };
//! let computed = Evaluator::new(session, &constants).compute(&samples, bad_data)?;
//!
//! assert_eq!(computed.fates, [Fate::Good, Fate::Good, Fate::NullLabel]);
//! let r = &computed.columns[0];
//! assert!(r[0] > 0.0 && r[1] < 0.0, "redundant information, and misinformation: {r:?}");
//! # Ok(())
//! # }
//! ```
//!
//! # Registering the SQL functions
//!
//! [`sql::register`] works on any DataFusion session. The models run once per row, however many
//! functions a query calls.
//!
//! ```
//! use datafusion::prelude::{ParquetReadOptions, SessionContext};
//! use lsmi_etl::engine::{EngineChoice, EngineOptions};
//! use lsmi_etl::sql::{ModelOptions, register};
//! # use lsmi_etl::fit::{FitOptions, fit_files};
//! # use lsmi_etl::interaction::truth::{Gaussian, Generator, Prior};
//! # use lsmi_etl::synth;
//! # struct Silent;
//! # impl lsmi_etl::fit::FitProgress for Silent {
//! #     fn stage(&self, _: &str) {}
//! #     fn epoch(&self, _: &str, _: usize, _: usize, _: f64) {}
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let generator = Generator::Gaussian(Gaussian::new(2, Prior::uniform(2)?, 0.5, 0.5)?);
//! # let dir = tempfile::tempdir()?;
//! # let (input, bundle_dir) = (dir.path().join("in.parquet"), dir.path().join("bundle"));
//! # let synthetic = synth::SynthOptions {
//! #     output: input.clone(),
//! #     rows: 400,
//! #     seed: 0,
//! #     row_group_rows: None,
//! #     truth: synth::Truth::None,
//! #     overwrite: false,
//! #     lineage: Vec::new(),
//! # };
//! # synth::write(&generator, &synthetic, &|| false)?;
//! # fit_files(std::slice::from_ref(&input), &bundle_dir, &FitOptions::default(), &Silent)?;
//! let context = SessionContext::new();
//! let engine = EngineOptions { engine: EngineChoice::Embedded, ..Default::default() };
//! let models = ModelOptions { bundle: bundle_dir, engine, ..ModelOptions::default() };
//! let functions = register(&context, models);
//!
//! let file = input.to_str().ok_or("not UTF-8")?;
//! context.register_parquet("samples", file, ParquetReadOptions::default()).await?;
//! let query = "SELECT y, avg(lsmi_r(x1, x2, y)) AS r FROM samples
//!              WHERE lsmi_i12(x1, x2, y) > -1 GROUP BY y ORDER BY y";
//! let batches = context.sql(query).await?.collect().await?;
//! assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
//! assert_eq!(functions.rows_evaluated(), 400);
//! # Ok(())
//! # }
//! ```

pub mod annotate;
pub mod bundle;
pub mod cli;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod config;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod fit;
pub mod inspect;
pub mod interaction;
pub mod memory;
pub mod output;
pub mod parquet_file;
pub mod printable;
pub mod provenance;
pub mod report;
pub mod samples;
pub mod split;
pub mod sql;
pub mod storage;
pub mod synth;
pub mod telemetry;
pub mod threads;
pub mod vectors;

pub use error::{Error, Result};
