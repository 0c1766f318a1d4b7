//! The keys of encrypted Parquet files, from a JSON file with the field names of pyarrow and
//! DuckDB. Keys are not accepted on the command line, which other users can read.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::error::{Error, Result};

/// Limit of a key file.
const MAX_BYTES: u64 = 1 << 20;

/// Supported lengths of AES-GCM keys in bytes.
const KEY_BYTES: [usize; 2] = [16, 32];

/// Keys of encrypted files. Their `Debug` output contains no key.
#[derive(Clone, PartialEq)]
pub struct EncryptionKeys {
    pub(crate) footer: Vec<u8>,
    columns: BTreeMap<String, Vec<u8>>,
    pub(crate) aad_prefix: Option<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    footer_key: String,
    #[serde(default)]
    column_keys: BTreeMap<String, String>,
    aad_prefix: Option<String>,
}

impl EncryptionKeys {
    /// Reads a key file: `{"footer_key": "…", "column_keys": {"COLUMN": "…"}, "aad_prefix": "…"}`,
    /// of which only the first is required. A key is 16 or 32 bytes, as hexadecimal digits
    /// or base64.
    ///
    /// # Errors
    /// [`Error::Config`] if it is not readable or invalid. No message contains any of its
    /// content.
    pub fn open(path: &Path) -> Result<Self> {
        let wrong = |what: String| Error::Config(format!("key file {}: {what}", path.display()));
        // It may be a pipe, so that keys need not lie on a disk, but it ends.
        let mut text = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut text));
        read.map_err(|e| wrong(format!("cannot be read: {e}")))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(wrong(format!("it has more than {MAX_BYTES} bytes, and is none")));
        }
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &[u8]) -> std::result::Result<Self, String> {
        let file: KeyFile = serde_json::from_slice(text).map_err(|e| {
            // The parser's own message quotes the content.
            let (line, column) = (e.line(), e.column());
            format!(
                "line {line}, column {column} is invalid; the file must be a JSON object of footer_key and, if needed, \
                 column_keys and aad_prefix"
            )
        })?;
        let key = |name: &str, text: &str| {
            decode(text).ok_or_else(|| {
                format!("{name} is not a key: it must be 16 or 32 bytes, as hexadecimal digits or base64")
            })
        };
        let columns = file.column_keys.iter();
        let columns =
            columns.map(|(name, text)| Ok((name.clone(), key(&format!("column_keys.{name}"), text)?)));
        Ok(Self {
            footer: key("footer_key", &file.footer_key)?,
            columns: columns.collect::<std::result::Result<_, String>>()?,
            aad_prefix: file.aad_prefix.map(String::into_bytes),
        })
    }

    /// The key of a leaf column, by its full path or by the name of its top-level column.
    pub(crate) fn column(&self, path: &[String]) -> Option<&Vec<u8>> {
        self.columns.get(&path.join(".")).or_else(|| self.columns.get(path.first()?))
    }
}

impl fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKeys")
    }
}

/// Decodes hexadecimal digits or base64. Hexadecimal needs two digits a byte and base64 four
/// thirds, so the length tells them apart.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let bytes = if KEY_BYTES.contains(&(text.len() / 2)) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        let pairs = text.as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect::<Option<Vec<u8>>>()
    } else {
        BASE64_STANDARD.decode(text).ok()
    };
    bytes.filter(|bytes| KEY_BYTES.contains(&bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_both_spellings() {
        let hex = "30313233343536373839303132333435";
        let text = format!(
            r#"{{"footer_key": "{hex}", "column_keys": {{"x": "MDEyMzQ1Njc4OTAxMjM0NQ==", "y.z": "{hex}{hex}"}}}}"#
        );
        let keys = EncryptionKeys::parse(text.as_bytes()).unwrap();
        assert_eq!(keys.footer, b"0123456789012345");
        let column = |path: &[&str]| keys.column(&path.iter().map(|&p| p.to_owned()).collect::<Vec<_>>());
        assert_eq!(column(&["x", "list", "element"]), Some(&keys.footer));
        assert_eq!(column(&["y", "z"]).unwrap().len(), 32);
        assert_eq!(column(&["y"]), None);
        assert_eq!(format!("{keys:?}"), "EncryptionKeys");
    }

    #[test]
    fn what_is_no_key_is_named_and_not_shown() {
        for (text, word) in [
            (r#"{"footer_key": "s3cret"}"#, "footer_key"),
            (r#"{"footer_key": "s3cretABCDEFGHIJKLMNOPQ="}"#, "footer_key"),
            (r#"{"footer_key": 53cret}"#, "line 1"),
            (r#"{"footer_key": true, "s3cret": 1}"#, "line 1"),
            (r#"{"s3cret": "30313233343536373839303132333435"}"#, "line 1"),
            (
                r#"{"footer_key": "30313233343536373839303132333435", "column_keys": {"x": "s3cret"}}"#,
                "column_keys.x",
            ),
        ] {
            let error = EncryptionKeys::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(word) && !error.contains("s3cret"), "{error}");
        }
        let error = EncryptionKeys::open(Path::new("no/such/keys.json")).unwrap_err();
        assert_eq!(error.exit_code(), 78);
    }
}
