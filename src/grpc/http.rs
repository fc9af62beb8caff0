//! Plain HTTP/1.1 for machines that read logs: accepting, and the limits of one connection.
//!
//! The library's own server sets no time for a request's head, so that a handful of slow strangers could hold every
//! place; here each connection has its times and its end.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Content type of notes and of words.
pub const REPLY_TEXT: &str = "text/plain; charset=utf-8";

/// Time for a request's head, also to the next one on a connection that is kept: a bad satellite link, and no more.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Most header lines of a request.
const HEADERS_MAX: usize = 64;

/// Longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Longest life of a connection: whoever reads slowly gives its place back, and begins again where it was.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(5 * 60);

/// Pause after a failed `accept`, most likely for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until `stop`, at most `connections_max` at a time; past that callers wait in the kernel's queue.
pub async fn accept<F, Fut>(
    tcp: TcpListener,
    connections_max: usize,
    stop: CancellationToken,
    serve: F,
) where
    F: Fn(TcpStream, SocketAddr) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(connections_max));
    let accepting = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match tcp.accept().await {
                Ok((stream, remote)) => {
                    let serving = serve(stream, remote);
                    tokio::spawn(async move {
                        serving.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    let _ = stop.run_until_cancelled(accepting).await;
}

/// Serves one connection to its end, or until `stop`: the request in hand is answered then.
pub async fn connection<S>(stream: S, app: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let serving = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    let mut serving = pin!(serving);
    let whole = async {
        tokio::select! {
            ended = serving.as_mut() => return ended,
            () = stop.cancelled() => {}
        }
        serving.as_mut().graceful_shutdown();
        serving.await
    };
    match tokio::time::timeout(CONNECTION_AGE_MAX, whole).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection ended"),
        Err(_) => tracing::debug!("a connection was too old"),
    }
}
