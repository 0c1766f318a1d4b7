//! Settings: what each may be, as one type that is the flags of a subcommand, a table of a
//! pipeline file and a part of its JSON Schema; and which value holds, the flag's, the
//! environment's, the file's or the default.

mod annotate;
mod bundle_path;
mod engine;
mod load;
mod pipeline;
mod report;
mod resolve;
mod source;
mod text;
mod variables;

pub use annotate::{AnnotateSettings, IfNothing};
pub use bundle_path::{BundlePath, DEFAULT_BUNDLE};
pub use engine::EngineArgs;
pub use load::{ANNOTATED, Config, Query, Typed, load};
pub use pipeline::{Ends, Pipeline, SqlStep};
pub use report::{ReportFormat, ReportSettings};
pub use resolve::{Origin, Setting};
