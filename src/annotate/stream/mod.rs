//! Streams: rows that are read from or written to Arrow IPC, or exchanged with another thread. Batches
//! are split into tasks, joined again, and written with their new columns as soon as these are computed.
//! There is no journal: a stream can't be read twice.

mod ends;
mod join;
mod split;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use arrow::array::RecordBatch;
use crossbeam_channel::{Sender, unbounded};
use tracing::field::Empty;

use crate::error::{Error, Place, Result};
use crate::output::{NewColumns, RowWriter, SourceColumns};
use crate::parquet_file::Input;
use crate::printable::{shown, without_secrets};
use crate::provenance::{Identity, InputOrigin, Provenance};
use crate::samples::{ReadAhead, Roles};
use crate::storage::{Staged, is_stdio, stdout};

use self::ends::{StreamEnds, StreamSource};
use self::join::{BatchJoiner, JoinedStream};
use self::split::{BatchSplitter, TaskRows};
use super::bad_rows::BadRowPolicy;
use super::options::Adjust;
use super::rejects::Rejects;
use super::requested_columns::{ColumnSummaries, RequestedColumns};
use super::row_origin::{Groups, RowOrigin};
use super::run::Run;
use super::summary::{Outcome, ResumedWork, Summary};
use super::workers::{self, Control, Prefetch, Schedule};

pub use self::ends::BatchExchange;

/// The row groups of a file that is made of a stream, as they are encoded: a quarter of
/// the memory within these bounds, since the writer holds one.
const ROW_GROUP_BYTES: [u64; 2] = [4 << 20, 128 << 20];

impl Run<'_> {
    /// Annotates rows of which the input, the output or both are `-`: an Arrow IPC
    /// stream on stdin or stdout. Batches keep their order and their lengths.
    ///
    /// # Errors
    /// Of reading, evaluating and writing: a file is then not under its name, and a stream
    /// ends without its end-of-stream marker. [`Error::Io`] of the kind
    /// [`BrokenPipe`](std::io::ErrorKind::BrokenPipe) where the reader of stdout has closed
    /// it. [`Error::Usage`] where the options need an input that can be read twice;
    /// [`Error::OutputExists`].
    pub fn stream(&self, input: &Path, output: &Path) -> Result<Summary> {
        let (from, to) = (shown(input), shown(output));
        let span = tracing::info_span!("stream", input = %from, output = %to, rows = Empty);
        let summary = span.in_scope(|| annotate(self, StreamEnds::Paths { input, output }))?;
        span.record("rows", summary.rows);
        self.progress.end(&summary);
        Ok(summary)
    }

    /// Annotates the record batches of another thread of this process. They keep their order and their
    /// lengths, and are not copied; the new columns alone are given back.
    ///
    /// # Errors
    /// As for [`Run::stream`]; [`Error::Io`] of the kind [`BrokenPipe`](std::io::ErrorKind::BrokenPipe)
    /// where nobody receives the new columns.
    pub fn exchange(&self, batches: BatchExchange) -> Result<Summary> {
        let summary = annotate(self, StreamEnds::Exchange(batches))?;
        self.progress.end(&summary);
        Ok(summary)
    }
}

fn annotate(run: &Run<'_>, ends: StreamEnds<'_>) -> Result<Summary> {
    check_options(run)?;
    let [input, output] = ends.paths().map(Path::to_owned);
    let job = StreamJob::new(run, &input, &output)?;
    // Before anything is read: the outputs may exist, or be impossible.
    let outputs = StreamOutputs::reserve(&job, &ends)?;
    let source = job.source(&ends)?;
    // The exchange's own ends would keep its channels open behind a failure.
    drop(ends);
    let joined = outputs.compute_and_write(&job, &source).map_err(|error| source.or_cause(error))?;
    publish(joined, &job, &source)
}

fn check_options(run: &Run<'_>) -> Result<()> {
    let refused = match run.options {
        options if options.adjust == Adjust::Dataset => {
            "--adjust dataset needs the means of all rows before the first is written, and a stream is read once; \
             annotate files, or omit the flag"
        }
        options if options.restart => {
            "--restart discards the journal of an unfinished run, and a stream has none; omit the flag"
        }
        _ => return Ok(()),
    };
    Err(Error::Usage(refused.to_owned()))
}

