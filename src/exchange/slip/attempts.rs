//! How many codes may be entered and registered in an hour.

use crate::domain::id::AgencyId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Codes that one agency may enter in an hour, right or wrong. People show a card a few times a day.
pub const CODES_PER_HOUR_MAX: u32 = 20;

/// Of these, codes that are every agency's own: however many others enter, nobody is kept from stopping a case.
pub const CODES_RESERVED_PER_HOUR: u32 = 5;

/// Codes past their own that all agencies together may enter in an hour: of ten billion times as many that there are.
pub const CODES_TOTAL_PER_HOUR_MAX: u32 = 400;

/// Codes that one agency may register in an hour: each is a slip that somebody was handed, and a busy desk speaks with
/// a few people an hour. Without it one member could fill the table of codes, or search it for collisions.
pub const REGISTERED_PER_HOUR_MAX: u32 = 60;

const HOUR_MILLIS: i64 = 60 * 60 * 1000;

/// Codes entered and registered in the hour that is running. In memory: a restart forgives one hour.
#[derive(Default)]
pub(in crate::exchange) struct Attempts(Mutex<Hour>);

#[derive(Default)]
struct Hour {
    hour: i64,
    /// Entered by all, past what is everybody's own.
    total: u32,
    entered: HashMap<AgencyId, u32>,
    registered: HashMap<AgencyId, u32>,
}

impl Attempts {
    /// The hour of `millis`.
    fn hour(&self, millis: i64) -> MutexGuard<'_, Hour> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = millis / HOUR_MILLIS;
        if window.hour != hour {
            *window = Hour {
                hour,
                ..Hour::default()
            };
        }
        window
    }

    /// Counts one more that is entered at `millis`; `false` when there were too many.
    pub(super) fn admit(&self, agency: &AgencyId, millis: i64) -> bool {
        let mut window = self.hour(millis);
        let own = window.entered.get(agency).copied().unwrap_or(0);
        let reserved = own < CODES_RESERVED_PER_HOUR;
        let shared = own < CODES_PER_HOUR_MAX && window.total < CODES_TOTAL_PER_HOUR_MAX;
        if !reserved && !shared {
            return false;
        }
        window.entered.insert(agency.clone(), own + 1);
        window.total += u32::from(!reserved);
        true
    }

    /// Whether an agency may register one more at `millis`.
    pub(super) fn may_register(&self, agency: &AgencyId, millis: i64) -> bool {
        let window = self.hour(millis);
        let own = window.registered.get(agency).copied().unwrap_or(0);
        own < REGISTERED_PER_HOUR_MAX
    }

    /// Counts one that was registered.
    pub(super) fn registered(&self, agency: &AgencyId, millis: i64) {
        let mut window = self.hour(millis);
        *window.registered.entry(agency.clone()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_few_an_hour_for_one_agency_and_for_all() {
        let attempts = Attempts::default();
        let agency = |number: u32| format!("a{number}").parse::<AgencyId>().expect("an id");
        for _ in 0..CODES_PER_HOUR_MAX {
            assert!(attempts.admit(&agency(0), 0));
        }
        assert!(!attempts.admit(&agency(0), 1));
        assert!(attempts.admit(&agency(0), HOUR_MILLIS));
        let full = CODES_TOTAL_PER_HOUR_MAX / (CODES_PER_HOUR_MAX - CODES_RESERVED_PER_HOUR) + 1;
        for number in 1..=full {
            for _ in 0..CODES_PER_HOUR_MAX {
                attempts.admit(&agency(number), HOUR_MILLIS);
            }
        }
        // Whatever the others do: some are everybody's own.
        let last = agency(full + 1);
        for _ in 0..CODES_RESERVED_PER_HOUR {
            assert!(attempts.admit(&last, HOUR_MILLIS));
        }
        assert!(!attempts.admit(&last, HOUR_MILLIS));
    }

    #[test]
    fn codes_registered_in_an_hour_are_counted_by_agency() {
        let attempts = Attempts::default();
        let (busy, other) = ("a".parse().expect("an id"), "b".parse().expect("an id"));
        for _ in 0..REGISTERED_PER_HOUR_MAX {
            assert!(attempts.may_register(&busy, 0));
            attempts.registered(&busy, 0);
        }
        assert!(!attempts.may_register(&busy, 0));
        assert!(attempts.may_register(&other, 0) && attempts.may_register(&busy, HOUR_MILLIS));
    }
}
