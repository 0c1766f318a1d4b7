//! Storage: bytes in and out, in the local file system and in object stores. Finds files, reads
//! them by position, and publishes each output under its name only when it is complete. Of Parquet
//! it uses only [`ChunkReader`](parquet::file::reader::ChunkReader).

pub(crate) mod block_writer;
mod buffer_pool;
mod credentials;
mod destinations;
mod direct;
mod discover;
mod file_ending;
mod file_kind;
mod file_version;
pub(crate) mod io_errors;
mod key_listing;
mod leftovers;
mod local;
mod near_names;
mod new_folders;
mod object_store;
mod opened_versions;
mod output;
mod output_folders;
mod path_identity;
pub(crate) mod positioned_io;
mod regular_file;
mod remote;
mod source_file;
mod staged;
mod staged_folder;
mod stdio;
mod store_client;
mod store_url;
mod upload;

pub use self::object_store::{exists, list_objects, read_error, read_object, remove, store_of};
pub(crate) use buffer_pool::BufferPool;
pub use destinations::Destinations;
pub use discover::{
    DataFiles, DataNames, FilePair, Files, FoundFile, PartitionValue, Share, create_parent_folder,
    find_files, find_files_of, partition_folder, partition_integer, partition_value, partition_values,
};
pub use file_ending::FileEnding;
pub use file_kind::FileKind;
pub use file_version::{FileVersion, VersionedPath, last_change, may_be_newer};
pub use local::{LocalFile, cannot_open};
pub use near_names::{near_path, no_input};
pub use new_folders::NewFolders;
pub use opened_versions::OpenedVersions;
pub use output::Output;
pub use output_folders::lies_in;
pub use path_identity::PathIdentity;
pub use regular_file::{TEXT_BYTES, read_range, read_regular, read_text, without_mark};
pub(crate) use regular_file::{open_at_once, require_regular};
pub use remote::{PlannedRead, RemoteFile};
pub use source_file::SourceFile;
pub use staged::Staged;
pub(crate) use staged::temporary_folder;
pub use staged_folder::StagedFolder;
pub use stdio::{Chunker, StdinChunks, is_stdio, stdout};
pub use store_url::{StoreLocation, is_url, join_path, locate, require_local_folder, store_base};
