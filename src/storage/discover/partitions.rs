//! Hive partitions: columns whose values are in the paths of files, as `column=value` folders.

use std::borrow::Cow;
use std::path::Path;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// What the names of folders hold escaped: separators, and what shells and other systems give a meaning.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b'%')
    .add(b'/')
    .add(b'\\')
    .add(b'=')
    .add(b':')
    .add(b'"')
    .add(b'*')
    .add(b'?')
    .add(b'[')
    .add(b']')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'|');

/// The folder name of a null, in Hive and Spark.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The text of that name, as a value.
const ESCAPED_NULL: &str = "%5F_HIVE_DEFAULT_PARTITION__";

/// A column and its value in a path; `None` is null.
pub type PartitionValue = (String, Option<String>);

/// The `column=value` folders of a file's path, from the outermost on, decoded.
pub fn partition_values(file: &Path) -> Vec<PartitionValue> {
    let folders = file.parent().into_iter().flat_map(Path::iter);
    let parts = folders.filter_map(|folder| {
        let folder = folder.to_string_lossy();
        let (name, value) = folder.split_once('=')?;
        let value = (value != NULL).then(|| decode(value).into_owned());
        (!name.is_empty()).then(|| (decode(name).into_owned(), value))
    });
    parts.collect()
}

/// The `column=value` folder of a value; `None` is null.
pub fn partition_folder(column: &str, value: Option<&str>) -> String {
    let escaped = |text| utf8_percent_encode(text, ESCAPED);
    match value {
        // A folder's name is compared with that of null before it is decoded.
        Some(NULL) => format!("{}={ESCAPED_NULL}", escaped(column)),
        Some(value) => format!("{}={}", escaped(column), escaped(value)),
        None => format!("{}={NULL}", escaped(column)),
    }
}

/// The value of one column in a file's path: that of the innermost such folder.
pub fn partition_value(file: &Path, column: &str) -> Option<Option<String>> {
    partition_values(file).into_iter().rev().find(|(name, _)| name == column).map(|(_, value)| value)
}

/// Writers escape what a path cannot hold as `%XX`.
fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// The number that a partition value stands for where it is one: digits after an optional minus,
/// also with leading zeros (`month=01`).
pub fn partition_integer(text: &str) -> Option<i64> {
    let is_plain = text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_values_are_read_back() {
        for value in ["cat", "a/b", "50%", "x=y", "é 1", "*?[0]", ".", "", NULL] {
            let file = Path::new(&partition_folder("a/=", Some(value))).join("rows.parquet");
            assert_eq!(partition_values(&file), [("a/=".to_owned(), Some(value.to_owned()))]);
            assert_eq!(file.components().count(), 2, "{}", file.display());
        }
        let file = Path::new(&partition_folder("k", None)).join("rows.parquet");
        assert_eq!(partition_values(&file), [("k".to_owned(), None)]);
    }

    #[test]
    fn values_of_folders() {
        let of = |path: &str, column: &str| partition_value(Path::new(path), column);
        assert_eq!(of("data/label=cat/a.parquet", "label"), Some(Some("cat".into())));
        assert_eq!(of("s3://b/label=a%2Fb/x=1/a.parquet", "label"), Some(Some("a/b".into())));
        assert_eq!(of("label=1/label=2/a.parquet", "label"), Some(Some("2".into())));
        assert_eq!(of("label=__HIVE_DEFAULT_PARTITION__/a", "label"), Some(None));
        assert_eq!(of("label=cat.parquet", "label"), None);
        assert_eq!(
            ["01", "-7", "+1", "", "x", "99999999999999999999"].map(partition_integer),
            [Some(1), Some(-7), None, None, None, None]
        );
    }
}
