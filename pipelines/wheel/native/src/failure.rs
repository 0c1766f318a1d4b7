//! Errors as the exceptions of `lsmi_etl.errors`, by exit code.

use lsmi_etl::Error;
use lsmi_etl::error::Place;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// The exception of an error.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let place = error.place().map(|place| PyString::new(py, &place));
    let made = py
        .import("lsmi_etl.errors")
        .and_then(|errors| errors.getattr("error_of"))
        .and_then(|error_of| error_of.call1((error.exit_code(), error.to_string(), place)));
    made.map_or_else(|failed| failed, PyErr::from_value)
}

/// The exception of data that Arrow's C data interface does not carry.
pub(crate) fn not_carried(py: Python<'_>, failed: &PyErr) -> PyErr {
    let what = format!("cannot be read: {}; cast that column, or select others", failed.value(py));
    exception(py, &Error::bad_data(Place::in_memory(), what))
}
