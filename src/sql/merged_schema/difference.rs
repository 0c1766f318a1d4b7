//! How the files of a table differ in a column, for those who query it.

use std::fmt::{Display, Formatter};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};

use crate::printable::{counted, quoted_name};

/// A column that some files lack, or that has several types.
#[derive(Debug, Clone)]
pub(in crate::sql) struct Difference {
    pub(super) column: String,
    /// The number of files that lack it, and one of them.
    pub(super) lacking: Option<(usize, String)>,
    /// Its types, each with the first file that has it; one where there are no others.
    pub(super) types: Vec<(DataType, String)>,
    /// The type of the table.
    pub(super) read_as: DataType,
}

impl Difference {
    /// The difference of a column; none where there is none to tell.
    pub(super) fn new(
        column: &str,
        lacking: Option<(usize, String)>,
        types: Vec<(DataType, String)>,
        read_as: DataType,
    ) -> Option<Self> {
        let differs = lacking.is_some() || types.len() > 1;
        differs.then(|| Self { column: column.to_owned(), lacking, types, read_as })
    }
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let name = quoted_name(&self.column);
        if let Some((files, example)) = &self.lacking {
            let files = match files {
                1 => example.clone(),
                _ => format!("{}, such as {example}", counted(*files as u64, "file")),
            };
            write!(f, "{name} is missing in {files}, and null there")?;
        }
        if self.types.len() > 1 {
            let types: Vec<String> =
                self.types.iter().map(|(kind, file)| format!("{kind} in {file}")).collect();
            let begin = if self.lacking.is_some() { " (and " } else { &format!("{name} is ") };
            let end = if self.lacking.is_some() { ")" } else { "" };
            write!(f, "{begin}{}, and read as {}{end}", types.join(", "), self.read_as)?;
        }
        Ok(())
    }
}

/// The type without what a query does not see of it: how texts, bytes and lists are laid out.
pub(super) fn seen_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Dictionary(_, value) => seen_type(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(Arc::new(Field::new_list_field(seen_type(item.data_type()), true)))
        }
        _ => kind.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_where_and_what_becomes_of_it() {
        let types = |kinds: &[DataType]| -> Vec<(DataType, String)> {
            kinds.iter().enumerate().map(|(at, kind)| (kind.clone(), format!("{at}.parquet"))).collect()
        };
        let of = |lacking: Option<(usize, &str)>, kinds: &[DataType]| {
            let lacking = lacking.map(|(files, file)| (files, file.to_owned()));
            Difference::new("Key", lacking, types(kinds), DataType::Int64).map(|it| it.to_string())
        };
        assert_eq!(of(None, &[DataType::Int64]), None);
        assert_eq!(
            of(Some((1, "b.parquet")), &[DataType::Int64]).unwrap(),
            "\"Key\" is missing in b.parquet, and null there"
        );
        assert_eq!(
            of(Some((3, "b.parquet")), &[DataType::Int64]).unwrap(),
            "\"Key\" is missing in 3 files, such as b.parquet, and null there"
        );
        assert_eq!(
            of(None, &[DataType::Int32, DataType::Int64]).unwrap(),
            "\"Key\" is Int32 in 0.parquet, Int64 in 1.parquet, and read as Int64"
        );
        assert_eq!(
            of(Some((1, "b.parquet")), &[DataType::Int32, DataType::Int64]).unwrap(),
            "\"Key\" is missing in b.parquet, and null there (and Int32 in 0.parquet, Int64 in 1.parquet, and read as Int64)"
        );
    }

    #[test]
    fn layouts_are_no_difference() {
        let list = |item| DataType::List(Arc::new(Field::new("element", item, false)));
        let fixed = |item| DataType::FixedSizeList(Arc::new(Field::new_list_field(item, true)), 4);
        assert_eq!(seen_type(&list(DataType::Float32)), seen_type(&fixed(DataType::Float32)));
        assert_ne!(seen_type(&list(DataType::Float32)), seen_type(&fixed(DataType::Float16)));
        assert_eq!(seen_type(&DataType::Utf8View), DataType::Utf8);
    }
}
