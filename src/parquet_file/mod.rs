//! One open Parquet file: its footer, its schema, its encryption, and a reader of one of
//! its columns. Knows nothing of embeddings or labels.

mod column_names;
mod column_reader;
mod encryption;
mod encryption_keys;
mod open;

pub(crate) use column_names::{Named, check_new_fields};
pub(crate) use column_reader::ColumnReader;
pub(crate) use encryption::Encryption;
pub use encryption_keys::EncryptionKeys;
pub use open::Input;
