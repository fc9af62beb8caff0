//! A closed loop: as many calls in flight as asked for, each followed by the next at once.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What one run of a loop measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Calls that succeeded.
    pub calls: usize,
    /// From the first call's start to the last one's end.
    pub elapsed: Duration,
    /// How long each call took, ascending.
    latencies: Vec<Duration>,
}

impl Measured {
    /// Calls a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let calls = self.calls as f64;
        calls / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// The latency that `share` (0 to 1) of the calls did not exceed, in milliseconds.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> f64 {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )]
        let at = ((self.latencies.len() as f64 * share) as usize)
            .min(self.latencies.len().saturating_sub(1));
        self.latencies
            .get(at)
            .map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// Runs `call(worker, number)` for every number below `calls`, `in_flight` at a time.
///
/// # Errors
///
/// The first error of a call, after which no new ones start.
pub async fn run<F, Fut, E>(in_flight: usize, calls: usize, call: F) -> Result<Measured, E>
where
    F: Fn(usize, usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let call = Arc::new(call);
    let begun = Instant::now();
    let workers: Vec<_> = (0..in_flight)
        .map(|worker| {
            let (next, call) = (Arc::clone(&next), Arc::clone(&call));
            tokio::spawn(async move {
                let mut latencies = Vec::with_capacity(calls / in_flight + 1);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= calls {
                        return Ok(latencies);
                    }
                    let started = Instant::now();
                    if let Err(error) = call(worker, number).await {
                        next.store(calls, Ordering::Relaxed);
                        return Err(error);
                    }
                    latencies.push(started.elapsed());
                }
            })
        })
        .collect();
    let mut latencies = Vec::with_capacity(calls);
    for worker in workers {
        match worker.await {
            Ok(taken) => latencies.extend(taken?),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    let elapsed = begun.elapsed();
    latencies.sort_unstable();
    Ok(Measured {
        calls: latencies.len(),
        elapsed,
        latencies,
    })
}

/// The middle of some figures; zero of none.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}
