//! The format of a COPY, by its target's ending and STORED AS, and its options.

use std::path::Path;

use clap::ValueEnum;
use datafusion::parquet::basic::Compression;
use datafusion::sql::parser::CopyToStatement;

use crate::error::{Error, Result};
use crate::storage::FileEnding;

use super::csv_options::{DELIMITERS, delimiter, has_header, option_name};
use super::output::{Encoding, Format, Layout};

const FORMATS: &str = "PARQUET, CSV, TSV, JSON, NDJSON or ARROW";

/// How the rows of a COPY are written.
///
/// # Errors
/// [`Error::Usage`] for a format that is not written, and an option that is not possible.
pub(super) fn encoding(copy: &CopyToStatement) -> Result<Encoding> {
    let format = format(copy)?;
    let mut encoding = Encoding::of(Layout { format, ..Layout::default() });
    for (key, value) in &copy.options {
        let value = value.clone().into_string().unwrap_or_else(|| value.to_string());
        set(&mut encoding, &option_name(key), &value)?;
    }
    Ok(encoding)
}

fn format(copy: &CopyToStatement) -> Result<Format> {
    let path = Path::new(&copy.target);
    let Some(name) = &copy.stored_as else {
        return Format::of(path).ok_or_else(|| {
            let ending = path.extension().map(|it| it.to_string_lossy().into_owned());
            Error::Usage(match (ending, FileEnding::of(path).and_then(FileEnding::way_to)) {
                (Some(ending), Some(way)) => format!("SQL: COPY writes no .{ending} files; {way}"),
                (Some(ending), None) => format!(
                    "SQL: COPY writes no .{ending} files; a name in .parquet, .csv, .json or .arrow tells what is \
                     written, or STORED AS {FORMATS}"
                ),
                (None, _) => format!("SQL: COPY to {} needs STORED AS {FORMATS}", copy.target),
            })
        });
    };
    if let Some(ending @ FileEnding::Compressed) = FileEnding::of(path) {
        let way = ending.way_to().unwrap_or_default();
        return Err(Error::Usage(format!(
            "SQL: COPY to {}: {way}; name it without this ending",
            copy.target
        )));
    }
    match name.to_ascii_lowercase().as_str() {
        // In a name that says nothing else, the file that can be mapped.
        "arrow" => Ok(Format::of(path).filter(|it| *it == Format::Arrow).unwrap_or(Format::ArrowFile)),
        name @ ("parquet" | "csv" | "tsv" | "json" | "ndjson") => {
            Format::from_str(name, false).map_err(Error::Internal)
        }
        _ => Err(Error::Usage(format!("SQL: COPY writes no {name}; STORED AS {FORMATS}"))),
    }
}

fn set(encoding: &mut Encoding, key: &str, value: &str) -> Result<()> {
    let format = encoding.layout.format;
    let is_parquet = format == Format::Parquet;
    let wrong = |takes: &str| Error::Usage(format!("SQL: COPY: format.{key} takes {takes}, not {value:?}"));
    match key {
        "has_header" if format.is_delimited() => {
            encoding.header = has_header(value).ok_or_else(|| wrong("true or false"))?;
        }
        "delimiter" if format.is_delimited() => {
            encoding.delimiter = Some(delimiter(value).ok_or_else(|| wrong(DELIMITERS))?);
        }
        "compression" if is_parquet => {
            // Some codecs want a level.
            let codec = value.parse().or_else(|_| format!("{value}(3)").parse()).ok();
            // The writer has no LZO.
            let codec = codec.filter(|codec| *codec != Compression::LZO);
            let takes = "zstd, zstd(LEVEL), snappy, gzip(LEVEL), brotli(LEVEL), lz4_raw or uncompressed";
            encoding.parquet.compression = Some(codec.ok_or_else(|| wrong(takes))?);
        }
        "max_row_group_size" if is_parquet => {
            let rows = value.parse().ok().filter(|rows| *rows > 0);
            encoding.parquet.row_group_rows = Some(rows.ok_or_else(|| wrong("a number of rows"))?);
        }
        _ => {
            return Err(Error::Usage(format!(
                "SQL: COPY: there is no option format.{key} of {}; CSV takes format.has_header and format.delimiter, \
                 Parquet format.compression and format.max_row_group_size",
                format.name()
            )));
        }
    }
    Ok(())
}
