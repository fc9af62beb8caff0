//! Which humans an act on an offer alerts, beside the doorbells of every act.

use super::view::OfferView;
use crate::domain::id::AgencyId;
use crate::domain::vocabulary::{AgencyKind, AlertKind};
use crate::exchange::Refusal;
use crate::exchange::alert::{Alert, raise};
use crate::exchange::event::EventKind;
use crate::exchange::sequencer::{Change, Doorbell};
use crate::exchange::snapshot::Snapshot;

/// The agencies of these kinds. Members are few, and alerts rare.
fn agencies(snapshot: &Snapshot<'_>, kinds: &[AgencyKind]) -> Result<Vec<AgencyId>, Refusal> {
    let agencies = snapshot.shared.register.agencies()?;
    let of_kind = agencies
        .into_iter()
        .filter(|agency| kinds.contains(&agency.kind));
    Ok(of_kind.map(|agency| agency.id.clone()).collect())
}

/// National oversight bodies.
pub(in crate::exchange) const OVERSIGHT: &[AgencyKind] = &[
    AgencyKind::Ombudsperson,
    AgencyKind::DataProtectionAuthority,
];

/// Alerts every agency of these kinds to what `by` did: which agency, a code and when; no person and no source.
pub(in crate::exchange) fn alert_kinds(
    snapshot: &Snapshot<'_>,
    change: &mut Change,
    kinds: &[AgencyKind],
    (kind, by, code): (AlertKind, &AgencyId, &str),
) -> Result<(), Refusal> {
    for viewer in agencies(snapshot, kinds)? {
        let alert = Alert {
            kind,
            about: String::new(),
            by: Some(by.clone()),
            code: code.to_owned(),
        };
        raise(snapshot, change, &viewer, alert);
    }
    Ok(())
}

/// Alerts the offer's source to what its recipient did.
pub(in crate::exchange) fn alert_source(
    snapshot: &Snapshot<'_>,
    change: &mut Change,
    offer: &OfferView,
    kind: AlertKind,
    code: &str,
) {
    let alert = Alert {
        kind,
        about: offer.source_name().to_string(),
        by: Some(offer.recipient.clone()),
        code: code.to_owned(),
    };
    raise(snapshot, change, &offer.source, alert);
}

/// A recipient's checks found a parcel wrong: the source and national oversight are rung and alerted.
pub(super) fn parcel_alarm(
    snapshot: &Snapshot<'_>,
    change: &mut Change,
    offer: &OfferView,
    code: &str,
) -> Result<(), Refusal> {
    change.doorbells.push(Doorbell {
        agency: offer.source.clone(),
        resource: offer.source_name().to_string(),
        kind: EventKind::Alarm,
    });
    for agency in agencies(snapshot, OVERSIGHT)? {
        change.doorbells.push(Doorbell {
            resource: format!("agencies/{agency}"),
            agency,
            kind: EventKind::Alarm,
        });
    }
    let kind = AlertKind::ParcelAlarm;
    alert_source(snapshot, change, offer, kind, code);
    alert_kinds(snapshot, change, OVERSIGHT, (kind, &offer.recipient, code))
}

/// A child is missing: the source, child protection and national oversight are alerted at once.
pub(super) fn child_missing(
    snapshot: &Snapshot<'_>,
    change: &mut Change,
    offer: &OfferView,
) -> Result<(), Refusal> {
    let kind = AlertKind::ChildMissing;
    alert_source(snapshot, change, offer, kind, "");
    let by = (kind, &offer.recipient, "");
    alert_kinds(snapshot, change, &[AgencyKind::ChildProtection], by)?;
    alert_kinds(snapshot, change, OVERSIGHT, by)
}
