//! Whom an exporter trusts over TLS, and who it says that it is: the files that the `OTEL_*`
//! variables name. The system's authorities are trusted in any case.

use std::fs;

use reqwest::{Certificate, ClientBuilder, Identity};

use crate::error::{Error, Result};

use super::settings::named;

/// A client of a signal's collector.
///
/// # Errors
/// [`Error::Config`] that names the variable whose file can't be read or is not what it should be.
pub(super) fn secured(
    client: ClientBuilder,
    signal: &str,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<ClientBuilder> {
    let file = |what: &str| {
        named(signal, what, variable).map(|(name, path)| match fs::read(&path) {
            Ok(pem) => Ok((format!("{name}={path}"), pem)),
            Err(e) => Err(Error::Config(format!("{name}={path}: cannot read the file: {e}"))),
        })
    };
    let mut client = client;
    if let Some((named, pem)) = file("CERTIFICATE").transpose()? {
        let trusted = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if trusted.is_empty() {
            return Err(Error::Config(format!("{named}: no certificate in PEM is in the file")));
        }
        client = trusted.into_iter().fold(client, ClientBuilder::add_root_certificate);
    }
    match (file("CLIENT_CERTIFICATE").transpose()?, file("CLIENT_KEY").transpose()?) {
        (None, None) => Ok(client),
        (Some((named, certificate)), Some((_, key))) => {
            let identity = Identity::from_pem(&[certificate, key].concat());
            let identity = identity.map_err(|e| Error::Config(format!("{named} and its key: {e}")))?;
            Ok(client.identity(identity))
        }
        (Some((named, _)), None) | (None, Some((named, _))) => Err(Error::Config(format!(
            "{named}: a client has a certificate and a key; set both OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and \
             OTEL_EXPORTER_OTLP_CLIENT_KEY"
        ))),
    }
}
