//! Retries: which answers may change by themselves, and how long to wait for it.
//!
//! One overall deadline covers every attempt, and every attempt carries the same request id, so that a retry
//! of something that did happen has no second effect (invariant 6).

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::error::{ClientError, Reason, Refused, handshake_failure};

/// When to try again, and when to stop.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// For all attempts together.
    pub deadline: Duration,
    /// Longest wait before the second attempt; doubled for each further one.
    pub first_wait_max: Duration,
    /// Longest wait before any attempt, whatever the router asks for.
    pub wait_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(20),
            first_wait_max: Duration::from_millis(100),
            wait_max: Duration::from_secs(5),
        }
    }
}

/// How often one request is sent again because its connection ended under it: a router that refuses a certificate may
/// end it without a word, too, and is not asked until the deadline.
pub const LOST_MAX: u32 = 3;

/// Whether the same request may succeed later without a change: the router was away, or busy and said for how long, or
/// the connection ended under it. What is repeated so is a read, or an act that its request id or its own name keeps
/// from taking effect twice, whether the router had seen it or not. A card's code has neither: entered twice it stops a
/// case that is stopped, rings once more and counts as two tries.
///
/// `RESOURCE_EXHAUSTED` without `RetryInfo` is a limit that waiting does not move.
#[must_use]
pub fn may_retry(status: &Status) -> bool {
    match status.code() {
        // Also a stream that was refused before it was looked at (REFUSED_STREAM).
        Code::Unavailable => true,
        Code::ResourceExhausted if status.get_details_retry_info().is_some() => true,
        _ => was_lost(status),
    }
}

/// Whether the connection ended under the request: by a GOAWAY that blames nobody (a router that stops) or asks for
/// calm (`ENHANCE_YOUR_CALM`: too many streams of this connection were reset, by whomever), or without a word. An
/// answer of the router has no cause; only what happened to the connection has.
fn was_lost(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let reason = error.reason();
            return error.is_go_away()
                && matches!(
                    reason,
                    Some(h2::Reason::NO_ERROR | h2::Reason::ENHANCE_YOUR_CALM)
                );
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::UnexpectedEof
            );
        }
        cause = error.source();
    }
    false
}

impl RetryPolicy {
    /// How long to wait before attempt `attempt` (the second is 1), with `dice` in `0.0..1.0`.
    ///
    /// The router's own wish is a floor; the rest is full jitter, so that a town of agencies does not return
    /// in step after a restart.
    #[must_use]
    pub fn wait(&self, attempt: u32, asked: Option<Duration>, dice: f64) -> Duration {
        let doubled = self.first_wait_max.saturating_mul(
            1u32.checked_shl(attempt.saturating_sub(1).min(16))
                .unwrap_or(u32::MAX),
        );
        let jitter = doubled.min(self.wait_max).mul_f64(dice.clamp(0.0, 1.0));
        (asked.unwrap_or_default() + jitter).min(self.wait_max)
    }

    /// Calls `attempt` until it succeeds, fails for good, or the deadline passes.
    ///
    /// `attempt` is given what is left of the deadline.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] for an answer that a retry does not change, or the last one before the deadline;
    /// [`ClientError::Handshake`] when TLS itself was refused; [`ClientError::NoAnswer`] when none came.
    pub async fn run<T, F, Fut>(&self, mut attempt: F) -> Result<T, ClientError>
    where
        F: FnMut(Duration) -> Fut,
        Fut: Future<Output = Result<T, Status>>,
    {
        let deadline = Instant::now() + self.deadline;
        let mut lost = 0;
        for count in 1.. {
            let left = deadline.saturating_duration_since(Instant::now());
            let status = match timeout_at(deadline, attempt(left)).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(status)) => status,
                Err(_) => return Err(ClientError::NoAnswer),
            };
            if let Some(alert) = handshake_failure(&status) {
                return Err(ClientError::Handshake(alert));
            }
            let refused = Refused::from_status(&status);
            if status.code() != Code::Unavailable && was_lost(&status) {
                lost += 1;
            }
            let resume = Instant::now() + self.wait(count, refused.retry_after, dice());
            if !may_retry(&status) || lost > LOST_MAX || resume >= deadline {
                return Err(answered(refused));
            }
            sleep_until(resume).await;
        }
        Err(ClientError::NoAnswer)
    }
}

