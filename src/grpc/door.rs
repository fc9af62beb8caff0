//! The door: what every request passes before a handler sees it.
//!
//! In this order: a place among the requests in hand, a deadline, who is calling, whether they may call this at all.
//! Afterwards: code and time are counted. A panic inside ends the one request.

use super::call::short;
use super::crowd::Crowd;
use super::limits::{AGENCY_SHARE, REFUSED_BODY_BYTES_MAX, REFUSED_BODY_TIME_MAX};
use super::listener::Peer;
use super::metrics::{self, Metrics};
use super::status::{self, Answer};
use super::{deadline, panics};
use crate::domain::id::AgencyId;
use crate::exchange::Exchange;
use crate::exchange::flood::{Costly, Unknown};
use crate::identity::authorization::{self, TokenNeed};
use crate::identity::caller::{AuthenticationError, Caller, Newcomer, Unrecognised};
use crate::identity::token::{TokenCache, bearer};
use axum::body::HttpBody as _;
use http::{Request, Response};
use prost::bytes::Buf;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

/// What stands at the door; one for the whole router.
pub struct Door {
    exchange: Arc<Exchange>,
    tokens: TokenCache,
    metrics: Arc<Metrics>,
    places: Semaphore,
    of_agency: Arc<Crowd<AgencyId>>,
}

impl Door {
    /// A door that lets `requests_max` requests be in hand at a time.
    #[must_use]
    pub fn new(exchange: Arc<Exchange>, metrics: Arc<Metrics>, requests_max: usize) -> Self {
        Self {
            exchange,
            tokens: TokenCache::new(),
            metrics,
            places: Semaphore::new(requests_max),
            of_agency: Crowd::new(requests_max / AGENCY_SHARE),
        }
    }

