//! Datasets: Parquet files opened, their embedding and label columns read in
//! batches, and new columns spliced in beside the old ones. Synchronous; local files
//! and objects of stores meet in [`InputFile`] and [`Staged`], and everything else only
//! asks for a [`ChunkReader`](parquet::file::reader::ChunkReader) or a writer. Knows
//! nothing of models.

mod classes;
mod column;
mod discover;
mod embedding;
mod encryption;
mod extract;
mod fate;
mod fault;
mod file;
mod input;
mod keyvalues;
mod label;
mod levels;
mod local;
mod ordered_json;
mod pages;
mod probe;
mod publish;
mod remote;
mod samples;
mod sink;
mod splice;
mod store;
mod upload;

pub use classes::{ClassCounter, MAX_CLASSES, count_classes};
pub use discover::{Files, Pair, Share, create_folder_of};
pub use embedding::{EmbeddingType, Float, Layout};
pub use extract::{Embeddings, Flaw, extract};
pub use fate::{Fate, FateCounts, Modality};
pub use file::InputFile;
pub use input::Input;
pub use label::{LabelIndex, LabelType};
pub use local::LocalFile;
pub use probe::{dimension_of, embedding_columns, label_columns, obvious_embeddings, obvious_label};
pub use publish::Staged;
pub use remote::RemoteFile;
pub use samples::{Request, SampleReader, Samples, Source};
pub use splice::SpliceWriter;
pub use store::{below, exists, is_url, store_of, unreadable};
