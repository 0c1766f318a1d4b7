//! Engines that run the bundle's graphs: finding ONNX Runtime and installing it.

pub mod install;
pub mod locate;
