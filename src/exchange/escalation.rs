//! What is due of an offer or a referral: reminders, lapses, turns, and the duty line when nobody acts.

use super::alert::{Alert, raise};
use super::directory::is_visible;
use super::event::EventKind;
use super::offer::alarms::alert_source;
use super::offer::moves::Closed;
use super::offer::view::OfferView;
use super::sequencer::{Change, Doorbell};
use super::snapshot::Snapshot;
use super::turn::{self, Over, Why};
use super::{ReferralName, Refusal};
use crate::domain::id::{AgencyId, AlertId, OfferId, ReferralId};
use crate::domain::offer::OfferCommand;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AgencyKind, AlertKind, OfferState};
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::storage::engine::Table;
use crate::storage::records::alert::AlertRecord;
use crate::storage::records::offer::OfferRecord;
use crate::storage::records::referral::ReferralRecord;
use crate::storage::records::{self, Record, key};
use std::time::Duration;

/// Who an entry says acted, where nobody of the staff did.
const NOBODY: &str = "router";

/// The offer as it stood a moment before `at`: one that lapses then has not lapsed yet.
fn before(snapshot: &mut Snapshot<'_>, at: Timestamp, id: OfferId) -> Result<OfferView, Refusal> {
    let record = snapshot.get::<OfferRecord>(key::offer(id))?;
    let record = record.ok_or_else(|| records::corrupt(Table::Deadline))?;
    OfferView::parse(id, record, at.minus(Duration::from_millis(1)))
}

/// A candidate has not acknowledged: it is reminded, and its source is alerted.
pub(super) fn acknowledge(
    snapshot: &mut Snapshot<'_>,
    at: Timestamp,
    id: OfferId,
) -> Result<Option<Change>, Refusal> {
    let offer = before(snapshot, at, id)?;
    if offer.state != OfferState::Offered {
        return Ok(None);
    }
    let mut change = reminder(snapshot, at, &offer);
    alert_source(
        snapshot,
        &mut change,
        &offer,
        AlertKind::NotAcknowledged,
        "",
    );
    Ok(Some(change))
}

/// A candidate's time to decide is running out.
pub(super) fn remind(
    snapshot: &mut Snapshot<'_>,
    at: Timestamp,
    id: OfferId,
) -> Result<Option<Change>, Refusal> {
    let offer = before(snapshot, at, id)?;
    if !offer.state.can_lapse() {
        return Ok(None);
    }
    Ok(Some(reminder(snapshot, at, &offer)))
}

fn reminder(snapshot: &mut Snapshot<'_>, at: Timestamp, offer: &OfferView) -> Change {
    let decision = Decision::OfferReminded {
        offer: offer.id.to_string(),
        due: at.millis(),
    };
    let mut change = snapshot.change();
    change.entries.push(snapshot.entry(Actor::Router, decision));
    change.doorbells.push(Doorbell {
        agency: offer.recipient.clone(),
        resource: offer.recipient_name().to_string(),
        kind: EventKind::Reminder,
    });
    change
}

/// A candidate's time to decide is over: the offer lapses, or its place on a waiting list no longer holds up the next.
pub(super) fn lapse(
    snapshot: &mut Snapshot<'_>,
    at: Timestamp,
    id: OfferId,
) -> Result<Option<Change>, Refusal> {
    let mut offer = before(snapshot, at, id)?;
    // A clock that was set anew rings again later.
    if !turn::has_turn(&offer) || offer.decide_by > at {
        return Ok(None);
    }
    let source = offer.source.clone();
    let over = Over {
        source: &source,
        referral: offer.referral,
        offer: id,
        at,
        why: Why::NoAnswer,
    };
    let waits = offer.state == OfferState::Waitlisted;
    let closed = if waits {
        offer.record.turn_over = true;
        Closed {
            writes: vec![offer.put(snapshot.now, false)],
            entries: Vec::new(),
            doorbells: Vec::new(),
        }
    } else {
        lapsed(snapshot, offer)?
    };
    let next = turn::after(snapshot, &over)?;
    let mut change = snapshot.change();
    change.writes = closed.writes;
    change.entries = closed.entries;
    change.doorbells = closed.doorbells;
    next.add_to(snapshot, &mut change);
    Ok(Some(change))
}

