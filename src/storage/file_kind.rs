//! The kind of a file, by its first bytes: what is written in its place without being told to must be
//! of the same kind.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use super::regular_file::{TEXT_BYTES, open_regular, read_regular};

/// Bytes that are looked at.
const HEAD_BYTES: usize = 4096;

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, as a file or a stream.
    Arrow,
    /// A page.
    Html,
    /// A picture.
    Svg,
    /// Metrics of this program for Prometheus.
    Metrics,
    /// The JSON summary of a run of this program.
    Summary,
    /// Other JSON, or lines of it.
    Json,
    /// Other text.
    Text,
    /// None of these.
    Other,
}

impl FileKind {
    /// The kind of a file; `None` where there is none, or nothing in it.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn of(path: &Path) -> io::Result<Option<Self>> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        match open_regular(path) {
            Ok(file) => _ = file.take(HEAD_BYTES as u64).read_to_end(&mut head)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let is_whole = head.len() < HEAD_BYTES || Self::of_head(&head) != Self::Json;
        let content = if is_whole { Ok(head) } else { read_regular(path, TEXT_BYTES) };
        // No summary is as large as what can't be read whole.
        Ok(content.map_or(Some(Self::Json), |content| Self::of_content(&content)))
    }

    /// The kind of a file with this content; `None` where there is nothing in it.
    pub fn of_content(content: &[u8]) -> Option<Self> {
        let (head, _) = content.split_at(content.len().min(HEAD_BYTES));
        match Self::of_head(head) {
            _ if content.is_empty() => None,
            Self::Json if is_summary(content) => Some(Self::Summary),
            kind => Some(kind),
        }
    }

    fn of_head(head: &[u8]) -> Self {
        if head.starts_with(b"PAR1") || head.starts_with(b"PARE") {
            return Self::Parquet;
        }
        if head.starts_with(b"ARROW1") || head.starts_with(b"\xff\xff\xff\xff") {
            return Self::Arrow;
        }
        let text = match std::str::from_utf8(head) {
            Ok(text) => text,
            // The last character may be cut in two.
            Err(error) if error.error_len().is_none() => {
                let valid = head.get(..error.valid_up_to()).unwrap_or_default();
                std::str::from_utf8(valid).unwrap_or_default()
            }
            Err(_) => return Self::Other,
        };
        let start = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        let begins = |tag: &str| start.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag));
        let is_of_metrics = |line: &str| line.starts_with('#') || line.starts_with("lsmi_etl_");
        match start.chars().next() {
            _ if text.contains('\0') => Self::Other,
            Some('{' | '[') => Self::Json,
            _ if begins("<!doctype html") || begins("<html") => Self::Html,
            _ if begins("<svg") || begins("<?xml") => Self::Svg,
            _ if text.contains("lsmi_etl_") && complete_lines(text).all(is_of_metrics) => Self::Metrics,
            _ => Self::Text,
        }
    }

    /// Whether a file of this kind may take the place of one of another without being told to.
    pub fn may_replace(self, other: Self) -> bool {
        // A summary is JSON, and what text begins with is no proof.
        self == other
            || matches!((self, other), (Self::Json, Self::Summary) | (Self::Text, Self::Json | Self::Summary))
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parquet => "a Parquet file",
            Self::Arrow => "an Arrow file",
            Self::Html => "an HTML page",
            Self::Svg => "a picture",
            Self::Metrics => "a file of metrics",
            Self::Summary => "a summary of a run",
            Self::Json => "a JSON file",
            Self::Text => "a text file",
            Self::Other => "a file of another kind",
        })
    }
}

/// The lines of a text without the last one, which may be cut off.
fn complete_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').filter(|line| line.ends_with('\n'))
}

/// Whether JSON is one object with the time that a run took.
fn is_summary(json: &[u8]) -> bool {
    let object = serde_json::from_slice::<serde_json::Map<_, _>>(json);
    object.is_ok_and(|object| object.get("seconds").is_some_and(serde_json::Value::is_number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        assert_eq!(FileKind::of(&path).unwrap(), None);
        let cut = [&[b'a'; HEAD_BYTES - 1][..], "é".as_bytes()].concat();
        for (content, kind) in [
            (&b""[..], None),
            (b"PAR1....PAR1", Some(FileKind::Parquet)),
            (b"ARROW1\0\0", Some(FileKind::Arrow)),
            (b"\xff\xff\xff\xff\x10\0\0\0", Some(FileKind::Arrow)),
            (b"\n<!DOCTYPE HTML><html>", Some(FileKind::Html)),
            (b"<svg xmlns", Some(FileKind::Svg)),
            (b"# HELP lsmi_etl_rows Rows\nlsmi_etl_rows_total 3\n", Some(FileKind::Metrics)),
            (b"# HELP lsmi_etl_rows Rows\nnode_load1 3\n", Some(FileKind::Text)),
            (b"# notes\n", Some(FileKind::Text)),
            (b"{\"rows\": 3, \"seconds\": 0.5}", Some(FileKind::Summary)),
            (b"{\"rows\": 3}\n{\"rows\": 4}\n", Some(FileKind::Json)),
            (b"{\"seconds\": \"ten\"}", Some(FileKind::Json)),
            (b"id,label\n1,2\n", Some(FileKind::Text)),
            (b"\x08\x07\x12\x07pytorch\xfe", Some(FileKind::Other)),
            (&cut, Some(FileKind::Text)),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(FileKind::of(&path).unwrap(), kind, "{content:?}");
        }
        assert!(FileKind::of(folder.path()).is_err());
        assert!(FileKind::Text.may_replace(FileKind::Json) && !FileKind::Json.may_replace(FileKind::Text));
    }
}
