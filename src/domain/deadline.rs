//! How long an answer may take, cut by when the person leaves (R7).

use super::time::Timestamp;
use super::vocabulary::Urgency;
use std::time::Duration;

/// Clocks that several candidates see are rounded to this, so that a finer time does not join two
/// offers (R3).
pub const CLOCK_STEP: Duration = Duration::from_secs(60);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

impl Urgency {
    /// How long a recipient may take to acknowledge.
    #[must_use]
    pub const fn acknowledge_within(self) -> Duration {
        Duration::from_secs(match self {
            Self::Immediate => 10 * MINUTE,
            Self::Emergency => HOUR,
            Self::Urgent => 4 * HOUR,
            Self::Normal => 24 * HOUR,
        })
    }

    /// How long a recipient may take to decide.
    #[must_use]
    pub const fn decide_within(self) -> Duration {
        Duration::from_secs(match self {
            Self::Immediate => 30 * MINUTE,
            Self::Emergency => 4 * HOUR,
            Self::Urgent => 24 * HOUR,
            Self::Normal => 72 * HOUR,
        })
    }

    /// How many candidates may be asked at the same time.
    #[must_use]
    pub const fn parallel_offers_max(self) -> usize {
        match self {
            Self::Immediate | Self::Emergency => 3,
            Self::Urgent | Self::Normal => 1,
        }
    }
}

/// When a candidate must have decided: the earliest of the urgency's limit, what the source
/// `asked`, and when the person leaves; rounded down to the minute, never before `created`'s
/// minute.
#[must_use]
pub fn decide_by(
    urgency: Urgency,
    created: Timestamp,
    asked: Option<Timestamp>,
    leaves_by: Option<Timestamp>,
) -> Timestamp {
    let limit = created.plus(urgency.decide_within());
    cut(created, [Some(limit), asked, leaves_by])
}

/// When a candidate must have acknowledged; never after `decide_by`.
#[must_use]
pub fn acknowledge_by(urgency: Urgency, created: Timestamp, decide_by: Timestamp) -> Timestamp {
    let limit = created.plus(urgency.acknowledge_within());
    cut(created, [Some(limit), Some(decide_by), None])
}

fn cut(created: Timestamp, limits: [Option<Timestamp>; 3]) -> Timestamp {
    let earliest = limits.into_iter().flatten().min().unwrap_or(created);
    earliest.max(created).coarse(CLOCK_STEP)
}

#[cfg(test)]
mod tests;
