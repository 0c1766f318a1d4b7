//! Hive partitions: columns whose values are in the paths of the files, as `column=value` folders.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::scalar::ScalarValue;
use percent_encoding::percent_decode_str;

use super::table_files::TableFile;

/// The folder name of a null, in Hive and Spark.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The partition columns of a table.
#[derive(Debug, Default)]
pub(super) struct HivePartitions {
    /// The columns, from the outermost folder on: Int64 where every value is an integer, otherwise
    /// Utf8.
    pub(super) columns: Vec<FieldRef>,
    /// Values of each file, in the order of the columns.
    pub(super) values: Vec<Vec<ScalarValue>>,
}

/// A value in a path: `None` is null.
type PathValue = (String, Option<String>);

impl HivePartitions {
    /// Reads the partitions of files from their paths below the searched folder. A column that the
    /// path of a file lacks is null there.
    pub(super) fn of(files: &[TableFile]) -> Self {
        let paths: Vec<Vec<PathValue>> = files.iter().map(|file| path_values(&file.relative)).collect();
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in paths.iter().flatten() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let value = |path: &[PathValue], column: &str| -> Option<String> {
            path.iter().find(|(name, _)| name == column).and_then(|(_, value)| value.clone())
        };
        let (mut columns, mut values) = (Vec::new(), vec![Vec::new(); paths.len()]);
        for name in names {
            let column: Vec<Option<String>> = paths.iter().map(|path| value(path, name)).collect();
            let kind = column_type(&column);
            columns.push(Arc::new(Field::new(name, kind.clone(), true)));
            values.iter_mut().zip(column).for_each(|(values, value)| values.push(scalar(value, &kind)));
        }
        Self { columns, values }
    }
}

/// The `column=value` folders of a path, decoded.
fn path_values(relative: &Path) -> Vec<PathValue> {
    let folders = relative.parent().into_iter().flat_map(Path::iter);
    let parts = folders.filter_map(|folder| {
        let folder = folder.to_string_lossy();
        let (name, value) = folder.split_once('=')?;
        let value = (value != NULL).then(|| decode(value).into_owned());
        (!name.is_empty()).then(|| (decode(name).into_owned(), value))
    });
    parts.collect()
}

/// Writers escape what a path cannot hold as `%XX`.
fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

fn column_type(values: &[Option<String>]) -> DataType {
    let mut known = values.iter().flatten().peekable();
    match known.peek().is_some() && known.all(|value| is_integer(value)) {
        true => DataType::Int64,
        false => DataType::Utf8,
    }
}

/// Digits after an optional minus, also with leading zeros (`month=01`), that Int64 can hold.
fn is_integer(text: &str) -> bool {
    text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<i64>().is_ok()
}

fn scalar(value: Option<String>, kind: &DataType) -> ScalarValue {
    match kind {
        DataType::Int64 => ScalarValue::Int64(value.and_then(|text| text.parse().ok())),
        _ => ScalarValue::Utf8(value),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::object_store::ObjectMeta;
    use datafusion::object_store::path::Path as ObjectPath;

    use super::*;

    fn of(paths: &[&str]) -> HivePartitions {
        let file = |path: &&str| TableFile {
            name: (*path).to_owned(),
            relative: path.into(),
            meta: ObjectMeta {
                location: ObjectPath::default(),
                last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
                size: 0,
                e_tag: None,
                version: None,
            },
        };
        HivePartitions::of(&paths.iter().map(file).collect::<Vec<_>>())
    }

    fn shown(paths: &[&str]) -> String {
        let found = of(paths);
        let columns: Vec<String> =
            found.columns.iter().map(|field| format!("{}:{}", field.name(), field.data_type())).collect();
        let values: Vec<String> = found
            .values
            .iter()
            .map(|values| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
            .collect();
        format!("{} {}", columns.join(" "), values.join(" "))
    }

    #[test]
    fn values_and_types() {
        assert_eq!(shown(&["month=01/a", "month=12/b"]), "month:Int64 1 12");
        assert_eq!(shown(&["g=1/a", "g=__HIVE_DEFAULT_PARTITION__/b"]), "g:Int64 1 NULL");
        assert_eq!(shown(&["g=__HIVE_DEFAULT_PARTITION__/b"]), "g:Utf8 NULL");
        assert_eq!(shown(&["g=1/a", "g=x/b"]), "g:Utf8 1 x");
        assert_eq!(shown(&["g=+1/a"]), "g:Utf8 +1");
        assert_eq!(shown(&["g=/a"]), "g:Utf8 ");
        assert_eq!(shown(&["g=99999999999999999999/a"]), "g:Utf8 99999999999999999999");
        assert_eq!(shown(&["n=a%2Fb%20c%2525/a"]), "n:Utf8 a/b c%25");
        assert_eq!(
            shown(&["v1/year=2024/x/site=a=b/1", "v2/year=2025/site=/2"]),
            "year:Int64 site:Utf8 2024,a=b 2025,"
        );
        assert_eq!(shown(&["a=b.parquet"]), " ");
        assert_eq!(shown(&["month=1/a", "b", "k=x/month=2/c"]), "month:Int64 k:Utf8 1,NULL NULL,NULL 2,x");
    }
}