/// The paths of a stream and the columns to compute.
struct StreamJob<'a> {
    run: &'a Run<'a>,
    input: &'a Path,
    output: &'a Path,
    columns: RequestedColumns,
    start: Instant,
}

impl<'a> StreamJob<'a> {
    fn new(run: &'a Run<'a>, input: &'a Path, output: &'a Path) -> Result<Self> {
        let start = Instant::now();
        Ok(Self { run, input, output, columns: run.requested_columns()?, start })
    }

    fn source(&self, ends: &StreamEnds<'_>) -> Result<StreamSource> {
        let ignores_checksums = self.run.options.no_page_checksums;
        StreamSource::new(ends, |input| {
            let file = Input::open(input)?.ignoring_checksums(ignores_checksums);
            let (file, replaced) = self.columns.without_replaced(&file)?;
            replaced.log();
            Ok(file)
        })
    }

    fn provenance(&self, source: &StreamSource) -> Result<Provenance> {
        let (bundle, columns) = (self.run.bundle, &self.columns);
        let engine = self.run.engine.describe().to_string();
        match source.file() {
            Some(file) => {
                let identity = Identity::new(file, bundle, columns.identity(), engine)?;
                Ok(identity.provenance(bundle, Adjust::None.name()))
            }
            None => Ok(Provenance::of_stream(
                bundle,
                InputOrigin::of_stream(&columns.x(), &columns.label),
                engine,
                columns.prefix(),
            )),
        }
    }
}

/// The outputs of a stream: a file under its temporary name, stdout or a channel, and the rejects.
struct StreamOutputs {
    main: MainOutput,
    rejects: Option<Rejects>,
}

enum MainOutput {
    File(Staged),
    Stdout(Box<dyn std::io::Write + Send>),
    Channel(Sender<RecordBatch>),
}

impl StreamOutputs {
    fn reserve(job: &StreamJob<'_>, ends: &StreamEnds<'_>) -> Result<Self> {
        let (options, file) = (job.run.options, without_secrets(job.input));
        let main = match ends {
            StreamEnds::Exchange(exchange) => MainOutput::Channel(exchange.annotated.clone()),
            StreamEnds::Paths { output, .. } if is_stdio(output) => MainOutput::Stdout(Box::new(stdout()?)),
            StreamEnds::Paths { output, .. } => MainOutput::File(Staged::create(output, options.overwrite)?),
        };
        let rejects = options.rejects.as_deref();
        let rejects = rejects.map(|path| Rejects::create(path, options, false, file, None));
        Ok(Self { main, rejects: rejects.transpose()? })
    }

