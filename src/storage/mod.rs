//! Storage: bytes in and out, in the local file system and in object stores. Finds files,
//! reads them by position, and writes outputs that appear under their names when they are
//! whole. Of Parquet it knows no more than [`ChunkReader`](parquet::file::reader::ChunkReader).

pub(crate) mod block_writer;
mod buffer_pool;
mod direct;
mod discover;
pub(crate) mod io_errors;
mod local;
mod object_store;
mod output;
pub(crate) mod positioned_io;
mod remote;
mod source_file;
mod staged;
mod stdio;
mod upload;

pub use self::object_store::{below, exists, is_url, read, store_of, unreadable};
pub use discover::{Files, Pair, Share, create_folder_of, find_files};
pub use local::LocalFile;
pub use output::Output;
pub use remote::RemoteFile;
pub use source_file::InputFile;
pub use staged::Staged;
pub(crate) use staged::temporary_folder;
pub use stdio::{StdinChunks, is_stdio, stdout};
