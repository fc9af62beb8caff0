//! What earlier acts tell about later ones: offers and their cases, break-glass and its offers, opening hours.

use super::Act;
use crate::domain::hours::OpeningHours;
use crate::domain::id::{AccessId, AgencyId, CaseHandle, OfferId, ReferralId};
use crate::domain::time::Timestamp;
use crate::envelope::bundle::KeyBundle;
use crate::ledger::entry::EntryBody;
use crate::ledger::question::Context;
use std::collections::HashMap;
use std::convert::Infallible;

/// What the acts so far have said.
#[derive(Debug, Default)]
pub struct Known {
    offers: HashMap<OfferId, (AgencyId, CaseHandle, ReferralId)>,
    accesses: HashMap<AccessId, OfferId>,
    hours: HashMap<AgencyId, OpeningHours>,
}

impl Known {
    /// Learns from the next act: names, and what holds from now on.
    pub fn learn(&mut self, act: &Act) {
        if let EntryBody::Keys { bundle } = &act.entry.body
            && let Ok(bundle) = KeyBundle::parse(bundle.as_bytes())
        {
            let content = bundle.content();
            self.hours
                .insert(content.agency.clone(), content.facts.open.clone());
        }
        self.learn_names(act);
    }

    /// Learns from an act what is true at all times: which offer is of which case.
    pub fn learn_names(&mut self, act: &Act) {
        match act.event() {
            "offered" => {
                if let Some((offer, of)) = offered(act) {
                    self.offers.entry(offer).or_insert(of);
                }
            }
            "access_requested" => {
                let pair = (id(act, "access"), id(act, "offer"));
                if let (Some(access), Some(offer)) = pair {
                    self.accesses.entry(access).or_insert(offer);
                }
            }
            _ => {}
        }
    }

    /// The source of an offer.
    #[must_use]
    pub fn source_of(&self, offer: OfferId) -> Option<&AgencyId> {
        self.offers.get(&offer).map(|(source, _, _)| source)
    }

    /// What an agency declared, if it has published anything.
    #[must_use]
    pub fn hours_of(&self, agency: &AgencyId) -> Option<&OpeningHours> {
        self.hours.get(agency)
    }
}

fn id<T: std::str::FromStr>(act: &Act, field: &str) -> Option<T> {
    act.text(field)?.parse().ok()
}

fn offered(act: &Act) -> Option<(OfferId, (AgencyId, CaseHandle, ReferralId))> {
    let of = (
        act.agency()?.clone(),
        id(act, "case")?,
        id(act, "referral")?,
    );
    Some((id(act, "offer")?, of))
}

impl Context for Known {
    type Error = Infallible;

    fn offer_of(&self, access: AccessId) -> Result<Option<OfferId>, Infallible> {
        Ok(self.accesses.get(&access).copied())
    }

    fn referral_of(&self, offer: OfferId) -> Result<Option<ReferralId>, Infallible> {
        Ok(self.offers.get(&offer).map(|(_, _, referral)| *referral))
    }

    fn case_of(&self, offer: OfferId) -> Result<Option<(AgencyId, CaseHandle)>, Infallible> {
        let of = self.offers.get(&offer);
        Ok(of.map(|(source, case, _)| (source.clone(), *case)))
    }

    fn is_open(&self, agency: &AgencyId, at: Timestamp) -> Result<Option<bool>, Infallible> {
        Ok(self.hours.get(agency).map(|hours| hours.opens(at) == at))
    }
}
