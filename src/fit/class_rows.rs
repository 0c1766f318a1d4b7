//! Training rows of a classifier in the order of their classes, and their total scatter: what every
//! step of a discriminant analysis reads.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Par};

use super::labelled_rows::LabelledRows;

/// Standardised rows, class by class.
pub(crate) struct ClassRows {
    /// `[n, d]` row-major.
    values: Vec<f32>,
    /// d.
    pub dim: usize,
    /// Rows of each class.
    pub counts: Vec<usize>,
    /// The first row of each class, and n.
    starts: Vec<usize>,
}

/// What a discriminant analysis needs of all rows together.
#[derive(Clone)]
pub(crate) struct ClassTotals {
    /// Rows of each class.
    pub counts: Vec<usize>,
    /// Σ x xᵀ, lower half, in f64: its small eigenvalues matter.
    pub scatter: Mat<f64>,
}

impl ClassRows {
    /// Sorts rows by class, with the order within a class kept.
    pub fn new(rows: LabelledRows<'_>) -> Self {
        let (d, n) = (rows.width, rows.y.len());
        let mut counts = vec![0; rows.classes];
        rows.y.iter().for_each(|&class| counts[class as usize] += 1);
        let mut starts = vec![0];
        starts.extend(counts.iter().scan(0, |sum, &count| {
            *sum += count;
            Some(*sum)
        }));
        let mut next = starts.clone();
        let mut values = vec![0.0; n * d];
        for (x, &class) in rows.x.chunks_exact(d).zip(rows.y) {
            let at = &mut next[class as usize];
            values[*at * d..][..d].copy_from_slice(x);
            *at += 1;
        }
        Self { values, dim: d, counts, starts }
    }

    /// Counts and scatter.
    pub fn totals(&self) -> ClassTotals {
        ClassTotals { counts: self.counts.clone(), scatter: scatter(&self.values, self.dim) }
    }

    /// The rows of a class, `[n_c, d]`.
    pub fn of(&self, class: usize) -> &[f32] {
        &self.values[self.starts[class] * self.dim..self.starts[class + 1] * self.dim]
    }
}

impl ClassTotals {
    /// n.
    pub fn rows(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Adds those of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(own, other)| *own += other);
        self.scatter += &other.scatter;
    }
}

fn scatter(values: &[f32], d: usize) -> Mat<f64> {
    const BLOCK: usize = 512;
    let par = if d < 128 { Par::Seq } else { Par::rayon(0) };
    let mut out = Mat::zeros(d, d);
    for block in values.chunks(BLOCK * d) {
        let block: Vec<f64> = block.iter().map(|&value| f64::from(value)).collect();
        let columns = MatRef::from_column_major_slice(&block, d, block.len() / d);
        triangular::matmul(
            &mut out,
            BlockStructure::TriangularLower,
            Accum::Add,
            columns,
            BlockStructure::Rectangular,
            columns.transpose(),
            BlockStructure::Rectangular,
            1.0,
            par,
        );
    }
    out
}
