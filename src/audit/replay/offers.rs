//! Offers: whose they are and where they stand.

use super::{Act, Problem};
use crate::domain::deadline::CLOCK_STEP;
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle, OfferId, ParcelId, ReferralId};
use crate::domain::offer::OfferCommand;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    Alarm, DeclineReason, OfferState, Outcome, Purpose, Question, ReferralState, Stage,
    TransferState, Urgency,
};
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
    pub(super) urgency: Urgency,
    /// The epoch while it is next in line.
    pub(super) decide_by: Timestamp,
    pub(super) state: OfferState,
    /// Who proposed to decline with OTHER.
    pub(super) proposed_by: Option<String>,
    /// The parcel that stands for each stage.
    pub(super) parcels: BTreeMap<Stage, ParcelId>,
    /// The received offer whose parcels this one passes on.
    pub(super) forwards: Option<OfferId>,
    /// Of a forward: who held it before, the original source first, this offer's source last.
    pub(super) holders: Vec<AgencyId>,
    /// Where a transfer stands, and the chain that it rests on.
    pub(super) transfer: Option<(TransferState, BasisChainId)>,
    /// The parcel of each stage that the recipient opened last.
    pub(super) held: BTreeMap<Stage, ParcelId>,
    /// Stages corrected since they were opened.
    pub(super) corrected: BTreeSet<Stage>,
    /// Messages posted.
    pub(super) messages: u32,
    /// Of these, by the recipient.
    pub(super) messages_of_recipient: u32,
    /// When the person must be placed by; none for one who can wait.
    pub(super) place_by: Option<Timestamp>,
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

impl Offer {
    /// Whether a turn that begins at `start` may last until `decide_by`: no longer than the urgency gives, and, while
    /// the person is still there, not past when they must be placed (R7).
    pub(super) fn has_time(&self, start: Timestamp, decide_by: Timestamp) -> bool {
        // In the last minute there is no turn left to give: whoever is added then has the urgency's time.
        let placed = self
            .place_by
            .filter(|place_by| start.plus(CLOCK_STEP) <= *place_by);
        decide_by <= start.plus(self.urgency.decide_within())
            && placed.is_none_or(|place_by| decide_by <= place_by)
    }
}

/// Every offer by its id.
#[derive(Debug, Default)]
pub(super) struct Offers {
    offers: HashMap<OfferId, Offer>,
    accepted: HashSet<(AgencyId, ReferralId)>,
    referrals: HashMap<(AgencyId, ReferralId), Vec<OfferId>>,
    /// Referrals that their source has ended, and how.
    ended: HashMap<(AgencyId, ReferralId), End>,
}

/// How a source ended its referral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nobody is asked any more.
    Closed,
    /// It should never have been made.
    InError,
}

