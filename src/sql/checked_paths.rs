//! The check of what statements read and write, before they run.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::error::{Error, Result};

use super::session::Session;
use super::statement_paths::check_paths;

impl Session {
    /// Checks that statements write over nothing that they read, before they run; `output` is a file
    /// that takes their rows.
    ///
    /// # Errors
    /// [`Error::Usage`] where an output is an input or another output; [`Error::OutputExists`] where
    /// COPY would replace a file and may not, and no statement has another fault; [`Error::CannotCreate`] and
    /// [`Error::NoInput`] of pipes, sockets and devices; of stores.
    pub fn check_paths(&self, sql: &str, output: Option<&Path>, stop: &AtomicBool) -> Result<()> {
        let checked = check_paths(sql, output, &self.tables_read(), self.overwrites());
        let defined = match checked {
            // A fault of any statement is graver than an output that exists.
            Err(error @ Error::OutputExists(_)) => {
                return Err(self.plan_and_forget(sql, stop).err().unwrap_or(error));
            }
            checked => checked.map_err(|error| self.with_advice(error, sql))?,
        };
        self.tables_read().extend(defined);
        Ok(())
    }
}
