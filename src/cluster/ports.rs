//! The ports of an executor: that of results and that of tasks. With TLS, Ballista's servers have them on a
//! loopback address, and others reach them through the end of TLS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;

use crate::error::{Error, Place, Result};

use super::tls_listener::pass_on;

/// The ports of an executor, and where Ballista's servers listen.
pub(super) struct Ports {
    /// That of results and that of tasks.
    pub(super) numbers: [u16; 2],
    /// The address on which Ballista's servers listen.
    pub(super) ip: IpAddr,
    /// What listens before them.
    listeners: Vec<TcpListener>,
}

impl Ports {
    /// The ports of an address, the named one and the next; or two that are free.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn plain(bind: SocketAddr) -> Result<Self> {
        // Ballista would say of a port that is taken neither which it is nor whose.
        let (numbers, _) = listen(bind)?;
        Ok(Self { numbers, ip: bind.ip(), listeners: Vec::new() })
    }

    /// As [`Self::plain`], for TLS.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Usage`] where no loopback address is left on this machine.
    pub(super) fn behind_tls(bind: SocketAddr) -> Result<Self> {
        let (numbers, listeners) = listen(bind)?;
        let is_free = |ip: &IpAddr| numbers.iter().all(|port| TcpListener::bind((*ip, *port)).is_ok());
        let ip = LOOPBACK.into_iter().find(is_free).ok_or_else(|| {
            let what =
                "leaves no loopback address to the same ports; give --bind one address of this machine";
            Error::Usage(format!("{bind} {what}"))
        })?;
        Ok(Self { numbers, ip, listeners: listeners.into() })
    }

    /// Begins to pass on what arrives with TLS, in the present runtime.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn serve_tls(&mut self, tls: &Arc<ServerConfig>) -> Result<()> {
        for listener in self.listeners.drain(..) {
            let failed = |e| Error::io(Place::file("the port of an executor"), "listen", e);
            let address = listener.local_addr().map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
            let server = SocketAddr::new(self.ip, address.port());
            tokio::spawn(pass_on(listener, Arc::clone(tls), server));
        }
        Ok(())
    }
}

/// Addresses for servers behind the end of TLS: an address that listens leaves at least one of them, but for
/// a wildcard on a machine without IPv6.
const LOOPBACK: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Listeners on both ports: at once, so that free ones differ.
fn listen(bind: SocketAddr) -> Result<([u16; 2], [TcpListener; 2])> {
    let second = if bind.port() == 0 { 0 } else { bind.port().wrapping_add(1) };
    let at = |port| {
        let address = SocketAddr::new(bind.ip(), port);
        TcpListener::bind(address).map_err(|e| Error::io(Place::file(address), "bind", e))
    };
    let listeners = [at(bind.port())?, at(second)?];
    let [first, second] = listeners.each_ref().map(TcpListener::local_addr);
    let failed = |e| Error::io(Place::file(bind), "bind", e);
    Ok(([first.map_err(failed)?.port(), second.map_err(failed)?.port()], listeners))
}
