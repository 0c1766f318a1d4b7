//! Storage: bytes in and out, in the local file system and in object stores. Finds files, reads
//! them by position, and publishes each output under its name only when it is complete. Of Parquet
//! it uses only [`ChunkReader`](parquet::file::reader::ChunkReader).

pub(crate) mod block_writer;
mod buffer_pool;
mod direct;
mod discover;
pub(crate) mod io_errors;
mod key_listing;
mod leftovers;
mod local;
mod object_store;
mod output;
pub(crate) mod positioned_io;
mod remote;
mod source_file;
mod staged;
mod staged_folder;
mod stdio;
mod store_client;
mod store_url;
mod upload;

pub use self::object_store::{exists, read_error, read_object, store_of};
pub use discover::{
    DataFiles, DataNames, FilePair, Files, FoundFile, PartitionValue, Share, create_parent_folder,
    find_files, partition_integer, partition_value, partition_values,
};
pub use local::{LocalFile, cannot_open};
pub use output::Output;
pub use remote::RemoteFile;
pub use source_file::SourceFile;
pub use staged::Staged;
pub(crate) use staged::temporary_folder;
pub use staged_folder::StagedFolder;
pub use stdio::{StdinChunks, is_stdio, stdout};
pub use store_url::{StoreLocation, is_url, join_path, locate, require_local_folder, store_base};
