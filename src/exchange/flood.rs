//! What keeps the log from being filled by whoever calls too much: rates of the acts that write an entry each, and one
//! counted entry for all who were not recognised.
//!
//! In memory: a restart forgives a minute of calls, and loses what was not yet counted, at most one interval's.

use super::sequencer::{Change, EntryDraft};
use super::{Exchange, Refusal};
use crate::domain::id::AgencyId;
use crate::ledger::decision::{Decision, FailedCount};
use crate::ledger::entry::Actor;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Openings (parcels, messages, attachments, break-glass) of one agency in a minute: ten a second, where a busy house
/// opens some dozens a day. Each is an entry of about half a kilobyte.
pub const OPENINGS_PER_MINUTE: u32 = 600;

/// Alarms of one agency in a minute: one for every parcel that it could open by hand.
pub const ALARMS_PER_MINUTE: u32 = 30;

/// Requests of one auditor's agency in a minute: each reads up to a thousand entries, so this reads a log of a million
/// entries with its openings in two minutes.
pub const AUDITS_PER_MINUTE: u32 = 1_200;

const MINUTE_MILLIS: i64 = 60_000;

/// Acts that write an entry each time they are called, whatever was asked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Costly {
    /// Something is disclosed.
    Opening,
    /// A recipient raises an alarm.
    Alarm,
    /// An auditor reads, or says what it found: the same may be said again and again.
    Audit,
}

/// How often an agency may call, by kind of act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Openings in a minute.
    pub openings: u32,
    /// Alarms in a minute.
    pub alarms: u32,
    /// Auditors' requests in a minute.
    pub audits: u32,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            openings: OPENINGS_PER_MINUTE,
            alarms: ALARMS_PER_MINUTE,
            audits: AUDITS_PER_MINUTE,
        }
    }
}

impl Allowance {
    const fn of(&self, act: Costly) -> u32 {
        match act {
            Costly::Opening => self.openings,
            Costly::Alarm => self.alarms,
            Costly::Audit => self.audits,
        }
    }
}

/// A budget that fills up evenly: a minute's worth at most, in calls times the milliseconds of a minute.
#[derive(Debug)]
struct Budget {
    left: i64,
    at: i64,
}

/// What agencies have left. Only enrolled agencies get this far, so it is as bounded as the register.
#[derive(Default)]
pub(super) struct Rates {
    allowance: Mutex<Allowance>,
    budgets: Mutex<HashMap<(AgencyId, Costly), Budget>>,
}

impl Rates {
    fn admit(&self, agency: &AgencyId, act: Costly, millis: i64) -> bool {
        let allowance = *self
            .allowance
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let a_minute = i64::from(allowance.of(act));
        let full = a_minute * MINUTE_MILLIS;
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = budgets.entry((agency.clone(), act)).or_insert(Budget {
            left: full,
            at: millis,
        });
        // A clock that goes back refills nothing, and one that leaps ahead fills it once.
        let passed = (millis - budget.at).clamp(0, MINUTE_MILLIS);
        budget.left = (budget.left + passed * a_minute).min(full);
        budget.at = budget.at.max(millis);
        if budget.left < MINUTE_MILLIS {
            return false;
        }
        budget.left -= MINUTE_MILLIS;
        true
    }
}

/// Why somebody was not recognised: coarse codes, which name nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// No handshake, or none in time.
    Handshake,
    /// One address, or all together, shook too many hands at once.
    TooMany,
    /// The certificate is not an agency's, is revoked or expired, or may no longer be used.
    Certificate,
    /// The agency is not enrolled.
    NotEnrolled,
    /// The agency is suspended.
    Suspended,
    /// The agency has no keys yet, or has them already.
    Keys,
    /// No staff token came.
    NoToken,
    /// The staff token is not good.
    Token,
}

impl Unknown {
    /// Every reason, in the order of its counter.
    const ALL: [Self; 8] = [
        Self::Handshake,
        Self::TooMany,
        Self::Certificate,
        Self::NotEnrolled,
        Self::Suspended,
        Self::Keys,
        Self::NoToken,
        Self::Token,
    ];

