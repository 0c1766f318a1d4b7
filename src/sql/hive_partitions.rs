//! Hive partitions: columns whose values are in the paths of the files, as `column=value` folders.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::scalar::ScalarValue;

use crate::storage::{PartitionValue, partition_integer, partition_values};

use super::declared_columns::DeclaredColumns;
use super::table_files::TableFile;

/// The partition columns of a table.
#[derive(Debug, Default)]
pub(super) struct HivePartitions {
    /// The columns, from the outermost folder on: Int64 where every value is an integer, otherwise
    /// Utf8.
    pub(super) columns: Vec<FieldRef>,
    /// Values of each file, in the order of the columns.
    pub(super) values: Vec<Vec<ScalarValue>>,
}

impl HivePartitions {
    /// Reads the partitions of files from their paths below the searched folder. A column that the
    /// path of a file lacks is null there; one that is declared as text is text.
    pub(super) fn of(files: &[TableFile], declared: &DeclaredColumns) -> Self {
        let paths: Vec<Vec<PartitionValue>> =
            files.iter().map(|file| partition_values(&file.relative)).collect();
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in paths.iter().flatten() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let value = |path: &[PartitionValue], column: &str| -> Option<String> {
            path.iter().find(|(name, _)| name == column).and_then(|(_, value)| value.clone())
        };
        let (mut columns, mut values) = (Vec::new(), vec![Vec::new(); paths.len()]);
        for name in names {
            let column: Vec<Option<String>> = paths.iter().map(|path| value(path, name)).collect();
            let kind = if declared.is_text(name) { DataType::Utf8 } else { column_type(&column) };
            columns.push(Arc::new(Field::new(name, kind.clone(), true)));
            values.iter_mut().zip(column).for_each(|(values, value)| values.push(scalar(value, &kind)));
        }
        Self { columns, values }
    }
}

fn column_type(values: &[Option<String>]) -> DataType {
    let mut known = values.iter().flatten().peekable();
    match known.peek().is_some() && known.all(|value| partition_integer(value).is_some()) {
        true => DataType::Int64,
        false => DataType::Utf8,
    }
}

fn scalar(value: Option<String>, kind: &DataType) -> ScalarValue {
    match kind {
        DataType::Int64 => ScalarValue::Int64(value.as_deref().and_then(partition_integer)),
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
        HivePartitions::of(&paths.iter().map(file).collect::<Vec<_>>(), &DeclaredColumns::default())
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