    /// Computes the rows and writes them, batch by batch.
    ///
    /// # Errors
    /// The first one of any stage.
    fn compute_and_write<'a>(
        self,
        job: &'a StreamJob<'a>,
        source: &'a StreamSource,
    ) -> Result<JoinedStream<'a>> {
        let (run, columns) = (job.run, &job.columns);
        let rows = columns.rows_without_replaced(source.batches(run)?)?;
        let request = columns.request(run.bundle, run.options);
        let roles = match rows.is_file() {
            true => Roles::find(rows.schema(), rows.place(), &request),
            false => Roles::find_in_stream(rows.schema(), rows.place(), &request),
        };
        let roles = roles.map_err(|error| columns.missing(error, rows.schema(), run.bundle))?;
        let provenance = job.provenance(source)?;
        // The moments of the columns are not known yet: of a file they are written last, of a stream never.
        let is_file = matches!(self.main, MainOutput::File(_));
        let named = (!is_file).then(|| columns.moments(&BTreeMap::new()));
        let provenance = Provenance { columns: named, ..provenance }.key_values()?;
        let fields = columns.fields();
        let sessions = run.sessions()?;
        let added = NewColumns { fields: &fields, key_values: &provenance };
        let writer = match self.main {
            MainOutput::File(staged) => {
                let [least, most] = ROW_GROUP_BYTES;
                let row_group_bytes = (run.limit_bytes() / 4).clamp(least, most) as usize;
                RowWriter::file(
                    &rows,
                    added,
                    staged,
                    &roles.embeddings().collect::<Vec<_>>(),
                    row_group_bytes,
                    None,
                )?
            }
            MainOutput::Stdout(out) => {
                let source_columns = match run.options.new_columns_only {
                    true => SourceColumns::Omitted,
                    false => SourceColumns::Kept,
                };
                RowWriter::stream(&rows, added, source_columns, out, Place::file("stdout"))?
            }
            MainOutput::Channel(annotated) => RowWriter::channel(&rows, added, annotated)?,
        };

        run.begin(without_secrets(job.input), source.file().map(Input::rows), 0);
        let origin = RowOrigin { place: rows.place().clone(), groups: groups_of(source) };
        let evaluated = columns.evaluated();
        let policy = BadRowPolicy::new(run.options, &roles, origin.clone(), &evaluated);
        let (to_splitter, written) = unbounded();
        let limit_bytes = (run.limit_bytes() / 2) as usize;
        let splitter =
            BatchSplitter::new(rows, &roles, TaskRows::of(run), limit_bytes, written, run.progress);
        // The receiver of the schema may fork the process, in which glibc must not be starting a thread: the child
        // would free a thread's memory twice. All threads have started when the first task is asked for.
        let mut schema = writer.schema_message();
        let tell_schema = move || {
            if let Some((schema, annotated)) = schema.take() {
                // A receiver that has gone is met by the first batch.
                let _ = annotated.send(schema);
            }
            None
        };
        let tasks = std::iter::from_fn(tell_schema).chain(splitter);
        let mut joiner = BatchJoiner::new(
            policy,
            writer,
            self.rejects,
            (&columns.computed, columns.classes()),
            to_splitter,
            run.progress,
        );
        let constants = run.constants(&evaluated)?;
        let control =
            Control { stop: run.stop, ended: &source.ended, progress: run.progress, origin: &origin };
        let sink = |done| joiner.take(done);
        let schedule =
            Schedule { prefetch: Prefetch::Thread, read_ahead: &ReadAhead::none(), queue: run.queue() };
        workers::run(tasks, schedule, sessions, &constants, control, sink)?;
        joiner.finish()
    }
}

/// How rows are named in errors.
fn groups_of(source: &StreamSource) -> Groups {
    if source.file().is_some() { Groups::OfFile } else { Groups::OfStream }
}

/// Writes the end of the stream or the footer of the file, and renames it.
fn publish(joined: JoinedStream<'_>, job: &StreamJob<'_>, source: &StreamSource) -> Result<Summary> {
    let JoinedStream { policy, mut writer, rejects, batches } = joined;
    source.file().map_or(Ok(()), Input::verify_unchanged)?;
    let ColumnSummaries { columns, information } = job.columns.summaries(policy.row_stats(), 0.0);
    let fates = policy.row_stats().fates().clone();
    let trained_rows = job.run.trained_rows(policy.row_stats());
    let distribution_shift = job.run.checked_shift((&columns, &information), &source.place())?;
    let provenance = Provenance {
        columns: Some(job.columns.moments(&columns)),
        rows: Some(fates.clone()),
        trained_rows,
        reduced_rows: policy.row_stats().reduced_rows(),
        prefix: job.columns.prefix().clone(),
        ..Provenance::default()
    };
    for pair in provenance.key_values()? {
        writer.set_key_value(&pair.key, pair.value.unwrap_or_default());
    }
    rejects.map_or(Ok(()), Rejects::finish)?;
    let output_bytes = writer.finish()?;
    let row_groups = source.file().map(|file| file.metadata().num_row_groups());
    let outcome = Outcome {
        rows: fates.rows(),
        fates,
        trained_rows,
        reduced_rows: policy.row_stats().reduced_rows(),
        distribution_shift,
        information,
        unknown_labels: policy.row_stats().unknown_labels().to_vec(),
        columns,
        resumed: ResumedWork::default(),
        computed_row_groups: row_groups.unwrap_or(batches),
        output_bytes,
        elapsed: job.start.elapsed(),
        ..Outcome::default()
    };
    Ok(Summary::of(&job.run.models_used(), job.input, job.output, outcome))
}