    async fn answer<S>(&self, request: Request<Body>, inner: S) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let began = Instant::now();
        let in_hand = self.metrics.request_in_hand();
        let method = known(request.uri().path());
        let agency = request
            .extensions()
            .get::<Peer>()
            .map(|peer| peer.certified.agency().clone());
        let response = self.admitted(method, request, inner).await;
        let code = code_of(&response);
        let took = began.elapsed();
        self.metrics.answered(method, code, took);
        drop(in_hand);
        tracing::debug!(
            method,
            code = metrics::code_name(code),
            micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            agency = agency.as_ref().map(tracing::field::display),
            "answered"
        );
        response
    }

    async fn admitted<S>(
        &self,
        method: &'static str,
        mut request: Request<Body>,
        mut inner: S,
    ) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let Ok(place) = self.places.try_acquire() else {
            return turned_away(request, status::OVERLOADED).await;
        };
        // One agency must not take everybody's: what others do is not to be told from it either (R3).
        let agency = request.extensions().get::<Peer>();
        let agency = agency.map(|peer| peer.certified.agency().clone());
        let share = agency.map(|agency| self.of_agency.enter(agency));
        if matches!(share, Some(None)) {
            drop(place);
            return turned_away(request, status::TOO_FAST).await;
        }
        let allowed = deadline::allowed(request.headers());
        let work = panics::caught(async move {
            match self.recognise(method, &mut request).await {
                Ok(()) => {
                    let Ok(response) = inner.call(request).await;
                    drop(place);
                    in_our_words(response)
                }
                Err(answer) => {
                    // Whoever sends no end waits in its agency's share alone: it keeps nobody else out meanwhile.
                    drop(place);
                    turned_away(request, answer).await
                }
            }
        });
        match tokio::time::timeout(allowed, work).await {
            Ok(Ok(response)) => response,
            Ok(Err(panicked)) => {
                self.metrics.panicked();
                refused(status::internal(&panicked))
            }
            Err(_) => refused(status::DEADLINE_EXCEEDED),
        }
    }

    /// Leaves a [`Caller`] (or a [`Newcomer`]) in the request's extensions if they may call `method`.
    async fn recognise(
        &self,
        method: &'static str,
        request: &mut Request<Body>,
    ) -> Result<(), Answer> {
        let peer = request
            .extensions()
            .get::<Peer>()
            .cloned()
            .ok_or_else(|| status::internal(&"a connection without a peer"))?;
        let now = self.exchange.now();
        // The handshake looked at these once; a connection lives longer than a handshake (invariant 19).
        if let Err(reason) = peer.still_valid(now) {
            self.count(Unknown::Certificate);
            tracing::info!(%reason, "a connection may no longer be used");
            return Err(status::AUTHENTICATION_FAILED);
        }
        request.extensions_mut().insert(Method(method));
        let need = authorization::token_need(method);
        if need == TokenNeed::Never {
            return Ok(());
        }
        let token = request
            .headers()
            .get(http::header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(bearer);
        let enrolled = self.exchange.enrolled(peer.certified.agency())?;
        if need == TokenNeed::UnlessNewcomer && token.is_none() {
            let newcomer = Newcomer::authenticate(&peer.certified, enrolled.as_deref(), now)
                .map_err(|error| self.unrecognised(&peer, error))?;
            authorization::authorize_newcomer(method, newcomer.kind())
                .map_err(|_| status::NOT_PERMITTED)?;
            request.extensions_mut().insert(newcomer);
            return Ok(());
        }
        let token = token.ok_or_else(|| self.unrecognised(&peer, Unrecognised::NoToken.into()))?;
        let origin = self.exchange.origin();
        let caller = Caller::authenticate(
            &peer.certified,
            enrolled.as_deref(),
            token,
            origin,
            now,
            &self.tokens,
        )
        .map_err(|error| self.unrecognised(&peer, error))?
        .over(peer.group);
        if authorization::authorize(method, &caller).is_err() {
            self.exchange
                .deny(
                    caller.agency(),
                    Some(caller.staff()),
                    short(method),
                    "NOT_PERMITTED",
                )
                .await?;
            return Err(status::NOT_PERMITTED);
        }
        if let Some(act) = costly(method)
            && !self.exchange.admit(caller.agency(), act)
        {
            return Err(status::TOO_FAST);
        }
        request.extensions_mut().insert(caller);
        Ok(())
    }

    fn unrecognised(&self, peer: &Peer, error: AuthenticationError) -> Answer {
        self.count(why(error.reason()));
        let certified = peer.certified.agency();
        tracing::info!(%certified, reason = %error.reason(), "nobody was recognised");
        status::AUTHENTICATION_FAILED
    }

    /// Counts somebody who was not recognised: for the operator at once, for the ledger with the others.
    fn count(&self, why: Unknown) {
        self.metrics.authentication_failed(why.code());
        self.exchange.count_failure(why);
    }
}

/// Methods that write an entry at each call, and so may be called only so often.
fn costly(method: &str) -> Option<Costly> {
    match method {
        "/safeconduct.v1.OfferService/OpenParcel"
        | "/safeconduct.v1.MessageService/OpenMessage"
        | "/safeconduct.v1.AttachmentService/DownloadAttachment"
        | "/safeconduct.v1.BreakGlassService/OpenAccess" => Some(Costly::Opening),
        "/safeconduct.v1.OfferService/RaiseAlarm" => Some(Costly::Alarm),
        "/safeconduct.v1.AuditService/ListEntries"
        | "/safeconduct.v1.AuditService/ReadOpenings"
        | "/safeconduct.v1.AuditService/ReadActs"
        | "/safeconduct.v1.AuditService/ListActs"
        | "/safeconduct.v1.AuditService/RecordDisposition"
        | "/safeconduct.v1.AuditService/ConfirmDisposition"
        | "/safeconduct.v1.AuditService/RecordWatermark" => Some(Costly::Audit),
        _ => None,
    }
}

