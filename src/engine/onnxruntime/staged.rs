//! Sessions that are given their rows in memory of the engine's own. On a GPU this is
//! pinned memory, which it reads at the bus's full speed; the copy and the run are
//! bound apart, so that while one worker's rows are copied another's are computed.
//! On the processor the same steps only cost a copy, which is how they are tested.

use std::time::{Duration, Instant};

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::Tensor;

use crate::bundle::{Graph, INPUTS, Program};
use crate::engine::backend::{self, Backend, Batch, Evaluated};
use crate::error::{Error, Result};

use super::outputs::take_outputs;

/// One worker's sessions, one for each graph of the program, on one device.
pub(super) struct Staged {
    program: Program,
    device: String,
    stages: Vec<Stage>,
    spent: Spent,
}

/// A graph's session and the memory that its rows pass through. Dropped in this order:
/// the session owns what the others were made of.
struct Stage {
    inputs: Vec<Input>,
    binding: IoBinding,
    allocator: Allocator,
    graph: Graph,
    /// What the memory is for, once there is some.
    rows: Option<usize>,
    session: Session,
}

enum Input {
    Embedding(Tensor<f32>),
    Class(Tensor<i64>),
}

/// Where a worker's time went.
#[derive(Default)]
struct Spent {
    batches: u64,
    rows: u64,
    /// Filling the engine's memory.
    staging: Duration,
    /// From there to the device.
    copying: Duration,
    /// Running the models, their results brought back.
    computing: Duration,
}

impl Staged {
    /// `gpu` is where the sessions run, `None` for the processor.
    pub(super) fn new(
        program: Program,
        sessions: Vec<(Session, Graph)>,
        gpu: Option<u32>,
    ) -> ort::Result<Self> {
        let device = gpu.map_or("cpu".to_owned(), |gpu| format!("cuda:{gpu}"));
        let stages = sessions.into_iter().map(|(session, graph)| Stage::new(session, graph, gpu));
        let stages = stages.collect::<ort::Result<_>>()?;
        Ok(Self { program, device, stages, spent: Spent::default() })
    }
}

impl Backend for Staged {
    fn evaluate(&mut self, batch: &Batch<'_>, out: &mut Evaluated) -> Result<()> {
        backend::check(&self.program, batch)?;
        for stage in &mut self.stages {
            stage.run(self.program.dims, batch, out, &mut self.spent).map_err(|e| {
                Error::Engine(format!("ONNX Runtime on {}: evaluating {} rows: {e}", self.device, batch.rows))
            })?;
        }
        self.spent.batches += 1;
        self.spent.rows += batch.rows as u64;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let Spent { batches, rows, staging, copying, computing } = &self.spent;
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

impl Stage {
    fn new(session: Session, graph: Graph, gpu: Option<u32>) -> ort::Result<Self> {
        let allocator = staging_memory(&session, gpu)?;
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
        dims: [usize; 2],
        batch: &Batch<'_>,
        out: &mut Evaluated,
        spent: &mut Spent,
    ) -> ort::Result<()> {
        if self.rows != Some(batch.rows) {
            self.resize(dims, batch.rows)?;
        }
        let start = Instant::now();
        for (&input, tensor) in self.graph.inputs.iter().zip(&mut self.inputs) {
            match tensor {
                Input::Embedding(tensor) => {
                    let values = if input == 0 { batch.x1 } else { batch.x2 };
                    tensor.try_extract_tensor_mut()?.1.copy_from_slice(values);
                }
                Input::Class(tensor) => tensor.try_extract_tensor_mut()?.1.copy_from_slice(batch.y),
            }
        }
        let staged = Instant::now();
        // Binding is what copies: a GPU's session takes its rows now, not when it runs.
        for (&input, tensor) in self.graph.inputs.iter().zip(&self.inputs) {
            match tensor {
                Input::Embedding(tensor) => self.binding.bind_input(INPUTS[input], tensor)?,
                Input::Class(tensor) => self.binding.bind_input(INPUTS[input], tensor)?,
            }
        }
        let copied = Instant::now();
        let outputs = self.session.run_binding(&self.binding)?;
        take_outputs(&outputs, &self.graph, batch.rows, out)?;
        spent.staging += staged - start;
        spent.copying += copied - staged;
        spent.computing += copied.elapsed();
        Ok(())
    }

    /// Memory for so many rows. All batches of a row group but its last have as many,
    /// and the allocator keeps what it has had.
    fn resize(&mut self, [d1, d2]: [usize; 2], rows: usize) -> ort::Result<()> {
        self.binding.clear();
        self.inputs.clear();
        self.rows = None;
        for &input in &self.graph.inputs {
            self.inputs.push(match input {
                0 => Input::Embedding(Tensor::new(&self.allocator, [rows, d1])?),
                1 => Input::Embedding(Tensor::new(&self.allocator, [rows, d2])?),
                _ => Input::Class(Tensor::new(&self.allocator, [rows, 1])?),
            });
        }
        // Twenty bytes a row come back: pinned memory would gain nothing.
        let processor =
            MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default)?;
        for output in self.session.outputs() {
            self.binding.bind_output_to_device(output.name(), &processor)?;
        }
        self.rows = Some(rows);
        Ok(())
    }
}

/// Memory from which a GPU copies, or the processor's own.
fn staging_memory(session: &Session, gpu: Option<u32>) -> ort::Result<Allocator> {
    let Some(gpu) = gpu else { return Ok(Allocator::default()) };
    // Older versions keep one pinned memory for all GPUs, under the number 0.
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
