//! The address of a cluster: that of its scheduler, or a number of executors in this process.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What `--cluster` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterAddress {
    /// A scheduler and this many executors in this process.
    Local(NonZeroU16),
    /// A scheduler that runs already.
    Scheduler(HostPort),
}

impl FromStr for ClusterAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("local:") {
            Some(executors) => executors.parse().map(Self::Local).map_err(|_| {
                "expected HOST:PORT of a scheduler, or local:N with N executors in this process".to_owned()
            }),
            None => text.parse().map(Self::Scheduler),
        }
    }
}

impl fmt::Display for ClusterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(executors) => write!(f, "local:{executors}"),
            Self::Scheduler(address) => address.fmt(f),
        }
    }
}

impl Serialize for ClusterAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClusterAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A host, by name or IP address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The host; an IPv6 address in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(':').filter(|(host, _)| is_host(host));
        let parsed =
            parts.and_then(|(host, port)| Some(Self { host: host.to_owned(), port: port.parse().ok()? }));
        parsed.ok_or_else(|| "expected HOST:PORT, such as scheduler.example:50050 or [::1]:50050".to_owned())
    }
}

/// A name or an IPv4 address, or an IPv6 address in brackets: without the parts of a URL.
fn is_host(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || ":/@[]".contains(c)),
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_schedulers_or_local() {
        for text in ["local:2", "127.0.0.1:50050", "scheduler.example:1", "[::1]:50050"] {
            assert_eq!(text.parse::<ClusterAddress>().unwrap().to_string(), text);
        }
        for text in ["local:0", "local:", "127.0.0.1", "::1:50050", "http://a:1", "a b:1", ":1", "a:70000"] {
            assert!(text.parse::<ClusterAddress>().is_err(), "{text}");
        }
    }
}
