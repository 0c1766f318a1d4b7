//! Settings and pipeline files. Each settings type is at once the flags of a subcommand, a table
//! of a pipeline file and a part of its JSON Schema. Flags override the environment, which
//! overrides the file, which overrides the defaults.

mod annotate;
mod bundle_path;
mod cluster;
mod column_list;
mod embedding_flags;
mod engine;
mod faults;
mod keys;
mod load;
mod notations;
mod pipeline;
mod report;
mod resolve;
mod source_text;
#[cfg(feature = "cluster")]
mod tls;
mod variables;

pub use annotate::{AnnotateSettings, IfNothing};
pub use bundle_path::{BundlePath, DEFAULT_BUNDLE};
pub use cluster::ClusterArgs;
pub use column_list::ColumnList;
pub use engine::EngineArgs;
pub use faults::Faults;
pub use load::{ANNOTATED, CommandLine, Config, Query, load};
pub use pipeline::{InputOutput, Pipeline, SqlStep};
pub use report::{ReportFormat, ReportSettings};
pub use resolve::{Setting, SettingOrigin};
#[cfg(feature = "cluster")]
pub use tls::TlsArgs;
