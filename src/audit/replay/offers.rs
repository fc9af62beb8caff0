//! Offers: whose they are and where they stand.

use super::{Act, Problem};
use crate::domain::id::{AgencyId, CaseHandle, OfferId, ParcelId, ReferralId};
use crate::domain::offer::OfferCommand;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{Alarm, OfferState, Purpose, Stage};
use crate::ledger::entry::Actor;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// One offer.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) source: AgencyId,
    pub(super) recipient: AgencyId,
    pub(super) referral: ReferralId,
    pub(super) case: CaseHandle,
    pub(super) purpose: Purpose,
    pub(super) decide_by: Timestamp,
    pub(super) state: OfferState,
    /// The parcel that stands for each stage.
    pub(super) parcels: BTreeMap<Stage, ParcelId>,
    /// The parcel of each stage that the recipient opened last.
    pub(super) held: BTreeMap<Stage, ParcelId>,
    /// Stages corrected since they were opened.
    pub(super) corrected: BTreeSet<Stage>,
    /// Messages posted.
    pub(super) messages: u32,
}

impl Offer {
    /// Where it stands at `at`: one that ran out of time has lapsed, whether or not that is recorded yet.
    pub(super) fn state_at(&self, at: Timestamp) -> OfferState {
        if self.state.can_lapse() && self.decide_by <= at {
            OfferState::Lapsed
        } else {
            self.state
        }
    }
}

/// Every offer by its id.
#[derive(Debug, Default)]
pub(super) struct Offers {
    offers: HashMap<OfferId, Offer>,
    accepted: HashSet<(AgencyId, ReferralId)>,
}

/// The words that come with a move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) reason: Option<&'a str>,
    pub(super) decliner: Option<&'a str>,
    pub(super) outcome: Option<&'a str>,
}

/// Who may make a move.
enum Mover {
    Source,
    Recipient,
    Clock,
    Upstream,
}

impl Offers {
    pub(super) fn insert(&mut self, id: OfferId, offer: Offer) -> Result<(), Problem> {
        if self.offers.contains_key(&id) {
            return Err(Problem::Offer);
        }
        self.offers.insert(id, offer);
        Ok(())
    }

    pub(super) fn offer(&self, id: &OfferId) -> Result<&Offer, Problem> {
        self.offers.get(id).ok_or(Problem::Offer)
    }

    pub(super) fn offer_mut(&mut self, id: &OfferId) -> Result<&mut Offer, Problem> {
        self.offers.get_mut(id).ok_or(Problem::Offer)
    }

    fn named(&mut self, id: &str) -> Result<&mut Offer, Problem> {
        self.offer_mut(&id.parse().map_err(|_| Problem::Decision)?)
    }

    pub(super) fn moved(
        &mut self,
        act: Act<'_>,
        id: &str,
        to: &str,
        words: Words<'_>,
    ) -> Result<(), Problem> {
        let to: OfferState = to.parse().map_err(|_| Problem::Decision)?;
        let offer = self.named(id)?;
        // Recording a lapse that has happened starts from the state before it.
        let lapse = to == OfferState::Lapsed;
        let from = if lapse {
            offer.state
        } else {
            offer.state_at(act.at)
        };
        let (command, mover) = command(from, to, words)?;
        let lawful = match mover {
            Mover::Source => act.by(&offer.source).is_ok(),
            Mover::Recipient => act.by(&offer.recipient).is_ok(),
            Mover::Clock => *act.by == Actor::Router,
            Mover::Upstream => *act.by == Actor::Router || act.by(&offer.source).is_ok(),
        };
        if !lawful {
            return Err(Problem::Actor);
        }
        if from.apply(&command) != Ok(to) {
            return Err(Problem::Move);
        }
        if lapse && act.at < offer.decide_by {
            return Err(Problem::EarlyLapse);
        }
        offer.state = to;
        let referral = (offer.source.clone(), offer.referral);
        if to == OfferState::Accepted && !self.accepted.insert(referral) {
            return Err(Problem::SecondAcceptance);
        }
        Ok(())
    }

    /// Closed upstream: by the source, the router, or whoever's acceptance was first.
    pub(super) fn closed(&mut self, act: Act<'_>, id: &str) -> Result<(), Problem> {
        let offer = self.named(id)?;
        let from = offer.state_at(act.at);
        offer.state = from
            .apply(&OfferCommand::Close)
            .map_err(|_| Problem::Move)?;
        Ok(())
    }

    pub(super) fn held(&mut self, act: Act<'_>, id: &str) -> Result<(), Problem> {
        let offer = self.named(id)?;
        act.by(&offer.recipient)?;
        if offer.state_at(act.at).is_terminal() {
            Err(Problem::Move)
        } else {
            Ok(())
        }
    }

    /// The recipient says that it has read a correction.
    pub(super) fn confirmed(
        &mut self,
        act: Act<'_>,
        id: &str,
        stage: &str,
        parcel: &str,
    ) -> Result<(), Problem> {
        let stage: Stage = stage.parse().map_err(|_| Problem::Decision)?;
        let parcel: ParcelId = parcel.parse().map_err(|_| Problem::Decision)?;
        let offer = self.named(id)?;
        act.by(&offer.recipient)?;
        let read =
            offer.held.get(&stage) == Some(&parcel) && offer.parcels.get(&stage) == Some(&parcel);
        if read && offer.corrected.remove(&stage) {
            Ok(())
        } else {
            Err(Problem::Supersession)
        }
    }

    pub(super) fn alarm(&mut self, act: Act<'_>, id: &str, alarm: &str) -> Result<(), Problem> {
        let alarm: Alarm = alarm.parse().map_err(|_| Problem::Decision)?;
        act.by(&self.named(id)?.recipient)?;
        Err(Problem::AlarmRaised(alarm))
    }
}

/// The command that leads from one state to another, and who gives it.
fn command(
    from: OfferState,
    to: OfferState,
    words: Words<'_>,
) -> Result<(OfferCommand, Mover), Problem> {
    fn word<T: std::str::FromStr>(word: Option<&str>) -> Result<T, Problem> {
        word.and_then(|word| word.parse().ok())
            .ok_or(Problem::Decision)
    }
    Ok(match to {
        OfferState::Received if from == OfferState::InformationRequested => {
            (OfferCommand::AnswerInformation, Mover::Source)
        }
        OfferState::Received => (OfferCommand::Acknowledge, Mover::Recipient),
        OfferState::InformationRequested => (OfferCommand::RequestInformation, Mover::Recipient),
        OfferState::Waitlisted => (OfferCommand::Waitlist, Mover::Recipient),
        OfferState::Accepted => (OfferCommand::Accept, Mover::Recipient),
        OfferState::InProgress => (OfferCommand::CheckIn, Mover::Recipient),
        OfferState::Completed => (
            OfferCommand::Complete {
                outcome: word(words.outcome)?,
            },
            Mover::Recipient,
        ),
        OfferState::Declined => {
            let (reason, decliner) = (word(words.reason)?, word(words.decliner)?);
            (OfferCommand::Decline { reason, decliner }, Mover::Recipient)
        }
        OfferState::Lapsed => (OfferCommand::Lapse, Mover::Clock),
        OfferState::Closed => (OfferCommand::Close, Mover::Upstream),
        OfferState::Offered => return Err(Problem::Move),
    })
}
