//! How a result is written: its layout, and what the options of COPY set.

use datafusion::parquet::basic::Compression;

use super::format::Layout;

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sql) struct Encoding {
    pub(in crate::sql) layout: Layout,
    /// Whether CSV and TSV begin with the names of the columns.
    pub(in crate::sql) header: bool,
    /// What separates the fields of CSV and TSV, where it is not what they are named after.
    pub(in crate::sql) delimiter: Option<u8>,
    pub(in crate::sql) parquet: ParquetOptions,
}

impl Encoding {
    /// That of a layout.
    pub(in crate::sql) fn of(layout: Layout) -> Self {
        Self { layout, header: true, delimiter: None, parquet: ParquetOptions::default() }
    }
}

/// What sets a Parquet file apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::sql) struct ParquetOptions {
    /// The compression; zstd where there is none.
    pub(in crate::sql) compression: Option<Compression>,
    /// The most rows of a row group, beside the limit of its bytes.
    pub(in crate::sql) row_group_rows: Option<usize>,
}