/// The path of the method that a request past the door calls.
#[derive(Debug, Clone, Copy)]
pub struct Method(pub &'static str);

/// The method's path if the authorisation table knows it; strangers choose no label of a metric.
fn known(path: &str) -> &'static str {
    authorization::methods()
        .find(|method| *method == path)
        .unwrap_or("unknown")
}

/// For the metrics and the ledger: coarser than the log.
const fn why(reason: Unrecognised) -> Unknown {
    match reason {
        Unrecognised::CertificateTime => Unknown::Certificate,
        Unrecognised::NotEnrolled => Unknown::NotEnrolled,
        Unrecognised::Suspended => Unknown::Suspended,
        Unrecognised::NoKeys | Unrecognised::KeysExist => Unknown::Keys,
        Unrecognised::NoToken => Unknown::NoToken,
        Unrecognised::Token(_) => Unknown::Token,
    }
}

/// A refusal before a handler has read the request: what is on its way is read first, and forgotten.
///
/// HTTP/2 answers what arrives for a stream that ended early with a reset, and a connection has so many of these in
/// its life ([`super::limits::LOCAL_ERROR_RESETS_MAX`]): a caller who is refused often would lose its connection, and
/// with it whatever else it asks there.
async fn turned_away(request: Request<Body>, answer: Answer) -> Response<Body> {
    let mut body = request.into_body();
    let read = async {
        let mut bytes = 0;
        while bytes < REFUSED_BODY_BYTES_MAX {
            match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                // One without a byte counts as one: as long as there is a next frame, nobody looks at the time.
                Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Buf::remaining).max(1),
                Some(Err(_)) | None => break,
            }
        }
    };
    // Whoever sends no end is answered all the same.
    let _ = tokio::time::timeout(REFUSED_BODY_TIME_MAX, read).await;
    refused(answer)
}

fn refused(answer: Answer) -> Response<Body> {
    Status::from(answer).into_http()
}

/// What the library under the handlers refuses by itself, in our words.
///
/// Every status of ours has details; one without was made before a handler was reached. The library calls bytes that
/// do not parse an internal failure, and says where they stopped: they are the caller's fault, and nothing is echoed.
fn in_our_words(response: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    if status.code() == Code::Ok || !status.details().is_empty() {
        return response;
    }
    refused(match status.code() {
        Code::Internal | Code::InvalidArgument => status::MALFORMED,
        Code::OutOfRange | Code::ResourceExhausted => status::TOO_LONG,
        Code::Unimplemented => status::UNIMPLEMENTED,
        Code::DeadlineExceeded | Code::Cancelled => status::DEADLINE_EXCEEDED,
        _ => status::internal(&"the library refused a request"),
    })
}

/// The code in the headers of a refusal; a reply with a body says OK in its trailers.
fn code_of(response: &Response<Body>) -> Code {
    Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
}

/// Puts the door before a service.
#[derive(Clone)]
pub struct DoorLayer(pub Arc<Door>);

impl<S> Layer<S> for DoorLayer {
    type Service = Behind<S>;

    fn layer(&self, inner: S) -> Behind<S> {
        Behind {
            door: self.0.clone(),
            inner,
        }
    }
}

/// A service behind the door.
#[derive(Clone)]
pub struct Behind<S> {
    door: Arc<Door>,
    inner: S,
}

impl<S> Service<Request<Body>> for Behind<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let door = self.door.clone();
        let fresh = self.inner.clone();
        // The one that was polled ready is the one to call.
        let inner = std::mem::replace(&mut self.inner, fresh);
        Box::pin(async move { Ok(door.answer(request, inner).await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;

    #[tokio::test]
    async fn a_refused_request_of_endless_nothing_is_answered() {
        // Invariant 26.
        let nothing = std::iter::repeat_with(|| Ok::<_, Infallible>(Bytes::new()));
        let body = axum::body::Body::from_stream(tokio_stream::iter(nothing));
        let request = Request::new(Body::new(body));
        let refused = turned_away(request, status::NOT_PERMITTED).await;
        assert_eq!(code_of(&refused), Code::PermissionDenied);
    }
}
