//! The program: what was typed, run; its error, printed; its exit code, returned.

use std::process::ExitCode;

fn main() -> ExitCode {
    lsmi_etl::cli::main()
}
