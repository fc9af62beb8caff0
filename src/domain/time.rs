//! Points and periods of time; the clock itself is somebody else's.

use std::time::Duration;

/// Milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The latest time taken from outside, 9999-12-31T23:59:59Z: what RFC 3339 and protobuf can
    /// print.
    pub const MAX: Self = Self(253_402_300_799_000);

    /// The earliest, 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the epoch; `None` before the epoch or past [`Timestamp::MAX`].
    #[must_use]
    pub const fn from_millis(millis: i64) -> Option<Self> {
        if millis < 0 || millis > Self::MAX.0 {
            None
        } else {
            Some(Self(millis))
        }
    }

    /// From whole seconds since the epoch, as in a JWT's NumericDate.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Option<Self> {
        match seconds.checked_mul(1000) {
            Some(millis) => Self::from_millis(millis),
            None => None,
        }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0 / 1000
    }

    /// Later by `duration`, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis).min(Self::MAX.0))
    }

    /// Earlier by `duration`, at least the epoch.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis).max(0))
    }

    /// Rounded down to a multiple of `step`, where a finer time would let two parties join what
    /// they hold.
    #[must_use]
    pub fn coarse(self, step: Duration) -> Self {
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        Self(self.0 - self.0 % step)
    }
}

/// A half-open period: `from` is inside, `until` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// First moment inside.
    pub from: Timestamp,
    /// First moment after.
    pub until: Timestamp,
}

impl Period {
    /// Every moment there is.
    pub const ALWAYS: Self = Self {
        from: Timestamp(0),
        until: Timestamp::MAX,
    };

    /// Whether `at` is inside.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// The moments inside both; empty periods contain nothing.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            from: self.from.max(other.from),
            until: self.until.min(other.until),
        }
    }
}
