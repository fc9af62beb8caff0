//! What a recipient does to an offer, as one change.

use super::view::{OfferView, stages};
use super::{alarms, closing, decline, places};
use crate::domain::offer::OfferCommand;
use crate::domain::place::hold_until;
use crate::domain::time::{Period, Timestamp};
use crate::domain::vocabulary::{
    Alarm, ErasureAnswer, OfferNotice, OfferState, Outcome, Question, Stage,
};
use crate::exchange::erasure;
use crate::exchange::event::EventKind;
use crate::exchange::forward;
use crate::exchange::place::{Wanted, release_hold};
use crate::exchange::sequencer::{Change, Doorbell, EntryDraft};
use crate::exchange::snapshot::{Prepared, Snapshot};
use crate::exchange::turn::{self, Over, Why};
use crate::exchange::{OfferName, Refusal, Requested, group};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::storage::engine::{Table, Write};
use crate::storage::records::parcel::ParcelRecord;
use crate::storage::records::{self, key};

/// What a recipient does.
pub(super) enum Move {
    /// A transition; an acceptance may name places.
    Command(OfferCommand, Option<Wanted>),
    /// Questions: the recipient must know more before it can decide.
    Ask(Vec<Question>),
    /// A hold.
    Hold(Wanted),
    /// The person moved out; the service may go on.
    CheckOut,
    /// An alarm.
    Alarm(Stage, Alarm),
    /// An answer to being asked to erase.
    Erasure(ErasureAnswer),
}

/// Prepares `act`; the value is when a hold ends.
pub(super) fn prepare(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &OfferName,
    requested: &Requested,
    act: &Move,
) -> Result<Prepared<Timestamp>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        let time = records::time(Table::Request, record.time)?;
        return Ok(Prepared::Again(time, record.indexes));
    }
    let offer = OfferView::of_recipient(snapshot, name)?;
    let staff = caller.staff().as_str().to_owned();
    let mut end = snapshot.now;
    let mut change = match act {
        Move::Command(command @ OfferCommand::Decline { reason, decliner }, _)
            if decline::is_proposal(caller, &offer, *reason)? =>
        {
            group::decides_alone(snapshot, &offer, command)?;
            decline::propose(snapshot, caller, offer, *decliner)
        }
        Move::Command(command, wanted) => {
            group::decides_alone(snapshot, &offer, command)?;
            transition(snapshot, caller, offer, *command, wanted.as_ref())?
        }
        Move::Erasure(answer) => erasure::answer(snapshot, caller, offer, *answer)?,
        Move::Ask(questions) => question(snapshot, caller, offer, questions)?,
        Move::Hold(wanted) => {
            end = hold_until(snapshot.now, offer.decide_by);
            places::hold(snapshot, caller, offer, wanted, end)?
        }
        Move::CheckOut => places::check_out(snapshot, caller, offer)?,
        Move::Alarm(stage, alarm) => {
            let mut change = snapshot.change();
            let decision = Decision::AlarmRaised {
                offer: name.offer.to_string(),
                stage: stage.name().to_owned(),
                alarm: alarm.name().to_owned(),
                staff,
            };
            change.entries.push(snapshot.entry_by(caller, decision));
            alarms::parcel_alarm(snapshot, &mut change, &offer, alarm.name())?;
            change
        }
    };
    let time = end.millis();
    snapshot.remember(
        &mut change,
        caller.agency(),
        requested,
        Vec::new(),
        &[0],
        time,
    );
    Ok(Prepared::New(change, end, vec![0]))
}

