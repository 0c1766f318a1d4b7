//! Memory sizes: parsing and display of byte counts, the memory usable by this process, and a limit on
//! what it allocates.

mod allocator;

use std::fmt;
use std::str::FromStr;

use sysinfo::System;

pub use allocator::{AllocationLimit, LimitedAllocator, limit_allocations};

/// A byte count with an optional unit: `512MiB`, `4G`, `1000000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = String;

    /// K to T and KiB to TiB are powers of 1024; KB to TB are powers of 1000.
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

/// A limit of memory: a byte count of at least [`MemoryLimit::LEAST`], since less holds no batch of rows, and is more
/// likely a number whose unit was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimit(pub u64);

impl MemoryLimit {
    /// The least limit.
    pub const LEAST: ByteSize = ByteSize(1 << 20);
}

impl FromStr for MemoryLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size: ByteSize = text.parse()?;
        if size.0 >= Self::LEAST.0 {
            return Ok(Self(size.0));
        }
        let least = Self::LEAST;
        let bytes = if size.0 == 1 { "byte is" } else { "bytes are" };
        let meant = match text.trim().parse::<f64>() {
            Ok(number) if number < 100.0 => format!("; did you mean {}GB?", text.trim()),
            Ok(_) => format!("; did you mean {}MB?", text.trim()),
            Err(_) => String::new(),
        };
        Err(format!("{} {bytes} less than the least limit, {least}{meant}", size.0))
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ByteSize(self.0).fmt(f)
    }
}

impl fmt::Display for ByteSize {
    /// The largest unit that needs no fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.into_iter().find(|(power, _)| self.0.is_multiple_of(1_u64 << power)) {
            Some((power, unit)) if self.0 > 0 => write!(f, "{}{unit}", self.0 >> power),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// What is usable at least, or where the system does not say.
const LEAST_BYTES: u64 = 1 << 28;

/// The memory usable by this process: the smaller of the machine's and the cgroup's limit.
pub fn usable_bytes() -> u64 {
    let mut system = System::new();
    system.refresh_memory();
    let machine = system.total_memory();
    // Without it, the next call would panic.
    if machine == 0 {
        return LEAST_BYTES;
    }
    let cgroup = system.cgroup_limits().map_or(machine, |limits| limits.total_memory);
    machine.min(cgroup).max(LEAST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_they_are_typed() {
        let bytes = |text: &str| text.parse::<ByteSize>().map(|size| size.0);
        assert_eq!(bytes("1000000"), Ok(1_000_000));
        for text in ["3GiB", "1536MiB", "1000000"] {
            assert_eq!(text.parse::<ByteSize>().map(|size| size.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        assert_eq!(bytes("4g"), Ok(4 << 30));
        assert_eq!(bytes("1.5 KB"), Ok(1500));
        for wrong in ["", "G", "-1", "4X", "1e3", "0"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_limit_without_its_unit_is_refused() {
        let limit = |text: &str| text.parse::<MemoryLimit>().map(|limit| limit.0);
        assert_eq!(
            (limit("1MiB"), limit("1048576"), limit("4GB")),
            (Ok(1 << 20), Ok(1 << 20), Ok(4_000_000_000))
        );
        for (text, said) in [
            ("5", "5 bytes are less than the least limit, 1MiB; did you mean 5GB?"),
            ("0.5", "expected a size such as 512MiB or 4GB"),
            ("512", "512 bytes are less than the least limit, 1MiB; did you mean 512MB?"),
            ("1MB", "1000000 bytes are less than the least limit, 1MiB"),
        ] {
            assert_eq!(limit(text).unwrap_err(), said);
        }
    }
}
