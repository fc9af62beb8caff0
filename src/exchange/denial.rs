//! Denials are recorded, up to a cap an agency and hour, and then counted.

use super::sequencer::{Change, EntryDraft};
use super::{Exchange, Refusal};
use crate::domain::id::{AgencyId, StaffPseudonym};
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Denial entries an agency may cause in one hour; more are only counted.
///
/// Without a cap one member could fill the disk with its own refusals.
pub const DENIALS_PER_HOUR_MAX: u32 = 60;

const HOUR_MILLIS: i64 = 60 * 60 * 1000;

#[derive(Default)]
struct Window {
    hour: i64,
    recorded: u32,
    counted: u64,
}

/// Denials by agency. Only enrolled agencies get this far, so it is as bounded as the register.
#[derive(Default)]
pub(super) struct Denials(Mutex<HashMap<AgencyId, Window>>);

impl Denials {
    fn lock(&self) -> MutexGuard<'_, HashMap<AgencyId, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one more denial at `millis` is still recorded; if not, it is counted.
    fn admit(&self, agency: &AgencyId, millis: i64) -> bool {
        let mut windows = self.lock();
        let window = windows.entry(agency.clone()).or_default();
        let hour = millis / HOUR_MILLIS;
        if window.hour != hour {
            window.hour = hour;
            window.recorded = 0;
        }
        let admitted = window.recorded < DENIALS_PER_HOUR_MAX;
        if admitted {
            window.recorded += 1;
        } else {
            window.counted += 1;
        }
        admitted
    }

    /// Takes what was only counted.
    fn take_counted(&self) -> Vec<(AgencyId, u64)> {
        let mut windows = self.lock();
        let counted = windows.iter_mut().filter(|(_, window)| window.counted > 0);
        counted
            .map(|(agency, window)| (agency.clone(), std::mem::take(&mut window.counted)))
            .collect()
    }

    fn give_back(&self, agency: AgencyId, count: u64) {
        self.lock().entry(agency).or_default().counted += count;
    }
}

impl Exchange {
    /// Records that a caller was refused, durable before the refusal is answered.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`] when the ledger cannot be written: then that is the answer.
    pub async fn deny(
        &self,
        agency: &AgencyId,
        staff: Option<&StaffPseudonym>,
        method: &str,
        reason: &str,
    ) -> Result<(), Refusal> {
        self.in_time(self.record_denial(agency, staff, method, reason))
            .await
    }

    pub(super) async fn record_denial(
        &self,
        agency: &AgencyId,
        staff: Option<&StaffPseudonym>,
        method: &str,
        reason: &str,
    ) -> Result<(), Refusal> {
        if !self.shared.denials.admit(agency, self.now().millis()) {
            return Ok(());
        }
        let decision = Decision::Denied {
            method: method.to_owned(),
            reason: reason.to_owned(),
            staff: staff.map(|staff| staff.as_str().to_owned()),
        };
        self.submit_denial(agency, decision).await
    }

    async fn submit_denial(&self, agency: &AgencyId, decision: Decision) -> Result<(), Refusal> {
        let actor = Actor::Agency(agency.clone());
        let entry = EntryDraft::decided(actor, self.shared.random(), decision);
        let change = Change {
            entries: vec![entry],
            ..Change::default()
        };
        self.submit(change).await.map(|_| ())
    }

    /// Records how many denials were only counted.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`]; what was not recorded is kept for the next time.
    pub async fn record_counted_denials(&self) -> Result<(), Refusal> {
        for (agency, count) in self.shared.denials.take_counted() {
            let recorded = self.submit_denial(&agency, Decision::DeniedCounted { count });
            if let Err(refusal) = recorded.await {
                self.shared.denials.give_back(agency, count);
                return Err(refusal);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_past_the_cap_are_counted_for_their_own_agency_only() {
        let denials = Denials::default();
        let (loud, quiet): (AgencyId, AgencyId) =
            ("loud".parse().expect("id"), "quiet".parse().expect("id"));
        for _ in 0..DENIALS_PER_HOUR_MAX {
            assert!(denials.admit(&loud, 0));
        }
        assert!(!denials.admit(&loud, 1));
        assert!(denials.admit(&quiet, 1));
        assert_eq!(denials.take_counted(), vec![(loud.clone(), 1)]);
        assert!(denials.admit(&loud, HOUR_MILLIS));
    }
}
