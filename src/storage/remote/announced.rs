//! Requests that were sent before their readers came, for as many as were announced.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::task::JoinHandle;

/// Answers by their ranges. They stay in memory until all readers have them.
#[derive(Debug, Default)]
pub(super) struct Announced(Mutex<Vec<Answer>>);

#[derive(Debug)]
struct Answer {
    range: Range<u64>,
    readers: usize,
    /// None where the request fails: its readers ask for themselves.
    bytes: Shared<BoxFuture<'static, Option<Bytes>>>,
}

impl Announced {
    pub(super) fn add(
        &self,
        range: Range<u64>,
        readers: usize,
        request: JoinHandle<object_store::Result<Bytes>>,
    ) {
        let bytes = request.map(|answer| answer.ok()?.ok()).boxed().shared();
        self.answers().push(Answer { range, readers, bytes });
    }

    /// Whether a range was announced.
    pub(super) fn has(&self, range: &Range<u64>) -> bool {
        self.answers().iter().any(|answer| answer.range == *range)
    }

    /// The bytes of an announced range.
    pub(super) async fn get(&self, range: &Range<u64>) -> Option<Bytes> {
        let bytes = self.take(range)?.await?;
        // What is too short is for its reader to tell.
        (bytes.len() as u64 == range.end - range.start).then_some(bytes)
    }

    /// Forgets the ranges that nobody will ask for.
    pub(super) fn retain(&self, is_read: impl Fn(&Range<u64>) -> bool) {
        self.answers().retain(|answer| answer.readers == usize::MAX || is_read(&answer.range));
    }

    fn take(&self, range: &Range<u64>) -> Option<Shared<BoxFuture<'static, Option<Bytes>>>> {
        let mut answers = self.answers();
        let at = answers.iter().position(|answer| answer.range == *range)?;
        let answer = answers.get_mut(at)?;
        let bytes = answer.bytes.clone();
        if answer.readers < usize::MAX {
            answer.readers -= 1;
        }
        if answer.readers == 0 {
            answers.swap_remove(at);
        }
        Some(bytes)
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_for_as_many_readers_as_were_announced() {
        let announced = Announced::default();
        announced.add(3..6, 2, tokio::spawn(async { Ok(Bytes::from_static(b"abc")) }));
        assert!(announced.has(&(3..6)) && !announced.has(&(3..7)));
        assert_eq!(announced.get(&(3..7)).await, None);
        assert_eq!(announced.get(&(3..6)).await.unwrap(), "abc");
        assert_eq!(announced.get(&(3..6)).await.unwrap(), "abc");
        assert_eq!(announced.get(&(3..6)).await, None);
    }

    #[tokio::test]
    async fn what_fails_is_too_short_or_forgotten_is_requested_anew() {
        let announced = Announced::default();
        announced.add(
            0..3,
            2,
            tokio::spawn(async {
                Err(object_store::Error::NotImplemented {
                    operation: "get".to_owned(),
                    implementer: "nobody".to_owned(),
                })
            }),
        );
        announced.add(4..8, 2, tokio::spawn(async { Ok(Bytes::from_static(b"abc")) }));
        announced.add(9..12, 2, tokio::spawn(async { Ok(Bytes::from_static(b"def")) }));
        announced.add(12..15, usize::MAX, tokio::spawn(async { Ok(Bytes::from_static(b"end")) }));
        assert_eq!(announced.get(&(0..3)).await, None);
        assert_eq!(announced.get(&(4..8)).await, None);
        announced.retain(|range| range.start == 4);
        assert_eq!(announced.get(&(9..12)).await, None);
        for _ in 0..3 {
            assert_eq!(announced.get(&(12..15)).await.unwrap(), "end");
        }
    }
}
