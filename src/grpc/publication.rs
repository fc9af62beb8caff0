//! The log as plain files over HTTPS: `checkpoint`, `tile/<L>/<N>` and `tile/entries/<N>`, exactly as C2SP tlog-tiles
//! has them, so that tools that nobody here wrote can verify it.
//!
//! Beside the agencies' listener, with places of its own: strangers who read tiles take none from those who refer.
//! Checkpoints and hash tiles say how large the log is and nothing of any act; entries say who acted when, and are for
//! national oversight, by its certificate, each bundle with an entry of its own.

use super::http::{Places, REPLY_TEXT, accept, connection};
use super::limits::HANDSHAKE_TIMEOUT;
use super::listener::{Dropped, Peer, recognised};
use super::metrics::Metrics;
use super::tls::ReloadingTls;
use crate::exchange::publication::Resource;
use crate::exchange::{Exchange, Refusal};
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Connections at a time: monitors and auditors, not every member. Of one address fewer than there are handshakes, so
/// that nobody holds up all others by shaking hands slowly.
const PLACES: Places = Places {
    all: 256,
    of_address: 16,
};

/// Handshakes at a time, a quarter of the agencies' listener's.
const HANDSHAKES_MAX: usize = 32;

/// Tiles and bundles that are read at a time: more wait, so that the store's readers stay free for referrals.
const READING_MAX: usize = 4;

/// Full and partial tiles never change once they exist.
const IMMUTABLE_PUBLIC: &str = "public, max-age=31536000, immutable";
/// The same, for nobody's cache but the reader's own.
const IMMUTABLE_PRIVATE: &str = "private, max-age=31536000, immutable";
/// The checkpoint moves on.
const FRESH: &str = "no-cache";
/// What is not there now may be there in a second.
const NOT_KEPT: &str = "no-store";

/// Who may read checkpoints and hash tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Anybody who reaches the address.
    Public,
    /// Agencies that are enrolled, by their certificate.
    Members,
}

/// A bound address for readers.
#[derive(Debug)]
pub struct Publishing {
    /// The socket.
    pub listener: TcpListener,
    /// Who may read.
    pub readers: Readers,
}

/// What every request needs.
struct Shared {
    exchange: Arc<Exchange>,
    metrics: Arc<Metrics>,
    readers: Readers,
    reading: Semaphore,
}

/// Who asks: an agency by its verified certificate, or anybody.
#[derive(Clone)]
struct Visitor(Option<Peer>);

impl Publishing {
    /// Answers until `stop`.
    pub async fn serve(
        self,
        exchange: Arc<Exchange>,
        tls: Arc<ReloadingTls>,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) {
        let readers = self.readers;
        let shared = Shared {
            exchange,
            metrics,
            readers,
            reading: Semaphore::new(READING_MAX),
        };
        let app = axum::Router::new()
            .fallback(get(answer))
            .with_state(Arc::new(shared));
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        let until = stop.clone();
        accept(self.listener, PLACES, stop, move |tcp, remote| {
            let (app, tls, handshakes) = (app.clone(), Arc::clone(&tls), Arc::clone(&handshakes));
            let stop = until.clone();
            async move {
                let Ok(turn) = handshakes.acquire_owned().await else {
                    return;
                };
                let outcome = one(tcp, remote, tls, app, readers, turn, stop).await;
                if let Err(reason) = outcome {
                    tracing::debug!(%reason, "a reader's connection was dropped");
                }
            }
        })
        .await;
    }
}

