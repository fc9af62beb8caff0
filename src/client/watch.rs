//! Doorbells: that something changed, never what it says. At least once, in order, across reconnections.

use std::time::Duration;

use tonic::{Code, Status, Streaming};

use super::agency::Desk;
use super::error::{ClientError, Reason, Refused, handshake_failure};
use super::retry::RetryPolicy;
use super::words;
use crate::proto::v1;
use crate::proto::v1::event_service_client::EventServiceClient;

/// A stream without a heartbeat for so long is dead: they come every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// Longest wait between two attempts to connect.
const RECONNECT: RetryPolicy = RetryPolicy {
    deadline: Duration::from_secs(u64::MAX / 4),
    first_wait_max: Duration::from_millis(100),
    wait_max: Duration::from_secs(5),
};

/// One ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doorbell {
    /// Look at this resource of one's own.
    Ring {
        /// What kind of thing happened.
        kind: v1::EventKind,
        /// The viewer's own resource name.
        resource: String,
    },
    /// Rings may have been missed: list everything, then go on. Comes first on every fresh start.
    Missed,
}

/// The doorbells of one agency, as one member of staff or its process hears them.
#[derive(Debug)]
pub struct Doorbells {
    desk: Desk,
    stream: Option<Streaming<v1::WatchResponse>>,
    token: String,
    failures: u32,
    /// Whether the next thing to say is [`Doorbell::Missed`], once the stream stands.
    missed: bool,
}

impl Desk {
    /// Listens, from `resume_token` on; empty to start now.
    #[must_use]
    pub fn watch(&self, resume_token: String) -> Doorbells {
        let missed = resume_token.is_empty();
        Doorbells {
            desk: self.clone(),
            stream: None,
            token: resume_token,
            failures: 0,
            missed,
        }
    }
}

/// What an event rings; none for one that only says that the line stands.
fn rung(event: v1::WatchResponse) -> Option<Doorbell> {
    match event.kind() {
        v1::EventKind::Heartbeat | v1::EventKind::Unspecified => None,
        // It stands in a line that programs read, on a terminal: what is no name is not handed on, and all is listed.
        _ if !event.resource.bytes().all(|byte| byte.is_ascii_graphic()) => Some(Doorbell::Missed),
        kind => Some(Doorbell::Ring {
            kind,
            resource: event.resource,
        }),
    }
}

impl Doorbells {
    /// Resumes after the last ring handed out; keep it once the ring is handled.
    #[must_use]
    pub fn resume_token(&self) -> &str {
        &self.token
    }

    /// The next ring; waits for it through losses of the connection.
    ///
    /// # Errors
    ///
    /// [`ClientError`] only for what waiting does not mend: a refused certificate, token or role.
    pub async fn next(&mut self) -> Result<Doorbell, ClientError> {
        loop {
            if self.stream.is_none() {
                match self.connect().await {
                    Ok(stream) => self.stream = Some(stream),
                    Err(status) => {
                        self.failed(&status).await?;
                        continue;
                    }
                }
            }
            let Some(stream) = &mut self.stream else {
                continue;
            };
            match tokio::time::timeout(SILENCE_MAX, stream.message()).await {
                Ok(Ok(Some(event))) => {
                    self.failures = 0;
                    if let Some(ring) = self.heard(event) {
                        return Ok(ring);
                    }
                }
                // The end of a drained or aged stream, or silence: connect again from the last token.
                Ok(Ok(None)) | Err(_) => self.stream = None,
                Ok(Err(status)) => self.failed(&status).await?,
            }
        }
    }

    /// A heartbeat comes at once: what is listed after it cannot miss what is rung after it.
    fn heard(&mut self, event: v1::WatchResponse) -> Option<Doorbell> {
        if self.missed {
            self.missed = false;
            if event.kind() == v1::EventKind::Heartbeat {
                self.token = event.resume_token;
            }
            // A ring is covered by the listing that follows, and comes again: its token was not kept.
            return Some(Doorbell::Missed);
        }
        if !event.resume_token.is_empty() {
            self.token.clone_from(&event.resume_token);
        }
        rung(event)
    }

    async fn connect(&self) -> Result<Streaming<v1::WatchResponse>, Status> {
        let session = self.desk.agency().session();
        let message = v1::WatchRequest {
            parent: words::agency_name(session.agency()),
            resume_token: self.token.clone(),
        };
        let request = session
            .request(Some(self.desk.staff()), message, 0, None)
            .map_err(|_| Status::internal("the staff-token key cannot sign"))?;
        let mut client = EventServiceClient::new(session.channel());
        Ok(client.watch(request).await?.into_inner())
    }

    /// Decides whether to connect again, and waits.
    async fn failed(&mut self, status: &Status) -> Result<(), ClientError> {
        self.stream = None;
        if let Some(alert) = handshake_failure(status) {
            return Err(ClientError::Handshake(alert));
        }
        let refused = Refused::from_status(status);
        if refused.reason == Reason::ResumeTokenExpired || refused.code == Code::OutOfRange {
            self.token.clear();
            self.missed = true;
            return Ok(());
        }
        let final_answer = matches!(
            refused.code,
            Code::PermissionDenied | Code::InvalidArgument | Code::Unimplemented
        );
        // A token may have run out while the stream was open; a second refusal in a row is final.
        let unauthenticated = refused.code == Code::Unauthenticated && self.failures > 0;
        if final_answer || unauthenticated {
            return Err(refused.into());
        }
        self.failures = self.failures.saturating_add(1);
        let dice = f64::from(self.failures % 7) / 7.0;
        tokio::time::sleep(RECONNECT.wait(self.failures, refused.retry_after, dice)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_that_is_no_name_writes_no_line_of_its_own() {
        let ring = |resource: &str| {
            rung(v1::WatchResponse {
                kind: v1::EventKind::OfferReceived.into(),
                resource: resource.into(),
                ..v1::WatchResponse::default()
            })
        };
        assert!(
            matches!(ring("agencies/a/offers/1"), Some(Doorbell::Ring { resource, .. }) if resource.len() == 19)
        );
        for forged in ["x\nofferreceived y", "\u{1b}[2J", "\u{202e}x"] {
            assert!(matches!(ring(forged), Some(Doorbell::Missed)), "{forged:?}");
        }
    }
}
