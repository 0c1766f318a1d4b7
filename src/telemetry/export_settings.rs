//! The `OTEL_*` variables that select the exported signals. Endpoints, headers and intervals are
//! read by the exporters themselves.

use crate::error::{Error, Result};

/// The signals that are exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ExportSettings {
    pub(super) traces: bool,
    pub(super) metrics: bool,
}

/// An environment variable; `None` if empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl ExportSettings {
    /// Reads the variables. Without an endpoint, nothing is exported unless an exporter is set
    /// explicitly.
    ///
    /// # Errors
    /// [`Error::Config`] that names the variable with an unsupported exporter or protocol.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self::default());
        }
        Ok(Self { traces: exports("TRACES", &variable)?, metrics: exports("METRICS", &variable)? })
    }
}

/// A setting of an exporter and the name of its variable: that of the signal, else the common
/// one.
pub(super) fn signal_setting(
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
        None => signal_setting(signal, "ENDPOINT", variable).is_some(),
        Some("otlp") => true,
        Some("none") => false,
        Some(other) => {
            return Err(Error::Config(format!(
                "{exporter}={other} is not supported; set it to otlp or none"
            )));
        }
    };
    match signal_setting(signal, "PROTOCOL", variable) {
        Some((name, protocol)) if exports && protocol != "http/protobuf" => Err(Error::Config(format!(
            "{name}={protocol} is not supported; set it to http/protobuf, and the endpoint to the collector's \
             HTTP port (4318 by default)"
        ))),
        _ => Ok(exports),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<ExportSettings> {
        ExportSettings::read(|name| {
            set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_endpoint_or_a_named_exporter_begins_it() {
        let both = ExportSettings { traces: true, metrics: true };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        for (set, expected) in [
            (&[][..], ExportSettings::default()),
            (&[endpoint], both),
            (&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")], ExportSettings::default()),
            (&[endpoint, ("OTEL_TRACES_EXPORTER", "none")], ExportSettings { traces: false, ..both }),
            (&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], both),
            (&[("OTEL_METRICS_EXPORTER", "otlp")], ExportSettings { traces: false, ..both }),
            (
                &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a/b")],
                ExportSettings { metrics: false, ..both },
            ),
            // Ignored without an exporter.
            (&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], ExportSettings::default()),
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
