//! TLS between the processes of a cluster: settings of Ballista's gRPC clients, of the HTTP client of probes
//! and of servers.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::extension::EndpointOverrideFn;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::error::{Error, Result};

use super::certificates::{Authority, Identity, TlsFiles};

/// The time in which a connection is there or fails.
const CONNECT: Duration = Duration::from_secs(20);
/// The time without traffic after which the other side is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// The time that its answer may take.
const ALIVE: Duration = Duration::from_secs(20);

/// TLS of a process.
#[derive(Clone)]
pub struct Tls {
    identity: Option<Arc<Identity>>,
    authority: Option<Arc<Authority>>,
    peer_name: Option<String>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("peer_name", &self.peer_name).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files; `None` where none is named.
    ///
    /// # Errors
    /// [`Error::Usage`] of a certificate without a key, or the reverse; [`Error::Config`] of a file that
    /// can't be read or holds something else.
    pub fn open(files: &TlsFiles) -> Result<Option<Self>> {
        if *files == TlsFiles::default() {
            return Ok(None);
        }
        let identity = Identity::open(files)?.map(Arc::new);
        let authority = Authority::open(files)?.map(Arc::new);
        let tls = Self { identity, authority, peer_name: files.peer_name.clone() };
        if let Some(identity) = &tls.identity {
            identity.server(tls.authority.as_deref())?;
        }
        // What a client would say at its first connection.
        tls.secured(Endpoint::from_static("https://localhost"), None).map_err(|e| {
            Error::Config(format!("the files of --tls-cert, --tls-key and --tls-ca: {}", root(&e)))
        })?;
        Ok(Some(tls))
    }

    /// The settings of a server.
    ///
    /// # Errors
    /// [`Error::Usage`] without a certificate; [`Error::Config`] where its key is another's.
    pub(super) fn server(&self) -> Result<ServerConfig> {
        match &self.identity {
            Some(identity) => identity.server(self.authority.as_deref()),
            None => {
                Err(Error::Usage("a server needs a certificate; give --tls-cert and --tls-key".to_owned()))
            }
        }
    }

