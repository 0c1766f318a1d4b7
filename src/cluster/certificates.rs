//! The certificates of a process of a cluster: PEM files, and rustls' settings of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::error::{Error, Result};
use crate::storage::{TEXT_BYTES, read_regular};

/// The files in PEM format of a process, and the name in the certificates of others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Its certificate, with those that lead to the authority's.
    pub certificate: Option<PathBuf>,
    /// The key of the certificate.
    pub key: Option<PathBuf>,
    /// The certificates of the authority that others' are checked by; those of the system where `None`.
    pub authority: Option<PathBuf>,
    /// The name that others' certificates have; the host where `None`.
    pub peer_name: Option<String>,
}

/// A certificate with its key, as PEM and parsed.
pub(super) struct Identity {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
    chain: Vec<CertificateDer<'static>>,
    private_key: PrivateKeyDer<'static>,
}

/// The authority, as PEM and parsed.
pub(super) struct Authority {
    pub(super) pem: Vec<u8>,
    roots: Arc<RootCertStore>,
}

impl Identity {
    /// Reads the files; `None` where none is named.
    ///
    /// # Errors
    /// [`Error::Usage`] of one without the other; [`Error::Config`] of a file that can't be read or holds
    /// something else.
    pub(super) fn open(files: &TlsFiles) -> Result<Option<Self>> {
        let (certificate, key) = match (&files.certificate, &files.key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return Ok(None),
            _ => return Err(Error::Usage("--tls-cert and --tls-key belong together; give both".to_owned())),
        };
        let (pem, chain) = read_certificates("--tls-cert", certificate)?;
        let private = read("--tls-key", key)?;
        let private_key = PrivateKeyDer::from_pem_slice(&private)
            .map_err(|_| wrong("--tls-key", key, &"no private key in PEM format in the file"))?;
        Ok(Some(Self { certificate: pem, key: private, chain, private_key }))
    }

    /// The settings of a server, which asks clients for certificates where there is an authority.
    ///
    /// # Errors
    /// [`Error::Config`] where the key is that of another certificate.
    pub(super) fn server(&self, authority: Option<&Authority>) -> Result<ServerConfig> {
        let failed = |e: &dyn std::fmt::Display| Error::Config(format!("--tls-cert and --tls-key: {e}"));
        let provider = Arc::new(default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_safe_default_protocol_versions().map_err(|e| failed(&e))?;
        let config = match authority {
            Some(Authority { roots, .. }) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider);
                config.with_client_cert_verifier(verifier.build().map_err(|e| failed(&e))?)
            }
            None => config.with_no_client_auth(),
        };
        let config = config.with_single_cert(self.chain.clone(), self.private_key.clone_key());
        let mut config = config.map_err(|e| failed(&e))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// The settings of a client.
    ///
    /// # Errors
    /// As for [`Self::server`].
    pub(super) fn client(&self, authority: &Authority) -> Result<ClientConfig> {
        let failed = |e: &dyn std::fmt::Display| Error::Config(format!("--tls-cert and --tls-key: {e}"));
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().map_err(|e| failed(&e))?;
        let config = config.with_root_certificates(Arc::clone(&authority.roots));
        let config = config.with_client_auth_cert(self.chain.clone(), self.private_key.clone_key());
        config.map_err(|e| failed(&e))
    }
}

impl Authority {
    /// Reads the file; `None` where none is named.
    ///
    /// # Errors
    /// [`Error::Config`] of a file that can't be read or holds something else.
    pub(super) fn open(files: &TlsFiles) -> Result<Option<Self>> {
        let Some(path) = &files.authority else { return Ok(None) };
        let (pem, certificates) = read_certificates("--tls-ca", path)?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(|e| wrong("--tls-ca", path, &e))?;
        }
        Ok(Some(Self { pem, roots: Arc::new(roots) }))
    }
}

/// A file of certificates, as it is and parsed.
fn read_certificates(flag: &str, path: &Path) -> Result<(Vec<u8>, Vec<CertificateDer<'static>>)> {
    let pem = read(flag, path)?;
    match CertificateDer::pem_slice_iter(&pem).collect::<std::result::Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok((pem, certificates)),
        Ok(_) | Err(_) => Err(wrong(flag, path, &"no certificate in PEM format in the file")),
    }
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>> {
    read_regular(path, TEXT_BYTES).map_err(|e| wrong(flag, path, &format!("cannot read the file: {e}")))
}

fn wrong(flag: &str, path: &Path, what: &dyn std::fmt::Display) -> Error {
    Error::Config(format!("{flag} {}: {what}", path.display()))
}
