//! The formats that the endings of file names tell. What is written to a file is of the format that its name
//! says, or refused: nobody finds Parquet in a file called `.csv`.

use std::path::Path;

use crate::error::{Error, Result};
use crate::printable::without_secrets;

/// The format of a file, by the ending of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileEnding {
    /// Apache Parquet.
    Parquet,
    /// Arrow's IPC file (Feather).
    ArrowFile,
    /// Arrow's IPC stream.
    ArrowStream,
    /// Comma-separated values.
    Csv,
    /// Tab-separated values.
    Tsv,
    /// JSON.
    Json,
    /// Lines of JSON.
    Ndjson,
    /// Markdown.
    Markdown,
    /// Text.
    Text,
    /// A page.
    Html,
    /// A picture.
    Svg,
    /// A model.
    Onnx,
    /// A compressed file of whatever format.
    Compressed,
    /// A document for print or a word processor.
    Document,
    /// A workbook of a spreadsheet program.
    Spreadsheet,
    /// A picture of pixels.
    Bitmap,
    /// A table of a format that is not written here.
    ForeignTable,
}

impl FileEnding {
    /// The format that a name's ending tells, in capitals or not; `None` of other endings and of names
    /// without one.
    pub fn of(path: &Path) -> Option<Self> {
        Some(match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Self::Parquet,
            "arrow" | "feather" | "ipc" => Self::ArrowFile,
            "arrows" => Self::ArrowStream,
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            "json" => Self::Json,
            "ndjson" | "jsonl" => Self::Ndjson,
            "md" => Self::Markdown,
            "txt" => Self::Text,
            "html" | "htm" => Self::Html,
            "svg" => Self::Svg,
            "onnx" => Self::Onnx,
            "gz" | "zst" | "bz2" | "xz" | "lz4" | "zip" => Self::Compressed,
            "pdf" | "doc" | "docx" | "odt" | "rtf" | "tex" | "ps" => Self::Document,
            "xlsx" | "xls" | "xlsm" | "ods" | "numbers" => Self::Spreadsheet,
            "png" | "jpg" | "jpeg" | "gif" | "webp" | "tif" | "tiff" | "bmp" => Self::Bitmap,
            "avro" | "orc" | "h5" | "hdf5" | "npy" | "npz" | "pkl" | "db" | "sqlite" | "duckdb" => {
                Self::ForeignTable
            }
            _ => return None,
        })
    }

    /// What leads to a format that no command writes; `None` of those that one does.
    pub fn way_to(self) -> Option<&'static str> {
        Some(match self {
            Self::Compressed => "compressed text is not written; Parquet is compressed",
            Self::Document => "documents are not written; a browser prints a page (.html) as one",
            Self::Spreadsheet => "workbooks are not written; spreadsheet programs open .csv",
            Self::Bitmap => "bitmaps are not written; lsmi-etl report --svg writes pictures",
            Self::ForeignTable => "this format is not written; most programs read .parquet or .csv",
            _ => return None,
        })
    }

    /// Checks that the ending of an output's name does not tell another format than this one. `what` names
    /// the output and what it is written as, `advice` the way to another format.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check(path: &Path, written: Option<Self>, what: &str, advice: &str) -> Result<()> {
        match Self::of(path) {
            Some(told) if Some(told) != written => {
                let ending = path.extension().unwrap_or_default().to_string_lossy();
                let path = without_secrets(path);
                // A folder is not meant to be a document.
                let way = told.way_to().filter(|_| written.is_some());
                let way = way.map(|way| format!(" ({way})")).unwrap_or_default();
                Err(Error::Usage(format!("{path}: {what}, and no .{ending} file; {advice}{way}")))
            }
            _ => Ok(()),
        }
    }

    /// As [`FileEnding::check`], of a file that is written as Parquet.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check_parquet(path: &Path, what: &str) -> Result<()> {
        let advice = "name it .parquet; other formats are written from it, such as by lsmi-etl sql --output out.csv \
                      \"SELECT * FROM 'out.parquet'\"";
        Self::check(path, Some(Self::Parquet), &format!("{what} is written as Parquet"), advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_that_tells_another_format_is_refused() {
        let check = |name: &str| FileEnding::check_parquet(Path::new(name), "the output");
        for name in ["out.parquet", "out.PQ", "out", "out.v2", "-", "s3://bucket/out.parquet", ".csv"] {
            check(name).unwrap();
        }
        for name in [
            "out.csv",
            "out.NDJSON",
            "out.arrow",
            "s3://bucket/out.csv",
            "out.parquet.gz",
            "out.xlsx",
            "out.pdf",
        ] {
            let error = check(name).unwrap_err();
            assert_eq!(error.exit_code(), 64, "{error}");
            let words = ["the output is written as Parquet", "name it .parquet", "lsmi-etl sql --output"];
            assert!(words.iter().all(|words| error.to_string().contains(words)), "{error}");
        }
        assert!(FileEnding::check(Path::new("models.json"), None, "a bundle is a folder", "").is_err());
    }
}
