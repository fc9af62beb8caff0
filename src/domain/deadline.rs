//! The clocks of each urgency (R7). What becomes of them for one referral is `schedule`'s.

use super::vocabulary::Urgency;
use std::time::Duration;

/// Clocks that several candidates see are rounded to this, so that a finer time does not join two
/// offers (R3).
pub const CLOCK_STEP: Duration = Duration::from_secs(60);

/// Most candidates asked at the same time in a referral's last turn, whatever its urgency: there is no time left to ask
/// one after another.
pub const LAST_TURN_OFFERS_MAX: usize = 3;

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

    /// How long before its time to decide a recipient is reminded.
    #[must_use]
    pub const fn remind_before(self) -> Duration {
        Duration::from_secs(match self {
            Self::Immediate => 10 * MINUTE,
            Self::Emergency | Self::Urgent => 30 * MINUTE,
            Self::Normal => 4 * HOUR,
        })
    }

    /// The least time that is worth giving a candidate.
    #[must_use]
    pub const fn turn(self) -> Duration {
        Duration::from_secs(match self {
            Self::Immediate => 10 * MINUTE,
            Self::Emergency => 30 * MINUTE,
            Self::Urgent => HOUR,
            Self::Normal => 4 * HOUR,
        })
    }

    /// How long before the person leaves they are told that no place was found, while they are still there.
    #[must_use]
    pub const fn tell_before(self) -> Duration {
        Duration::from_secs(match self {
            Self::Immediate => 5 * MINUTE,
            Self::Emergency => 15 * MINUTE,
            Self::Urgent => 30 * MINUTE,
            Self::Normal => HOUR,
        })
    }

    /// How long the source may take to act on a referral without a place, before the duty line is rung.
    #[must_use]
    pub const fn supervisor_within(self) -> Duration {
        Duration::from_secs(match self {
            Self::Immediate => 10 * MINUTE,
            Self::Emergency => 30 * MINUTE,
            Self::Urgent => 2 * HOUR,
            Self::Normal => 24 * HOUR,
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

    /// Whether a candidate with a waiting list has used its turn: the person cannot wait for a list.
    #[must_use]
    pub const fn waitlist_ends_turn(self) -> bool {
        matches!(self, Self::Immediate | Self::Emergency)
    }
}
