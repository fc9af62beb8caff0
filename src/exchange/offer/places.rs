//! The places of one offer: held, taken, occupied, left.

use super::moves::while_undecided;
use super::view::OfferView;
use crate::domain::id::OfferId;
use crate::domain::offer::PlacesEffect;
use crate::domain::place::Claim;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::OfferState;
use crate::exchange::Refusal;
use crate::exchange::clockwork::{self, Due, schedule};
use crate::exchange::event::EventKind;
use crate::exchange::place::{PoolState, Wanted, pool_of, release_hold};
use crate::exchange::sequencer::{Change, Doorbell, EntryDraft};
use crate::exchange::snapshot::Snapshot;
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::storage::engine::{Table, Write};
use crate::storage::records;

/// Holds places for an undecided offer until `until`, in place of what it held before.
pub(in crate::exchange) fn hold(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    mut offer: OfferView,
    wanted: &Wanted,
    until: Timestamp,
) -> Result<Change, Refusal> {
    wanted.pool.owned_by(caller)?;
    match offer.state {
        OfferState::Lapsed => return Err(Refusal::Lapsed),
        state if !state.is_undecided() => return Err(Refusal::State(state)),
        _ => {}
    }
    let mut writes = Vec::new();
    if offer.record.hold_until != 0 && offer.record.hold_until != until.millis() {
        // Its clock goes with it: who holds again and again has one, as everybody.
        let before = records::time(Table::Offer, offer.record.hold_until)?;
        writes.push(clockwork::forget(before, Due::HoldEnds(offer.id)));
    }
    if pool_of(&offer)?.is_some_and(|before| before != wanted.pool) {
        release_hold(snapshot, &mut writes, &mut offer)?;
    }
    let state = PoolState::load(snapshot, &wanted.pool)?;
    let mut state = state.ok_or(Refusal::NotFound)?;
    let room = state.beds.hold(claim(&offer, wanted)?, until)?;
    writes.push(state.put(snapshot));
    offer.record.pool = wanted.pool.pool.to_string();
    offer.record.room = room.map(|room| room.to_string()).unwrap_or_default();
    offer.record.places = wanted.places;
    offer.record.hold_until = until.millis();
    writes.push(schedule(until, Due::HoldEnds(offer.id)));
    let mut change = snapshot.change();
    while_undecided(&mut change, &offer);
    writes.push(offer.put(snapshot.now, false));
    change.writes = writes;
    let decision = Decision::PlacesHeld {
        offer: offer.id.to_string(),
        pool: offer.record.pool.clone(),
        room: named(&offer.record.room),
        places: wanted.places,
        until: until.millis(),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    Ok(change)
}

fn claim<'a>(offer: &OfferView, wanted: &'a Wanted) -> Result<Claim<'a>, Refusal> {
    Ok(Claim {
        offer: offer.id,
        party: offer.party()?,
        room: wanted.room.as_ref(),
        places: wanted.places,
    })
}

fn named(room: &str) -> Option<String> {
    (!room.is_empty()).then(|| room.to_owned())
}

/// Writes down that a hold ran out, and rings its house. Whoever looked in between saw the places free already.
pub(in crate::exchange) fn hold_ended(
    snapshot: &mut Snapshot<'_>,
    at: Timestamp,
    id: OfferId,
) -> Result<Option<Change>, Refusal> {
    let offer = OfferView::load(snapshot, id)?;
    let mut offer = offer.ok_or_else(|| records::corrupt(Table::Deadline))?;
    // Taken, released, or held anew until later: nothing is left to do. One past its own time lapses by another clock.
    if offer.record.hold_until != at.millis() || !offer.state.is_undecided() {
        return Ok(None);
    }
    let pool = pool_of(&offer)?.ok_or_else(|| records::corrupt(Table::Offer))?;
    let mut writes = Vec::new();
    release_hold(snapshot, &mut writes, &mut offer)?;
    writes.push(offer.put(snapshot.now, false));
    let mut change = snapshot.change();
    change.writes = writes;
    let decision = Decision::HoldEnded {
        offer: id.to_string(),
    };
    change.entries.push(snapshot.entry(Actor::Router, decision));
    change.doorbells.push(Doorbell {
        agency: pool.agency.clone(),
        resource: pool.to_string(),
        kind: EventKind::Places,
    });
    Ok(Some(change))
}