/// One connection, from its handshake to its end.
async fn one(
    tcp: TcpStream,
    remote: SocketAddr,
    tls: Arc<ReloadingTls>,
    app: axum::Router,
    readers: Readers,
    turn: tokio::sync::OwnedSemaphorePermit,
    stop: CancellationToken,
) -> Result<(), Dropped> {
    let acceptor = TlsAcceptor::from(tls.publication_config());
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp))
        .await
        .map_err(|_| Dropped::Slow)?
        .map_err(|_| Dropped::Handshake)?;
    drop(turn);
    let (_, session) = stream.get_ref();
    let certified = session
        .peer_certificates()
        .is_some_and(|chain| !chain.is_empty());
    if !certified {
        if readers == Readers::Members {
            return Err(Dropped::NotAdmitted);
        }
        connection(stream, app.layer(Extension(Visitor(None))), stop).await;
        return Ok(());
    }
    let (peer, _guard) = recognised(session, remote, &tls)?;
    let revoked = peer.revoked.clone();
    let app = app.layer(Extension(Visitor(Some(peer))));
    // Nothing more is owed to whoever holds a revoked key (invariant 19).
    let _ = revoked
        .run_until_cancelled(connection(stream, app, stop))
        .await;
    Ok(())
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Response {
    let resource = uri.path().strip_prefix('/').and_then(Resource::parse);
    let what = match resource {
        None => "unknown",
        Some(Resource::Checkpoint) => "checkpoint",
        Some(Resource::Tile { .. }) => "tile",
        Some(Resource::Entries { .. }) => "entries",
    };
    let reply = match resource {
        None => Err(StatusCode::NOT_FOUND),
        Some(resource) => shared.give(resource, &visitor).await,
    };
    let status = reply.as_ref().err().copied().unwrap_or(StatusCode::OK);
    shared.metrics.published(what, status.as_u16());
    reply.unwrap_or_else(|status| {
        let mut response = (status, [(header::CACHE_CONTROL, NOT_KEPT)]).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let soon = HeaderValue::from_static("5");
            response.headers_mut().insert(header::RETRY_AFTER, soon);
        }
        response
    })
}

impl Shared {
    async fn give(&self, resource: Resource, visitor: &Visitor) -> Result<Response, StatusCode> {
        // The handshake looked at the certificate once; a connection lives longer than a handshake.
        if let Some(peer) = &visitor.0 {
            peer.still_valid(self.exchange.now())
                .map_err(|_| StatusCode::FORBIDDEN)?;
        }
        match resource {
            Resource::Checkpoint => {
                self.admit(visitor)?;
                let shown = self.exchange.shown();
                let shown = shown.ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
                Ok(file(shown.note.as_bytes().to_vec(), REPLY_TEXT, FRESH))
            }
            Resource::Tile {
                level,
                index,
                width,
            } => {
                self.admit(visitor)?;
                let _turn = self.reading.acquire().await;
                let tile = self.exchange.hash_tile(level, index, width).await;
                let caching = match self.readers {
                    Readers::Public => IMMUTABLE_PUBLIC,
                    Readers::Members => IMMUTABLE_PRIVATE,
                };
                found(tile, caching)
            }
            Resource::Entries { index, width } => {
                let peer = visitor.0.as_ref().ok_or(StatusCode::FORBIDDEN)?;
                let _turn = self.reading.acquire().await;
                let agency = peer.certified.agency();
                let bundle = self.exchange.entry_bundle(agency, index, width).await;
                found(bundle, IMMUTABLE_PRIVATE)
            }
        }
    }

    /// Lets a reader of hashes in, or not.
    fn admit(&self, visitor: &Visitor) -> Result<(), StatusCode> {
        if self.readers == Readers::Public {
            return Ok(());
        }
        let peer = visitor.0.as_ref().ok_or(StatusCode::FORBIDDEN)?;
        match self.exchange.may_read_hashes(peer.certified.agency()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(StatusCode::FORBIDDEN),
            Err(refusal) => Err(status(&refusal)),
        }
    }
}

fn found(
    bytes: Result<Option<Vec<u8>>, Refusal>,
    caching: &'static str,
) -> Result<Response, StatusCode> {
    match bytes {
        Ok(Some(bytes)) => Ok(file(bytes, "application/octet-stream", caching)),
        Ok(None) => Err(StatusCode::NOT_FOUND),
        Err(refusal) => Err(status(&refusal)),
    }
}

fn file(bytes: Vec<u8>, kind: &'static str, caching: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, caching),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, bytes).into_response()
}

fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::NotPermitted => StatusCode::FORBIDDEN,
        Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
