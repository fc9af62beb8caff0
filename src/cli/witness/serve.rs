//! The witness's HTTP side: `POST /add-checkpoint`, exactly as C2SP tlog-witness has it.

use super::kept::{Kept, NotCosigned};
use crate::grpc::http::{Places, REPLY_TEXT, accept, connection};
use crate::grpc::limits::HANDSHAKE_TIMEOUT;
use crate::grpc::tls::Now;
use crate::ledger::cosignature::Cosigner;
use crate::ledger::witness::{
    KnownLogs, Refused, SIZE_CONTENT_TYPE, SUBMISSION_BYTES_MAX, Submission,
};
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Connections at a time: a few for each of some hundred logs.
const CONNECTIONS_MAX: usize = 256;

/// Connections of one address at a time: a log needs one. A stranger who held them all could keep every log that needs
/// this witness from handing out checkpoints.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 16;

/// Time for a request's body: 20 KiB over a bad line.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A witness at work.
pub struct Witness {
    /// Signs.
    pub cosigner: Cosigner,
    /// The logs that it vouches for.
    pub known: KnownLogs,
    /// What it cosigned of them.
    pub kept: Kept,
    /// Its clock.
    pub now: Now,
}

/// The TLS side, from PEM files.
///
/// # Errors
///
/// What to mend.
pub fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let unusable = |path: &Path| format!("{}: not usable: name a PEM file", path.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|_| unusable(certificate))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|_| unusable(key))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| format!("certificate and key: {error}"))?;
    Ok(Arc::new(config))
}

/// Answers until `stop`.
pub async fn serve(
    tcp: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    witness: Arc<Witness>,
    stop: CancellationToken,
) {
    let app = app(witness);
    let acceptor = tls.map(TlsAcceptor::from);
    let max = Places {
        all: CONNECTIONS_MAX,
        of_address: match acceptor {
            Some(_) => CONNECTIONS_PER_ADDRESS_MAX,
            // Without TLS there is a proxy in front, whose address is everybody's.
            None => CONNECTIONS_MAX,
        },
    };
    accept(tcp, max, stop.clone(), move |stream, _| {
        let (app, acceptor, stop) = (app.clone(), acceptor.clone(), stop.clone());
        async move {
            let Some(acceptor) = acceptor else {
                return connection(stream, app, stop).await;
            };
            let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
            if let Ok(Ok(stream)) = shaken {
                connection(stream, app, stop).await;
            }
        }
    })
    .await;
}

fn app(witness: Arc<Witness>) -> axum::Router {
    axum::Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Body) -> Response {
    let body = axum::body::to_bytes(body, SUBMISSION_BYTES_MAX);
    let body = tokio::time::timeout(BODY_TIMEOUT, body).await;
    let text = match body {
        Ok(Ok(bytes)) => String::from_utf8(bytes.to_vec()).ok(),
        _ => None,
    };
    let Some(submission) = text.and_then(|text| Submission::parse(&text).ok()) else {
        return refused(Refused::Malformed);
    };
    // Durable before it is signed: the disk may be waited for.
    let asked = tokio::task::spawn_blocking(move || {
        let signed = witness.known.recognise(&submission.note)?;
        let now = || (witness.now)();
        let line = witness
            .kept
            .cosign(&submission, &signed, &witness.cosigner, now)?;
        let size = signed.checkpoint.size;
        tracing::debug!(origin = signed.checkpoint.origin, size, "cosigned");
        Ok(line)
    });
    match asked.await {
        Ok(Ok(line)) => ([(header::CONTENT_TYPE, REPLY_TEXT)], line).into_response(),
        Ok(Err(NotCosigned::Refused(why))) => refused(why),
        Ok(Err(NotCosigned::Broken)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Each refusal as the specification wants it told.
fn refused(why: Refused) -> Response {
    let told = |status: StatusCode| {
        let kind = [(header::CONTENT_TYPE, REPLY_TEXT)];
        (status, kind, format!("{why}\n")).into_response()
    };
    match why {
        Refused::Malformed => told(StatusCode::BAD_REQUEST),
        Refused::UnknownLog => told(StatusCode::NOT_FOUND),
        Refused::NotSigned => told(StatusCode::FORBIDDEN),
        Refused::Inconsistent => told(StatusCode::UNPROCESSABLE_ENTITY),
        Refused::OtherSize(size) | Refused::OtherRoot(size) => {
            let kind = [(header::CONTENT_TYPE, SIZE_CONTENT_TYPE)];
            (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response()
        }
    }
}

#[cfg(test)]
mod tests;
