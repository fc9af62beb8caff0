//! Asking: the alarm is in the ledger before anything else happens.

use super::view::{AccessView, Standing, oversees, refused};
use crate::domain::break_glass::{APPROVE_WITHIN, Access};
use crate::domain::gate::GATE_VERSION;
use crate::domain::id::{AccessId, AgencyId};
use crate::domain::label::LabelSet;
use crate::domain::time::Period;
use crate::domain::vocabulary::{AccessReason, AccessState, AlertKind};
use crate::exchange::alert::{self, Alert};
use crate::exchange::clockwork::{self, Due};
use crate::exchange::directory::is_visible;
use crate::exchange::event::EventKind;
use crate::exchange::offer::view::OfferView;
use crate::exchange::sequencer::{Change, Doorbell, Row};
use crate::exchange::snapshot::{Prepared, Snapshot, remembered};
use crate::exchange::{AccessName, OfferName, Refusal, Requested};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::Table;
use crate::storage::records::access::{AccessListRecord, AccessRecord, OfferAccessRecord};
use crate::storage::records::{self, Record, key};

/// Most break-glass requests of one offer, over its whole life: each wakes three agencies.
const ACCESSES_PER_OFFER_MAX: u32 = 8;

pub(super) fn prepare(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &OfferName,
    requested: &Requested,
    (reason, labels): (AccessReason, LabelSet),
) -> Result<Prepared<AccessName>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again(remembered(&record, 0)?, record.indexes));
    }
    let offer = OfferView::of_recipient(snapshot, name)?;
    let standing = Standing::of(snapshot, &offer)?;
    let view = snapshot.protocol()?;
    let protocol = view.in_force()?;
    let (now, until) = (snapshot.now, snapshot.now.plus(APPROVE_WITHIN));
    let parties = (offer.recipient.clone(), offer.source.clone());
    let access = Access::request(
        parties,
        reason,
        labels,
        &standing.ground(protocol),
        (now, until),
    )
    .map_err(|refusal| refused(refusal, offer.state))?;
    let mut of_offer = one_at_a_time(snapshot, name)?;

    let id = AccessId::from_random(snapshot.shared.random());
    of_offer.last = id.to_string();
    of_offer.count += 1;
    let line = protocol.duty_line().cloned();
    let record = AccessRecord {
        requester: access.requester.to_string(),
        source: access.source.to_string(),
        offer: name.offer.to_string(),
        reason: reason.name().to_owned(),
        labels: labels.iter().map(|label| label.to_string()).collect(),
        requested: now.millis(),
        until: until.millis(),
        line: line.as_ref().map(ToString::to_string).unwrap_or_default(),
        ..AccessRecord::default()
    };
    let decision = Decision::AccessRequested {
        access: id.to_string(),
        offer: name.offer.to_string(),
        reason: record.reason.clone(),
        labels: record.labels.clone(),
        until: record.until,
        protocol: protocol.version(),
        gate: GATE_VERSION,
        staff: caller.staff().as_str().to_owned(),
    };
    let mut change = snapshot.change();
    change.within(Period { from: now, until });
    change.entries.push(snapshot.entry_by(caller, decision));
    change.writes.push(record.put(key::access(id)));
    change.writes.push(of_offer.put(key::offer(name.offer)));
    change
        .writes
        .push(clockwork::schedule(until, Due::AccessEnds(id)));
    let access = AccessView::parse(id, record)?;
    let viewers = viewers(snapshot, &access)?;
    for viewer in &viewers {
        let row = AccessListRecord {
            access: id.to_string(),
        };
        change.rows.push(Row {
            table: Table::AccessList,
            agency: viewer.clone(),
            value: prost::Message::encode_to_vec(&row),
        });
    }
    alert_all(
        snapshot,
        &mut change,
        &access,
        &viewers,
        AlertKind::BreakGlass,
    )?;
    let name = access.name(caller.agency());
    let names = vec![name.to_string()];
    snapshot.remember(&mut change, caller.agency(), requested, names, &[0], 0);
    Ok(Prepared::New(change, name, vec![0]))
}

