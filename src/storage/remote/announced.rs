//! A cache of prefetched ranges: requests that are sent before their readers come.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::task::JoinHandle;

/// Answers by their ranges. They stay in memory for their readers.
#[derive(Debug, Default)]
pub(super) struct Announced(Mutex<Vec<Answer>>);

#[derive(Debug)]
struct Answer {
    range: Range<u64>,
    retention: Retention,
    /// None where the request fails: its readers ask for themselves.
    bytes: Shared<BoxFuture<'static, Option<Bytes>>>,
}

/// How long a prefetched range stays in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retention {
    /// As long as the object is open.
    Always,
    /// Until it is known what will be read.
    UntilPlanned,
    /// For one reader more.
    Once,
}

impl Announced {
    pub(super) fn add(
        &self,
        range: Range<u64>,
        retention: Retention,
        request: JoinHandle<object_store::Result<Bytes>>,
    ) {
        let bytes = request.map(|answer| answer.ok()?.ok()).boxed().shared();
        self.answers().push(Answer { range, retention, bytes });
    }

    /// Whether a range was announced, maybe as a part of another.
    pub(super) fn has(&self, range: &Range<u64>) -> bool {
        self.answers().iter().any(|answer| contains(&answer.range, range))
    }

    /// The bytes of an announced range, or a part of one.
    pub(super) async fn get(&self, range: &Range<u64>) -> Option<Bytes> {
        let (whole, bytes) = self.find(range)?;
        let bytes = bytes.await?;
        // What is too short is for its reader to tell.
        if bytes.len() as u64 != whole.end - whole.start {
            return None;
        }
        let at = |offset: u64| usize::try_from(offset - whole.start).unwrap_or(bytes.len());
        Some(bytes.slice(at(range.start)..at(range.end)))
    }

    /// Keeps those ranges that are read as a whole, once more, and those that are always kept.
    pub(super) fn retain(&self, is_read: impl Fn(&Range<u64>) -> bool) {
        self.answers().retain_mut(|answer| {
            let is_kept = answer.retention == Retention::Always;
            if !is_kept {
                answer.retention = Retention::Once;
            }
            is_kept || is_read(&answer.range)
        });
    }

    fn find(&self, range: &Range<u64>) -> Option<(Range<u64>, Shared<BoxFuture<'static, Option<Bytes>>>)> {
        let mut answers = self.answers();
        let at = answers.iter().position(|answer| contains(&answer.range, range))?;
        let answer = answers.get(at)?;
        let found = (answer.range.clone(), answer.bytes.clone());
        if answer.retention == Retention::Once {
            answers.swap_remove(at);
        }
        Some(found)
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn contains(whole: &Range<u64>, part: &Range<u64>) -> bool {
    whole.start <= part.start && part.end <= whole.end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: &'static [u8]) -> JoinHandle<object_store::Result<Bytes>> {
        tokio::spawn(async move { Ok(Bytes::from_static(bytes)) })
    }

    #[tokio::test]
    async fn an_answer_is_for_all_until_it_is_known_what_is_read() {
        let announced = Announced::default();
        announced.add(3..6, Retention::UntilPlanned, answer(b"abc"));
        announced.add(9..12, Retention::UntilPlanned, answer(b"def"));
        announced.add(12..15, Retention::Always, answer(b"end"));
        assert!(announced.has(&(3..6)) && announced.has(&(4..6)) && !announced.has(&(3..7)));
        assert_eq!(announced.get(&(3..7)).await, None);
        assert_eq!(announced.get(&(3..6)).await.unwrap(), "abc");
        assert_eq!(announced.get(&(4..6)).await.unwrap(), "bc");
        announced.retain(|range| range.start == 3);
        assert_eq!(announced.get(&(3..6)).await.unwrap(), "abc");
        assert_eq!(announced.get(&(3..6)).await, None);
        assert_eq!(announced.get(&(9..12)).await, None);
        for _ in 0..3 {
            assert_eq!(announced.get(&(13..15)).await.unwrap(), "nd");
        }
    }

    #[tokio::test]
    async fn what_fails_or_is_too_short_is_requested_anew() {
        let announced = Announced::default();
        let failed = object_store::Error::NotImplemented {
            operation: "get".to_owned(),
            implementer: "nobody".to_owned(),
        };
        announced.add(0..3, Retention::Always, tokio::spawn(async { Err(failed) }));
        announced.add(4..8, Retention::Always, answer(b"abc"));
        assert_eq!(announced.get(&(0..3)).await, None);
        assert_eq!(announced.get(&(4..8)).await, None);
        assert_eq!(announced.get(&(4..6)).await, None);
    }
}
