//! Parquet files written and read back by the tests themselves, through the arrow and
//! parquet crates and not through the program.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Float32Type, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

/// All rows of a file.
pub fn read(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// Writes a file of row groups of 100 rows, with a key-value of ours in its footer.
pub fn write(path: &Path, batch: &RecordBatch) {
    let written_by = KeyValue::new("written_by".to_owned(), "the tests".to_owned());
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(100))
        .set_key_value_metadata(Some(vec![written_by]))
        .build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Writes the first rows of a file into another with its key-values, as pyarrow does.
pub fn write_part(from: &Path, to: &Path, rows: usize) {
    let whole = ParquetRecordBatchReaderBuilder::try_new(File::open(from).unwrap()).unwrap();
    let mut pairs = whole.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    pairs.retain(|pair| pair.key != "ARROW:schema");
    let batch = read(from).slice(0, rows);
    let properties = WriterProperties::builder().set_key_value_metadata(Some(pairs)).build();
    let mut writer =
        ArrowWriter::try_new(File::create(to).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// The footer's value under a key.
pub fn key_value(path: &Path, key: &str) -> Option<String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let pairs = builder.metadata().file_metadata().key_value_metadata()?.clone();
    pairs.into_iter().find(|pair| pair.key == key)?.value
}

/// A batch of named columns, all nullable.
pub fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.iter().map(|(_, array)| array.clone()).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// The same batch with another array under a name it has.
pub fn replaced(rows: &RecordBatch, name: &str, array: ArrayRef) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = rows
        .schema_ref()
        .fields()
        .iter()
        .zip(rows.columns())
        .map(|(field, old)| {
            let new = if field.name() == name { &array } else { old };
            (field.name().as_str(), new.clone())
        })
        .collect();
    batch(&columns)
}

/// Embeddings of equal length; a row without values is null.
pub fn embeddings(rows: &[Option<Vec<f32>>], dim: i32) -> ArrayRef {
    let rows = rows.iter().map(|row| row.as_ref().map(|row| row.iter().copied().map(Some)));
    Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, dim))
}

/// The rows of a column of fixed-size lists of f32.
pub fn vectors(rows: &RecordBatch, name: &str) -> Vec<Option<Vec<f32>>> {
    let lists = rows.column_by_name(name).unwrap().as_fixed_size_list();
    let values = |row| lists.value(row).as_primitive::<Float32Type>().values().to_vec();
    (0..lists.len()).map(|row| lists.is_valid(row).then(|| values(row))).collect()
}

/// A column of f32.
pub fn floats(rows: &RecordBatch, name: &str) -> Float32Array {
    rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name}")).as_primitive().clone()
}

/// The names of a schema's fields in their order.
pub fn names(schema: &SchemaRef) -> Vec<&str> {
    schema.fields().iter().map(|field| field.name().as_str()).collect()
}

/// The names in a folder, hidden ones too, sorted.
pub fn listing(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Copies the files of a folder.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in listing(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// All files below a folder, by their relative paths.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}
