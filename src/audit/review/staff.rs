//! Pseudonyms: one that was silent for long, one that is new and reads a lot.

use super::{DAY, Rule, Suspicion, Who, who};
use crate::audit::acts::{Act, Known};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::ReviewRule;
use std::collections::HashMap;

/// Days of silence after which a pseudonym is dormant: longer than a holiday.
const DORMANT_DAYS: u32 = 45;

/// Openings on a pseudonym's first day that make a finding.
const FIRST_DAY_MAX: u64 = 20;

/// Days that an agency must have been there: of a new agency, everybody is new.
const SETTLED_DAYS: u32 = 7;

#[derive(Debug)]
struct Seen {
    first: Timestamp,
    last: Timestamp,
    openings: u64,
    /// Whether the agency was there long before.
    settled: bool,
}

/// When each pseudonym and each agency was first and last seen.
#[derive(Debug, Default)]
pub(super) struct Pseudonyms {
    agencies: HashMap<AgencyId, Timestamp>,
    people: HashMap<Who, Seen>,
}

impl Rule for Pseudonyms {
    fn feed(&mut self, act: &Act, _: &Known, found: &mut Vec<Suspicion>) {
        let at = act.entry.at;
        if let Some(agency) = act.agency() {
            self.agencies.entry(agency.clone()).or_insert(at);
        }
        let Some(key) = who(act) else {
            return;
        };
        let agency = key.0.clone();
        let begun = self.agencies.get(&agency).copied().unwrap_or(at);
        let seen = self.people.entry(key).or_insert(Seen {
            first: at,
            last: at,
            openings: 0,
            settled: begun.plus(DAY * SETTLED_DAYS) <= at,
        });
        let slept = seen.last.plus(DAY * DORMANT_DAYS) <= at;
        let days = (at.seconds() - seen.last.seconds()) / 86_400;
        seen.last = at;
        if !act.discloses() {
            return;
        }
        if slept {
            let why = format!("opened after {days} days without any act");
            found.push(Suspicion::of(ReviewRule::DormantStaff, act, &agency, why));
        }
        if seen.settled && at < seen.first.plus(DAY) {
            seen.openings += 1;
            if seen.openings == FIRST_DAY_MAX {
                let why = format!("a new pseudonym opened {FIRST_DAY_MAX} on its first day");
                found.push(Suspicion::of(ReviewRule::NewStaffInBulk, act, &agency, why));
            }
        }
    }
}
