//! The end of TLS in front of a server of Ballista's, whose sockets have none: the scheduler's takes a
//! listener of TCP only, and the port on which an executor takes tasks is opened without a way in. What
//! arrives encrypted is passed on to the server on a loopback address.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, ServerConfig};

/// The time that a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The time that the other side has to read why it is refused.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The pause after a connection could not be accepted: the process has too many files open.
const PAUSE: Duration = Duration::from_millis(200);

/// Accepts connections, forever.
pub(super) async fn pass_on(listener: TcpListener, tls: Arc<ServerConfig>, server: SocketAddr) {
    let acceptor = TlsAcceptor::from(tls);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Err(e) = pass_on_stream(stream, &acceptor, server).await {
                        explain(peer, &e);
                    }
                });
            }
            Err(e) => {
                tracing::warn!("a connection is not accepted: {e}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn pass_on_stream(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    server: SocketAddr,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let handshake = timeout(HANDSHAKE, acceptor.accept(stream).into_fallible());
    let mut outside = match handshake.await.map_err(|_| ErrorKind::TimedOut)? {
        Ok(outside) => outside,
        Err((error, stream)) => {
            // Closed with something unread, the connection would be reset before the reason has arrived.
            _ = timeout(LAST_WORDS, read_to_end(stream)).await;
            return Err(error);
        }
    };
    let mut inside = TcpStream::connect(server).await?;
    inside.set_nodelay(true)?;
    copy_bidirectional(&mut outside, &mut inside).await.map(drop)
}

async fn read_to_end(mut stream: TcpStream) -> std::io::Result<()> {
    stream.shutdown().await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop)
}

/// Says why a connection ended, where it is of interest.
fn explain(peer: SocketAddr, error: &std::io::Error) {
    let fault = error.get_ref().and_then(|held| held.downcast_ref::<rustls::Error>());
    match fault {
        // So does Ballista's scheduler when it looks whether an executor listens.
        Some(rustls::Error::InvalidMessage(_)) | None => tracing::debug!("connection of {peer}: {error}"),
        Some(fault) => tracing::warn!("connection of {peer} is refused: {fault}"),
    }
}
