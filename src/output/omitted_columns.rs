//! What a copy of an input leaves out.

/// Columns of an input that its copy does not have, and key-values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OmittedColumns {
    /// Positions of top-level columns, ascending.
    pub columns: Vec<usize>,
    /// Names of key-values.
    pub keys: Vec<String>,
}

impl OmittedColumns {
    /// Whether nothing is omitted.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.keys.is_empty()
    }
}
