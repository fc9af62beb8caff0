//! Offers: what is deposited and opened, and who moves them where (invariants 5, 7, 8, 12 to 15).

use super::{Model, Offer, Parcel, Proposed, Wrong, must, over, time, word};
use crate::domain::id::{AgencyId, OfferId, ReferralId};
use crate::domain::label::LabelSet;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{OfferState, Stage};
use crate::exchange::tests::sequences::cast::{Book, Told, digest_of};
use crate::ledger::decision::{Decision, Deposited};
use crate::ledger::entry::Entry;
use std::collections::{BTreeMap, BTreeSet};

impl Model {
    pub(super) fn offered(
        &mut self,
        source: &AgencyId,
        decision: &Decision,
    ) -> Result<OfferId, Wrong> {
        let Decision::Offered {
            offer,
            referral,
            case,
            recipient,
            purpose,
            decide_by,
            forwards,
            ..
        } = decision
        else {
            return Err("no offer".to_owned());
        };
        let id: OfferId = word(offer)?;
        must!(!self.index.contains_key(&id), "5: an offer made twice");
        let referral: ReferralId = word(referral)?;
        let name = (source.clone(), *referral.as_bytes());
        must!(!self.ended.contains(&name), "asked after the end");
        self.index.insert(id, self.offers.len());
        self.offers.push(Offer {
            id,
            source: source.clone(),
            recipient: word(recipient)?,
            referral,
            case: word(case)?,
            purpose: word(purpose)?,
            state: if *decide_by == 0 {
                OfferState::Queued
            } else {
                OfferState::Offered
            },
            decide_by: time(*decide_by)?,
            forwards: forwards.as_deref().map(word).transpose()?,
            parcels: BTreeMap::new(),
            held: BTreeMap::new(),
            corrected: BTreeSet::new(),
            transfer: None,
            proposed_by: None,
            erasure: None,
            messages: Vec::new(),
            attachments: Vec::new(),
            decided: false,
        });
        Ok(id)
    }

    pub(super) fn deposited(
        &mut self,
        id: OfferId,
        deposit: &Deposited,
        at: Timestamp,
        book: &Book,
    ) -> Result<(), Wrong> {
        let told = book.sealed.get(&deposit.statement);
        let told = told.ok_or("12: a parcel that nobody sealed")?;
        let labels = deposit.labels.iter();
        let labels = labels.map(|label| word(&format!("{}/{}", label.cat, label.form)));
        let labels: LabelSet = labels.collect::<Result<Vec<_>, _>>()?.into_iter().collect();
        let parcel = Parcel {
            id: deposit.parcel.clone(),
            chain: word(&deposit.chain)?,
            labels,
            statement: deposit.statement.clone(),
        };
        let offer = self.offer(id)?;
        must!(!over(offer.at(at)), "a parcel for an offer that is over");
        self.covered(&proposal(offer, &parcel, labels, at))?;
        self.passed_on(offer, told, labels, at, book)?;
        let stage: Stage = word(&deposit.stage)?;
        let digest = digest_of(&deposit.statement);
        self.told.insert(digest, (id, stage, parcel.clone()));
        let at = self.index[&id];
        self.offers[at].parcels.insert(stage, parcel);
        Ok(())
    }

    /// Invariant 14: on the list, one hop less, no label more, and never back to who held it.
    fn passed_on(
        &self,
        offer: &Offer,
        told: &Told,
        labels: LabelSet,
        at: Timestamp,
        book: &Book,
    ) -> Result<(), Wrong> {
        let (Some(forwards), Some(parent)) = (offer.forwards, told.parent) else {
            let none = offer.forwards.is_none() && told.parent.is_none();
            must!(none, "14: what is passed on names its parent");
            return Ok(());
        };
        let (of, _, parent) = self.told.get(&parent).ok_or("14: no parent")?;
        must!(*of == forwards, "14: another offer's parcel");
        let received = self.offer(forwards)?;
        must!(
            received.recipient == offer.source,
            "14: passed on by a stranger"
        );
        let granted = &book.sealed[&parent.statement].forward;
        must!(
            granted.recipients.contains(&offer.recipient),
            "14: not on the list"
        );
        must!(told.forward.hops < granted.hops, "14: no hop less");
        let narrows = told.forward.recipients.iter();
        let narrows = narrows
            .into_iter()
            .all(|it| granted.recipients.contains(it));
        must!(narrows, "14: the list grew");
        must!(labels.beyond(parent.labels).is_empty(), "14: labels grew");
        must!(
            received.source != offer.recipient,
            "14: back to who held it"
        );
        must!(!self.ends(offer), "14: passed on after its source ended it");
        self.ancestors(offer, labels, at)
    }

    /// Whether a source has ended what an offer passes on.
    fn ends(&self, offer: &Offer) -> bool {
        let of = |id: OfferId| self.offer(id).ok();
        let on_the_way = std::iter::successors(offer.forwards.and_then(of), |offer| {
            offer.forwards.and_then(of)
        });
        let mut names = on_the_way.map(|offer| (offer.source.clone(), *offer.referral.as_bytes()));
        names.any(|name| self.ended.contains(&name))
    }

