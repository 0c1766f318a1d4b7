//! Rows of a classifier in memory, as its trainings read them.

/// Standardised rows with their labels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelledRows<'a> {
    /// `[n, width]` row-major.
    pub x: &'a [f32],
    /// d.
    pub width: usize,
    /// Class of each row.
    pub y: &'a [u32],
    /// C.
    pub classes: usize,
}