/// The words that come with a move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) reason: Option<&'a str>,
    pub(super) decliner: Option<&'a str>,
    pub(super) outcome: Option<&'a str>,
    pub(super) staff: &'a str,
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
        let referral = (offer.source.clone(), offer.referral);
        let ended = self.ended.contains_key(&referral);
        self.referrals.entry(referral).or_default().push(id);
        self.offers.insert(id, offer);
        if ended {
            return Err(Problem::Ended);
        }
        Ok(())
    }

    pub(super) fn offer(&self, id: &OfferId) -> Result<&Offer, Problem> {
        self.offers.get(id).ok_or(Problem::Offer)
    }

    pub(super) fn offer_mut(&mut self, id: &OfferId) -> Result<&mut Offer, Problem> {
        self.offers.get_mut(id).ok_or(Problem::Offer)
    }

    pub(super) fn named(&mut self, id: &str) -> Result<&mut Offer, Problem> {
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
        let second = |first: &String| first != words.staff;
        let other = words.reason == Some(DeclineReason::Other.name());
        if to == OfferState::Declined && other && !offer.proposed_by.as_ref().is_some_and(second) {
            return Err(Problem::SecondPerson);
        }
        offer.state = to;
        let (referral, forwards) = ((offer.source.clone(), offer.referral), offer.forwards);
        if words.outcome == Some(Outcome::TurnedAwayAtDoor.name()) {
            // Who was turned away was not placed: others may be asked.
            self.accepted.remove(&referral);
        }
        if to == OfferState::Accepted {
            if !self.accepted.insert(referral) {
                return Err(Problem::SecondAcceptance);
            }
            if self.end_of(forwards).is_some() {
                return Err(Problem::Ended);
            }
        }
        Ok(())
    }

    /// How the source of what an offer passes on has ended its referral, or of what that passes on in turn; the
    /// gravest.
    pub(super) fn end_of(&self, forwards: Option<OfferId>) -> Option<End> {
        let mut found = None;
        let mut next = forwards;
        while let Some(offer) = next.and_then(|id| self.offers.get(&id)) {
            match self.ended.get(&(offer.source.clone(), offer.referral)) {
                Some(End::InError) => return Some(End::InError),
                end => found = found.or(end.copied()),
            }
            // Somebody else said yes, or the source closed it.
            if offer.state == OfferState::Closed {
                found = found.or(Some(End::Closed));
            }
            // Made before it: what is passed on is older, so this ends.
            next = offer.forwards;
        }
        found
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

    /// A candidate's turn: it was next in line, and gets no more time than the urgency gives.
    pub(super) fn turn(
        &mut self,
        act: Act<'_>,
        id: &str,
        decide_by: i64,
        due: i64,
    ) -> Result<(), Problem> {
        router(act)?;
        let (decide_by, due) = (time(decide_by)?, time(due)?);
        let offer = self.named(id)?;
        let in_time = due <= act.at && due < decide_by && offer.has_time(due, decide_by);
        let to = offer.state.apply(&OfferCommand::Turn);
        let (Ok(to), true) = (to, in_time) else {
            return Err(Problem::Turn);
        };
        (offer.state, offer.decide_by) = (to, decide_by);
        let referral = (offer.source.clone(), offer.referral);
        let forwards = offer.forwards;
        if self.accepted.contains(&referral) || self.ended.contains_key(&referral) {
            return Err(Problem::Turn);
        }
        if self.end_of(forwards).is_some() {
            return Err(Problem::Ended);
        }
        Ok(())
    }

    /// A reminder, while there was something to remind of.
    pub(super) fn reminded(&mut self, act: Act<'_>, id: &str, due: i64) -> Result<(), Problem> {
        router(act)?;
        let due = time(due)?;
        let offer = self.named(id)?;
        if due <= act.at && due <= offer.decide_by && offer.state.can_lapse() {
            Ok(())
        } else {
            Err(Problem::Turn)
        }
    }

    /// Offers of one referral that were closed together by the router.
    pub(super) fn closed_together(&mut self, act: Act<'_>, ids: &[String]) -> Result<(), Problem> {
        router(act)?;
        let mut referral = None;
        for id in ids {
            self.closed(act, id)?;
            let offer = self.named(id)?;
            let of = (offer.source.clone(), offer.referral);
            if *referral.get_or_insert_with(|| of.clone()) != of {
                return Err(Problem::Move);
            }
        }
        Ok(())
    }

    /// The first of two persons who decline with OTHER.
    pub(super) fn proposed(&mut self, act: Act<'_>, id: &str, staff: &str) -> Result<(), Problem> {
        let offer = self.named(id)?;
        act.by(&offer.recipient)?;
        if !offer.state_at(act.at).is_undecided() {
            return Err(Problem::Move);
        }
        offer.proposed_by = Some(staff.to_owned());
        Ok(())
    }

    /// Ended by its source: what is open closes by entries of its own, and nobody is asked any more.
    pub(super) fn ended(
        &mut self,
        act: Act<'_>,
        referral: &str,
        reason: &str,
    ) -> Result<(), Problem> {
        let source = act.agency()?.clone();
        let referral = (source, referral.parse().map_err(|_| Problem::Decision)?);
        if !self.referrals.contains_key(&referral) || self.accepted.contains(&referral) {
            return Err(Problem::Ended);
        }
        let end = if reason == ReferralState::EnteredInError.name() {
            End::InError
        } else {
            End::Closed
        };
        self.ended.insert(referral, end);
        Ok(())
    }

    /// Past its source: nobody was left to answer, and nobody had ended it.
    pub(super) fn escalated(
        &self,
        act: Act<'_>,
        source: &str,
        referral: &str,
        due: i64,
    ) -> Result<(), Problem> {
        router(act)?;
        let due = time(due)?;
        let source = source.parse().map_err(|_| Problem::Decision)?;
        let referral = (source, referral.parse().map_err(|_| Problem::Decision)?);
        let offers = self.referrals.get(&referral).ok_or(Problem::Escalation)?;
        let left = offers.iter().filter_map(|id| self.offers.get(id));
        let mut left = left.filter(|offer| {
            let state = offer.state_at(due);
            state.can_lapse() || state == OfferState::Queued
        });
        let over = self.accepted.contains(&referral) || self.ended.contains_key(&referral);
        if due > act.at || over || left.next().is_some() {
            return Err(Problem::Escalation);
        }
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

fn router(act: Act<'_>) -> Result<(), Problem> {
    if *act.by == Actor::Router {
        Ok(())
    } else {
        Err(Problem::Actor)
    }
}

fn time(millis: i64) -> Result<Timestamp, Problem> {
    Timestamp::from_millis(millis).ok_or(Problem::Decision)
}

/// At least one question of the vocabulary.
fn questions(words: Option<&str>) -> Result<(), Problem> {
    let mut words = words.ok_or(Problem::Decision)?.split('/');
    if words.all(|word| word.parse::<Question>().is_ok()) {
        Ok(())
    } else {
        Err(Problem::Decision)
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
        OfferState::InformationRequested => {
            questions(words.reason)?;
            (OfferCommand::RequestInformation, Mover::Recipient)
        }
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
        OfferState::Offered | OfferState::Queued => return Err(Problem::Move),
    })
}
