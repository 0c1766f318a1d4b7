//! How much may be in memory at once, and what batches and queues that allows.

use std::fmt;
use std::str::FromStr;

use sysinfo::System;

use crate::engine::Device;
use crate::evaluate::fastest_batch_rows;

use super::pipeline::Shape;

/// A number of bytes as it may be typed: `512MiB`, `4G`, `1000000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    /// K, M, G, T count by 1024, as KiB to TiB do; KB to TB by 1000.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim().to_ascii_uppercase();
        let power = |letter: char| "KMGT".find(letter).map(|place| place as i32 + 1);
        let factor = match unit.chars().collect::<Vec<_>>()[..] {
            [] | ['B'] => Some(1.0),
            [letter] | [letter, 'I', 'B'] => power(letter).map(|power| 1024_f64.powi(power)),
            [letter, 'B'] => power(letter).map(|power| 1000_f64.powi(power)),
            _ => None,
        };
        let bytes = number.parse::<f64>().ok().zip(factor).map(|(number, factor)| number * factor);
        match bytes.filter(|bytes| *bytes >= 1.0 && *bytes < 1e18) {
            Some(bytes) => Ok(Self(bytes as u64)),
            None => Err("expected a size such as 512MiB or 4GB".to_owned()),
        }
    }
}

impl fmt::Display for Size {
    /// In the largest unit of which it is a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.into_iter().find(|(power, _)| self.0.is_multiple_of(1_u64 << power)) {
            Some((power, unit)) if self.0 > 0 => write!(f, "{}{unit}", self.0 >> power),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// The memory that this process may use: the machine's, or its cgroup's where that is
/// less.
pub fn machine_bytes() -> u64 {
    let mut system = System::new();
    system.refresh_memory();
    let machine = system.total_memory();
    let cgroup = system.cgroup_limits().map_or(machine, |limits| limits.total_memory);
    machine.min(cgroup).max(1 << 28)
}

/// A quarter of the memory that this process may use.
pub(super) fn default_limit_bytes() -> u64 {
    machine_bytes() / 4
}

/// Fewer rows than these and a run's fixed cost shows.
const FEWEST_ROWS: usize = 64;

/// What a device makes of batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The rows of a batch that are fastest for embeddings of these dimensions.
    batch_rows: fn([usize; 2]) -> usize,
    /// What a worker holds of a row for each byte of its embeddings: the batch, its copy
    /// in the engine, and the largest intermediate results.
    working_factor: u64,
}

impl Pace {
    const CPU: Self = Self { batch_rows: fastest_batch_rows, working_factor: 12 };
    /// A kernel of few rows leaves most of a GPU idle. Intermediate results are in the
    /// GPU's memory: here are the batch and its pinned copy.
    const GPU: Self = Self {
        batch_rows: |dims| ((1 << 23) / (dims[0] + dims[1]).max(1)).clamp(8192, 65536),
        working_factor: 3,
    };

    pub(super) fn of(device: Device) -> Self {
        match device {
            Device::Cpu => Self::CPU,
            Device::Cuda(_) => Self::GPU,
        }
    }
}

/// What is in memory at once.
fn bytes(shape: Shape, dims: [usize; 2], workers: usize, pace: Pace) -> u64 {
    let row_bytes = 4 * (dims[0] + dims[1]) as u64 + 64;
    let waiting = (shape.queue + 1) as u64;
    row_bytes * shape.batch_rows as u64 * (waiting + pace.working_factor * workers as u64)
}

/// Half of a shape's batch and twice as much, as far as they are within a limit and
/// multiples of [`FEWEST_ROWS`], in which ONNX Runtime gives a row the same bits.
pub(super) fn beside(
    shape: Shape,
    dims: [usize; 2],
    workers: usize,
    pace: Pace,
    limit_bytes: u64,
) -> Vec<usize> {
    let batches = [shape.batch_rows / 2, shape.batch_rows * 2].into_iter();
    let fits = |batch_rows| bytes(Shape { batch_rows, ..shape }, dims, workers, pace) <= limit_bytes;
    batches.filter(|&rows| rows > 0 && rows.is_multiple_of(FEWEST_ROWS) && fits(rows)).collect()
}

/// The largest shape within a limit, up to what is fastest.
pub(super) fn shape(
    dims: [usize; 2],
    workers: usize,
    pace: Pace,
    asked: Option<usize>,
    limit_bytes: u64,
) -> Shape {
    let takes = |shape: Shape| bytes(shape, dims, workers, pace);
    let mut shape =
        Shape { batch_rows: asked.unwrap_or_else(|| (pace.batch_rows)(dims)), queue: workers + 1 };
    while takes(shape) > limit_bytes && shape.queue > 1 {
        shape.queue -= 1;
    }
    while asked.is_none() && takes(shape) > limit_bytes && shape.batch_rows > FEWEST_ROWS {
        shape.batch_rows = (shape.batch_rows / 2).max(FEWEST_ROWS);
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_they_are_typed() {
        let bytes = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(bytes("1000000"), Ok(1_000_000));
        for text in ["3GiB", "1536MiB", "1000000"] {
            assert_eq!(text.parse::<Size>().map(|size| size.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        assert_eq!(bytes("4g"), Ok(4 << 30));
        assert_eq!(bytes("1.5 KB"), Ok(1500));
        for wrong in ["", "G", "-1", "4X", "1e3", "0"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn less_memory_gives_shorter_queues_and_then_smaller_batches() {
        let ample = shape([512, 512], 4, Pace::CPU, None, 1 << 40);
        assert_eq!((ample.batch_rows, ample.queue), (512, 5));
        let less = shape([512, 512], 4, Pace::CPU, None, 108 << 20);
        assert!(less.batch_rows == 512 && less.queue < 5, "{less:?}");
        let little = shape([512, 512], 4, Pace::CPU, None, 20 << 20);
        assert!(little.batch_rows < 512 && little.queue == 1, "{little:?}");
        assert_eq!(shape([512, 512], 4, Pace::CPU, Some(1000), 1 << 20).batch_rows, 1000);
    }

    #[test]
    fn what_is_tried_beside_a_batch_is_within_the_limit() {
        let tried = |limit_bytes| {
            let shape = shape([512, 512], 4, Pace::CPU, None, limit_bytes);
            (shape.batch_rows, beside(shape, [512, 512], 4, Pace::CPU, limit_bytes))
        };
        assert_eq!(tried(1 << 40), (512, vec![256, 1024]));
        assert_eq!(tried(200 << 20), (512, vec![256]));
        assert_eq!(tried(30 << 20), (128, vec![64]));
        assert_eq!(tried(1 << 20), (64, vec![]));
        let uneven = Shape { batch_rows: 192, queue: 1 };
        assert_eq!(beside(uneven, [8, 8], 1, Pace::CPU, 1 << 40), [384]);
    }

    #[test]
    fn a_gpu_is_given_larger_batches() {
        let gpu = Pace::of("cuda:0,cuda:1".parse().unwrap());
        assert_eq!(shape([512, 512], 6, gpu, None, 1 << 40), Shape { batch_rows: 8192, queue: 7 });
        assert_eq!(shape([128, 128], 3, gpu, None, 1 << 40).batch_rows, 32768);
        assert_eq!(shape([4096, 4096], 3, gpu, None, 1 << 40).batch_rows, 8192);
        assert!(shape([512, 512], 6, gpu, None, 256 << 20).batch_rows < 8192);
        assert_eq!(shape([512, 512], 4, Pace::of(Device::Cpu), None, 1 << 40).batch_rows, 512);
    }
}
