//! The status of a cluster, by the readiness probe of Ballista's scheduler.

use std::time::Duration;

use crate::error::{Error, Place, Result};
use crate::threads::runtime;

use super::address::HostPort;
use super::tls::{Tls, root, tls_fault};

/// The longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts at a request whose connection ends before an answer. In TLS 1.3 a server refuses a client's
/// certificate after the client's handshake; where the refusal arrives before the request is sent, the HTTP
/// client only reports a connection that is not ready (measured: 1 of 100 on busy cores). A retry gets the alert.
const ATTEMPTS: u32 = 5;

/// The executors that a scheduler has.
///
/// # Errors
/// [`Error::Transient`] where it does not answer; [`Error::Config`] where only one side has TLS, or one
/// refuses the other's certificate; [`Error::NoThread`].
pub fn executors(scheduler: &HostPort, tls: Option<&Tls>) -> Result<u64> {
    let runtime = runtime(Some(1), "status")?;
    let asked = runtime.block_on(ask(scheduler, tls));
    runtime.shutdown_timeout(Duration::from_secs(1));
    asked
}

/// As [`executors`], in the present runtime.
pub(super) async fn ask(scheduler: &HostPort, tls: Option<&Tls>) -> Result<u64> {
    let failed = |what: String| Error::Transient { place: Place::file(scheduler), what };
    let mut client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT);
    let mut url = format!("http://{scheduler}/readyz");
    if let Some(tls) = tls {
        let secured = tls.http_client(client, (&scheduler.host, scheduler.port)).await;
        let (secured, place) =
            secured.map_err(|e| failed(format!("cannot connect to the scheduler: {e}")))?;
        (client, url) = (secured, format!("https://{place}/readyz"));
    }
    let client = client.build().map_err(|e| Error::Config(format!("the HTTP client: {}", root(&e))))?;
    let mut answer = client.get(&url).send().await;
    for _ in 1..ATTEMPTS {
        let Err(error) = &answer else { break };
        // A retry at once mends neither a failed connection nor a timeout.
        if tls.is_none() || error.is_connect() || error.is_timeout() || tls_fault(error).is_some() {
            break;
        }
        answer = client.get(&url).send().await;
    }
    let answer = answer.map_err(|e| unreachable(scheduler, &e))?;
    let text = answer.text().await.map_err(|e| unreachable(scheduler, &e))?;
    count(&text).ok_or_else(|| failed("is no scheduler of a cluster".to_owned()))
}

/// The error of a connection that fails: for a while, or for as long as the settings are these.
fn unreachable(scheduler: &HostPort, error: &reqwest::Error) -> Error {
    let cause = root(error).to_string();
    if let Some(fault) = tls_fault(error) {
        return Error::Config(format!("{scheduler}: cannot connect to the scheduler: {fault}"));
    }
    // The alert of a server with TLS, read as HTTP.
    if cause.starts_with("invalid HTTP") {
        let what = "cannot connect to the scheduler: it answers not in HTTP; where it has TLS, give --tls-ca";
        return Error::Config(format!("{scheduler}: {what}"));
    }
    let what =
        format!("cannot connect to the scheduler: {cause}; see that `lsmi-etl cluster scheduler` runs there");
    Error::Transient { place: Place::file(scheduler), what }
}

/// The number in "ready: 2 executors registered" and "not ready: 0/1 executors registered".
fn count(text: &str) -> Option<u64> {
    let (state, rest) = text.split_once("ready: ")?;
    let number = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    if state.is_empty() || state == "not " { number.parse().ok() } else { None }
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
