//! The options of CSV, which COPY writes and CREATE EXTERNAL TABLE reads.

/// What a delimiter may be.
pub(super) const DELIMITERS: &str = "one ASCII character that is no quote (\") and no line break";

/// The delimiter of an option's value; none where a reader could not tell it from what it stands between.
pub(super) fn delimiter(value: &str) -> Option<u8> {
    match value.replace("\\t", "\t").as_bytes() {
        [b'"' | b'\n' | b'\r'] => None,
        &[delimiter] if delimiter.is_ascii() => Some(delimiter),
        _ => None,
    }
}

/// The value of HAS_HEADER.
pub(super) fn has_header(value: &str) -> Option<bool> {
    value.to_ascii_lowercase().parse().ok()
}

/// The name of an option: in lower case, without the namespace that may stand before it.
pub(super) fn option_name(key: &str) -> String {
    let key = key.to_ascii_lowercase();
    key.strip_prefix("format.").map(str::to_owned).unwrap_or(key)
}
