//! Tests of encrypted files with columns added: the same values under the same keys, and none of
//! them in plaintext.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float32Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float32Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::encryption::decrypt::FileDecryptionProperties;
use parquet::encryption::encrypt::{EncryptionPropertiesBuilder, FileEncryptionProperties};
use parquet::file::column_crypto_metadata::ColumnCryptoMetaData;

use crate::output::Writer;
use crate::parquet_file::EncryptionKeys;

use super::*;

const FOOTER: &[u8; 16] = b"0123456789012345";
const OTHER: &[u8; 16] = b"1234567890123450";
const SECRET: &str = "a word that nobody may read";

fn keys(folder: &Path, columns: &str, more: &str) -> EncryptionKeys {
    let hex: String = FOOTER.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join("keys.json");
    std::fs::write(&path, format!(r#"{{"footer_key": "{hex}", "column_keys": {{{columns}}}{more}}}"#))
        .unwrap();
    EncryptionKeys::open(&path).unwrap()
}

fn other_key(column: &str) -> String {
    let hex: String = OTHER.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(r#""{column}": "{hex}""#)
}

fn batch() -> RecordBatch {
    let lists = (0..300).map(|row| (row % 7 != 3).then(|| vec![Some(row as f32); row % 4]));
    let columns: [(&str, ArrayRef); 3] = [
        ("x", Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists))),
        ("label", Arc::new(Int64Array::from_iter_values((0..300).map(|row| row % 4)))),
        ("word", Arc::new(StringArray::from_iter_values((0..300).map(|row| format!("{SECRET} {row}"))))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn write(path: &Path, encryption: EncryptionPropertiesBuilder) {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(128))
        .with_file_encryption_properties(encryption.build().unwrap())
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch().schema(), Some(properties)).unwrap();
    writer.write(&batch()).unwrap();
    writer.close().unwrap();
}

/// Adds a column `r` with the row's number, computed from `label`.
fn add(path: &Path, keys: &EncryptionKeys) -> Result<PathBuf> {
    let input = Input::open_with(path, Some(keys))?;
    let output = path.with_file_name("out.parquet");
    let fields = [Field::new("r", DataType::Float32, true)];
    let more = [KeyValue::new("k".to_owned(), "v".to_owned())];
    let mut writer = Writer::new(&input, Staged::create(&output, true)?, &fields, &["label"], &more)?;
    let mut row = 0;
    for group in 0..input.metadata().num_row_groups() {
        let rows = input.rows_in(group);
        let values = Float32Array::from_iter_values((row..row + rows).map(|row| row as f32));
        writer.row_group(group, |new| new.append(&[Arc::new(values)]))?;
        row += rows;
    }
    writer.set_key_value("k", "w".to_owned());
    assert_eq!(writer.finish()?, output.metadata().unwrap().len());
    Ok(output)
}

fn read(path: &Path, decryption: Arc<FileDecryptionProperties>) -> RecordBatch {
    let options = ArrowReaderOptions::new().with_file_decryption_properties(decryption);
    let reader =
        ParquetRecordBatchReaderBuilder::try_new_with_options(File::open(path).unwrap(), options).unwrap();
    let schema = reader.schema().clone();
    concat_batches(&schema, &reader.build().unwrap().map(|batch| batch.unwrap()).collect::<Vec<_>>()).unwrap()
}

/// Whether a file holds some bytes as they are.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    std::fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes)
}

fn check_content(out: &RecordBatch) {
    assert_eq!(out.columns()[..3], *batch().columns());
    let expected = Float32Array::from_iter_values((0..300).map(|row| row as f32));
    assert_eq!(out.column_by_name("r").unwrap().to_data(), expected.to_data());
}

#[test]
fn one_key_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.parquet");
    write(&path, FileEncryptionProperties::builder(FOOTER.to_vec()).with_footer_key_metadata(b"kf".to_vec()));
    let keys = keys(folder.path(), "", "");
    let out = add(&path, &keys).unwrap();
    check_content(&read(&out, FileDecryptionProperties::builder(FOOTER.to_vec()).build().unwrap()));
    assert!(std::fs::read(&out).unwrap().starts_with(b"PARE"));
    assert!(!holds(&out, SECRET.as_bytes()) && !holds(&out, b"word"));

    let (old, new) =
        (Input::open_with(&path, Some(&keys)).unwrap(), Input::open_with(&out, Some(&keys)).unwrap());
    assert_eq!(new.encryption().unwrap().footer_key_metadata.as_deref(), Some(&b"kf"[..]));
    assert_eq!(new.metadata().num_row_groups(), old.metadata().num_row_groups());
    assert!(new.metadata().column_index().is_some() && new.metadata().offset_index().is_some());
    let value = new.metadata().file_metadata().key_value_metadata().unwrap();
    assert_eq!(value.iter().find(|pair| pair.key == "k").unwrap().value.as_deref(), Some("w"));
    let error = Input::open(&out).unwrap_err();
    assert_eq!(error.exit_code(), 65);
    assert!(error.to_string().contains("--parquet-keys"), "{error}");
}

