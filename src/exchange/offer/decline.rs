//! Declining: who is alerted, and when a second person must confirm.

use super::alarms::{OVERSIGHT, alert_kinds};
use super::view::OfferView;
use crate::domain::vocabulary::{AlertKind, DeclineReason, Decliner};
use crate::exchange::Refusal;
use crate::exchange::alert::{Alert, raise};
use crate::exchange::sequencer::Change;
use crate::exchange::snapshot::Snapshot;
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;

/// Whether `caller` only proposes to decline: OTHER, and nobody else has proposed it before.
///
/// # Errors
///
/// [`Refusal::NeedsSecondPerson`] when the same person asks again.
pub(super) fn is_proposal(
    caller: &Caller,
    offer: &OfferView,
    reason: DeclineReason,
) -> Result<bool, Refusal> {
    if reason != DeclineReason::Other || !offer.state.is_undecided() {
        return Ok(false);
    }
    match offer.record.proposed_by.as_str() {
        "" => Ok(true),
        first if first == caller.staff().as_str() => Err(Refusal::NeedsSecondPerson),
        _ => Ok(false),
    }
}

/// As [`is_proposal`], for all that are still to be decided on of a group: one person proposes for all of them, so that
/// whoever confirms has another before them for each.
///
/// # Errors
///
/// [`Refusal::NeedsSecondPerson`] when the same person asks again.
pub(in crate::exchange) fn is_group_proposal(
    caller: &Caller,
    members: &[OfferView],
    reason: DeclineReason,
) -> Result<bool, Refusal> {
    let mut proposes = false;
    let mut again = reason == DeclineReason::Other;
    for offer in members {
        match is_proposal(caller, offer, reason) {
            Ok(first) => {
                proposes |= first;
                again = false;
            }
            // Proposed for this one already, and not yet for all.
            Err(Refusal::NeedsSecondPerson) => proposes = true,
            Err(refusal) => return Err(refusal),
        }
    }
    if again {
        return Err(Refusal::NeedsSecondPerson);
    }
    Ok(proposes)
}

/// Writes down who proposes; the offer stays as it is and its clock runs.
pub(in crate::exchange) fn propose(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    mut offer: OfferView,
    decliner: Decliner,
) -> Change {
    caller
        .staff()
        .as_str()
        .clone_into(&mut offer.record.proposed_by);
    let decision = Decision::DeclineProposed {
        offer: offer.id.to_string(),
        decliner: decliner.name().to_owned(),
        staff: caller.staff().as_str().to_owned(),
    };
    let mut change = snapshot.change();
    change.writes.push(offer.put(snapshot.now, false));
    change.entries.push(snapshot.entry_by(caller, decision));
    super::moves::while_undecided(&mut change, &offer);
    change
}

/// A reason for which nobody may be declined alerts oversight, and the supervisor of the agency itself: which agency,
/// the code and when; no person and no source (R12).
pub(super) fn alert(
    snapshot: &Snapshot<'_>,
    change: &mut Change,
    offer: &OfferView,
    reason: DeclineReason,
) -> Result<(), Refusal> {
    if !reason.alerts_oversight() {
        return Ok(());
    }
    let kind = AlertKind::AlertingDecline;
    let own = Alert {
        kind,
        about: String::new(),
        by: Some(offer.recipient.clone()),
        code: reason.name().to_owned(),
    };
    raise(snapshot, change, &offer.recipient, own);
    let by = (kind, &offer.recipient, reason.name());
    alert_kinds(snapshot, change, OVERSIGHT, by)
}