/// What writes down that an offer, as it stood before, has lapsed.
pub(super) fn lapsed(snapshot: &mut Snapshot<'_>, mut offer: OfferView) -> Result<Closed, Refusal> {
    offer.apply(&OfferCommand::Lapse)?;
    let mut writes = Vec::new();
    super::place::release_hold(snapshot, &mut writes, &mut offer)?;
    writes.extend(snapshot.erase_parcels(&offer)?);
    writes.push(offer.put(snapshot.now, true));
    let decision = Decision::OfferMoved {
        offer: offer.id.to_string(),
        to: offer.state.name().to_owned(),
        reason: None,
        decliner: None,
        outcome: None,
        staff: NOBODY.to_owned(),
    };
    let names = [offer.source_name(), offer.recipient_name()];
    let doorbells = names.map(|name| Doorbell {
        agency: name.agency.clone(),
        resource: name.to_string(),
        kind: EventKind::OfferChanged,
    });
    Ok(Closed {
        writes,
        entries: vec![snapshot.entry(Actor::Router, decision)],
        doorbells: doorbells.into(),
    })
}

/// The source has not acted on a referral without a place: the duty line is rung, which hears who, for what and how
/// soon, and nothing of the case. Without a duty line the source is alerted once more.
pub(super) fn supervisor(
    snapshot: &mut Snapshot<'_>,
    at: Timestamp,
    source: &AgencyId,
    referral: ReferralId,
) -> Result<Option<Change>, Refusal> {
    let row = key::referral(source, referral);
    let record = snapshot.get::<ReferralRecord>(row.clone())?;
    let mut record = record.ok_or_else(|| records::corrupt(Table::Deadline))?;
    if record.supervisor_by != at.millis() || turn::is_ended(&record) || record.unplaced == 0 {
        return Ok(None);
    }
    let alert: AlertId = records::word(Table::Referral, &record.alert)?;
    let told = snapshot.get::<AlertRecord>(key::alert(source, alert))?;
    if told.is_some_and(|alert| alert.acknowledged != 0) {
        return Ok(None);
    }
    // A waiting list may have had a place after all.
    let offers = turn::offers(snapshot, &record, at)?;
    if offers.iter().any(turn::is_place) {
        return Ok(None);
    }
    let protocol = snapshot.protocol()?;
    let line = protocol
        .protocol
        .as_ref()
        .and_then(|it| it.duty_line())
        .cloned();
    let line = match line {
        Some(line) => snapshot.agency(&line)?,
        None => None,
    };
    // A line that may not know the source is as none: it would learn of a house by being rung.
    let known = snapshot.agency(source)?;
    let knows = |line: &AgencyKind| known.as_ref().is_some_and(|known| is_visible(*line, known));
    let line = line.filter(|line| knows(&line.kind));
    let line = line.map(|line| line.id.clone());
    record.supervisor_by = 0;
    let mut change = snapshot.change();
    change.writes.push(record.put(row));
    let decision = Decision::Escalated {
        source: source.to_string(),
        referral: referral.to_string(),
        line: line.as_ref().map(ToString::to_string),
        due: at.millis(),
    };
    change.entries.push(snapshot.entry(Actor::Router, decision));
    let about = ReferralName {
        agency: source.clone(),
        referral,
    };
    let (viewer, about) = match line {
        Some(line) if line != *source => (line, String::new()),
        _ => (source.clone(), about.to_string()),
    };
    let alert = Alert {
        kind: AlertKind::Unplaced,
        about,
        by: Some(source.clone()),
        code: turn::asked_for(&record),
    };
    raise(snapshot, &mut change, &viewer, alert);
    Ok(Some(change))
}
