//! A file found by a search, and the filter of file names.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use object_store::ObjectMeta;

use crate::storage::regular_file::open_regular;

/// The first bytes of every Parquet file.
pub(super) const PARQUET_MAGIC: &[u8] = b"PAR1";

/// A file with its path relative to the searched folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Path or URL.
    pub path: PathBuf,
    /// The path below the searched folder; empty for a file that was named itself.
    pub relative: PathBuf,
    /// Size.
    pub bytes: u64,
    /// The object as its store lists it; `None` of a local file, and where the store's client can't
    /// request the key.
    pub object: Option<ObjectMeta>,
}

/// The names that a search takes for data files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataNames {
    /// Endings without their first dot, in lower case. Those of a file may be in any case.
    endings: &'static [&'static str],
}

/// What a name says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Candidate {
    Data,
    /// A name without an ending (`part-00000`): data if the file begins like a Parquet file.
    Perhaps,
    No,
}

impl DataNames {
    /// `*.parquet` and `*.pq`.
    pub const PARQUET: Self = Self { endings: &["parquet", "pq"] };

    /// Files with other endings.
    pub const fn with_endings(endings: &'static [&'static str]) -> Self {
        Self { endings }
    }

    /// Judges a path below a searched folder. Nothing that is hidden, or below a hidden folder, is
    /// data: names that begin with `.` or `_`, as Spark, Hive and pyarrow have it, except for
    /// `_key=value` folders.
    pub(super) fn judge(self, relative: &Path) -> Candidate {
        let visible = |name: &str| !(name.starts_with('.') || name.starts_with('_') && !name.contains('='));
        if !relative.iter().all(|name| visible(&name.to_string_lossy())) {
            return Candidate::No;
        }
        let name = relative.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let is_data = |ending: &&str| {
            let stem = name.strip_suffix(*ending).and_then(|stem| stem.strip_suffix('.'));
            stem.is_some_and(|stem| !stem.is_empty())
        };
        match relative.extension() {
            _ if self.endings.iter().any(is_data) => Candidate::Data,
            None => Candidate::Perhaps,
            Some(_) => Candidate::No,
        }
    }
}

/// Whether a local file begins like a Parquet file.
pub(super) fn begins_like_parquet(path: &Path) -> io::Result<bool> {
    let mut head = Vec::with_capacity(PARQUET_MAGIC.len());
    open_regular(path)?.take(PARQUET_MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok(head == PARQUET_MAGIC)
}
