//! Datasets: Parquet files opened, their embedding and label columns read in
//! batches, and new columns spliced in beside the old ones; Arrow IPC streams, whose
//! rows are read and written whole. Synchronous; local files and objects of stores meet
//! in [`InputFile`] and [`Staged`], and everything else only asks for a
//! [`ChunkReader`](parquet::file::reader::ChunkReader) or a writer. Knows nothing of
//! models.

mod bundles;
mod classes;
mod column;
mod direct;
mod discover;
mod embedding;
mod encryption;
mod extract;
mod fate;
mod fault;
mod file;
mod input;
mod ipc;
mod keys;
mod keyvalues;
mod label;
mod levels;
mod local;
mod ordered_json;
mod pages;
mod probe;
mod publish;
mod reencode;
mod remote;
mod roles;
mod rooms;
mod row_writer;
mod rows;
mod samples;
mod sink;
mod skim;
mod spill;
mod splice;
mod stdio;
mod store;
mod unread;
mod upload;
mod writer;

pub use bundles::open_bundle;
pub use classes::{ClassCounter, MAX_CLASSES, count_classes};
pub use discover::{Files, Pair, Share, create_folder_of, find_files};
pub use embedding::{EmbeddingType, Float, Layout};
pub use extract::{Embeddings, Flaw, extract};
pub use fate::{Fate, FateCounts, Modality};
pub use file::InputFile;
pub use input::Input;
pub use keys::Keys;
pub use label::{LabelIndex, LabelType};
pub use local::LocalFile;
pub use probe::{dimension_of, embedding_columns, label_columns, obvious_embeddings, obvious_label};
pub use publish::Staged;
pub use remote::RemoteFile;
pub use roles::Roles;
pub use row_writer::{Added, RowWriter};
pub use rows::{RowBatch, Rows};
pub use samples::{Request, SampleReader, Samples, Source};
pub use sink::Output;
pub use stdio::{StdinChunks, is_stdio, stdout};
pub use store::{below, exists, is_url, store_of, unreadable};
pub use unread::{Memory, Unread};
pub use writer::{Writer, Written};
