//! Opened, and nothing was done with it.

use super::{HOUR, Rule, Suspicion};
use crate::audit::acts::{Act, Known};
use crate::domain::id::{AgencyId, OfferId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::ReviewRule;
use crate::ledger::question::offers_of;
use std::collections::{HashMap, HashSet};

/// How long a recipient may sit on what it has read, in hours.
const PATIENCE_HOURS: u32 = 24;

/// Parcels that their recipient opened, and did not acknowledge, decide on or answer in time.
#[derive(Debug, Default)]
pub(super) struct NoFollowUp {
    waiting: HashMap<OfferId, (AgencyId, Suspicion)>,
    /// Offers that their recipient has done something with, or that were closed upstream.
    handled: HashSet<OfferId>,
    /// The hour in which it was last looked who is late.
    looked: i64,
}

impl NoFollowUp {
    fn expire(&mut self, now: Timestamp, found: &mut Vec<Suspicion>) {
        let over = |suspicion: &Suspicion| suspicion.at.plus(HOUR * PATIENCE_HOURS) <= now;
        let late: Vec<OfferId> = (self.waiting.iter())
            .filter(|(_, (_, suspicion))| over(suspicion))
            .map(|(offer, _)| *offer)
            .collect();
        for offer in late {
            found.extend(self.waiting.remove(&offer).map(|(_, suspicion)| suspicion));
            self.handled.insert(offer);
        }
    }
}

impl Rule for NoFollowUp {
    fn feed(&mut self, act: &Act, known: &Known, found: &mut Vec<Suspicion>) {
        let Some(decision) = &act.decision else {
            return;
        };
        let Ok(offers) = offers_of(decision, known);
        if act.event() == "opened" {
            if let (Some(agency), Some(&offer)) = (act.agency(), offers.first())
                && !self.handled.contains(&offer)
            {
                let why = format!(
                    "opened {}, and nothing was said or decided within {PATIENCE_HOURS} hours",
                    act.text("stage").unwrap_or("a parcel")
                );
                let suspicion = Suspicion::of(ReviewRule::NoFollowUp, act, agency, why);
                self.waiting
                    .entry(offer)
                    .or_insert_with(|| (agency.clone(), suspicion));
            }
            return;
        }
        if offers.is_empty() {
            return;
        }
        let hour = act.entry.at.seconds().div_euclid(3600);
        if hour != self.looked {
            self.looked = hour;
            self.expire(act.entry.at, found);
        }
        let closed = matches!(act.event(), "offer_closed" | "offers_closed");
        for offer in offers {
            let recipient = self.waiting.get(&offer).map(|(recipient, _)| recipient);
            let own = recipient.is_some_and(|recipient| act.agency() == Some(recipient));
            let reads = act.discloses();
            if closed || (own && !reads) {
                self.waiting.remove(&offer);
                self.handled.insert(offer);
            } else if act.event() == "offer_moved" && act.agency().is_some() {
                // Acknowledged before it was opened.
                self.handled.insert(offer);
            }
        }
    }

    fn finish(&mut self, end: Timestamp, found: &mut Vec<Suspicion>) {
        self.expire(end, found);
    }
}