#[test]
fn keys_of_columns_and_a_footer_for_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.parquet");
    for open_footer in [false, true] {
        let encryption = FileEncryptionProperties::builder(FOOTER.to_vec())
            .with_plaintext_footer(open_footer)
            .with_column_key_and_metadata("label", OTHER.to_vec(), b"the label's".to_vec())
            .with_column_key("word", FOOTER.to_vec());
        write(&path, encryption);
        let hex: String = FOOTER.iter().map(|byte| format!("{byte:02x}")).collect();
        let both = keys(folder.path(), &format!(r#"{}, "word": "{hex}""#, other_key("label")), "");
        let out = add(&path, &both).unwrap();
        assert_eq!(std::fs::read(&out).unwrap().starts_with(b"PAR1"), open_footer);
        assert!(!holds(&out, SECRET.as_bytes()));
        // What is computed from the label is as secret as the label.
        let decryption = FileDecryptionProperties::builder(FOOTER.to_vec())
            .with_column_key("label", OTHER.to_vec())
            .with_column_key("word", FOOTER.to_vec())
            .with_column_key("r", OTHER.to_vec());
        check_content(&read(&out, decryption.build().unwrap()));
        let out = Input::open_with(&out, Some(&both)).unwrap();
        let columns = out.metadata().row_group(1).columns();
        let metadata = |leaf: usize| match columns[leaf].crypto_metadata() {
            Some(ColumnCryptoMetaData::ENCRYPTION_WITH_COLUMN_KEY(column)) => column.key_metadata.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(columns[0].crypto_metadata(), None);
        assert_eq!(metadata(1), Some(b"the label's".to_vec()));
        assert_eq!(metadata(2), None);
        assert_eq!(metadata(3), metadata(1));
        assert_eq!(out.has_plaintext_footer_of_encrypted(), open_footer);
    }
}

#[test]
fn keys_that_are_wrong_or_missing_are_told_from_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.parquet");
    let builder = || FileEncryptionProperties::builder(FOOTER.to_vec());
    let refused = |keys: &EncryptionKeys, words: &[&str]| {
        let error = add(&path, keys).unwrap_err();
        assert_eq!(error.exit_code(), 65, "{error}");
        assert!(words.iter().all(|word| error.to_string().contains(word)), "{words:?} {error}");
    };
    let none = keys(folder.path(), "", "");
    write(&path, FileEncryptionProperties::builder(OTHER.to_vec()));
    refused(&none, &["--parquet-keys", "footer key"]);
    write(&path, builder().with_aad_prefix(b"file 1".to_vec()));
    refused(&none, &["--parquet-keys", "AAD prefix"]);
    let prefix = keys(folder.path(), "", r#", "aad_prefix": "file 1""#);
    let out = add(&path, &prefix).unwrap();
    let decryption = FileDecryptionProperties::builder(FOOTER.to_vec()).with_aad_prefix(b"file 1".to_vec());
    check_content(&read(&out, decryption.build().unwrap()));
    for open_footer in [false, true] {
        write(&path, builder().with_plaintext_footer(open_footer).with_column_key("label", FOOTER.to_vec()));
        refused(&none, &["\"label\"", "column_keys"]);
        refused(&keys(folder.path(), &other_key("label"), ""), &["label", "--parquet-keys"]);
    }
    let error = Input::open(&path).unwrap_err();
    assert!(error.to_string().contains("has encrypted columns"), "{error}");
}

#[test]
fn a_file_that_is_not_encrypted_is_copied_whatever_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.parquet");
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch().schema(), None).unwrap();
    writer.write(&batch()).unwrap();
    writer.close().unwrap();
    let keys = keys(folder.path(), "", "");
    assert_eq!(
        crate::output::CopyMethod::of(&Input::open_with(&path, Some(&keys)).unwrap()).name(),
        "spliced"
    );
    assert!(holds(&add(&path, &keys).unwrap(), SECRET.as_bytes()));
}

#[test]
fn damage_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.parquet");
    write(&path, FileEncryptionProperties::builder(FOOTER.to_vec()));
    let whole = std::fs::read(&path).unwrap();
    let keys = keys(folder.path(), "", "");
    for at in (4..whole.len()).step_by(whole.len() / 200) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, &damaged).unwrap();
        // A page index that makes no sense is skipped where it is not needed.
        match add(&path, &keys) {
            Err(error) => assert_eq!(error.exit_code(), 65, "{at}: {error}"),
            Ok(out) => {
                let decryption = FileDecryptionProperties::builder(FOOTER.to_vec()).build().unwrap();
                check_content(&read(&out, decryption));
            }
        }
    }
}