    /// The code, as metrics and the entry carry it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::TooMany => "too_many",
            Self::Certificate => "certificate",
            Self::NotEnrolled => "not_enrolled",
            Self::Suspended => "suspended",
            Self::Keys => "keys",
            Self::NoToken => "no_token",
            Self::Token => "token",
        }
    }
}

/// Failures since the last entry that counted them.
#[derive(Debug, Default)]
pub(super) struct Failures([AtomicU64; Unknown::ALL.len()]);

impl Failures {
    fn add(&self, why: Unknown, count: u64) {
        let counters = Unknown::ALL.iter().zip(&self.0);
        for (_, counter) in counters.filter(|(reason, _)| **reason == why) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn take(&self) -> Vec<(Unknown, u64)> {
        let counters = Unknown::ALL.iter().zip(&self.0);
        counters
            .map(|(why, counter)| (*why, counter.swap(0, Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

impl Exchange {
    /// Sets how often agencies may call what writes an entry each time.
    pub fn allow(&self, allowance: Allowance) {
        let set = self.shared.rates.allowance.lock();
        *set.unwrap_or_else(PoisonError::into_inner) = allowance;
    }

    /// Whether `agency` may do one more such act now. Depends on nothing but the agency's own calls (R3).
    #[must_use]
    pub fn admit(&self, agency: &AgencyId, act: Costly) -> bool {
        let now = self.now().millis();
        self.shared.rates.admit(agency, act, now)
    }

    /// Counts somebody who was not recognised. Never an entry of its own: whoever has no certificate, or a bad token,
    /// writes nothing into the log by trying again.
    pub fn count_failure(&self, why: Unknown) {
        self.shared.failures.add(why, 1);
    }

    /// Records how many were not recognised since the last time: one entry, or none when there were none.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`]; what was not recorded is kept for the next time.
    pub async fn record_failures(&self) -> Result<(), Refusal> {
        let taken = self.shared.failures.take();
        if taken.is_empty() {
            return Ok(());
        }
        let counts = taken.iter().map(|(why, count)| FailedCount {
            reason: why.code().to_owned(),
            count: *count,
        });
        let decision = Decision::AuthenticationFailed {
            counts: counts.collect(),
        };
        let change = Change {
            entries: vec![EntryDraft::decided(
                Actor::Router,
                self.shared.random(),
                decision,
            )],
            ..Change::default()
        };
        let recorded = self.submit(change).await.map(|_| ());
        if recorded.is_err() {
            for (why, count) in taken {
                self.shared.failures.add(why, count);
            }
        }
        recorded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_as_fast_as_it_refills() {
        let rates = Rates::default();
        let (loud, quiet): (AgencyId, AgencyId) =
            ("loud".parse().expect("id"), "quiet".parse().expect("id"));
        for _ in 0..ALARMS_PER_MINUTE {
            assert!(rates.admit(&loud, Costly::Alarm, 5));
        }
        assert!(!rates.admit(&loud, Costly::Alarm, 5));
        // R3: another agency, and another kind of act, have their own.
        assert!(rates.admit(&quiet, Costly::Alarm, 5));
        assert!(rates.admit(&loud, Costly::Opening, 5));
        let one = MINUTE_MILLIS / i64::from(ALARMS_PER_MINUTE);
        assert!(!rates.admit(&loud, Costly::Alarm, 4 + one));
        assert!(rates.admit(&loud, Costly::Alarm, 5 + one));
        assert!(!rates.admit(&loud, Costly::Alarm, 5 + one));
        // Invariant 27: a clock that goes back gives nothing, and one that leaps gives one minute's worth.
        assert!(!rates.admit(&loud, Costly::Alarm, 0));
        for _ in 0..ALARMS_PER_MINUTE {
            assert!(rates.admit(&loud, Costly::Alarm, 1 << 50));
        }
        assert!(!rates.admit(&loud, Costly::Alarm, 1 << 50));
    }

    #[test]
    fn failures_are_counted_by_reason_and_taken_once() {
        let failures = Failures::default();
        failures.add(Unknown::Token, 2);
        failures.add(Unknown::Handshake, 1);
        failures.add(Unknown::Token, 1);
        let taken = [(Unknown::Handshake, 1), (Unknown::Token, 3)];
        assert_eq!(failures.take(), taken);
        assert!(failures.take().is_empty());
    }
}