/// Moves the places as the offer moved.
pub(super) fn follow(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    offer: &mut OfferView,
    effect: PlacesEffect,
    wanted: Option<&Wanted>,
    writes: &mut Vec<Write>,
) -> Result<(), Refusal> {
    match effect {
        PlacesEffect::None => return Ok(()),
        PlacesEffect::ReleaseHeld => return release_hold(snapshot, writes, offer),
        PlacesEffect::Take => return take(snapshot, caller, offer, wanted, writes),
        PlacesEffect::Occupy | PlacesEffect::ReleaseTaken | PlacesEffect::Leave => {}
    }
    let Some(name) = pool_of(offer)? else {
        return Ok(());
    };
    let state = PoolState::load(snapshot, &name)?;
    let mut state = state.ok_or_else(|| records::corrupt(Table::Pool))?;
    let places = offer.record.places;
    match effect {
        PlacesEffect::Occupy => state.beds.occupy(places)?,
        PlacesEffect::ReleaseTaken => state.beds.release_taken(offer.id, places)?,
        PlacesEffect::Leave => state.beds.leave(offer.id, places)?,
        PlacesEffect::None | PlacesEffect::ReleaseHeld | PlacesEffect::Take => {}
    }
    writes.push(state.put(snapshot));
    Ok(())
}

/// Takes places for an acceptance: from the hold, if it still runs, or else from the pool that was named.
fn take(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    offer: &mut OfferView,
    wanted: Option<&Wanted>,
    writes: &mut Vec<Write>,
) -> Result<(), Refusal> {
    if let Some(name) = pool_of(offer)? {
        let state = PoolState::load(snapshot, &name)?;
        let mut state = state.ok_or_else(|| records::corrupt(Table::Pool))?;
        let places = state.beds.take_held(offer.id);
        if places > 0 {
            offer.record.places = places;
            offer.record.hold_until = 0;
            writes.push(state.put(snapshot));
            return Ok(());
        }
    }
    forget(offer);
    let Some(wanted) = wanted else {
        return Ok(());
    };
    wanted.pool.owned_by(caller)?;
    let state = PoolState::load(snapshot, &wanted.pool)?;
    let mut state = state.ok_or(Refusal::NotFound)?;
    let room = state.beds.take(claim(offer, wanted)?)?;
    offer.record.pool = wanted.pool.pool.to_string();
    offer.record.room = room.map(|room| room.to_string()).unwrap_or_default();
    offer.record.places = wanted.places;
    writes.push(state.put(snapshot));
    Ok(())
}

fn forget(offer: &mut OfferView) {
    offer.record.pool.clear();
    offer.record.room.clear();
    offer.record.places = 0;
    offer.record.hold_until = 0;
}

/// The entry about places that an acceptance took; none for a service without places.
pub(super) fn taken(
    snapshot: &Snapshot<'_>,
    caller: &Caller,
    offer: &OfferView,
) -> Option<EntryDraft> {
    let record = &offer.record;
    if record.places == 0 {
        return None;
    }
    let decision = Decision::PlacesTaken {
        offer: offer.id.to_string(),
        pool: record.pool.clone(),
        room: named(&record.room),
        places: record.places,
        staff: caller.staff().as_str().to_owned(),
    };
    Some(snapshot.entry_by(caller, decision))
}

/// The person moved out: the places are prepared for the next, and the offer stays as it is.
pub(super) fn check_out(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    mut offer: OfferView,
) -> Result<Change, Refusal> {
    if offer.state != OfferState::InProgress {
        return Err(Refusal::State(offer.state));
    }
    let places = offer.record.places;
    let name = pool_of(&offer)?.ok_or(Refusal::NoPlaces)?;
    let mut writes = Vec::new();
    follow(
        snapshot,
        caller,
        &mut offer,
        PlacesEffect::Leave,
        None,
        &mut writes,
    )?;
    forget(&mut offer);
    writes.push(offer.put(snapshot.now, false));
    let mut change = snapshot.change();
    change.writes = writes;
    let decision = Decision::CheckedOut {
        offer: offer.id.to_string(),
        pool: name.pool.to_string(),
        places,
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    Ok(change)
}
