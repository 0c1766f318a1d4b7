//! Atoms of a batch: f32 model outputs in, f32 columns out. Arithmetic in f64.

use pulp::{Arch, Simd, WithSimd};

use crate::error::{Error, Result};

use super::kernel::{Inputs, Rows, evaluate};
use super::{AtomPlan, LatticeCases};

/// Rows that are computed together. The 166 redundancies of four modalities are 21 kB: they stay in
/// the first-level cache, and a redundancy in registers. 8 rows took 1.1 times as long, 32 rows 1.6.
const BLOCK_ROWS: usize = 16;

/// Outputs of the models of all sets of modalities for n samples, each slice of length n, in nats.
/// Slices of sets that a plan does not need may be empty.
#[derive(Debug, Clone, Copy)]
pub struct SubsetOutputs<'a> {
    /// −ln p(x_A) of every set A among [`Subset::proper`](super::Subset::proper).
    pub h: &'a [&'a [f32]],
    /// ln p(y|x_A) of every set A among [`Subset::all`](super::Subset::all), y the sample's own label.
    pub log_p: &'a [&'a [f32]],
    /// ln p(y), the bundle's prior.
    pub log_prior: &'a [f64],
}

impl AtomPlan {
    /// Computes the chosen atoms of n samples into one slice of length n each, and counts where the
    /// redundancy of all modalities lies if the plan computes it. An atom is NaN where an input that
    /// it depends on is.
    ///
    /// # Errors
    /// [`Error::Internal`] where the slices differ in number or length from these.
    pub fn decompose_batch(&self, inputs: SubsetOutputs<'_>, out: &mut [&mut [f32]]) -> Result<LatticeCases> {
        self.check(inputs, out)?;
        Ok(Arch::new().dispatch(Batch { plan: self, inputs, out }))
    }

    /// The chosen atoms of one sample: i of all sets, h of the proper ones, in nats. Values of sets
    /// that the plan does not need are not read.
    ///
    /// ```
    /// use lsmi_etl::interaction::lattice::{AtomPlan, Lattice};
    ///
    /// // x3 repeats x1, and y is x1 XOR x2: a bit that {1, 2} and {2, 3} hold both.
    /// let lattice = Lattice::new(3)?;
    /// let plan = AtomPlan::new(&lattice, lattice.nodes())?;
    /// let atoms = plan.decompose(&[0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0], &[1.0, 1.0, 1.0, 2.0, 1.0, 2.0])?;
    /// for (node, atom) in lattice.nodes().iter().zip(atoms) {
    ///     assert_eq!(atom, if node.to_string() == "12_23" { 1.0 } else { 0.0 });
    /// }
    /// # Ok::<(), lsmi_etl::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Internal`] where there are not 2^M − 1 and 2^M − 2 of them.
    pub fn decompose(&self, i: &[f64], h: &[f64]) -> Result<Vec<f64>> {
        let sets = (1 << self.modalities) - 1;
        if i.len() != sets || h.len() + 1 != sets {
            return Err(Error::Internal(format!(
                "a sample of {} modalities came with {} values of i and {} of h",
                self.modalities,
                i.len(),
                h.len()
            )));
        }
        let mut block = Inputs::<1>::new(self.modalities);
        for (to, from) in block.i.iter_mut().zip(i).chain(block.h.iter_mut().zip(h)) {
            *to = [*from];
        }
        block.finite = i.iter().chain(h).all(|value| value.is_finite());
        let mut terms = vec![[0.0]; self.terms.len()];
        evaluate(self, &block, &mut terms);
        Ok(self.outputs.iter().map(|&term| terms[term][0]).collect())
    }

    fn check(&self, inputs: SubsetOutputs<'_>, out: &[&mut [f32]]) -> Result<()> {
        let SubsetOutputs { h, log_p, log_prior } = inputs;
        let (n, sets) = (log_prior.len(), (1 << self.modalities) - 1);
        let have_rows =
            |slices: &[&[f32]], needed: &[usize]| needed.iter().all(|&set| slices[set].len() == n);
        let fits = (h.len() + 1, log_p.len(), out.len()) == (sets, sets, self.columns())
            && have_rows(h, self.needs_specificity())
            && have_rows(log_p, self.needs_information())
            && out.iter().all(|column| column.len() == n);
        if fits {
            return Ok(());
        }
        let lengths = |slices: &[&[f32]]| slices.iter().map(|slice| slice.len()).collect::<Vec<_>>();
        Err(Error::Internal(format!(
            "a batch of {n} rows and {} modalities came with h of {:?} rows, ln p of {:?} and columns of {:?}",
            self.modalities,
            lengths(h),
            lengths(log_p),
            out.iter().map(|column| column.len()).collect::<Vec<_>>()
        )))
    }
}

/// The work of a batch, compiled for the vector instructions that the processor has. A type of its
/// own: a closure would be called by a function that is compiled for any processor.
struct Batch<'a, 'b> {
    plan: &'a AtomPlan,
    inputs: SubsetOutputs<'a>,
    out: &'a mut [&'b mut [f32]],
}

impl WithSimd for Batch<'_, '_> {
    type Output = LatticeCases;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> LatticeCases {
        let (plan, n) = (self.plan, self.inputs.log_prior.len());
        let mut cases = LatticeCases::new(plan.modalities);
        let mut block = Inputs::new(plan.modalities);
        let mut terms = vec![[0.0; BLOCK_ROWS]; plan.terms.len()];
        for start in (0..n).step_by(BLOCK_ROWS) {
            self.load(start, &mut block);
            evaluate(plan, &block, &mut terms);
            for (column, &term) in self.out.iter_mut().zip(&plan.outputs) {
                store(&terms[term], &mut column[start..]);
            }
            if let Some(bottom) = plan.bottom {
                cases.push(&terms[bottom], &block.i, n - start);
            }
        }
        cases
    }
}

impl Batch<'_, '_> {
    #[inline(always)]
    fn load(&self, start: usize, block: &mut Inputs<BLOCK_ROWS>) {
        let log_prior = rows(&self.inputs.log_prior[start..]);
        // NaN as soon as one number is not finite.
        let mut probe = [0.0; BLOCK_ROWS];
        for &set in self.plan.needs_information() {
            let log_p = rows(&self.inputs.log_p[set][start..]);
            let i = &mut block.i[set];
            for row in 0..BLOCK_ROWS {
                i[row] = f64::from(log_p[row]) - log_prior[row];
                probe[row] += i[row] * 0.0;
            }
        }
        for &set in self.plan.needs_specificity() {
            let from = rows(&self.inputs.h[set][start..]);
            let h = &mut block.h[set];
            for row in 0..BLOCK_ROWS {
                h[row] = f64::from(from[row]);
                probe[row] += h[row] * 0.0;
            }
        }
        block.finite = probe.iter().sum::<f64>() == 0.0;
    }
}

/// The first rows of a column, with zeros after its end.
#[inline(always)]
fn rows<T: Copy + Default>(column: &[T]) -> [T; BLOCK_ROWS] {
    if let Some(rows) = column.first_chunk() {
        return *rows;
    }
    let mut rows = [T::default(); BLOCK_ROWS];
    rows[..column.len()].copy_from_slice(column);
    rows
}

/// Writes the first rows of a column.
#[inline(always)]
fn store(values: &Rows<BLOCK_ROWS>, column: &mut [f32]) {
    // Of a known length, except for the last block.
    if let Some(rows) = column.first_chunk_mut::<BLOCK_ROWS>() {
        *rows = values.map(|value| value as f32);
    } else {
        column.iter_mut().zip(values).for_each(|(to, value)| *to = *value as f32);
    }
}
