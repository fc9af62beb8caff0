//! Plain HTTP/1.1 for machines that read logs: accepting, and the limits of one connection.
//!
//! The library's own server sets no time for a request's head, so that a handful of slow strangers could hold every
//! place; here each connection has its times and its end.

use super::crowd::Crowd;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
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

/// Bits of an IPv6 address that its subscriber chooses alone.
const SUBSCRIBER_HOST_BITS: u32 = 64;

/// Pause after a failed `accept`, most likely for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that a listener has at a time.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// In all; past that callers wait in the kernel's queue.
    pub all: usize,
    /// Of one address; more are closed at once, so that no stranger takes every place.
    pub of_address: usize,
}

/// Who counts as one address: of IPv6, the network that one subscriber has.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << SUBSCRIBER_HOST_BITS);
            Ipv6Addr::from_bits(network).into()
        }
    }
}

/// Accepts until `stop`, as many at a time as there are places.
pub async fn accept<F, Fut>(tcp: TcpListener, max: Places, stop: CancellationToken, serve: F)
where
    F: Fn(TcpStream, SocketAddr) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(max.all));
    let addresses = Crowd::new(max.of_address);
    let accepting = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match tcp.accept().await {
                Ok((stream, remote)) => {
                    let Some(own) = addresses.enter(subscriber(remote.ip())) else {
                        tracing::debug!("an address has too many connections");
                        continue;
                    };
                    let serving = serve(stream, remote);
                    tokio::spawn(async move {
                        serving.await;
                        drop((place, own));
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn one_address_does_not_take_every_place_and_gives_its_own_back() {
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = tcp.local_addr().expect("bound");
        let max = Places {
            all: 8,
            of_address: 2,
        };
        let stop = CancellationToken::new();
        let until = stop.clone();
        let accepting = tokio::spawn(accept(tcp, max, until, |mut stream, _| async move {
            // Until the caller leaves.
            let _ = stream.read_u8().await;
        }));
        let connect = || async { TcpStream::connect(address).await.expect("in the queue") };
        let first = connect().await;
        let _second = connect().await;
        let mut third = connect().await;
        assert!(third.read_u8().await.is_err(), "closed at once");
        drop(first);
        // The place is free once the server has noticed: those before that are closed, one stays.
        loop {
            let mut again = connect().await;
            let closed = tokio::time::timeout(Duration::from_millis(200), again.read_u8());
            if closed.await.is_err() {
                break;
            }
        }
        stop.cancel();
        accepting.await.expect("ended");
    }

    #[test]
    fn addresses_of_one_subscriber_count_as_one() {
        let of = |text: &str| subscriber(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
