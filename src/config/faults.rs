//! What is wrong with a pipeline, collected so that all of it is told at once.

use std::collections::BTreeSet;

use crate::error::{Error, Result};

/// The faults of a pipeline.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    errors: Vec<Error>,
    /// The keys of the pipeline file that are at fault.
    keys: BTreeSet<String>,
}

impl Faults {
    /// Adds one of a key, which names its place.
    pub(super) fn push(&mut self, key: &str, fault: Error) {
        self.keys.insert(key.to_owned());
        self.errors.push(fault);
    }

    /// Whether a key is at fault, or one in its table.
    pub(super) fn is_at_fault(&self, key: &str) -> bool {
        let mut rests = self.keys.iter().filter_map(|fault| fault.strip_prefix(key));
        rests.any(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// Adds what a check has found.
    ///
    /// # Errors
    /// Those that are no fault of the pipeline: of stores, of the machine, and interruptions.
    pub fn add(&mut self, found: Result<()>) -> Result<()> {
        match found {
            Ok(()) => Ok(()),
            Err(error) if is_fault(&error) => {
                self.errors.push(error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Adds a fault of what stands at a place of the pipeline file.
    ///
    /// # Errors
    /// As for [`Self::add`].
    pub fn add_at(&mut self, place: Option<String>, error: Error) -> Result<()> {
        self.add(Err(match place {
            Some(place) if is_fault(&error) => Error::Config(format!("{place}: {error}")),
            _ => error,
        }))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// A single fault as it is, and several as one.
    ///
    /// # Errors
    /// Those.
    pub fn into_result(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(self.into_error()) }
    }

    /// A single fault as it is, and several as one.
    pub(super) fn into_error(self) -> Error {
        if let [error] = &self.errors[..] {
            return error.clone();
        }
        let texts: Vec<String> = self.errors.iter().map(ToString::to_string).collect();
        Error::Config(format!("{} faults:\n{}", texts.len(), texts.join("\n")))
    }
}

/// Whether an error is about what a pipeline says, or names.
fn is_fault(error: &Error) -> bool {
    match error {
        Error::Usage(_)
        | Error::NoInput { .. }
        | Error::BadData { .. }
        | Error::OtherKind { .. }
        | Error::CannotCreate { .. }
        | Error::Bundle { .. }
        | Error::Config(_) => true,
        Error::BadRows { .. }
        | Error::Engine(_)
        | Error::OutputExists(_)
        | Error::OtherOutput { .. }
        | Error::Io { .. }
        | Error::Interrupted
        | Error::NoThread(_)
        | Error::Transient { .. }
        | Error::ExecutorLost { .. }
        | Error::Internal(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fault_keeps_its_exit_code_and_several_are_of_the_pipeline() {
        let usage = || Error::Usage("no".to_owned());
        let mut faults = Faults::default();
        assert!(faults.is_empty());
        faults.add(Ok(())).unwrap();
        faults.add(Err(usage())).unwrap();
        assert_eq!(faults.add(Err(Error::Interrupted)).unwrap_err().exit_code(), 75);
        assert_eq!(faults.into_result().unwrap_err().exit_code(), 64);

        let mut faults = Faults::default();
        faults.push("sql[0].name", Error::Config("p.toml, line 1: wrong".to_owned()));
        assert!(
            faults.is_at_fault("sql[0]") && faults.is_at_fault("sql[0].name") && faults.is_at_fault("sql")
        );
        assert!(
            !faults.is_at_fault("sql[0].query")
                && !faults.is_at_fault("s")
                && !faults.is_at_fault("sql[0].na")
        );
        faults.add_at(Some("p.toml, line 2, x".to_owned()), usage()).unwrap();
        let error = faults.into_result().unwrap_err();
        assert_eq!(error.exit_code(), 78);
        assert_eq!(error.to_string(), "2 faults:\np.toml, line 1: wrong\np.toml, line 2, x: no");
    }
}
