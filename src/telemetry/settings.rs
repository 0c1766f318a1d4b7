//! What the `OTEL_*` variables ask for, as far as it is for us to decide: which signals go
//! out. Where to, with which headers and how often is read by the exporters themselves.

use crate::error::{Error, Result};

/// The signals that are exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) traces: bool,
    pub(super) metrics: bool,
}

/// A variable of the environment; an empty one is none.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Settings {
    /// Reads the variables. Without an endpoint, nothing is exported unless an exporter is
    /// asked for by name.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable which asks for another exporter or protocol.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self::default());
        }
        Ok(Self { traces: exports("TRACES", &variable)?, metrics: exports("METRICS", &variable)? })
    }
}

/// A setting of a signal's exporter: that of the signal, else the common one, with the variable's
/// name.
pub(super) fn named(
    signal: &str,
    what: &str,
    variable: &impl Fn(&str) -> Option<String>,
) -> Option<(String, String)> {
    let names = [format!("OTEL_EXPORTER_OTLP_{signal}_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
    names.into_iter().find_map(|name| variable(&name).map(|value| (name, value)))
}

fn exports(signal: &str, variable: &impl Fn(&str) -> Option<String>) -> Result<bool> {
    let exporter = format!("OTEL_{signal}_EXPORTER");
    let exports = match variable(&exporter).as_deref() {
        None => named(signal, "ENDPOINT", variable).is_some(),
        Some("otlp") => true,
        Some("none") => false,
        Some(other) => {
            return Err(Error::Config(format!("{exporter}={other} is not there; set it to otlp or none")));
        }
    };
    match named(signal, "PROTOCOL", variable) {
        Some((name, protocol)) if exports && protocol != "http/protobuf" => Err(Error::Config(format!(
            "{name}={protocol} is not there; set it to http/protobuf, and the endpoint to the collector's port for \
             it (4318 by default)"
        ))),
        _ => Ok(exports),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Settings> {
        Settings::read(|name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn an_endpoint_or_a_named_exporter_begins_it() {
        let both = Settings { traces: true, metrics: true };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        for (set, expected) in [
            (&[][..], Settings::default()),
            (&[endpoint], both),
            (&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")], Settings::default()),
            (&[endpoint, ("OTEL_TRACES_EXPORTER", "none")], Settings { traces: false, ..both }),
            (&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], both),
            (&[("OTEL_METRICS_EXPORTER", "otlp")], Settings { traces: false, ..both }),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a/b")], Settings { metrics: false, ..both }),
            // Of no concern to whoever exports nothing.
            (&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], Settings::default()),
        ] {
            assert_eq!(read(set).unwrap(), expected, "{set:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        for wrong in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
        ] {
            let error = read(&[endpoint, wrong]).unwrap_err();
            assert_eq!(error.exit_code(), 78);
            assert!(error.to_string().contains(&format!("{}={}", wrong.0, wrong.1)), "{error}");
        }
    }
}