    /// Checks that others with this authority accept the certificate of this process, as a server's of that
    /// host and as a client's: by a handshake of the process with itself. A scheduler would find out at the
    /// first task that it gives, whose job would wait.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub(super) async fn check(&self, host: &str) -> Result<()> {
        let (Some(identity), Some(authority)) = (&self.identity, &self.authority) else { return Ok(()) };
        let name = self.name_of(host);
        let failed = |e: &dyn fmt::Display| {
            let (what, why) =
                ("other parts of the cluster refuse the certificate of --tls-cert", e.to_string());
            let advice = if why.contains("not valid for") {
                "give --advertise or --tls-name a name that it has, in its subjectAltName"
            } else {
                "give one of version 3 that --tls-ca has signed, for servers and for clients, and that is valid now"
            };
            Error::Config(format!("{what} as that of {name}: {why}; {advice}"))
        };
        let (acceptor, connector) = (
            TlsAcceptor::from(Arc::new(self.server()?)),
            TlsConnector::from(Arc::new(identity.client(authority)?)),
        );
        let server_name = ServerName::try_from(name.clone()).map_err(|e| failed(&e))?;
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (accepted, connected) =
            tokio::join!(acceptor.accept(ours), connector.connect(server_name, theirs));
        connected.map_err(|e| failed(&e))?;
        accepted.map(drop).map_err(|e| failed(&e))
    }

    /// An HTTP client's settings, and the host and port of its URL: where certificates have another name than
    /// the host, it connects to the host under that name.
    pub(super) async fn http_client(
        &self,
        client: reqwest::ClientBuilder,
        (host, port): (&str, u16),
    ) -> std::result::Result<(reqwest::ClientBuilder, String), Box<dyn StdError + Send + Sync>> {
        // By HTTP/1, whose client reads why the server closes the connection.
        let mut client = client.http1_only().tls_built_in_root_certs(self.authority.is_none());
        if let Some(authority) = &self.authority {
            let trusted = reqwest::Certificate::from_pem_bundle(&authority.pem)?;
            client = trusted.into_iter().fold(client, reqwest::ClientBuilder::add_root_certificate);
        }
        if let Some(identity) = &self.identity {
            let pem = [identity.certificate.as_slice(), identity.key.as_slice()].join(&b'\n');
            client = client.identity(reqwest::Identity::from_pem(&pem)?);
        }
        let Some(name) = &self.peer_name else { return Ok((client, format!("{host}:{port}"))) };
        let addresses: Vec<_> = tokio::net::lookup_host(format!("{host}:{port}")).await?.collect();
        Ok((client.resolve_to_addrs(name, &addresses), format!("{name}:{port}")))
    }

    /// An endpoint with TLS, from one of Ballista's: some have URLs without. `timeout` is that of a request,
    /// where the endpoint is made anew.
    pub(super) fn secured(
        &self,
        endpoint: Endpoint,
        timeout: Option<Duration>,
    ) -> std::result::Result<Endpoint, tonic::transport::Error> {
        let host = endpoint.uri().host().unwrap_or_default().to_owned();
        let endpoint = match (endpoint.uri().scheme_str(), endpoint.uri().authority()) {
            (Some("http"), Some(authority)) => {
                let endpoint = Endpoint::from_shared(format!("https://{authority}"))?
                    .connect_timeout(CONNECT)
                    .tcp_nodelay(true)
                    .http2_keep_alive_interval(KEEP_ALIVE)
                    .keep_alive_timeout(ALIVE)
                    .keep_alive_while_idle(true);
                timeout.into_iter().fold(endpoint, Endpoint::timeout)
            }
            _ => endpoint,
        };
        let mut tls = ClientTlsConfig::new().domain_name(self.name_of(&host));
        tls = match &self.authority {
            Some(authority) => tls.ca_certificate(Certificate::from_pem(&authority.pem)),
            None => tls.with_native_roots(),
        };
        if let Some(identity) = &self.identity {
            tls = tls.identity(tonic::transport::Identity::from_pem(&identity.certificate, &identity.key));
        }
        endpoint.tls_config(tls)
    }

    /// [`Self::secured`] as Ballista calls it.
    pub(super) fn override_of_endpoints(&self, timeout: Option<Duration>) -> EndpointOverrideFn {
        let tls = self.clone();
        Arc::new(move |endpoint| Ok(tls.secured(endpoint, timeout)?))
    }

    /// The name in the certificate of a host.
    fn name_of(&self, host: &str) -> String {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.peer_name.clone().unwrap_or_else(|| host.to_owned())
    }
}

/// The innermost cause of an error.
pub(super) fn root<'e>(error: &'e (dyn StdError + 'static)) -> &'e (dyn StdError + 'static) {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}

/// Why a connection to an address failed, where TLS is the reason: what the error says, and what mends it.
pub(super) fn tls_fault(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut next = Some(error);
    let fault = loop {
        let error = next?;
        if let Some(fault) = error.downcast_ref::<rustls::Error>() {
            break fault;
        }
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            // Its source is that of what it holds.
            Some(held) => Some(held),
            None => error.source(),
        };
    };
    Some(match fault {
        rustls::Error::InvalidMessage(_) => {
            format!("it answers without TLS ({fault}); omit --tls-ca and --tls-cert")
        }
        rustls::Error::InvalidCertificate(_) => {
            format!(
                "its certificate is not accepted: {fault}; --tls-ca names the authority, --tls-name its name"
            )
        }
        rustls::Error::AlertReceived(_) => {
            format!(
                "it refuses this process: {fault}; --tls-cert and --tls-key name a certificate of its authority"
            )
        }
        other => format!("TLS: {other}"),
    })
}
