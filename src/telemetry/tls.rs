//! TLS of the exporters: the CA certificates and the client certificate named by the `OTEL_*`
//! variables. The system's certificate authorities are always trusted.

use std::path::Path;

use reqwest::{Certificate, ClientBuilder, Identity};

use crate::error::{Error, Result};
use crate::storage::{TEXT_BYTES, read_regular};

use super::export_settings::signal_setting;

/// Configures TLS of the HTTP client of a signal.
///
/// # Errors
/// [`Error::Config`] that names the variable whose file can't be read or has invalid contents.
pub(super) fn with_tls(
    client: ClientBuilder,
    signal: &str,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<ClientBuilder> {
    let file = |what: &str| {
        signal_setting(signal, what, variable).map(|(name, path)| {
            match read_regular(Path::new(&path), TEXT_BYTES) {
                Ok(pem) => Ok((format!("{name}={path}"), pem)),
                Err(e) => Err(Error::Config(format!("{name}={path}: cannot read the file: {e}"))),
            }
        })
    };
    let mut client = client;
    if let Some((variable, pem)) = file("CERTIFICATE").transpose()? {
        let trusted = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if trusted.is_empty() {
            return Err(Error::Config(format!("{variable}: no certificate in PEM format in the file")));
        }
        client = trusted.into_iter().fold(client, ClientBuilder::add_root_certificate);
    }
    match (file("CLIENT_CERTIFICATE").transpose()?, file("CLIENT_KEY").transpose()?) {
        (None, None) => Ok(client),
        (Some((variable, certificate)), Some((_, key))) => {
            let identity = Identity::from_pem(&[certificate, key].concat());
            let identity = identity.map_err(|e| Error::Config(format!("{variable} and its key: {e}")))?;
            Ok(client.identity(identity))
        }
        (Some((variable, _)), None) | (None, Some((variable, _))) => Err(Error::Config(format!(
            "{variable}: a client needs a certificate and a key; set both OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and \
             OTEL_EXPORTER_OTLP_CLIENT_KEY"
        ))),
    }
}
