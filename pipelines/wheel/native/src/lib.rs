//! The native module `lsmi_etl._native`: record batches of pyarrow through the models, in Python's process and
//! without a copy. What the flags mean, and all values and messages, are the library's.
//!
//! The worker threads run without the GIL, and every wait for them releases it.

mod channel;
mod failure;
mod models;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::channel::Channel;
    #[pymodule_export]
    use super::models::Models;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        lsmi_etl::telemetry::collect_logs();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }

    /// The lines of the log since the last call, each a JSON object.
    #[pyfunction]
    fn take_log_lines() -> Vec<String> {
        lsmi_etl::telemetry::take_log_lines()
    }
}