/// A deadline that the router or the transport noticed first is no answer either.
fn answered(refused: Refused) -> ClientError {
    match refused.code {
        Code::DeadlineExceeded | Code::Cancelled => ClientError::NoAnswer,
        // Of HTTP/2, not of the router: the connection was ended.
        Code::ResourceExhausted if refused.reason == Reason::Unknown => ClientError::NoAnswer,
        // Every answer of the router says why; without a reason it never came so far.
        Code::Unavailable if refused.reason == Reason::Unknown => ClientError::Unreachable,
        _ => ClientError::Refused(refused),
    }
}

/// A uniform number in `0.0..1.0`; a half when the system has no randomness, which only makes the jitter worse.
fn dice() -> f64 {
    getrandom::u32().map_or(0.5, |number| {
        f64::from(number) / (f64::from(u32::MAX) + 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tonic_types::ErrorDetails;

    const POLICY: RetryPolicy = RetryPolicy {
        deadline: Duration::from_millis(500),
        first_wait_max: Duration::from_millis(1),
        wait_max: Duration::from_millis(4),
    };

    fn busy(delay: Option<Duration>) -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info("OVERLOADED", "safeconduct", []);
        if delay.is_some() {
            details.set_retry_info(delay);
        }
        Status::with_error_details(Code::ResourceExhausted, "busy", details)
    }

    #[tokio::test]
    async fn an_absent_router_is_tried_again_until_it_is_back() {
        let calls = Cell::new(0);
        let reply = POLICY
            .run(|_| async {
                calls.set(calls.get() + 1);
                if calls.get() < 3 {
                    Err(Status::unavailable("away"))
                } else {
                    Ok(calls.get())
                }
            })
            .await;
        assert_eq!(reply.ok(), Some(3));
    }

    #[tokio::test]
    async fn a_refusal_is_not_repeated() {
        let calls = Cell::new(0);
        let reply: Result<(), _> = POLICY
            .run(|_| async {
                calls.set(calls.get() + 1);
                Err(Status::failed_precondition("no"))
            })
            .await;
        assert!(matches!(reply, Err(ClientError::Refused(_))));
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test]
    async fn a_limit_without_retry_info_is_not_repeated_and_one_with_it_is() {
        assert!(!may_retry(&busy(None)));
        assert!(may_retry(&busy(Some(Duration::from_millis(1)))));
    }

    /// What a router without a log does: it ends the connection, or the stream, and answers the next one NOT_FOUND.
    mod connections {
        use super::*;
        use crate::proto::v1;
        use crate::proto::v1::audit_service_client::AuditServiceClient;
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU32, Ordering};
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        use tokio::net::{TcpListener, TcpStream};
        use tonic::transport::{Channel, Endpoint};

        /// RFC 9113 §6.5: an empty SETTINGS frame.
        const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

        /// RFC 9113 §6.8: GOAWAY after stream `last`, for `reason`.
        const fn go_away(last: u8, reason: u8) -> [u8; 17] {
            [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, last, 0, 0, 0, reason]
        }

        const STOPS: u8 = 0x0;
        const CALM: u8 = 0xb;
        /// RFC 9113 §6.4: RST_STREAM of stream 1, REFUSED_STREAM.
        const REFUSED: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];

        /// HEADERS of stream 1 that end it: status 200, `grpc-status`.
        fn answer(status: u8) -> Vec<u8> {
            let mut block = vec![0x88];
            for (name, value) in [("content-type", "application/grpc"), ("grpc-status", "")] {
                block.push(0);
                block.push(u8::try_from(name.len()).expect("short"));
                block.extend(name.as_bytes());
                let value = if value.is_empty() {
                    vec![b'0' + status]
                } else {
                    value.as_bytes().to_vec()
                };
                block.push(u8::try_from(value.len()).expect("short"));
                block.extend(value);
            }
            let length = u8::try_from(block.len()).expect("short");
            [&[0, 0, length, 1, 5, 0, 0, 0, 1], block.as_slice()].concat()
        }

        /// Reads until the request's HEADERS are there.
        async fn requested(stream: &mut TcpStream) {
            let mut preface = [0; 24];
            stream.read_exact(&mut preface).await.expect("a preface");
            loop {
                let mut head = [0; 9];
                stream.read_exact(&mut head).await.expect("a frame");
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut body = vec![0; usize::try_from(length).expect("short")];
                stream.read_exact(&mut body).await.expect("its body");
                if head[3] == 1 {
                    return;
                }
            }
        }

        /// A router that says `says` and hangs up on the first `times` connections, and `NOT_FOUND` on every later one;
        /// how many came.
        async fn router(says: Vec<u8>, times: u32) -> (Channel, Arc<AtomicU32>) {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let seen = Arc::new(AtomicU32::new(0));
            let count = Arc::clone(&seen);
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let nth = count.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(SETTINGS).await.expect("written");
                    requested(&mut stream).await;
                    let says = if nth < times { &says } else { &answer(5) };
                    stream.write_all(says).await.expect("written");
                    if nth >= times {
                        // Until the client goes.
                        let _ = stream.read_to_end(&mut Vec::new()).await;
                    }
                }
            });
            let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URL");
            (endpoint.connect_lazy(), seen)
        }

        async fn ask(channel: &Channel) -> Result<(), ClientError> {
            let policy = RetryPolicy {
                deadline: Duration::from_secs(20),
                ..POLICY
            };
            let reply = policy.run(|_| {
                let channel = channel.clone();
                async move {
                    AuditServiceClient::new(channel)
                        .get_checkpoint(v1::GetCheckpointRequest {})
                        .await
                }
            });
            reply.await.map(drop)
        }

        #[tokio::test]
        async fn a_request_whose_connection_ended_goes_over_a_new_one() {
            for (what, says) in [
                ("calm, seen", go_away(1, CALM).to_vec()),
                ("calm, not seen", go_away(0, CALM).to_vec()),
                ("stops, seen", go_away(1, STOPS).to_vec()),
                ("stops, not seen", go_away(0, STOPS).to_vec()),
                ("stream refused", REFUSED.to_vec()),
                ("cut", Vec::new()),
            ] {
                let (channel, seen) = router(says, 1).await;
                let answered = ask(&channel).await;
                let Err(ClientError::Refused(refused)) = answered else {
                    panic!("{what}: {answered:?}");
                };
                assert_eq!(refused.code, Code::NotFound, "{what}");
                assert_eq!(seen.load(Ordering::SeqCst), 2, "{what}");
            }
        }

        #[tokio::test]
        async fn a_router_that_always_ends_the_connection_is_not_asked_for_ever() {
            for says in [Vec::new(), go_away(0, CALM).to_vec()] {
                let (channel, seen) = router(says, u32::MAX).await;
                let answered = ask(&channel).await;
                assert!(
                    !matches!(&answered, Err(ClientError::Refused(refused)) if refused.code == Code::NotFound),
                    "{answered:?}"
                );
                assert_eq!(seen.load(Ordering::SeqCst), 1 + LOST_MAX);
            }
        }

        #[tokio::test]
        async fn what_blames_the_client_is_not_repeated() {
            const PROTOCOL_ERROR: u8 = 0x1;
            let (channel, seen) = router(go_away(0, PROTOCOL_ERROR).to_vec(), 1).await;
            assert!(ask(&channel).await.is_err());
            assert_eq!(seen.load(Ordering::SeqCst), 1);
        }
    }

    #[tokio::test]
    async fn one_deadline_covers_every_attempt() {
        let begun = Instant::now();
        let reply: Result<(), _> = POLICY.run(|_| std::future::pending()).await;
        assert!(matches!(reply, Err(ClientError::NoAnswer)));
        assert!(begun.elapsed() >= POLICY.deadline);
    }

    #[test]
    fn waits_grow_to_a_cap_and_honour_what_the_router_asks() {
        assert_eq!(POLICY.wait(1, None, 1.0), Duration::from_millis(1));
        assert_eq!(POLICY.wait(2, None, 1.0), Duration::from_millis(2));
        assert_eq!(POLICY.wait(30, None, 1.0), Duration::from_millis(4));
        assert_eq!(
            POLICY.wait(1, Some(Duration::from_millis(3)), 0.0),
            Duration::from_millis(3)
        );
        assert_eq!(
            POLICY.wait(1, Some(Duration::from_secs(60)), 0.0),
            POLICY.wait_max
        );
    }
}
