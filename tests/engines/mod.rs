//! Both engines on the same graphs: against each other, against the exact truth in
//! f64, and on the reference implementation's own modules. ONNX Runtime is the real
//! one, put in place by the program.

mod batches;
mod broken_library;
mod copies;
mod cuda;
mod hostile;
mod opsets;
mod packed;
mod pool;
mod precision;
mod reference;
mod same_graphs;
mod silent;
mod staging;
