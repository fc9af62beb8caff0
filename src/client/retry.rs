//! Retries: which answers may change by themselves, and how long to wait for it.
//!
//! One overall deadline covers every attempt, and every attempt carries the same request id, so that a retry
//! of something that did happen has no second effect (invariant 6).

use std::future::Future;
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

/// Whether the same request may succeed later without a change: the router was away, or busy and said for how long.
///
/// `RESOURCE_EXHAUSTED` without `RetryInfo` is a limit that waiting does not move.
#[must_use]
pub fn may_retry(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable => true,
        Code::ResourceExhausted => status.get_details_retry_info().is_some(),
        _ => false,
    }
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
            if !may_retry(&status) {
                return Err(answered(refused));
            }
            let resume = Instant::now() + self.wait(count, refused.retry_after, dice());
            if resume >= deadline {
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
