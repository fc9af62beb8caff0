//! What is due: every clock of the exchange is a row that says when, what kind and of what.
//!
//! A row is written with the change that starts its clock and deleted with the change that it leads to. What is due is
//! done strictly in the order of its time, one change after another, so that a router that was down catches up as it
//! would have run. A clock that has nothing left to do when it rings is only forgotten.

use super::event::EventKind;
use super::offer::view::OfferView;
use super::sequencer::{Change, Doorbell};
use super::snapshot::{Prepared, Snapshot};
use super::{Exchange, Refusal};
use crate::domain::id::OfferId;
use crate::domain::offer::OfferCommand;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::OfferState;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::storage::engine::{Table, Write};
use crate::storage::records::offer::{DeadlineRecord, OfferRecord};
use crate::storage::records::{self, Record, key};
use std::time::Duration;

/// Who an entry says acted, where nobody of the staff did.
pub(super) const NOBODY: &str = "router";

/// Something that is due at a time of its own. The numbers are on disk: never reuse one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Due {
    /// 1: an offer's time to decide is over.
    Lapse(OfferId),
}

impl Due {
    fn number_and_id(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Lapse(offer) => (1, key::offer(*offer)),
        }
    }

    fn parse(number: u8, id: &[u8]) -> Option<Self> {
        Some(match number {
            1 => Self::Lapse(key::split_offer(id)?),
            _ => return None,
        })
    }
}

/// The write that has `due` done at `at`.
pub(super) fn schedule(at: Timestamp, due: Due) -> Write {
    let (number, id) = due.number_and_id();
    DeadlineRecord {}.put(key::deadline(at, number, &id))
}

/// The write that forgets what was scheduled.
#[allow(dead_code, reason = "clocks that are set anew forget the old")]
pub(super) fn forget(at: Timestamp, due: Due) -> Write {
    let (number, id) = due.number_and_id();
    Write::Delete {
        table: Table::Deadline,
        key: key::deadline(at, number, &id),
    }
}

/// Each noun's own: what is due of it at `at`, as a change; none when there is nothing left to do.
///
/// `at` is the time that was set, `snapshot.now` the later one at which it is done.
fn dispatch(
    snapshot: &mut Snapshot<'_>,
    at: Timestamp,
    due: Due,
) -> Result<Option<Change>, Refusal> {
    match due {
        Due::Lapse(offer) => lapse(snapshot, at, offer),
    }
}

fn prepare(snapshot: &mut Snapshot<'_>, row: &[u8]) -> Result<Prepared<()>, Refusal> {
    let broken = || records::corrupt(Table::Deadline);
    let (at, number, id) = key::split_deadline(row).ok_or_else(broken)?;
    let due = Due::parse(number, id).ok_or_else(broken)?;
    let mut change = match dispatch(snapshot, at, due)? {
        Some(change) => change,
        None => snapshot.change(),
    };
    change.writes.push(Write::Delete {
        table: Table::Deadline,
        key: row.to_vec(),
    });
    Ok(Prepared::New(change, (), Vec::new()))
}

fn lapse(
    snapshot: &mut Snapshot<'_>,
    at: Timestamp,
    id: OfferId,
) -> Result<Option<Change>, Refusal> {
    let record = snapshot.get::<OfferRecord>(key::offer(id))?;
    let record = record.ok_or_else(|| records::corrupt(Table::Deadline))?;
    let written: OfferState = records::word(Table::Offer, &record.state)?;
    // A clock that was set anew rings again later.
    if !written.can_lapse() || record.decide_by > at.millis() {
        return Ok(None);
    }
    // A moment before its time the offer still stands as it is written.
    let mut offer = OfferView::parse(id, record, at.minus(Duration::from_millis(1)))?;
    offer.apply(&OfferCommand::Lapse)?;
    let mut writes = Vec::new();
    super::place::release_hold(snapshot, &mut writes, &mut offer)?;
    writes.extend(offer.erase_parcels());
    writes.push(offer.put(snapshot.now, true));
    let decision = Decision::OfferMoved {
        offer: id.to_string(),
        to: offer.state.name().to_owned(),
        reason: None,
        decliner: None,
        outcome: None,
        staff: NOBODY.to_owned(),
    };
    let mut change = snapshot.change();
    change.writes = writes;
    change.entries.push(snapshot.entry(Actor::Router, decision));
    for name in [offer.source_name(), offer.recipient_name()] {
        change.doorbells.push(Doorbell {
            agency: name.agency.clone(),
            resource: name.to_string(),
            kind: EventKind::OfferChanged,
        });
    }
    Ok(Some(change))
}

impl Exchange {
    /// Does everything that is due, in the order of its time; gives how much that was.
    ///
    /// What cannot be done because of something broken is logged, left for the next run and does not hold up the rest:
    /// one bad record must not stop every clock.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`]; the rest is done by the next run.
    pub async fn run_due(&self) -> Result<usize, Refusal> {
        let _alone = self.due.lock().await;
        let mut done = 0;
        let mut broken: usize = 0;
        loop {
            let skipped = broken;
            let next = self.read(move |snapshot| {
                // What a step schedules may be due before what was scheduled already: looked at anew each time.
                let rows = snapshot.scan(Table::Deadline, b"", None, skipped + 1)?;
                let row = rows.into_iter().nth(skipped).map(|(row, _)| row);
                let due = |row: &Vec<u8>| {
                    key::split_deadline(row).is_none_or(|(at, _, _)| at <= snapshot.now)
                };
                Ok(row.filter(due))
            });
            let Some(row) = next.await? else {
                return Ok(done);
            };
            let step = move |snapshot: &mut Snapshot<'_>| prepare(snapshot, &row);
            match self.perform(step).await {
                Ok(_) => done += 1,
                Err(refusal @ Refusal::Unavailable) => return Err(refusal),
                Err(refusal) => {
                    tracing::error!(alarm = true, %refusal, "something due cannot be done");
                    broken += 1;
                }
            }
        }
    }
}
