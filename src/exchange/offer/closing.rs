//! What a first acceptance closes.

use super::moves::close;
use super::view::OfferView;
use crate::domain::offer::OfferCommand;
use crate::exchange::Refusal;
use crate::exchange::sequencer::{Doorbell, EntryDraft};
use crate::exchange::snapshot::Snapshot;
use crate::exchange::turn;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::storage::engine::{Table, Write};
use crate::storage::records::referral::ReferralRecord;
use crate::storage::records::{self, key};

/// Entries of an acceptance come in multiples of this, ticks for those that there are not: the
/// acceptance, its places, one
/// for each of at most three others that are asked, one for all who wait, be it for their turn or on a list, and the
/// tombstone of what was sealed for them. The one that accepts must not read off its receipt how many others there were
/// (invariant 22).
const ACCEPTANCE_ENTRIES: usize = 7;

/// Entries of an act that ends a turn: the act, at most three others that are asked then, and one for all who are not
/// any more, or the alert that nobody is left, and the tombstone. The one that says no must not
/// read off its receipt what
/// follows.
const TURN_ENTRIES: usize = 6;

/// Ticks until an acceptance shows nothing of what it closed.
pub(super) fn pad_acceptance(entries: &mut Vec<EntryDraft>, erases: bool) {
    pad(entries, erases, ACCEPTANCE_ENTRIES);
}

/// Ticks until the end of a turn shows nothing of what follows.
pub(super) fn pad_turn(entries: &mut Vec<EntryDraft>, erases: bool) {
    pad(entries, erases, TURN_ENTRIES);
}

/// `erases`: the sequencer will put a tombstone behind them.
fn pad(entries: &mut Vec<EntryDraft>, erases: bool, step: usize) {
    while !(entries.len() + usize::from(erases)).is_multiple_of(step) {
        entries.push(EntryDraft::tick());
    }
}

/// Closes the other offers of the referral that `accepted` is of.
pub(super) fn siblings(
    snapshot: &mut Snapshot<'_>,
    accepted: &OfferView,
    (writes, entries, doorbells): (&mut Vec<Write>, &mut Vec<EntryDraft>, &mut Vec<Doorbell>),
) -> Result<(), Refusal> {
    let row = key::referral(&accepted.source, accepted.referral);
    let referral = snapshot.get::<ReferralRecord>(row)?;
    let referral = referral.ok_or_else(|| records::corrupt(Table::Referral))?;
    let now = snapshot.now;
    let mut together = Vec::new();
    for offer in turn::offers(snapshot, &referral, now)? {
        if offer.id == accepted.id || !offer.state.is_open() {
            continue;
        }
        // Whoever asks on from a list has had its turn: beside those whose turn it is, it would make more entries.
        let asked = offer.state.can_lapse() && !offer.record.turn_over;
        let id = offer.id;
        let mut closed = close(snapshot, offer, &OfferCommand::Close)?;
        writes.append(&mut closed.writes);
        doorbells.append(&mut closed.doorbells);
        if asked {
            entries.append(&mut closed.entries);
        } else {
            together.push(id.to_string());
        }
    }
    if !together.is_empty() {
        let decision = Decision::OffersClosed { offers: together };
        entries.push(snapshot.entry(Actor::Router, decision));
    }
    Ok(())
}
