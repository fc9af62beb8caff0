//! `EventService`: one stream of doorbells a desk.

use super::Services;
use crate::exchange::Exchange;
use crate::exchange::event::{Event, EventKind, Watch};
use crate::grpc::call::Call;
use crate::grpc::fields::{self, Fields};
use crate::grpc::listener::Peer;
use crate::grpc::status;
use crate::proto::v1 as proto;
use proto::event_service_server::EventService;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// Time between heartbeats.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// Longest life of a stream: below a connection's, so that it ends with a token and not with a reset.
pub const STREAM_AGE_MAX: Duration = Duration::from_secs(14 * 60);

/// Doorbells that wait for a slow reader before the stream waits with them.
const WAITING_MAX: usize = 16;

/// How long a reader may take none at all.
const READER_PATIENCE: Duration = Duration::from_secs(60);

#[tonic::async_trait]
impl EventService for Services {
    type WatchStream =
        Pin<Box<dyn Stream<Item = Result<proto::WatchResponse, Status>> + Send + 'static>>;

    async fn watch(
        &self,
        request: Request<proto::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let peer = request
            .extensions()
            .get::<Peer>()
            .cloned()
            .ok_or_else(|| status::internal(&"a connection without a peer"))?;
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let parent = fields.agency("parent", &message.parent);
        let (parent,) = fields.all((parent,))?;
        let watch = self
            .exchange
            .watch(call.caller(), &parent, &message.resume_token)
            .await;
        let watch = call.read(&self.exchange, watch).await?;
        let (bells, stream) = mpsc::channel(WAITING_MAX);
        let ringing = Ringing {
            exchange: self.exchange.clone(),
            peer,
            drain: self.drain.clone(),
            bells,
        };
        let open = self.metrics.stream();
        tokio::spawn(async move {
            let _open = open;
            ringing.ring(watch).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// One open stream.
struct Ringing {
    exchange: Arc<Exchange>,
    peer: Peer,
    drain: CancellationToken,
    bells: mpsc::Sender<Result<proto::WatchResponse, Status>>,
}

impl Ringing {
    /// Rings until the reader goes, the router drains, the certificate is revoked or the stream is old.
    async fn ring(&self, mut watch: Watch) {
        let end = sleep_until(Instant::now() + STREAM_AGE_MAX);
        let mut end = std::pin::pin!(end);
        let mut heartbeats = interval(HEARTBEAT);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (bell, last) = tokio::select! {
                biased;
                () = self.bells.closed() => return,
                () = self.peer.revoked.cancelled() => (Err(status::AUTHENTICATION_FAILED.into()), true),
                () = self.drain.cancelled() => (Ok(heartbeat(&watch)), true),
                () = &mut end => (Ok(heartbeat(&watch)), true),
                _ = heartbeats.tick() => (Ok(heartbeat(&watch)), false),
                event = watch.next() => match event {
                    Ok(event) => (Ok(bell(event)), false),
                    Err(refusal) => (Err(refusal.into()), true),
                },
            };
            // The token was checked at the start; certificate and membership are, at each event (invariants 13, 19).
            let bell = match self.still_recognised() {
                Ok(()) => bell,
                Err(refused) => {
                    let _ = self.send(Err(refused)).await;
                    return;
                }
            };
            if !self.send(bell).await || last {
                return;
            }
        }
    }

    fn still_recognised(&self) -> Result<(), Status> {
        if self.peer.still_valid(self.exchange.now()).is_err() {
            return Err(status::AUTHENTICATION_FAILED.into());
        }
        match self.exchange.enrolled(self.peer.certified.agency()) {
            Ok(Some(enrolled)) if !enrolled.suspended => Ok(()),
            Ok(_) => Err(status::AUTHENTICATION_FAILED.into()),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Whether the reader took it, or at least made room for it, in time.
    async fn send(&self, bell: Result<proto::WatchResponse, Status>) -> bool {
        let sent = tokio::time::timeout(READER_PATIENCE, self.bells.send(bell));
        tokio::select! {
            biased;
            sent = sent => matches!(sent, Ok(Ok(()))),
            () = self.drain.cancelled() => false,
        }
    }
}

fn heartbeat(watch: &Watch) -> proto::WatchResponse {
    proto::WatchResponse {
        resource: String::new(),
        kind: proto::EventKind::Heartbeat.into(),
        resume_token: watch.resume_token(),
        time: Some(fields::time(watch.now())),
    }
}

/// Step of a doorbell's time: one act rings several agencies, and its exact moment would join what they hold.
const COARSE: Duration = Duration::from_secs(60);

fn bell(event: Event) -> proto::WatchResponse {
    let kind = match event.kind {
        EventKind::OfferReceived => proto::EventKind::OfferReceived,
        EventKind::OfferChanged => proto::EventKind::OfferChanged,
        EventKind::ParcelReady => proto::EventKind::ParcelReady,
        EventKind::Alarm => proto::EventKind::Alarm,
        EventKind::DirectoryChanged => proto::EventKind::DirectoryChanged,
        EventKind::ResumeRequested => proto::EventKind::ResumeRequested,
        EventKind::Erasure => proto::EventKind::Erasure,
        EventKind::Notice => proto::EventKind::Notice,
        EventKind::Access => proto::EventKind::Access,
        EventKind::Places => proto::EventKind::Places,
        EventKind::Reminder => proto::EventKind::Reminder,
        EventKind::Alert => proto::EventKind::Alert,
        EventKind::Transfer => proto::EventKind::Transfer,
        EventKind::Message => proto::EventKind::Message,
        EventKind::Corrected => proto::EventKind::Corrected,
    };
    proto::WatchResponse {
        resource: event.resource,
        kind: kind.into(),
        resume_token: event.resume_token,
        time: Some(fields::time(event.time.coarse(COARSE))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn two_doorbells_of_one_act_share_no_moment_finer_than_a_minute() {
        let at = |millis| Event {
            resource: "agencies/a/offers/b".into(),
            kind: EventKind::OfferChanged,
            resume_token: String::new(),
            time: Timestamp::from_millis(millis).expect("a time"),
        };
        let (early, late) = (bell(at(1_780_278_000_123)), bell(at(1_780_278_059_999)));
        assert_eq!(early.time, late.time);
    }
}
