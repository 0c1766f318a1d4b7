//! The entry point of the `lsmi-etl` binary.

use std::process::ExitCode;

use lsmi_etl::memory::LimitedAllocator;

#[global_allocator]
static ALLOCATOR: LimitedAllocator = LimitedAllocator;

fn main() -> ExitCode {
    disable_onnxruntime_telemetry();
    lsmi_etl::cli::main()
}

/// Sets `ORT_DISABLE_TELEMETRY` unless the user has set it. Builds of ONNX Runtime (seen with
/// 1.32) collect usage data and open a database for it in the user's cache folder before any
/// API call can disable that, so only the environment variable is early enough.
fn disable_onnxruntime_telemetry() {
    const SETTING: &str = "ORT_DISABLE_TELEMETRY";
    if std::env::var_os(SETTING).is_none() {
        // SAFETY: no other thread of this process runs yet.
        unsafe { std::env::set_var(SETTING, "1") };
    }
}
