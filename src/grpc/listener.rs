//! The accept loop of the public listener: TCP, handshake, certificate, and only then tonic.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::NamedGroup;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::crowd::Crowd;
use super::limits::{
    CONNECTIONS_MAX, HANDSHAKE_TIMEOUT, HANDSHAKES_MAX, HANDSHAKES_PER_ADDRESS_MAX,
    UNKNOWN_PER_ADDRESS_MAX,
};
use super::live::LiveGuard;
use super::tls::{PeerInvalid, ReloadingTls};
use crate::domain::time::Timestamp;
use crate::exchange::flood::Unknown;
use crate::identity::certificate::CertifiedAgency;

/// Pause after a failed `accept`, most likely for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end of a connection; an extension of every request on it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The agency, as its certificate names it.
    pub certified: Arc<CertifiedAgency>,
    /// Cancelled when the connection is cut; streams end with it.
    pub revoked: CancellationToken,
    /// The key exchange group, where it was post-quantum.
    pub group: Option<&'static str>,
    /// Network address; for the limits, never for the ledger.
    pub remote_addr: SocketAddr,
    tls: Arc<ReloadingTls>,
}

impl Peer {
    /// Whether the certificate still holds at `now`: checked for every request, and for every event of a stream.
    ///
    /// # Errors
    ///
    /// [`PeerInvalid`] when it is revoked or expired, or the revocation lists are stale (invariant 19).
    pub fn still_valid(&self, now: Timestamp) -> Result<(), PeerInvalid> {
        if self.revoked.is_cancelled() {
            return Err(PeerInvalid::Revoked);
        }
        self.tls.check(&self.certified, now)
    }
}

/// Hears why a connection never reached tonic.
pub type OnDropped = Arc<dyn Fn(Unknown) + Send + Sync>;

/// A bound listener.
pub struct Listener {
    tcp: TcpListener,
    tls: Arc<ReloadingTls>,
    on_dropped: OnDropped,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listener({:?})", self.tcp)
    }
}

impl Listener {
    /// Binds `address`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn bind(address: SocketAddr, tls: Arc<ReloadingTls>) -> io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        Ok(Self {
            tcp,
            tls,
            on_dropped: Arc::new(|_| {}),
        })
    }

    /// Tells `on_dropped` of every connection that never reaches tonic.
    #[must_use]
    pub fn telling(mut self, on_dropped: OnDropped) -> Self {
        self.on_dropped = on_dropped;
        self
    }

    /// The address in fact bound.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Starts to accept. Dropping what is returned closes the socket; connections handed out stay.
    ///
    /// Must be called within a tokio runtime.
    #[must_use]
    pub fn incoming(self) -> Incoming {
        let (ready, connections) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(self, ready));
        Incoming {
            connections,
            accepting,
        }
    }
}

/// Connections with a verified certificate, for `serve_with_incoming_shutdown`.
#[derive(Debug)]
pub struct Incoming {
    connections: mpsc::Receiver<Connection>,
    accepting: JoinHandle<()>,
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let connection = ready!(self.connections.poll_recv(cx));
        Poll::Ready(connection.map(Ok))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: Listener, ready: mpsc::Sender<Connection>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let turns = Turns::new();
    loop {
        // A place first: past the limit, callers wait in the kernel's queue and cost us nothing.
        let Ok(place) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        let (tcp, remote_addr) = match listener.tcp.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let on_dropped = Arc::clone(&listener.on_dropped);
        let address = network(remote_addr.ip());
        let Some(unknown) = turns.unknown.enter(address) else {
            on_dropped(Unknown::TooMany);
            continue;
        };
        let (tls, ready, turns) = (Arc::clone(&listener.tls), ready.clone(), turns.clone());
        tokio::spawn(async move {
            let shaking = async {
                let _turn = turns.take(address).await.ok_or(Dropped::Slow)?;
                handshake(tcp, remote_addr, tls, place).await
            };
            let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, shaking);
            let outcome = shaken.await.unwrap_or(Err(Dropped::Slow));
            drop(unknown);
            match outcome {
                // The receiver is gone when the server is shutting down.
                Ok(connection) => drop(ready.send(connection).await),
                Err(reason) => {
                    tracing::debug!(%reason, "connection dropped");
                    on_dropped(reason.unknown());
                }
            }
        });
    }
}

/// What one party can have of addresses: of IPv6 the network that a site is given, since its hosts choose the rest.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

