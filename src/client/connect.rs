//! A channel to the router over mutual TLS 1.3, with the router's certificate authority pinned.
//!
//! tonic's own TLS settings have no protocol version and no key-exchange choice, so the connector is ours.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// Longest time for TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Largest reply taken: a message's limit with room for its receipt.
pub const REPLY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The connection could not be set up; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A certificate, key or root file cannot be read or parsed.
    #[error("{what} at {path} cannot be used: {why}")]
    File {
        /// What the file should hold.
        what: &'static str,
        /// Where it is.
        path: String,
        /// Why not.
        why: String,
    },
    /// The certificate and key do not fit each other, or TLS refuses them.
    #[error("the client certificate cannot be used: {0}")]
    Identity(#[from] rustls::Error),
    /// The router's name is neither a DNS name nor an address.
    #[error("the router's name is not a DNS name or an address")]
    RouterName,
}

/// Where the router is, and the name its certificate must carry.
#[derive(Debug, Clone)]
pub struct RouterAddress {
    /// Host or address to connect to.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// DNS name or address that the router's certificate must carry.
    pub server_name: String,
}

/// An agency's TLS client certificate with its key.
#[derive(Debug)]
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    fingerprint: [u8; 32],
}

impl ClientIdentity {
    /// From a certificate chain, leaf first, and its key.
    ///
    /// # Errors
    ///
    /// [`ConnectError::File`] when the chain is empty.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, ConnectError> {
        let leaf = chain
            .first()
            .ok_or_else(|| unusable("certificate", Path::new(""), &"no certificate"))?;
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, leaf).as_ref());
        Ok(Self {
            chain,
            key,
            fingerprint,
        })
    }

    /// From PEM files.
    ///
    /// # Errors
    ///
    /// [`ConnectError::File`] naming the file that cannot be used.
    pub fn from_pem_files(chain: &Path, key: &Path) -> Result<Self, ConnectError> {
        Self::new(
            certificates(chain)?,
            PrivateKeyDer::from_pem_file(key)
                .map_err(|error| unusable("private key", key, &error))?,
        )
    }

    /// SHA-256 of the leaf, which staff tokens are bound to (RFC 8705).
    #[must_use]
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

impl Clone for ClientIdentity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            fingerprint: self.fingerprint,
        }
    }
}

/// The certificates of a PEM file.
///
/// # Errors
///
/// [`ConnectError::File`] when there is none or one is malformed.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let found = CertificateDer::pem_file_iter(path)
        .map_err(|error| unusable("certificate", path, &error))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable("certificate", path, &error))?;
    if found.is_empty() {
        return Err(unusable("certificate", path, &"no certificate"));
    }
    Ok(found)
}

/// TLS 1.3 only, ALPN h2, no resumption, X25519MLKEM768 first (rustls's `prefer-post-quantum` order).
///
/// # Errors
///
/// [`ConnectError::Identity`] when the certificate does not fit its key or no root is usable.
pub fn tls_config(
    roots: &[CertificateDer<'static>],
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, ConnectError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(store);
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// A channel that connects when first used and again after a loss.
///
/// # Errors
///
/// [`ConnectError`] when the address or the certificate cannot be used.
pub fn channel(
    router: &RouterAddress,
    roots: &[CertificateDer<'static>],
    identity: &ClientIdentity,
) -> Result<Channel, ConnectError> {
    channel_with(router, tls_config(roots, Some(identity))?)
}

/// As [`channel`], over TLS settings of the caller's own: for tests that must be refused.
///
/// # Errors
///
/// [`ConnectError::RouterName`] when the address cannot be used.
pub fn channel_with(router: &RouterAddress, config: ClientConfig) -> Result<Channel, ConnectError> {
    let name =
        ServerName::try_from(router.server_name.clone()).map_err(|_| ConnectError::RouterName)?;
    let connector = TlsConnector::from(Arc::new(config));
    let target = (router.host.clone(), router.port);
    let connect = service_fn(move |_: http::Uri| {
        let (name, connector, target) = (name.clone(), connector.clone(), target.clone());
        async move {
            let stream = TcpStream::connect((target.0.as_str(), target.1)).await?;
            stream.set_nodelay(true)?;
            let stream = connector.connect(name, stream).await?;
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    let endpoint = Endpoint::from_shared(format!("https://{}:{}", router.server_name, router.port))
        .map_err(|_| ConnectError::RouterName)?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(16 * 1024);
    Ok(endpoint.connect_with_connector_lazy(connect))
}

fn unusable(what: &'static str, path: &Path, why: &dyn std::fmt::Display) -> ConnectError {
    ConnectError::File {
        what,
        path: path.display().to_string(),
        why: why.to_string(),
    }
}
