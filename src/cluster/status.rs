//! The status of a cluster, by the readiness probe of Ballista's scheduler.

use std::time::Duration;

use crate::error::{Error, Place, Result};
use crate::threads::runtime;

use super::address::HostPort;

/// The longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The executors that a scheduler has.
///
/// # Errors
/// [`Error::Transient`] where it does not answer; [`Error::NoThread`].
pub fn executors(scheduler: &HostPort) -> Result<u64> {
    let runtime = runtime(Some(1), "status")?;
    let asked = runtime.block_on(ask(scheduler));
    runtime.shutdown_timeout(Duration::from_secs(1));
    asked
}

/// As [`executors`], in the present runtime.
pub(super) async fn ask(scheduler: &HostPort) -> Result<u64> {
    let failed = |what: String| Error::Transient { place: Place::file(scheduler), what };
    let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build();
    let client = client.map_err(|e| Error::Internal(format!("the HTTP client: {e}")))?;
    let answer = client.get(format!("http://{scheduler}/readyz")).send().await;
    let answer =
        answer.map_err(|e| failed(format!("cannot connect to the scheduler: {}", root_cause(&e))))?;
    let text = answer.text().await.map_err(|e| failed(e.to_string()))?;
    count(&text).ok_or_else(|| failed("is no scheduler of a cluster".to_owned()))
}

/// The number in "ready: 2 executors registered" and "not ready: 0/1 executors registered".
fn count(text: &str) -> Option<u64> {
    let (state, rest) = text.split_once("ready: ")?;
    let number = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    if state.is_empty() || state == "not " { number.parse().ok() } else { None }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_names_the_executors() {
        assert_eq!(count("ready: 12 executors registered\n"), Some(12));
        assert_eq!(count("not ready: 0/1 executors registered\n"), Some(0));
        assert_eq!(count("<html>already: 3</html>"), None);
        assert_eq!(count(""), None);
    }
}
