//! Sessions with staging buffers and I/O binding. For a GPU the buffers are pinned memory,
//! which transfers at the bus's full speed. Copy and run are separate steps, so that the
//! copy of one worker overlaps with the computation of another. On the CPU the same steps
//! cost one extra copy; tests use them there.

use std::time::{Duration, Instant};

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::Tensor;

use crate::bundle::{Graph, Program, ProgramInput};
use crate::engine::backend::{self, Backend, BatchInputs, BatchOutputs};
use crate::engine::fault;
use crate::error::{Error, Result};

use super::outputs::take_outputs;

/// The sessions of one worker, one per graph of the program, on one device.
pub(super) struct PinnedSessions {
    program: Program,
    device: String,
    is_on_gpu: bool,
    sessions: Vec<BoundSession>,
    times: StageTimes,
}

/// A session with its I/O binding and staging buffers. The field order is the drop order:
/// the session owns the memory behind the other fields.
struct BoundSession {
    inputs: Vec<StagingBuffer>,
    binding: IoBinding,
    allocator: Allocator,
    graph: Graph,
    /// Rows that the buffers hold; `None` before the first allocation.
    rows: Option<usize>,
    session: Session,
}

enum StagingBuffer {
    /// Of the modality of this index.
    Embedding(usize, Tensor<f32>),
    Class(Tensor<i64>),
}

/// Time of a worker by step.
#[derive(Default)]
struct StageTimes {
    batches: u64,
    rows: u64,
    /// Copy into the staging buffers.
    staging: Duration,
    /// Transfer to the device.
    copying: Duration,
    /// Execution of the models and transfer of the results.
    computing: Duration,
}

impl PinnedSessions {
    /// `gpu` is the device of the sessions, `None` for the CPU.
    pub(super) fn new(
        program: Program,
        sessions: Vec<(Session, Graph)>,
        gpu: Option<u32>,
    ) -> ort::Result<Self> {
        let device = gpu.map_or("cpu".to_owned(), |gpu| format!("cuda:{gpu}"));
        let sessions = sessions.into_iter().map(|(session, graph)| BoundSession::new(session, graph, gpu));
        let sessions = sessions.collect::<ort::Result<_>>()?;
        Ok(Self { program, device, is_on_gpu: gpu.is_some(), sessions, times: StageTimes::default() })
    }
}

impl Backend for PinnedSessions {
    fn evaluate(&mut self, batch: &BatchInputs<'_>, out: &mut BatchOutputs) -> Result<()> {
        backend::check(&self.program, batch)?;
        for session in &mut self.sessions {
            session.run(&self.program.dims, batch, out, &mut self.times).map_err(|e| {
                let what = format!("ONNX Runtime on {}: evaluating {} rows: {e}", self.device, batch.rows);
                match self.is_on_gpu {
                    // The cause may be the device's.
                    true => Error::Engine(what),
                    false => fault::of_graph(self.program.origin.as_ref(), &session.graph.roles, &what),
                }
            })?;
        }
        self.times.batches += 1;
        self.times.rows += batch.rows as u64;
        Ok(())
    }
}

impl Drop for PinnedSessions {
    fn drop(&mut self) {
        let StageTimes { batches, rows, staging, copying, computing } = &self.times;
        if *batches > 0 {
            tracing::debug!(
                "worker on {}: {batches} batches, {rows} rows: staging {:.6} s, copying {:.6} s, computing {:.6} s",
                self.device,
                staging.as_secs_f64(),
                copying.as_secs_f64(),
                computing.as_secs_f64()
            );
        }
    }
}

impl BoundSession {
    fn new(session: Session, graph: Graph, gpu: Option<u32>) -> ort::Result<Self> {
        let allocator = staging_allocator(&session, gpu)?;
        Ok(Self {
            inputs: Vec::new(),
            binding: session.create_binding()?,
            allocator,
            graph,
            rows: None,
            session,
        })
    }

    fn run(
        &mut self,
        dims: &[usize],
        batch: &BatchInputs<'_>,
        out: &mut BatchOutputs,
        times: &mut StageTimes,
    ) -> ort::Result<()> {
        if self.rows != Some(batch.rows) {
            self.resize(dims, batch.rows)?;
        }
        let start = Instant::now();
        for tensor in &mut self.inputs {
            match tensor {
                StagingBuffer::Embedding(modality, tensor) => {
                    tensor.try_extract_tensor_mut()?.1.copy_from_slice(batch.embedding(*modality));
                }
                StagingBuffer::Class(tensor) => tensor.try_extract_tensor_mut()?.1.copy_from_slice(batch.y),
            }
        }
        let staged = Instant::now();
        // Binding performs the copy: a GPU session transfers its inputs here, not at run time.
        for (&input, tensor) in self.graph.inputs.iter().zip(&self.inputs) {
            match tensor {
                StagingBuffer::Embedding(_, tensor) => self.binding.bind_input(input.name(), tensor)?,
                StagingBuffer::Class(tensor) => self.binding.bind_input(input.name(), tensor)?,
            }
        }
        let copied = Instant::now();
        let outputs = self.session.run_binding(&self.binding)?;
        take_outputs(&outputs, &self.graph, batch.rows, out)?;
        times.staging += staged - start;
        times.copying += copied - staged;
        times.computing += copied.elapsed();
        Ok(())
    }

    /// Reallocates the buffers for `rows` rows. All batches of a row group but the last have
    /// the same size, and the allocator reuses freed memory.
    fn resize(&mut self, dims: &[usize], rows: usize) -> ort::Result<()> {
        self.binding.clear();
        self.inputs.clear();
        self.rows = None;
        for &input in &self.graph.inputs {
            let shape = [rows, input.width(dims)];
            self.inputs.push(match input {
                ProgramInput::Embedding(modality) => {
                    StagingBuffer::Embedding(modality, Tensor::new(&self.allocator, shape)?)
                }
                ProgramInput::Class => StagingBuffer::Class(Tensor::new(&self.allocator, shape)?),
            });
        }
        // The outputs are 4 bytes a row and model: pinned memory would gain nothing.
        let cpu = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default)?;
        for output in self.session.outputs() {
            self.binding.bind_output_to_device(output.name(), &cpu)?;
        }
        self.rows = Some(rows);
        Ok(())
    }
}

/// Allocator of pinned memory for a GPU, else of ordinary CPU memory.
fn staging_allocator(session: &Session, gpu: Option<u32>) -> ort::Result<Allocator> {
    let Some(gpu) = gpu else { return Ok(Allocator::default()) };
    // Older versions have one pinned allocator for all GPUs, with device number 0.
    for number in [gpu as i32, 0] {
        let pinned = MemoryInfo::new(
            AllocationDevice::CUDA_PINNED,
            number,
            AllocatorType::Device,
            MemoryType::CPUInput,
        )?;
        if let Ok(allocator) = Allocator::new(session, pinned) {
            return Ok(allocator);
        }
    }
    tracing::warn!("ONNX Runtime gives no pinned memory for cuda:{gpu}: copies to it are slower");
    Ok(Allocator::default())
}
