//! An open Parquet file: footer, schema, encryption, checks of its pages, and a reader of a single
//! column. Independent of embeddings and labels.

mod checked_file;
mod chunk_map;
mod codec;
mod column_chunk;
mod column_names;
mod column_reader;
mod decoder_panics;
mod delta_lengths;
mod encryption;
mod encryption_keys;
mod footer;
mod foreign_format;
mod level_runs;
mod open;
mod page_checker;
mod page_header;
mod page_walk;
mod raw_page;
mod raw_pages;
mod snappy;
mod thrift;

pub(crate) use checked_file::CheckedFile;
pub(crate) use chunk_map::ChunkMap;
pub(crate) use column_names::{ColumnNames, check_new_fields, listed_columns, most_similar};
pub(crate) use column_reader::ColumnReader;
pub(crate) use decoder_panics::{catch_panics, caught, next_or_panic, panic_message};
pub(crate) use encryption::Encryption;
pub use encryption_keys::EncryptionKeys;
pub(crate) use footer::{check_footer, check_footer_bytes, check_indexed_rows};
pub(crate) use foreign_format::{HEAD_BYTES, not_parquet, not_text};
pub use open::Input;
pub(crate) use page_checker::Checksums;
pub(crate) use page_header::PageHeader;
pub(crate) use raw_page::RawPage;
pub(crate) use raw_pages::RawPages;
