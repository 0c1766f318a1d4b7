//! Settings: what each may be, as one type that is the flags of a subcommand, a table of a
//! pipeline file and a part of its JSON Schema.

mod annotate;
mod engine;
mod report;
mod text;

pub use annotate::{AnnotateSettings, DEFAULT_BUNDLE, IfNothing};
pub use engine::EngineArgs;
pub use report::{ReportFormat, ReportSettings};
