//! Wall time and monotonic time, and what happens when they part.

use crate::domain::time::Timestamp;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How far wall and monotonic time may part before commits freeze.
///
/// A clock that jumps would revive what has ended or end what has not (invariant 27).
pub const DIVERGENCE_MAX: Duration = Duration::from_secs(5);

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Wall time.
    fn wall(&self) -> Timestamp;
    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    began: Instant,
}

impl SystemClock {
    /// Begins counting now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(millis).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }
}

/// A clock that tests set.
#[derive(Debug)]
pub struct MockClock(Mutex<(Timestamp, Duration)>);

impl MockClock {
    /// Stands at `wall`.
    #[must_use]
    pub const fn at(wall: Timestamp) -> Self {
        Self(Mutex::new((wall, Duration::ZERO)))
    }

    /// Lets time pass, on both clocks.
    pub fn pass(&self, by: Duration) {
        let mut times = self.lock();
        times.0 = times.0.plus(by);
        times.1 += by;
    }

    /// Moves the wall clock alone.
    pub fn jump_to(&self, wall: Timestamp) {
        self.lock().0 = wall;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Timestamp, Duration)> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for MockClock {
    fn wall(&self) -> Timestamp {
        self.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.lock().1
    }
}

/// Wall and monotonic time have parted; nothing may be committed until they agree again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("wall and monotonic time have parted")]
pub struct Parted;

/// Watches one clock from the moment it was made.
pub struct Watched {
    clock: std::sync::Arc<dyn Clock>,
    wall: Timestamp,
    monotonic: Duration,
}

impl Watched {
    /// Begins to watch.
    #[must_use]
    pub fn new(clock: std::sync::Arc<dyn Clock>) -> Self {
        let (wall, monotonic) = (clock.wall(), clock.monotonic());
        Self {
            clock,
            wall,
            monotonic,
        }
    }

    /// The wall time, while it may be relied on.
    ///
    /// # Errors
    ///
    /// [`Parted`] when it has moved otherwise than monotonic time by more than [`DIVERGENCE_MAX`].
    pub fn now(&self) -> Result<Timestamp, Parted> {
        let wall = self.clock.wall();
        let elapsed = self.clock.monotonic().saturating_sub(self.monotonic);
        let expected = self.wall.plus(elapsed);
        if wall.millis().abs_diff(expected.millis()) > DIVERGENCE_MAX.as_millis() as u64 {
            return Err(Parted);
        }
        Ok(wall)
    }

    /// The wall time, right or wrong: for what discloses and commits nothing.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        self.clock.wall()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_clock_that_jumps_freezes_and_one_that_returns_goes_on() {
        let start = Timestamp::from_seconds(1_800_000_000).expect("a time");
        let clock = Arc::new(MockClock::at(start));
        let watched = Watched::new(clock.clone());
        clock.pass(Duration::from_secs(3600));
        let later = watched.now().expect("an honest clock");
        for jump in [
            later.plus(Duration::from_secs(6)),
            later.minus(Duration::from_secs(6)),
        ] {
            clock.jump_to(jump);
            assert_eq!(watched.now(), Err(Parted));
        }
        clock.jump_to(later.plus(Duration::from_secs(4)));
        assert!(watched.now().is_ok());
    }
}
