//! The attempt of a task, from the name that Ballista gives it.

use crate::error::Error;

/// Attempts at a unit. Ballista counts a failure that may pass, and fails the whole job at the last one;
/// so the last attempt reports it as the unit's outcome instead.
pub(super) const MOST_ATTEMPTS: usize = 4;

/// Which attempt a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Attempt {
    /// Earlier attempts of the stage, each of which lost an executor.
    stage: usize,
    /// Earlier failures of the task within this one.
    task: usize,
}

impl Attempt {
    /// From "TID JOB/STAGE.STAGE_ATTEMPT/TASK.TASK_ATTEMPT"; the first attempt of any other name.
    pub(super) fn of(task: Option<&str>) -> Self {
        let parse = |part: &str| part.rsplit_once('.')?.1.parse().ok();
        let parts = task.and_then(|task| {
            let (rest, of_task) = task.rsplit_once('/')?;
            let (_, of_stage) = rest.rsplit_once('/')?;
            Some(Self { stage: parse(of_stage)?, task: parse(of_task)? })
        });
        parts.unwrap_or_default()
    }

    /// Whether another failure would fail the job.
    pub(super) fn is_last(self) -> bool {
        self.task + 1 >= MOST_ATTEMPTS
    }

    /// Whether the stage was begun again after an executor was lost.
    pub(super) fn is_after_loss(self) -> bool {
        self.stage > 0
    }

    /// Its number, from one.
    pub(super) fn number(self) -> u64 {
        (self.stage + self.task + 1) as u64
    }
}

/// Whether another attempt may succeed.
pub(super) fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Transient { .. } | Error::NoThread(_) | Error::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_task_has_its_attempt() {
        let attempt = Attempt::of(Some("TID 0a-b/2.1/17.2"));
        assert_eq!((attempt.number(), attempt.is_last()), (4, false));
        assert!(Attempt::of(Some("TID j/1.0/3.3")).is_last());
        assert_eq!(Attempt::of(None).number(), 1);
        assert_eq!(Attempt::of(Some("anything")).number(), 1);
    }
}
