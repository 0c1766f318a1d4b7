//! The redundancy lattice of M modalities (Williams and Beer 2010) with the pointwise redundancy of
//! LSMI, which for discrete data is that of Finn and Lizier (2018).
//!
//! For every non-empty set A of modalities there is the information i_A = ln p(y|x_A) − ln p(y) and the
//! specificity h_A = −ln p(x_A). A node α of the lattice is an antichain of such sets, and its
//! redundancy
//!
//! ```text
//! r(α) = min h_A − min (h_A − i_A),  A in α
//!      = max (i_A − (h_A − min h))
//! ```
//!
//! where the second form has no large numbers that cancel: of h only differences enter, and the
//! information of a set of the least h is not touched. The atom of a node is the part of its
//! redundancy that no node below it has (Möbius inversion). For continuous data h is no monotone
//! function of A, so that an atom may be negative and closed forms that assume it do not hold.
//!
//! Two atoms have closed forms all the same. That of {m} is the uniqueness of m beside all others
//! taken as one modality; that of the top needs only the sets that lack one modality. So r, u1 … uM
//! and s need at most 2M + 1 of the 2^M − 1 sets.
//!
//! [`decompose`](super::decompose) is the case M = 2: its r, u1, u2, s are the atoms of {1}{2}, {1},
//! {2}, {12}. It also decomposes any pair of M modalities, from i_j, i_k, i_jk, h_j, h_k.

mod antichain;
mod batch;
mod cases;
mod kernel;
mod nodes;
mod plan;
mod subset;

pub use antichain::Antichain;
pub use batch::SubsetOutputs;
pub use cases::LatticeCases;
pub use nodes::{Cover, Lattice};
pub use plan::AtomPlan;
pub use subset::Subset;

#[cfg(test)]
mod discrete_tables;
#[cfg(test)]
mod tests;
