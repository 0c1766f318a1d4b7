//! An open Parquet file: footer, schema, encryption, and a reader of a single column. Independent
//! of embeddings and labels.

mod column_names;
mod column_reader;
mod encryption;
mod encryption_keys;
mod open;

pub(crate) use column_names::{ColumnNames, check_new_fields};
pub(crate) use column_reader::ColumnReader;
pub(crate) use encryption::Encryption;
pub use encryption_keys::EncryptionKeys;
pub use open::Input;
