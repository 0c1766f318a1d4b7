//! The program: what was typed, run; its error, printed; its exit code, returned.

use std::process::ExitCode;

fn main() -> ExitCode {
    be_silent();
    lsmi_etl::cli::main()
}

/// ONNX Runtime's builds (seen with 1.32) collect usage data for their maker, and open a
/// database of them in the user's cache folder before anybody can tell them not to: this
/// setting alone comes early enough. Who has set it has decided.
fn be_silent() {
    const SETTING: &str = "ORT_DISABLE_TELEMETRY";
    if std::env::var_os(SETTING).is_none() {
        // SAFETY: no other thread of this process runs yet.
        unsafe { std::env::set_var(SETTING, "1") };
    }
}
