//! The mathematics of LSMI (Yang, Wang, Hu: *Efficient Quantification of Multimodal
//! Interaction at Sample Level*, ICML 2025): pointwise information in, redundancy,
//! uniqueness and synergy out; the redundancy lattice of more than two modalities; mergeable
//! moments; exact values of the synthetic data. Pure functions on numbers and slices: no I/O,
//! no async, no models.
//! Everything is in nats.

mod adjust;
mod batch;
mod case;
mod column_name;
mod column_prefix;
mod decompose;
pub mod lattice;
mod moments;
mod quantity;
pub mod truth;

pub use adjust::dataset_shift;
pub use batch::{Columns, ModelOutputs, decompose_batch, pointwise_information};
pub use case::{Case, Cases};
pub use column_name::ColumnName;
pub use column_prefix::ColumnPrefix;
pub use decompose::{Interaction, Pointwise, decompose};
pub use lattice::Subset;
pub use moments::{MomentSummary, Moments};
pub use quantity::{PairPart, Quantity};

#[cfg(test)]
mod discrete_tables;
