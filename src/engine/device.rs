//! The device that runs the models, its text form, and its number of workers.

use std::fmt;
use std::str::FromStr;

/// Workers per GPU. One copies its rows to the device while another computes and a third
/// prepares its batch.
const WORKERS_PER_GPU: usize = 3;

/// The device that runs the models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// The CPU.
    #[default]
    Cpu,
    /// GPUs, through the CUDA execution provider, assigned to workers round-robin.
    Cuda(Gpus),
}

/// A set of one or more GPU ordinals, from zero, as the CUDA driver enumerates them
/// (subject to `CUDA_VISIBLE_DEVICES`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gpus(u64);

impl Gpus {
    /// The ordinals, ascending.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        (0..u64::BITS).filter(move |number| (self.0 >> number) & 1 == 1)
    }

    /// Number of GPUs, at least one.
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }
}

impl Device {
    /// The GPU of a worker, `None` on the CPU.
    pub fn gpu(self, worker: usize) -> Option<u32> {
        match self {
            Self::Cpu => None,
            Self::Cuda(gpus) => gpus.numbers().nth(worker % gpus.count()),
        }
    }

    /// Default number of workers: one per core, or three per GPU.
    pub fn workers(self) -> usize {
        match self {
            Self::Cpu => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            Self::Cuda(gpus) => gpus.count() * WORKERS_PER_GPU,
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "cpu" {
            return Ok(Self::Cpu);
        }
        let mut gpus = 0;
        for part in text.split(',') {
            let number = match part.split_once(':') {
                None if part == "cuda" => "0",
                Some(("cuda", number)) => number,
                _ => return Err("expected cpu, cuda, cuda:N or several as cuda:0,cuda:1".into()),
            };
            let number = number.parse().ok().filter(|number: &u32| *number < u64::BITS);
            gpus |= 1 << number.ok_or_else(|| format!("{part:?} names no GPU: its number is 0 to 63"))?;
        }
        Ok(Self::Cuda(Gpus(gpus)))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(gpus) => {
                let names: Vec<String> = gpus.numbers().map(|number| format!("cuda:{number}")).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_they_are_typed_and_shown() {
        let shown = |text: &str| text.parse::<Device>().map(|device| device.to_string());
        for (typed, is) in [
            ("cpu", "cpu"),
            ("cuda", "cuda:0"),
            ("cuda:3", "cuda:3"),
            ("cuda:0,cuda:1", "cuda:0,cuda:1"),
            ("cuda:7,cuda,cuda:7", "cuda:0,cuda:7"),
        ] {
            assert_eq!(shown(typed).as_deref(), Ok(is));
        }
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:64", "cuda:0,1", "cpu,cuda", "cuda:0,"] {
            assert!(shown(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn workers_take_gpus_in_turn() {
        let two: Device = "cuda:1,cuda:4".parse().unwrap();
        assert_eq!(two.workers(), 6);
        assert_eq!([0, 1, 2, 3].map(|worker| two.gpu(worker)), [Some(1), Some(4), Some(1), Some(4)]);
        assert_eq!("cuda".parse::<Device>().unwrap().workers(), 3);
        assert_eq!(Device::Cpu.gpu(5), None);
        assert!(Device::Cpu.workers() >= 1);
    }
}
