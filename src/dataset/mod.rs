//! Datasets: Parquet files opened, their embedding and label columns read in
//! batches, and new columns spliced in beside the old ones. Synchronous and over
//! local files; everything below [`LocalFile`] only asks for a
//! [`ChunkReader`](parquet::file::reader::ChunkReader), which is where other
//! stores come in. Knows nothing of models.

mod classes;
mod column;
mod discover;
mod embedding;
mod encryption;
mod extract;
mod fate;
mod fault;
mod input;
mod keyvalues;
mod label;
mod levels;
mod local;
mod ordered_json;
mod pages;
mod probe;
mod publish;
mod samples;
mod sink;
mod splice;

pub use classes::{ClassCounter, MAX_CLASSES, count_classes};
pub use discover::{Pair, Plan, Share};
pub use embedding::{EmbeddingType, Float, Layout};
pub use extract::{Embeddings, Flaw, extract};
pub use fate::{Fate, FateCounts, Modality};
pub use input::Input;
pub use label::{LabelIndex, LabelType};
pub use local::LocalFile;
pub use probe::{dimension_of, embedding_columns, label_columns, obvious_embeddings, obvious_label};
pub use publish::Staged;
pub use samples::{Request, SampleReader, Samples, Source};
pub use splice::SpliceWriter;