/// What the offer had before: no other request may still run, and there are only so many.
fn one_at_a_time(
    snapshot: &mut Snapshot<'_>,
    name: &OfferName,
) -> Result<OfferAccessRecord, Refusal> {
    let record = snapshot.get::<OfferAccessRecord>(key::offer(name.offer))?;
    let record = record.unwrap_or_default();
    if let Some(last) = records::optional(Table::OfferAccess, &record.last)? {
        let last = AccessView::load(snapshot, last)?;
        let last = last.ok_or_else(|| records::corrupt(Table::OfferAccess))?;
        match last.access.state(snapshot.now) {
            state @ (AccessState::Requested | AccessState::Approved | AccessState::Released) => {
                return Err(Refusal::Access(state));
            }
            AccessState::Ended
            | AccessState::Reviewed
            | AccessState::Refused
            | AccessState::Expired => {}
        }
    }
    if record.count >= ACCESSES_PER_OFFER_MAX {
        return Err(Refusal::TooMany);
    }
    Ok(record)
}

/// Everybody who is shown the request: who asks, the source, the national duty officer, national oversight.
fn viewers(snapshot: &Snapshot<'_>, access: &AccessView) -> Result<Vec<AgencyId>, Refusal> {
    let mut viewers = vec![
        access.access.requester.clone(),
        access.access.source.clone(),
    ];
    viewers.extend(access.line.clone());
    for agency in snapshot.shared.register.agencies()? {
        if oversees(agency.kind) {
            viewers.push(agency.id.clone());
        }
    }
    let mut once: Vec<AgencyId> = Vec::with_capacity(viewers.len());
    for viewer in viewers {
        if !once.contains(&viewer) {
            once.push(viewer);
        }
    }
    Ok(once)
}

/// Alerts everybody but who asks, and rings all of them. Break-glass is rare, viewers are few.
pub(super) fn alert_all(
    snapshot: &Snapshot<'_>,
    change: &mut Change,
    access: &AccessView,
    viewers: &[AgencyId],
    kind: AlertKind,
) -> Result<(), Refusal> {
    let requester = &access.access.requester;
    for viewer in viewers {
        let name = access.name(viewer).to_string();
        change.doorbells.push(Doorbell {
            agency: viewer.clone(),
            resource: name.clone(),
            kind: EventKind::Access,
        });
        if viewer == requester {
            continue;
        }
        let register = &snapshot.shared.register;
        let known = *viewer == access.access.source
            || match (register.agency(viewer)?, register.agency(requester)?) {
                (Some(viewer), Some(requester)) => is_visible(viewer.kind, &requester),
                _ => false,
            };
        let alert = Alert {
            kind,
            about: name,
            by: known.then(|| requester.clone()),
            code: access.access.reason.name().to_owned(),
        };
        alert::raise(snapshot, change, viewer, alert);
    }
    Ok(())
}

/// Rings everybody who is shown the request.
pub(super) fn ring_all(
    snapshot: &Snapshot<'_>,
    change: &mut Change,
    access: &AccessView,
) -> Result<(), Refusal> {
    for viewer in viewers(snapshot, access)? {
        change.doorbells.push(Doorbell {
            resource: access.name(&viewer).to_string(),
            agency: viewer,
            kind: EventKind::Access,
        });
    }
    Ok(())
}

/// Alerts that a review is due: the source, the national duty officer and oversight.
pub(super) fn review_due(
    snapshot: &Snapshot<'_>,
    change: &mut Change,
    access: &AccessView,
) -> Result<(), Refusal> {
    let viewers = viewers(snapshot, access)?;
    alert_all(snapshot, change, access, &viewers, AlertKind::ReviewDue)
}