/// The recipient asks; its clock goes on.
fn question(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    mut offer: OfferView,
    questions: &[Question],
) -> Result<Change, Refusal> {
    if offer.state == OfferState::Waitlisted && offer.decide_by <= snapshot.now {
        // Its clock has run out; from its list it may still say yes or no.
        return Err(Refusal::State(offer.state));
    }
    offer.apply(&OfferCommand::RequestInformation)?;
    let names: Vec<&str> = questions.iter().map(|question| question.name()).collect();
    offer.record.questions = names.iter().map(|&name| name.to_owned()).collect();
    let decision = Decision::OfferMoved {
        offer: offer.id.to_string(),
        to: offer.state.name().to_owned(),
        reason: Some(names.join("/")),
        decliner: None,
        outcome: None,
        staff: caller.staff().as_str().to_owned(),
    };
    let mut change = snapshot.change();
    while_undecided(&mut change, &offer);
    change.writes.push(offer.put(snapshot.now, true));
    change.entries.push(snapshot.entry_by(caller, decision));
    change.doorbells.push(changed_for_source(&offer));
    Ok(change)
}

/// A decision that comes after the time to decide is no decision.
pub(in crate::exchange) fn while_undecided(change: &mut Change, offer: &OfferView) {
    if offer.state.can_lapse() {
        change.within(Period {
            from: Timestamp::from_millis(0).unwrap_or(offer.decide_by),
            until: offer.decide_by,
        });
    }
}

/// A recipient's move of one offer, whether by itself or as one of a group.
pub(in crate::exchange) fn transition(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    mut offer: OfferView,
    command: OfferCommand,
    wanted: Option<&Wanted>,
) -> Result<Change, Refusal> {
    let clocked = offer.state.can_lapse();
    let before = offer.apply(&command)?;
    if offer.state == OfferState::Accepted {
        still_standing(snapshot, &offer)?;
    }
    let mut writes = Vec::new();
    let effect = before.places_effect(offer.state);
    places::follow(snapshot, caller, &mut offer, effect, wanted, &mut writes)?;
    let (reason, decliner, outcome) = match command {
        OfferCommand::Decline { reason, decliner } => (Some(reason), Some(decliner), None),
        OfferCommand::Complete { outcome } => (None, None, Some(outcome)),
        _ => (None, None, None),
    };
    let reason = reason.map(|reason| reason.name().to_owned());
    let decliner = decliner.map(|decliner| decliner.name().to_owned());
    let outcome_name = outcome.map(|outcome: Outcome| outcome.name().to_owned());
    offer.record.reason = reason.clone().unwrap_or_default();
    offer.record.decliner = decliner.clone().unwrap_or_default();
    offer.record.outcome = outcome_name.clone().unwrap_or_default();
    if offer.state.is_terminal() {
        writes.extend(snapshot.erase_parcels(&offer)?);
    }
    let decision = Decision::OfferMoved {
        offer: offer.id.to_string(),
        to: offer.state.name().to_owned(),
        reason,
        decliner,
        outcome: outcome_name,
        staff: caller.staff().as_str().to_owned(),
    };
    let mut entries = vec![snapshot.entry_by(caller, decision)];
    let mut doorbells = vec![changed_for_source(&offer)];
    if offer.state == OfferState::Accepted {
        entries.extend(places::taken(snapshot, caller, &offer));
        let parts = (&mut writes, &mut entries, &mut doorbells);
        closing::siblings(snapshot, &offer, parts)?;
        closing::pad_acceptance(&mut entries, snapshot.erases());
    }
    let over = ended_turn(snapshot, &mut offer, command);
    let next = match &over {
        Some(why) => Some(turn::after(snapshot, &over_of(snapshot, &offer, *why))?),
        None => None,
    };
    writes.push(offer.put(snapshot.now, true));
    let mut change = snapshot.change();
    if clocked {
        change.within(Period {
            from: Timestamp::from_millis(0).unwrap_or(offer.decide_by),
            until: offer.decide_by,
        });
    }
    change.writes = writes;
    change.entries = entries;
    change.doorbells = doorbells;
    if let Some(next) = next {
        next.add_to(snapshot, &mut change);
        let erases = !change.erased.is_empty();
        closing::pad_turn(&mut change.entries, erases);
    }
    match command {
        OfferCommand::Decline { reason, .. } => {
            decline::alert(snapshot, &mut change, &offer, reason)?;
        }
        OfferCommand::Complete {
            outcome: Outcome::ChildMissing,
        } => alarms::child_missing(snapshot, &mut change, &offer)?,
        _ => {}
    }
    Ok(change)
}

