//! The output formats of query results and the layout of a table.

use std::path::Path;

use crate::error::{Error, Result};
use crate::printable::shown;
use crate::storage::FileEnding;

/// Output format of a query's rows.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Boxed columns; long lists are truncated
    #[default]
    Table,
    /// A line for each value; fields of structs are values
    Line,
    /// Comma-separated values with a header
    Csv,
    /// Tab-separated values with a header
    Tsv,
    /// One array of objects for each statement
    Json,
    /// One object a line
    Ndjson,
    /// A Markdown table; long lists are truncated
    Markdown,
    /// Arrow's IPC stream, for pipes
    Arrow,
    /// Arrow's IPC file (Feather), which --output x.arrow writes
    ArrowFile,
    /// Parquet
    Parquet,
}

impl Format {
    /// The format that a file name's ending denotes.
    pub fn of(path: &Path) -> Option<Self> {
        Some(match FileEnding::of(path)? {
            FileEnding::Csv => Self::Csv,
            FileEnding::Tsv => Self::Tsv,
            FileEnding::Json => Self::Json,
            FileEnding::Ndjson => Self::Ndjson,
            FileEnding::Markdown => Self::Markdown,
            FileEnding::Text => Self::Table,
            FileEnding::ArrowStream => Self::Arrow,
            FileEnding::ArrowFile => Self::ArrowFile,
            FileEnding::Parquet => Self::Parquet,
            FileEnding::Html
            | FileEnding::Svg
            | FileEnding::Onnx
            | FileEnding::Compressed
            | FileEnding::Document
            | FileEnding::Spreadsheet
            | FileEnding::Bitmap
            | FileEnding::ForeignTable => return None,
        })
    }

    /// The format of a file of this name: the one asked for, else that of its ending.
    ///
    /// # Errors
    /// [`Error::Usage`] where the ending tells a format that is not written or of another kind than the one asked for,
    /// or there is neither.
    pub fn of_output(path: &Path, asked: Option<Self>) -> Result<Self> {
        let told = Self::of(path);
        let unwritten = FileEnding::of(path).filter(|_| told.is_none());
        let what = match (unwritten, told, asked) {
            (Some(ending), ..) => {
                ending.way_to().unwrap_or("the rows of a query are not written so").to_owned()
            }
            (None, Some(told), Some(asked)) if told.kind() != asked.kind() => {
                format!("its extension is of {}, and the format asked for is {}", told.name(), asked.name())
            }
            (None, told, asked) => match asked.or(told) {
                Some(format) => return Ok(format),
                None => "its extension tells no format; give --format".to_owned(),
            },
        };
        Err(Error::Usage(format!(
            "{}: {what}; a name in .parquet, .arrow, .csv, .ndjson or .md tells what is written",
            shown(path)
        )))
    }

    /// The format's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Line => "line",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Markdown => "markdown",
            Self::Arrow => "arrow",
            Self::ArrowFile => "arrow-file",
            Self::Parquet => "parquet",
        }
    }

    /// What a reader takes the format's files for: Parquet, Arrow or text.
    fn kind(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Arrow | Self::ArrowFile => "Arrow",
            Self::Table | Self::Line | Self::Csv | Self::Tsv | Self::Json | Self::Ndjson | Self::Markdown => {
                "text"
            }
        }
    }

    /// The ending of the format's files.
    pub(in crate::sql) fn ending(self) -> &'static str {
        match self {
            Self::Table | Self::Line => "txt",
            Self::Markdown => "md",
            Self::Arrow => "arrows",
            Self::ArrowFile => "arrow",
            Self::Csv | Self::Tsv | Self::Json | Self::Ndjson | Self::Parquet => self.name(),
        }
    }

    /// Whether the format is binary and therefore holds one result only.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::ArrowFile | Self::Parquet)
    }

    /// Whether a file of the format is one value, and so one result.
    pub fn is_one_value(self) -> bool {
        self.is_binary() || self == Self::Json
    }

    /// Whether the format has a header of columns and rows of fields.
    pub(in crate::sql) fn is_delimited(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv)
    }
}

/// An output format, and the size limits of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layout {
    /// The output format.
    pub format: Format,
    /// Maximum rows of [`Format::Table`], which buffers its rows to size the columns; `None` for no
    /// limit. The other formats stream every row.
    pub max_table_rows: Option<usize>,
    /// Maximum width of [`Format::Table`] in characters; it cuts cells and omits columns to fit.
    /// Unlimited where `None`.
    pub width: Option<usize>,
}
