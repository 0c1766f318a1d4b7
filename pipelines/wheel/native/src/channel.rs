//! A channel to threads that annotate: record batches go in, their new columns come out, in order.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow_pyarrow::{FromPyArrow, ToPyArrow};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use lsmi_etl::annotate::BatchExchange;
use lsmi_etl::cli::BatchAnnotator;
use lsmi_etl::error::Place;
use lsmi_etl::{Error, Result};
use pyo3::prelude::*;

use crate::failure::{exception, not_carried};

/// The interval at which a wait looks for Ctrl-C.
const LOOK: Duration = Duration::from_millis(100);
/// The stack of the thread of an exchange: that of a program's main thread.
const STACK_BYTES: usize = 8 << 20;

/// A running exchange of batches of one schema.
#[pyclass(frozen, module = "lsmi_etl._native")]
pub(crate) struct Channel {
    /// The process that runs it. A forked copy has no threads, and touches nothing of this.
    owner: u32,
    /// The new columns' schema.
    schema: SchemaRef,
    exchange: Mutex<Option<Exchange>>,
}

struct Exchange {
    /// `None` behind the last batch.
    rows: Option<Sender<RecordBatch>>,
    annotated: Receiver<RecordBatch>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Channel {
    /// Starts the exchange, and waits for the schema of the new columns.
    pub(crate) fn start(py: Python<'_>, annotator: Arc<BatchAnnotator>, schema: SchemaRef) -> PyResult<Self> {
        let (rows, to_annotate) = unbounded();
        let (annotated, from_annotator) = unbounded();
        let stop = Arc::new(AtomicBool::new(false));
        let ends = BatchExchange { schema, rows: to_annotate, annotated };
        let run = {
            let stop = Arc::clone(&stop);
            move || annotator.exchange(ends, &stop)
        };
        let thread = Builder::new().name("lsmi-etl".to_owned()).stack_size(STACK_BYTES).spawn(run);
        let thread = thread.map_err(|source| exception(py, &Error::NoThread(source)))?;
        let exchange = Exchange { rows: Some(rows), annotated: from_annotator, stop, thread };
        let (first, exchange) = exchange.receive(py)?;
        let exchange = Mutex::new(Some(exchange));
        Ok(Self { owner: process::id(), schema: first.schema(), exchange })
    }

    /// Takes the exchange for a piece of work, which gives it back unless it has ended.
    fn take(&self, py: Python<'_>) -> PyResult<Exchange> {
        let ended = || exception(py, &Error::Internal("the channel has ended".to_owned()));
        if self.owner != process::id() {
            return Err(ended());
        }
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(ended)
    }

    fn give_back(&self, exchange: Exchange) {
        *self.exchange.lock().unwrap_or_else(PoisonError::into_inner) = Some(exchange);
    }
}

#[pymethods]
impl Channel {
    /// The schema of the new columns, with the metadata of an output.
    #[getter]
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.schema.as_ref().to_pyarrow(py)
    }

    /// Whether new columns have arrived.
    #[getter]
    fn is_answering(&self, py: Python<'_>) -> PyResult<bool> {
        let exchange = self.take(py)?;
        let is_answering = !exchange.annotated.is_empty();
        self.give_back(exchange);
        Ok(is_answering)
    }

    /// Whether it runs, in this process.
    #[getter]
    fn is_alive(&self) -> bool {
        let is_running = |exchange: &Exchange| !exchange.thread.is_finished();
        self.owner == process::id()
            && self.exchange.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(is_running)
    }

    /// Sends a batch of the input's schema. It is not copied, and must not change until its columns are received.
    fn send(&self, py: Python<'_>, batch: &Bound<'_, PyAny>) -> PyResult<()> {
        let batch = RecordBatch::from_pyarrow_bound(batch).map_err(|failed| not_carried(py, &failed))?;
        py.detach(|| check(&batch)).map_err(|error| exception(py, &error))?;
        let exchange = self.take(py)?;
        let sent = exchange.rows.as_ref().is_some_and(|rows| rows.send(batch).is_ok());
        if !sent {
            return Err(exchange.failure(py));
        }
        self.give_back(exchange);
        Ok(())
    }

    /// The new columns of the batch that was sent first and not received yet.
    fn receive<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let (batch, exchange) = self.take(py)?.receive(py)?;
        self.give_back(exchange);
        batch.columns().iter().map(|column| column.to_data().to_pyarrow(py)).collect()
    }

    /// Ends the exchange behind the last batch, and raises what is found wrong with all rows together.
    fn end(&self, py: Python<'_>) -> PyResult<()> {
        let mut exchange = self.take(py)?;
        exchange.rows = None;
        while !exchange.thread.is_finished() {
            // Disconnected when the thread has ended: it owns the sender.
            if py.detach(|| exchange.annotated.recv_timeout(LOOK)) == Err(RecvTimeoutError::Disconnected) {
                break;
            }
            py.check_signals().inspect_err(|_| exchange.stop.store(true, Ordering::Relaxed))?;
        }
        py.detach(|| exchange.result()).map_err(|error| exception(py, &error))
    }

    /// Ends the exchange at once, whatever it is doing, and waits for its threads.
    fn abort(&self, py: Python<'_>) {
        if let Ok(exchange) = self.take(py) {
            py.detach(|| exchange.abort());
        }
    }
}

/// Checks the values that others point to: offsets of lists, indices of dictionaries, UTF-8. Arrays that come through
/// the C data interface are not checked, and pyarrow makes invalid ones with `safe=False`.
fn check(batch: &RecordBatch) -> Result<()> {
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        column.to_data().validate_values().map_err(|invalid| {
            let place = Place::in_memory().column(field.name());
            Error::bad_data(place, format!("is no valid array of Arrow: {invalid}; make it anew"))
        })?;
    }
    Ok(())
}

impl Drop for Channel {
    fn drop(&mut self) {
        let exchange = self.exchange.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if self.owner == process::id() {
            // Its threads may wait for the GIL, to release buffers that Python owns.
            let abort = || exchange.into_iter().for_each(Exchange::abort);
            let _ = Python::try_attach(|py| py.detach(abort));
        } else {
            // Its locks may be held by threads that this process does not have.
            std::mem::forget(exchange);
        }
    }
}

impl Exchange {
    /// The next annotated batch. Ctrl-C and a failure end the exchange.
    fn receive(self, py: Python<'_>) -> PyResult<(RecordBatch, Self)> {
        loop {
            match py.detach(|| self.annotated.recv_timeout(LOOK)) {
                Ok(batch) => return Ok((batch, self)),
                Err(RecvTimeoutError::Disconnected) => return Err(self.failure(py)),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Err(interrupt) = py.check_signals() {
                py.detach(|| self.abort());
                return Err(interrupt);
            }
        }
    }

    /// Why it takes or gives no more batches.
    fn failure(self, py: Python<'_>) -> PyErr {
        let what = || Error::Internal("the exchange of record batches ended early".to_owned());
        let error = py.detach(|| self.result()).err().unwrap_or_else(what);
        exception(py, &error)
    }

    fn abort(self) {
        self.stop.store(true, Ordering::Relaxed);
        // What went wrong is of no interest any more.
        let _ = self.result();
    }

    fn result(self) -> Result<()> {
        drop((self.rows, self.annotated));
        let panicked = |_| Err(Error::Internal("the thread of an exchange panicked".to_owned()));
        self.thread.join().unwrap_or_else(panicked)
    }
}