/// Why the act ends the offer's turn, if it does.
fn ended_turn(
    snapshot: &Snapshot<'_>,
    offer: &mut OfferView,
    command: OfferCommand,
) -> Option<Why> {
    match command {
        OfferCommand::Decline { .. } => Some(Why::NoAnswer),
        OfferCommand::Waitlist => {
            let over = offer.urgency.waitlist_ends_turn() || offer.decide_by <= snapshot.now;
            offer.record.turn_over = over;
            over.then_some(Why::NoAnswer)
        }
        OfferCommand::Complete {
            outcome: Outcome::TurnedAwayAtDoor,
        } => Some(Why::TurnedAway),
        _ => None,
    }
}

fn over_of<'a>(snapshot: &Snapshot<'_>, offer: &'a OfferView, why: Why) -> Over<'a> {
    Over {
        source: &offer.source,
        referral: offer.referral,
        offer: offer.id,
        at: snapshot.now,
        why,
    }
}

/// That no basis under which a parcel of the offer was deposited is withdrawn, and nothing that it passes on has ended.
///
/// Either closes what is undecided in a second step: nobody is placed on it in between.
fn still_standing(snapshot: &mut Snapshot<'_>, offer: &OfferView) -> Result<(), Refusal> {
    for stage in stages(&offer.record.deposited) {
        let parcel = snapshot.get::<ParcelRecord>(key::parcel(offer.id, stage))?;
        let parcel = parcel.ok_or_else(|| records::corrupt(Table::Offer))?;
        let chain = records::word(Table::Parcel, &parcel.chain)?;
        let head = snapshot.basis(&offer.source, chain)?;
        let withdrawn = head.is_some_and(|head| head.basis.is_none());
        if withdrawn || !forward::none_over(snapshot, &parcel)? {
            return Err(Refusal::State(OfferState::Closed));
        }
    }
    Ok(())
}

fn changed_for_source(offer: &OfferView) -> Doorbell {
    Doorbell {
        agency: offer.source.clone(),
        resource: offer.source_name().to_string(),
        kind: EventKind::OfferChanged,
    }
}

/// What closes one offer, apart from what it relied on.
pub(in crate::exchange) struct Closed {
    pub(in crate::exchange) writes: Vec<Write>,
    pub(in crate::exchange) entries: Vec<EntryDraft>,
    pub(in crate::exchange) doorbells: Vec<Doorbell>,
}

/// Closes an undecided offer from upstream: its hold is released, its parcels lose their keys, its recipient is rung.
pub(in crate::exchange) fn close(
    snapshot: &mut Snapshot<'_>,
    mut offer: OfferView,
    command: &OfferCommand,
) -> Result<Closed, Refusal> {
    // One that lapses meanwhile has not been closed by anybody.
    offer.while_open(snapshot);
    offer.apply(command)?;
    // Whatever closed it upstream: one notice, so that it says nothing of what that was.
    offer.tell(OfferNotice::ClosedBySource);
    let mut writes = Vec::new();
    release_hold(snapshot, &mut writes, &mut offer)?;
    writes.extend(snapshot.erase_parcels(&offer)?);
    writes.push(offer.put(snapshot.now, true));
    let decision = Decision::OfferClosed {
        offer: offer.id.to_string(),
    };
    // A recipient whose turn never came hears nothing.
    let told = (offer.record.asked != 0).then(|| Doorbell {
        agency: offer.recipient.clone(),
        resource: offer.recipient_name().to_string(),
        kind: EventKind::OfferChanged,
    });
    Ok(Closed {
        writes,
        entries: vec![snapshot.entry(Actor::Router, decision)],
        doorbells: told.into_iter().collect(),
    })
}
