//! The ends of a stream: where its rows come from, and where they go with their new columns.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use crossbeam_channel::{Receiver, Sender};

use crate::annotate::run::Run;
use crate::error::{Error, Place, Result};
use crate::output::{BatchSource, IpcMessages};
use crate::parquet_file::Input;
use crate::storage::{StdinChunks, is_stdio};

/// Record batches of another thread of this process, and the channel that their new columns return through.
#[derive(Debug)]
pub struct BatchExchange {
    /// The schema of the rows.
    pub schema: SchemaRef,
    /// The rows, until the sender is dropped.
    pub rows: Receiver<RecordBatch>,
    /// The new columns: first a batch without rows, for the schema, and then one of each batch, in their order.
    pub annotated: Sender<RecordBatch>,
}

/// Where the rows of a stream come from and go to.
pub(super) enum StreamEnds<'a> {
    /// Paths, of which one or both are `-`.
    Paths { input: &'a Path, output: &'a Path },
    /// Another thread.
    Exchange(BatchExchange),
}

impl StreamEnds<'_> {
    /// The paths as a summary names them.
    pub(super) fn paths(&self) -> [&Path; 2] {
        match self {
            Self::Paths { input, output } => [input, output],
            Self::Exchange(_) => [Path::new("-"); 2],
        }
    }
}

/// The rows of a stream.
pub(super) struct StreamSource {
    rows: StreamRows,
    /// Set when the rows are no longer wanted, which ends the wait for the next of a silent sender.
    pub(super) ended: AtomicBool,
}

enum StreamRows {
    File(Box<Input>),
    Stdin,
    Channel(SchemaRef, Receiver<RecordBatch>),
}

impl StreamSource {
    /// The source of the rows; a file is opened by `open`.
    ///
    /// # Errors
    /// Those of `open`.
    pub(super) fn new(ends: &StreamEnds<'_>, open: impl FnOnce(&Path) -> Result<Input>) -> Result<Self> {
        let rows = match ends {
            StreamEnds::Paths { input, .. } if is_stdio(input) => StreamRows::Stdin,
            StreamEnds::Paths { input, .. } => StreamRows::File(Box::new(open(input)?)),
            StreamEnds::Exchange(exchange) => {
                StreamRows::Channel(exchange.schema.clone(), exchange.rows.clone())
            }
        };
        Ok(Self { rows, ended: AtomicBool::new(false) })
    }

    /// The file, where the rows are one's.
    pub(super) fn file(&self) -> Option<&Input> {
        match &self.rows {
            StreamRows::File(file) => Some(file),
            StreamRows::Stdin | StreamRows::Channel(..) => None,
        }
    }

    /// The error, or its cause in the file: that it was changed, or the damage of a page.
    pub(super) fn or_cause(&self, error: Error) -> Error {
        let Some(file) = self.file() else { return error };
        let error = file.file().or_input_changed(error);
        file.damage_behind(&error).unwrap_or(error)
    }

    /// The rows as a place for errors.
    pub(super) fn place(&self) -> Place {
        match &self.rows {
            StreamRows::File(file) => file.place(),
            StreamRows::Stdin => Place::file("stdin"),
            StreamRows::Channel(..) => Place::in_memory(),
        }
    }

    /// The rows in batches.
    ///
    /// # Errors
    /// As for [`BatchSource::of_stream`].
    pub(super) fn batches<'a>(&'a self, run: &'a Run<'_>) -> Result<BatchSource<'a>> {
        match &self.rows {
            StreamRows::File(file) => Ok(BatchSource::of_file(file, run.batch_rows())),
            StreamRows::Stdin => {
                let limit_bytes = run.options.memory_limit_bytes;
                let chunks = StdinChunks::read(&[run.stop, &self.ended], IpcMessages::default())?;
                BatchSource::of_stream(chunks, self.place(), limit_bytes)
            }
            StreamRows::Channel(schema, rows) => {
                let ends = [run.stop, &self.ended];
                Ok(BatchSource::of_channel(schema.clone(), rows.clone(), self.place(), ends))
            }
        }
    }
}
