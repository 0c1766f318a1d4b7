//! Samples: rows of a file or a record batch as embeddings and a class. Finds the
//! columns, reads them in batches, and assigns a fate to every row. Writes nothing.

mod batch;
mod classes;
mod deferred;
mod embedding_query;
mod embedding_type;
mod extract;
mod fate;
mod fate_counts;
mod first_rows;
mod label;
mod label_source;
mod label_type;
mod label_values;
mod list_reader;
mod on_missing;
mod pages;
mod probe;
mod roles;
mod row_key;
mod source;
mod spark_vector;
mod value_reader;

pub use batch::Samples;
pub use classes::{ClassCounter, MAX_CLASSES, class_examples, count_classes};
pub use deferred::DeferredSamples;
pub use embedding_type::{EmbeddingLayout, EmbeddingType, Float};
pub use extract::{Embeddings, InvalidEmbedding, extract};
pub use fate::{Fate, Modality};
pub use fate_counts::FateCounts;
pub use label::LabelIndex;
pub use label_source::FolderLabel;
pub use label_type::{LabelPlace, LabelType};
pub use list_reader::ListReader;
pub use on_missing::OnMissingModality;
pub use pages::embedding_data::ReadBuffers;
pub use pages::read_ahead::{PageJob, ReadAhead};
pub use probe::{dimension_of, embedding_columns, label_columns, obvious_embeddings, obvious_label};
pub use roles::{ColumnRequest, Roles};
pub use row_key::{check_key_type, key_hashes};
pub use source::{SampleReader, Source};
pub use value_reader::{ValueReader, value_hash, values_as_bytes};
