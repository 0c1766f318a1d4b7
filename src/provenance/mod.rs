//! The footer contract: the `lsmi_etl.*` key-values that record how an output was made, as one type
//! that is written and read, and the identity by which finished work is recognised.

mod footer;
mod identity;
mod keys;
mod origin;

pub use footer::{Adjustment, ColumnMoments, Means, Provenance, UnshiftedMeans};
#[cfg(test)]
pub(crate) use identity::tests::identity;
pub use identity::{Identity, IdentityColumns, Recognition};
pub use keys::{SPLIT, SYNTH};
pub use origin::InputOrigin;
