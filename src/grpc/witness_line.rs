//! The way to one witness: HTTP/1.1, over TLS or not, on one connection that is kept.
//!
//! What a witness says is verified by its key, so that plain HTTP to a witness behind the same proxy, or on the same
//! machine, gives nothing away but the log's size.

use crate::exchange::publication::{WitnessLine, WitnessReply};
use axum::body::Body;
use http::uri::Scheme;
use http::{Request, Uri, header};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

/// Time to a connection, its handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Longest answer that is read, in bytes: a witness with fifteen keys answers with less.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Content type of the size that a witness cosigned last.
const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// Why a witness's address cannot be used, and how to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWitnessUrl {
    /// Not an address.
    #[error("write each witness's url as https://host[:port][/prefix], without a query")]
    Url,
    /// HTTPS without roots.
    #[error("name the authorities of the witnesses' servers in publication.witness_roots_file")]
    NoRoots,
    /// The roots.
    #[error("publication.witness_roots_file holds no usable certificate: name a PEM file")]
    Roots,
}

/// The authorities of the witnesses' own servers.
#[derive(Clone)]
pub struct WitnessRoots(Arc<ClientConfig>);

impl std::fmt::Debug for WitnessRoots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WitnessRoots")
    }
}

impl WitnessRoots {
    /// From a PEM file.
    ///
    /// # Errors
    ///
    /// [`BadWitnessUrl::Roots`].
    pub fn read(file: &Path) -> Result<Self, BadWitnessUrl> {
        const BAD: BadWitnessUrl = BadWitnessUrl::Roots;
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(file).map_err(|_| BAD)? {
            roots.add(root.map_err(|_| BAD)?).map_err(|_| BAD)?;
        }
        if roots.is_empty() {
            return Err(BAD);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|_| BAD)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// One witness over HTTP.
pub struct HttpWitness {
    host: String,
    port: u16,
    authority: String,
    path: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    kept: Mutex<Option<SendRequest<Body>>>,
}

impl std::fmt::Debug for HttpWitness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HttpWitness({})", self.authority)
    }
}

impl HttpWitness {
    /// The witness whose submission prefix is `url`.
    ///
    /// # Errors
    ///
    /// [`BadWitnessUrl`].
    pub fn new(url: &str, roots: Option<&WitnessRoots>) -> Result<Self, BadWitnessUrl> {
        const BAD: BadWitnessUrl = BadWitnessUrl::Url;
        let uri: Uri = url.parse().map_err(|_| BAD)?;
        let authority = uri.authority().ok_or(BAD)?;
        if uri.query().is_some() || authority.as_str().contains('@') {
            return Err(BAD);
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(BAD),
        };
        let tls = if is_tls {
            let roots = roots.ok_or(BadWitnessUrl::NoRoots)?;
            let name = ServerName::try_from(host.clone()).map_err(|_| BAD)?;
            Some((TlsConnector::from(Arc::clone(&roots.0)), name))
        } else {
            None
        };
        Ok(Self {
            port: authority
                .port_u16()
                .unwrap_or(if is_tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: format!("{}/add-checkpoint", uri.path().trim_end_matches('/')),
            host,
            tls,
            kept: Mutex::new(None),
        })
    }

    async fn connect(&self) -> Result<SendRequest<Body>, String> {
        let connecting = async {
            let tcp = TcpStream::connect((self.host.as_str(), self.port)).await;
            let tcp = tcp.map_err(|error| error.to_string())?;
            match &self.tls {
                None => sender(tcp).await,
                Some((connector, name)) => {
                    let stream = connector.connect(name.clone(), tcp).await;
                    sender(stream.map_err(|error| error.to_string())?).await
                }
            }
        };
        tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or_else(|_| Err("no connection in time".into()))
    }

    async fn send(
        &self,
        sender: &mut SendRequest<Body>,
        body: &str,
    ) -> Result<WitnessReply, String> {
        let request = Request::post(self.path.as_str())
            .header(header::HOST, self.authority.as_str())
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(Body::from(body.to_owned()))
            .map_err(|error| error.to_string())?;
        sender.ready().await.map_err(|error| error.to_string())?;
        let reply = sender.send_request(request).await;
        let reply = reply.map_err(|error| error.to_string())?;
        let kind = reply.headers().get(header::CONTENT_TYPE);
        let tells_size = kind.is_some_and(|kind| kind == SIZE_CONTENT_TYPE);
        let status = reply.status().as_u16();
        let body = axum::body::to_bytes(Body::new(reply.into_body()), ANSWER_BYTES_MAX).await;
        let body = body.map_err(|_| "its answer is too long or cut off".to_owned())?;
        let body = String::from_utf8(body.to_vec());
        Ok(WitnessReply {
            status,
            tells_size,
            body: body.map_err(|_| "its answer is no text".to_owned())?,
        })
    }

    async fn ask(&self, body: String) -> Result<WitnessReply, String> {
        let mut kept = self.kept.lock().await;
        // A kept connection may have ended meanwhile; asking twice for the same cosignature does no harm.
        if let Some(mut sender) = kept.take()
            && let Ok(reply) = self.send(&mut sender, &body).await
        {
            *kept = Some(sender);
            return Ok(reply);
        }
        let mut sender = self.connect().await?;
        let reply = self.send(&mut sender, &body).await?;
        *kept = Some(sender);
        Ok(reply)
    }
}

impl WitnessLine for HttpWitness {
    fn post(
        &self,
        body: String,
    ) -> Pin<Box<dyn Future<Output = Result<WitnessReply, String>> + Send + '_>> {
        Box::pin(self.ask(body))
    }
}

async fn sender<S>(stream: S) -> Result<SendRequest<Body>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|error| error.to_string())?;
    // Ends with the sender.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to a witness ended");
        }
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_prefixes() {
        for (url, host, port, path) in [
            (
                "http://127.0.0.1:7000",
                "127.0.0.1",
                7000,
                "/add-checkpoint",
            ),
            ("http://w.example", "w.example", 80, "/add-checkpoint"),
            ("http://[::1]:7/", "::1", 7, "/add-checkpoint"),
            (
                "http://w.example/a/b/",
                "w.example",
                80,
                "/a/b/add-checkpoint",
            ),
        ] {
            let witness = HttpWitness::new(url, None).unwrap();
            assert_eq!((witness.host.as_str(), witness.port), (host, port), "{url}");
            assert_eq!(witness.path, path, "{url}");
        }
        for url in [
            "",
            "w.example",
            "/path",
            "ftp://w.example",
            "http://a@w.example",
            "http://w.example/?x",
        ] {
            assert_eq!(
                HttpWitness::new(url, None).err(),
                Some(BadWitnessUrl::Url),
                "{url}"
            );
        }
        let error = HttpWitness::new("https://w.example", None).err();
        assert_eq!(error, Some(BadWitnessUrl::NoRoots));
    }
}
