//! Evaluation of samples in memory: the common core of annotate, of streams and of the SQL
//! functions. Batches in, columns out; no data I/O. Checks the models of a bundle on numbers.

mod column_plan;
mod compute;
mod distribution_shift;
mod field;
mod fold_router;
mod fold_sessions;
mod model_check;
mod open_bundle;
mod reduced;
mod specificity_shift;

pub use compute::{ComputedColumns, EvaluationConstants, Evaluator};
pub use distribution_shift::{OnShift, compared_quantities, distribution_shift};
pub use field::{field, output_array};
pub use fold_sessions::FoldSessions;
pub use model_check::{check_models, check_program};
pub use open_bundle::{SharedBundle, open_bundle};

/// The fastest batch size in rows for embeddings of so many values together: few enough that
/// intermediate results stay in a core's cache, enough to amortise the fixed cost of a batch
/// between input and output file. Measured: ONNX Runtime alone is equally fast within 3 %
/// from 256 to 1 024 rows of 2 × 128, while a file of them is annotated 1 to 7 % faster in
/// batches of 1 024 than of 512 (`benches/README.md`). A multiple of the embedded engine's
/// block size (256 or 512 rows).
pub fn fastest_batch_rows(total_dim: usize) -> usize {
    512 * (512 / total_dim.max(1)).clamp(1, 8)
}
