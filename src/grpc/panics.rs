//! A panic is our own mistake: it ends one request, not the process, and what it said stays out of the log.
//!
//! The payload of a panic may hold whatever was being formatted, so only its place is logged (invariant 23). Going on
//! is safe because handlers hold no state: everything shared is behind the sequencer, whose own panic is fatal.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The future panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a handler panicked; the log has the place")]
pub struct Panicked;

/// Runs `future`, turning a panic inside it into an error.
///
/// # Errors
///
/// [`Panicked`] when it panicked; the future is dropped and not polled again.
pub async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

/// Makes panics log where they happened and nothing of what they say.
pub fn log_location_only() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(String::new, ToString::to_string);
        tracing::error!(%place, "panic");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_and_the_task_goes_on() {
        let caught_panic = caught(async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        })
        .await;
        assert_eq!(caught_panic, Err::<(), _>(Panicked));
        assert_eq!(caught(async { 7 }).await, Ok(7));
    }
}
