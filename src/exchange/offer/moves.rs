//! What a recipient does to an offer, as one change.

use super::alarms;
use super::view::{OfferView, stages};
use crate::domain::id::OfferId;
use crate::domain::offer::{OfferCommand, PlacesEffect};
use crate::domain::place::hold_until;
use crate::domain::time::{Period, Timestamp};
use crate::domain::vocabulary::{Alarm, OfferNotice, OfferState, Outcome, Stage};
use crate::exchange::event::EventKind;
use crate::exchange::place::{PoolState, pool_of, release_hold};
use crate::exchange::sequencer::{Change, Doorbell, EntryDraft};
use crate::exchange::snapshot::{Prepared, Snapshot};
use crate::exchange::{OfferName, PoolName, Refusal, Requested};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::storage::engine::{Table, Write};
use crate::storage::records::parcel::ParcelRecord;
use crate::storage::records::referral::ReferralRecord;
use crate::storage::records::{self, key};

/// Entries of an acceptance come in multiples of this, ticks for those that there are not: an urgent ask goes to three
/// places, and the one that accepts must not read off its receipt how many others were asked (invariant 22).
const ACCEPTANCE_ENTRIES: usize = 4;

/// What a recipient does.
pub(super) enum Move {
    /// A transition; an acceptance may name places.
    Command(OfferCommand, Option<(PoolName, u32)>),
    /// A hold.
    Hold(PoolName, u32),
    /// An alarm.
    Alarm(Stage, Alarm),
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
        Move::Command(command, places) => transition(snapshot, caller, offer, *command, places)?,
        Move::Hold(pool, places) => {
            end = hold_until(snapshot.now, offer.decide_by);
            hold(snapshot, caller, offer, pool, *places, end)?
        }
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

fn hold(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    mut offer: OfferView,
    pool: &PoolName,
    places: u32,
    until: Timestamp,
) -> Result<Change, Refusal> {
    pool.owned_by(caller)?;
    match offer.state {
        OfferState::Lapsed => return Err(Refusal::Lapsed),
        state if !state.is_undecided() => return Err(Refusal::State(state)),
        _ => {}
    }
    let mut writes = Vec::new();
    if pool_of(&offer)?.is_some_and(|before| before != *pool) {
        release_hold(snapshot, &mut writes, &mut offer)?;
    }
    let state = PoolState::load(snapshot, pool)?;
    let mut state = state.ok_or(Refusal::NotFound)?;
    state.hold(offer.id, places, until)?;
    writes.push(state.put());
    offer.record.pool = pool.pool.to_string();
    offer.record.places = places;
    offer.record.hold_until = until.millis();
    let mut change = snapshot.change();
    while_undecided(&mut change, &offer);
    writes.push(offer.put(snapshot.now, false));
    change.writes = writes;
    let decision = Decision::PlacesHeld {
        offer: offer.id.to_string(),
        pool: pool.pool.to_string(),
        places,
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    Ok(change)
}

/// A decision that comes after the time to decide is no decision.
fn while_undecided(change: &mut Change, offer: &OfferView) {
    if offer.state.can_lapse() {
        change.within(Period {
            from: Timestamp::from_millis(0).unwrap_or(offer.decide_by),
            until: offer.decide_by,
        });
    }
}

fn transition(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    mut offer: OfferView,
    command: OfferCommand,
    places: &Option<(PoolName, u32)>,
) -> Result<Change, Refusal> {
    let clocked = offer.state.can_lapse();
    let before = offer.apply(&command)?;
    if offer.state == OfferState::Accepted {
        still_standing(snapshot, &offer)?;
    }
    let mut writes = Vec::new();
    let effect = before.places_effect(offer.state);
    move_places(snapshot, caller, &mut offer, effect, places, &mut writes)?;
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
        writes.extend(offer.erase_parcels());
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
        for sibling in siblings(snapshot, &offer)? {
            let mut closed = close(snapshot, sibling, &OfferCommand::Close)?;
            writes.append(&mut closed.writes);
            entries.append(&mut closed.entries);
            doorbells.append(&mut closed.doorbells);
        }
        // The receipt shows how far the log grew: by as much with three siblings as with none.
        while !entries.len().is_multiple_of(ACCEPTANCE_ENTRIES) {
            entries.push(EntryDraft::tick());
        }
    }
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
    if outcome == Some(Outcome::ChildMissing) {
        alarms::child_missing(snapshot, &mut change, &offer)?;
    }
    Ok(change)
}

/// That no basis under which a parcel of the offer was deposited is withdrawn.
///
/// A withdrawal closes what is undecided in a second step: nobody is placed on it in between.
fn still_standing(snapshot: &mut Snapshot<'_>, offer: &OfferView) -> Result<(), Refusal> {
    for stage in stages(&offer.record.deposited) {
        let parcel = snapshot.get::<ParcelRecord>(key::parcel(offer.id, stage))?;
        let parcel = parcel.ok_or_else(|| records::corrupt(Table::Offer))?;
        let chain = records::word(Table::Parcel, &parcel.chain)?;
        if let Some((_, None)) = snapshot.basis(&offer.source, chain)? {
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
    offer.apply(command)?;
    // Whatever closed it upstream: one notice, so that it says nothing of what that was.
    offer.tell(OfferNotice::ClosedBySource);
    let mut writes = Vec::new();
    release_hold(snapshot, &mut writes, &mut offer)?;
    writes.extend(offer.erase_parcels());
    writes.push(offer.put(snapshot.now, true));
    let decision = Decision::OfferClosed {
        offer: offer.id.to_string(),
    };
    Ok(Closed {
        writes,
        entries: vec![snapshot.entry(Actor::Router, decision)],
        doorbells: vec![Doorbell {
            agency: offer.recipient.clone(),
            resource: offer.recipient_name().to_string(),
            kind: EventKind::OfferChanged,
        }],
    })
}

/// The offers of the same referral that are still undecided.
fn siblings(snapshot: &mut Snapshot<'_>, of: &OfferView) -> Result<Vec<OfferView>, Refusal> {
    let row = key::referral(&of.source, of.referral);
    let referral = snapshot.get::<ReferralRecord>(row)?;
    let referral = referral.ok_or_else(|| records::corrupt(Table::Referral))?;
    let mut undecided = Vec::new();
    for id in &referral.offers {
        let id: OfferId = records::word(Table::Referral, id)?;
        if id == of.id {
            continue;
        }
        let offer = OfferView::load(snapshot, id)?;
        let offer = offer.ok_or_else(|| records::corrupt(Table::Referral))?;
        if offer.state.is_undecided() {
            undecided.push(offer);
        }
    }
    Ok(undecided)
}

fn move_places(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    offer: &mut OfferView,
    effect: PlacesEffect,
    asked: &Option<(PoolName, u32)>,
    writes: &mut Vec<Write>,
) -> Result<(), Refusal> {
    match effect {
        PlacesEffect::None => return Ok(()),
        PlacesEffect::ReleaseHeld => return release_hold(snapshot, writes, offer),
        PlacesEffect::Take => return take(snapshot, caller, offer, asked, writes),
        PlacesEffect::Occupy | PlacesEffect::ReleaseTaken | PlacesEffect::Leave => {}
    }
    let Some(name) = pool_of(offer)? else {
        return Ok(());
    };
    let state = PoolState::load(snapshot, &name)?;
    let mut state = state.ok_or_else(|| records::corrupt(Table::Pool))?;
    let places = offer.record.places;
    match effect {
        PlacesEffect::Occupy => state.pool.occupy(places)?,
        PlacesEffect::ReleaseTaken => state.pool.release_taken(places)?,
        PlacesEffect::Leave => state.pool.leave(places)?,
        PlacesEffect::None | PlacesEffect::ReleaseHeld | PlacesEffect::Take => {}
    }
    writes.push(state.put());
    Ok(())
}

/// Takes places for an acceptance: from the hold, if it still runs, or else from the pool that was named.
fn take(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    offer: &mut OfferView,
    asked: &Option<(PoolName, u32)>,
    writes: &mut Vec<Write>,
) -> Result<(), Refusal> {
    if let Some(name) = pool_of(offer)? {
        let state = PoolState::load(snapshot, &name)?;
        let mut state = state.ok_or_else(|| records::corrupt(Table::Pool))?;
        let places = state.take_held(offer.id)?;
        if places > 0 {
            offer.record.places = places;
            offer.record.hold_until = 0;
            writes.push(state.put());
            return Ok(());
        }
    }
    offer.record.pool.clear();
    offer.record.places = 0;
    offer.record.hold_until = 0;
    let Some((name, places)) = asked else {
        return Ok(());
    };
    name.owned_by(caller)?;
    let state = PoolState::load(snapshot, name)?;
    let mut state = state.ok_or(Refusal::NotFound)?;
    state.pool.take(*places)?;
    offer.record.pool = name.pool.to_string();
    offer.record.places = *places;
    writes.push(state.put());
    Ok(())
}
