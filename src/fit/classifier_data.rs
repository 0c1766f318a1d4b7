//! Inputs of one classifier: its modalities, standardised and concatenated.

use crate::interaction::Subset;

use super::labelled_rows::LabelledRows;
use super::scaling::Scaling;
use super::training_set::TrainingSet;

/// The standardisation of a classifier's inputs, measured on some rows.
#[derive(Debug, Clone)]
pub(super) struct ClassifierData {
    /// The dimension of each modality.
    pub dims: Vec<usize>,
    /// Mean of each column.
    pub mean: Vec<f32>,
    /// Standard deviation of each column, 1 for a constant one.
    pub scale: Vec<f32>,
    /// Whether each column is constant.
    pub constant: Vec<bool>,
    modalities: Subset,
}

impl ClassifierData {
    /// Measures the inputs of the classifier of some modalities on the rows `learned`.
    pub fn measure(set: &TrainingSet<'_>, modalities: Subset, learned: &[usize]) -> Self {
        let x = set.matrices(modalities);
        let scalings: Vec<Scaling> = x.iter().map(|x| Scaling::measure(x, learned)).collect();
        let joined = |of: fn(&Scaling) -> &[f64]| -> Vec<f32> {
            scalings.iter().flat_map(of).map(|&value| value as f32).collect()
        };
        Self {
            dims: x.iter().map(|x| x.dim).collect(),
            mean: joined(|scaling| &scaling.mean),
            scale: joined(|scaling| &scaling.scale),
            constant: scalings.iter().flat_map(|scaling| scaling.constant.iter().copied()).collect(),
            modalities,
        }
    }

    /// Rows standardised, `[n, d]` row-major, and their classes.
    pub fn rows(&self, set: &TrainingSet<'_>, rows: &[usize]) -> StandardRows {
        let matrices = set.matrices(self.modalities);
        let mut x = Vec::with_capacity(rows.len() * self.mean.len());
        for &row in rows {
            let values = matrices.iter().flat_map(|x| x.row(row));
            x.extend(values.zip(self.mean.iter().zip(&self.scale)).map(|(x, (m, s))| (x - m) / s));
        }
        let y = rows.iter().map(|&row| set.y[row]).collect();
        StandardRows { x, width: self.mean.len(), y, classes: set.classes }
    }
}

/// Standardised rows with their labels.
#[derive(Debug, Clone)]
pub(super) struct StandardRows {
    /// `[n, width]` row-major.
    pub x: Vec<f32>,
    width: usize,
    /// Class of each row.
    pub y: Vec<u32>,
    classes: usize,
}

impl StandardRows {
    /// The rows as a slice.
    pub fn labelled(&self) -> LabelledRows<'_> {
        LabelledRows { x: &self.x, width: self.width, y: &self.y, classes: self.classes }
    }

    /// The rows at some positions.
    pub fn part(&self, positions: &[usize]) -> Self {
        let x = positions.iter().flat_map(|&at| &self.x[at * self.width..][..self.width]).copied();
        Self { x: x.collect(), y: positions.iter().map(|&at| self.y[at]).collect(), ..*self }
    }

    /// These rows and others.
    pub fn with(&self, others: &Self) -> Self {
        Self {
            x: [self.x.as_slice(), &others.x].concat(),
            y: [self.y.as_slice(), &others.y].concat(),
            ..*self
        }
    }
}
