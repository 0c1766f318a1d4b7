//! The settings of TLS between the parts of a cluster: flags of all of them.

use std::path::PathBuf;

use clap::Args;

use crate::cluster::{Tls, TlsFiles};
use crate::error::Result;

/// The certificates of a process of a cluster.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "TLS between the parts of a cluster")]
pub struct TlsArgs {
    /// Certificate of this process, in PEM format, followed by those that lead to the authority's
    #[arg(long, env = "LSMI_ETL_TLS_CERT", value_name = "FILE", hide_env = true)]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate
    #[arg(long, env = "LSMI_ETL_TLS_KEY", value_name = "FILE", hide_env = true)]
    tls_key: Option<PathBuf>,
    /// Certificates of the authority that the other parts' are checked by [default: those of the system]
    ///
    /// A scheduler or executor with it lets in only those who show a certificate of that authority.
    #[arg(long, env = "LSMI_ETL_TLS_CA", value_name = "FILE", hide_env = true)]
    tls_ca: Option<PathBuf>,
    /// Name in the certificates of the other parts [default: the host that is connected to]
    #[arg(long, env = "LSMI_ETL_TLS_NAME", value_name = "NAME", hide_env = true)]
    tls_name: Option<String>,
}

impl TlsArgs {
    /// Reads the certificates; `None` without any.
    ///
    /// # Errors
    /// As for [`Tls::open`].
    pub fn open(&self) -> Result<Option<Tls>> {
        let Self { tls_cert, tls_key, tls_ca, tls_name } = self.clone();
        Tls::open(&TlsFiles { certificate: tls_cert, key: tls_key, authority: tls_ca, peer_name: tls_name })
    }
}
