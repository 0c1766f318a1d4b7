//! What a session tells an observer while its statements run.

use std::fmt::Debug;

/// The rows that a statement has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueryRows {
    /// Rows read of files.
    pub read: u64,
    /// The rows that these files have, where all tell it.
    pub of: Option<u64>,
    /// Rows evaluated by models.
    pub evaluated: u64,
}

/// An observer of statements. It is called by several threads.
pub trait QueryProgress: Debug + Send + Sync {
    /// A statement begins.
    fn begin(&self);
    /// How far the statement is, several times a second.
    fn advance(&self, rows: QueryRows);
    /// The statement's first rows are about to be written.
    fn output(&self);
    /// The statements have ended or failed.
    fn end(&self);
}
