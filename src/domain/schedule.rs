//! When whom is asked, reminded and told: the clocks of one referral, cut by when the person leaves (R7).
//!
//! What a candidate can see of its clock follows from the urgency, the start of its own turn and when the person
//! leaves, never from whether others wait (R3). Knows neither offers nor the clock.

use super::deadline::CLOCK_STEP;
use super::time::Timestamp;
use super::vocabulary::Urgency;
use std::time::Duration;

/// What a cut clock is cut to: reminders come in the last third, acknowledgements are due in the first.
const PARTS: u32 = 3;

/// From a referral's urgency and when the person leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The urgency.
    pub urgency: Urgency,
    /// When the last turn ends; none for a person who can wait.
    pub finish: Option<Timestamp>,
}

/// The clocks of one candidate's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When the recipient must have acknowledged.
    pub acknowledge_by: Timestamp,
    /// When it is reminded that its time is running out.
    pub remind_at: Timestamp,
    /// When its time to decide is over.
    pub decide_by: Timestamp,
}

impl Schedule {
    /// A person who must be placed by `place_by` is told a while before: the urgency's own while, or that of the least
    /// urgency above it that still leaves as long to ask. None when there is no time to ask anybody.
    #[must_use]
    pub fn new(urgency: Urgency, created: Timestamp, place_by: Option<Timestamp>) -> Option<Self> {
        let Some(place_by) = place_by else {
            return Some(Self {
                urgency,
                finish: None,
            });
        };
        let mut from_own = Urgency::ALL.iter().rev().filter(|&&other| other <= urgency);
        let fits = |tell: Duration| place_by.minus(tell) >= created.plus(tell);
        let fitting = from_own.find(|other| fits(other.tell_before()));
        let tell = fitting.unwrap_or(&Urgency::Immediate).tell_before();
        let finish = place_by.minus(tell).coarse(CLOCK_STEP);
        (finish > created).then_some(Self {
            urgency,
            finish: Some(finish),
        })
    }

    /// As kept: the same schedule again.
    #[must_use]
    pub const fn kept(urgency: Urgency, finish: Option<Timestamp>) -> Self {
        Self { urgency, finish }
    }

    /// Whether a turn that begins at `start` is the last that there is time for.
    #[must_use]
    pub fn is_last_turn(&self, start: Timestamp) -> bool {
        self.finish.is_some_and(|finish| {
            // What is left after it would be too short to be worth anything to the next, or to this one.
            finish.minus(self.urgency.turn()) < start.plus(self.urgency.turn() / 2)
        })
    }

    /// The clocks of a turn that begins at `start`; none when there is no time left.
    ///
    /// `asked` is an earlier time to decide by that the source asks for.
    #[must_use]
    pub fn turn(&self, start: Timestamp, asked: Option<Timestamp>) -> Option<Turn> {
        let limit = start.plus(self.urgency.decide_within());
        let decide_by = match self.finish {
            None => limit,
            Some(finish) if self.is_last_turn(start) => finish.min(limit),
            Some(finish) => limit.min(finish.minus(self.urgency.turn())),
        };
        let decide_by = asked.map_or(decide_by, |asked| decide_by.min(asked));
        let decide_by = decide_by.coarse(CLOCK_STEP);
        if decide_by <= start {
            return None;
        }
        let third = Duration::from_millis(decide_by.millis().abs_diff(start.millis())) / PARTS;
        let acknowledge = self.urgency.acknowledge_within().min(third);
        let remind = self.urgency.remind_before().min(third);
        Some(Turn {
            acknowledge_by: start.plus(acknowledge).coarse(CLOCK_STEP).max(start),
            remind_at: decide_by.minus(remind).coarse(CLOCK_STEP).max(start),
            decide_by,
        })
    }

    /// When the duty line is rung unless the source has acted on a referral that was found unplaced `at`: while the
    /// person is still there, halfway to when they leave.
    #[must_use]
    pub fn supervisor_by(&self, at: Timestamp, place_by: Option<Timestamp>) -> Timestamp {
        let limit = at.plus(self.urgency.supervisor_within());
        let left = place_by.map_or(0, |place_by| place_by.millis() - at.millis());
        match u64::try_from(left) {
            Ok(left) if left > 0 => limit.min(at.plus(Duration::from_millis(left / 2))),
            _ => limit,
        }
    }
}

#[cfg(test)]
mod tests;