    /// Invariant 14: every basis on the way is in force for what is told now.
    fn ancestors(&self, offer: &Offer, labels: LabelSet, at: Timestamp) -> Result<(), Wrong> {
        let mut next = offer.forwards;
        while let Some(id) = next {
            let offer = self.offer(id)?;
            let parcel = offer
                .parcels
                .get(&Stage::Triage)
                .ok_or("14: nothing to pass on")?;
            self.covered(&proposal(offer, parcel, labels, at))?;
            next = offer.forwards;
        }
        Ok(())
    }

    pub(super) fn opened(
        &mut self,
        by: &AgencyId,
        (offer, stage, parcel): (&str, &str, &str),
        at: Timestamp,
    ) -> Result<(), Wrong> {
        let stage: Stage = word(stage)?;
        let of = self.offer(word(offer)?)?;
        must!(of.recipient == *by, "15: opened by somebody else");
        let stands = of.parcels.get(&stage).ok_or("8: nothing was deposited")?;
        must!(stands.id == parcel, "19: not the newest");
        must!(of.opens(stage, at), "20: opened before its stage");
        self.covered(&proposal(of, stands, stands.labels, at))?;
        self.ancestors(of, stands.labels, at)?;
        let ended = self.ends(of) && !of.placed();
        must!(!ended, "14: opened after its source ended it");
        self.disclosures += 1;
        let id = parcel.to_owned();
        self.offer_mut(offer)?.held.insert(stage, id);
        Ok(())
    }

    pub(super) fn moved(&mut self, entry: &Entry, decision: &Decision) -> Result<(), Wrong> {
        let at = entry.at;
        let (ids, to): (Vec<&str>, OfferState) = match decision {
            Decision::OfferMoved { offer, to, .. } => (vec![offer], word(to)?),
            Decision::OfferClosed { offer } => (vec![offer], OfferState::Closed),
            Decision::OffersClosed { offers } => (
                offers.iter().map(String::as_str).collect(),
                OfferState::Closed,
            ),
            Decision::OfferTurn {
                offer, decide_by, ..
            } => {
                let offer = self.offer_mut(offer)?;
                must!(offer.state == OfferState::Queued, "asked out of turn");
                offer.state = OfferState::Offered;
                offer.decide_by = time(*decide_by)?;
                return Ok(());
            }
            _ => return Err("no move".to_owned()),
        };
        for id in ids {
            let parsed: OfferId = word(id)?;
            self.following.retain(|(other, _)| *other != parsed);
            self.move_one(entry, id, to, decision)?;
            self.released(parsed, to, at)?;
        }
        Ok(())
    }

    fn move_one(
        &mut self,
        entry: &Entry,
        id: &str,
        to: OfferState,
        decision: &Decision,
    ) -> Result<(), Wrong> {
        use OfferState as S;
        let at = entry.at;
        let offer = self.offer_mut(id)?;
        let from = if to == S::Lapsed {
            offer.state
        } else {
            offer.at(at)
        };
        let undecided = matches!(
            from,
            S::Offered | S::Received | S::InformationRequested | S::Waitlisted
        );
        let lawful = match to {
            S::Received => matches!(from, S::Offered | S::InformationRequested),
            S::InformationRequested => matches!(from, S::Received | S::Waitlisted),
            S::Waitlisted => from == S::Received,
            S::Accepted | S::Declined => undecided,
            S::InProgress => from == S::Accepted,
            S::Completed => matches!(from, S::Accepted | S::InProgress),
            S::Lapsed => undecided && from != S::Waitlisted && offer.decide_by <= at,
            S::Closed => undecided || from == S::Queued,
            S::Offered | S::Queued => false,
        };
        must!(lawful, "5: from {from} to {to}");
        if over(to) {
            must!(!offer.decided, "7: a second end of one offer");
            offer.decided = true;
        }
        offer.state = to;
        let referral = (offer.source.clone(), *offer.referral.as_bytes());
        if let Decision::OfferMoved {
            outcome,
            reason,
            staff,
            ..
        } = decision
        {
            if reason.as_deref() == Some("OTHER") && to == S::Declined {
                let first = offer.proposed_by.as_ref();
                let second = first.is_some_and(|first| first != staff);
                must!(second, "declined with OTHER by one person");
            }
            if outcome.as_deref() == Some("TURNED_AWAY_AT_DOOR") {
                self.accepted.remove(&referral);
            }
        }
        if to == S::Accepted {
            let offer = self.offer(word(id)?)?;
            must!(!self.ends(offer), "14: accepted after its source ended it");
            must!(self.accepted.insert(referral), "7: a second acceptance");
        }
        Ok(())
    }
}

fn proposal<'a>(
    offer: &'a Offer,
    parcel: &Parcel,
    labels: LabelSet,
    at: Timestamp,
) -> Proposed<'a> {
    Proposed {
        source: &offer.source,
        recipient: &offer.recipient,
        case: offer.case,
        purpose: offer.purpose,
        labels,
        chain: parcel.chain,
        at,
    }
}