/// Turns to shake hands: some for all, fewer for one address.
#[derive(Clone)]
struct Turns {
    all: Arc<Semaphore>,
    of: Arc<Mutex<HashMap<IpAddr, Weak<Semaphore>>>>,
    unknown: Arc<Crowd<IpAddr>>,
}

/// Both turns, given back when dropped.
struct Turn {
    _of_address: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Turns {
    fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            of: Arc::default(),
            unknown: Crowd::new(UNKNOWN_PER_ADDRESS_MAX),
        }
    }

    fn of(&self, address: IpAddr) -> Arc<Semaphore> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = of.get(&address).and_then(Weak::upgrade) {
            return turns;
        }
        // Rare: an address comes while nobody else of it is shaking hands.
        of.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(HANDSHAKES_PER_ADDRESS_MAX));
        of.insert(address, Arc::downgrade(&turns));
        turns
    }

    /// Waits for a turn of the address, then of all: who waits for its own address holds up nobody else.
    async fn take(&self, address: IpAddr) -> Option<Turn> {
        let of_address = self.of(address).acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn {
            _of_address: of_address,
            _of_all: of_all,
        })
    }
}

/// Why a connection was never served.
#[derive(Debug, thiserror::Error)]
pub(super) enum Dropped {
    #[error("the handshake took too long")]
    Slow,
    #[error("the handshake failed")]
    Handshake,
    #[error("no h2 was agreed on")]
    Protocol,
    #[error(transparent)]
    Certificate(#[from] crate::identity::certificate::CertificateError),
    #[error("the agency has too many connections, or its certificate was revoked meanwhile")]
    NotAdmitted,
}

impl Dropped {
    /// As it is counted.
    const fn unknown(&self) -> Unknown {
        match self {
            Self::Slow | Self::Handshake | Self::Protocol => Unknown::Handshake,
            Self::Certificate(_) => Unknown::Certificate,
            Self::NotAdmitted => Unknown::TooMany,
        }
    }
}

async fn handshake(
    tcp: TcpStream,
    remote_addr: SocketAddr,
    tls: Arc<ReloadingTls>,
    place: OwnedSemaphorePermit,
) -> Result<Connection, Dropped> {
    // Small frames answer small requests; waiting for more would only add delay.
    tcp.set_nodelay(true).map_err(|_| Dropped::Handshake)?;
    let stream = TlsAcceptor::from(tls.config())
        .accept(tcp)
        .await
        .map_err(|_| Dropped::Handshake)?;
    let (_, session) = stream.get_ref();
    // A client that offers no protocol at all passes the library's check.
    if session.alpn_protocol() != Some(super::tls::ALPN) {
        return Err(Dropped::Protocol);
    }
    let (peer, guard) = recognised(session, remote_addr, &tls)?;
    Ok(Connection {
        cut: Box::pin(guard.cut.clone().cancelled_owned()),
        stream,
        peer,
        _guard: guard,
        _place: place,
    })
}

/// Who is behind a session whose certificate the TLS stack has just verified; in the register of open connections while
/// the guard lives.
pub(super) fn recognised(
    session: &rustls::ServerConnection,
    remote_addr: SocketAddr,
    tls: &Arc<ReloadingTls>,
) -> Result<(Peer, LiveGuard), Dropped> {
    let chain: Vec<_> = session.peer_certificates().unwrap_or_default().to_vec();
    let leaf = chain.first().ok_or(Dropped::Handshake)?;
    let certified = CertifiedAgency::from_verified_leaf(leaf, tls.trust_domain())?;
    let group = session
        .negotiated_key_exchange_group()
        .and_then(|group| post_quantum(group.name()));
    let guard = tls.admit(certified, chain).ok_or(Dropped::NotAdmitted)?;
    let peer = Peer {
        certified: Arc::new(guard.certified.clone()),
        revoked: guard.cut.clone(),
        group,
        remote_addr,
        tls: Arc::clone(tls),
    };
    Ok((peer, guard))
}

const fn post_quantum(group: NamedGroup) -> Option<&'static str> {
    match group {
        NamedGroup::X25519MLKEM768 => Some("X25519MLKEM768"),
        NamedGroup::secp256r1MLKEM768 => Some("secp256r1MLKEM768"),
        NamedGroup::MLKEM768 => Some("MLKEM768"),
        NamedGroup::MLKEM1024 => Some("MLKEM1024"),
        _ => None,
    }
}

/// A connection that ends when its certificate does.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _guard: LiveGuard,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// Fails once the connection is cut, and has the task woken when it is.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({})", self.peer.certified.agency())
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            // Nothing more is owed to whoever holds a revoked key.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
