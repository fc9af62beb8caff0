//! What must be asked or looked at again after a basis was recorded: a clock each, and an alert to the source.

use super::BasisName;
use super::Refusal;
use super::alert::{Alert, raise};
use super::clockwork::{Due, schedule};
use super::sequencer::Change;
use super::snapshot::Snapshot;
use crate::domain::basis::Basis;
use crate::domain::id::{AgencyId, BasisChainId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AlertKind, BasisKind};
use crate::storage::engine::Write;
use std::time::Duration;

/// How soon a person who was asked through a companion or a child is asked again, alone (R8).
pub const ASK_AGAIN_WITHIN: Duration = Duration::from_secs(24 * 60 * 60);

/// The clocks that recording `basis` at `now` starts.
pub(super) fn clocks(basis: &Basis, now: Timestamp) -> Vec<Write> {
    let mut clocks = Vec::new();
    if basis.asked_through_companion() {
        let due = Due::AskAgain(basis.source.clone(), basis.chain);
        clocks.push(schedule(now.plus(ASK_AGAIN_WITHIN), due));
    }
    if basis.kind == BasisKind::VitalInterest {
        // Somebody was told without being asked: when the emergency is over, somebody looks at whether it was one.
        let due = Due::BasisReview(basis.source.clone(), basis.chain);
        clocks.push(schedule(basis.expires().max(now), due));
    }
    clocks
}

fn alert(
    snapshot: &mut Snapshot<'_>,
    source: &AgencyId,
    chain: BasisChainId,
    kind: AlertKind,
) -> Change {
    let name = BasisName {
        agency: source.clone(),
        chain,
    };
    let mut change = snapshot.change();
    let alert = Alert {
        kind,
        about: name.to_string(),
        by: None,
        code: String::new(),
    };
    raise(snapshot, &mut change, source, alert);
    change
}

/// The time to ask again is over: the source is alerted, unless the person was asked alone since, or took it back.
pub(super) fn ask_again(
    snapshot: &mut Snapshot<'_>,
    source: &AgencyId,
    chain: BasisChainId,
) -> Result<Option<Change>, Refusal> {
    let head = snapshot.basis(source, chain)?;
    let basis = head.and_then(|head| head.basis);
    let asked_alone = |basis: &Basis| basis.asked_alone && !basis.asked_through_companion();
    if basis.is_none_or(|basis| asked_alone(&basis)) {
        return Ok(None);
    }
    let kind = AlertKind::AskAgainAlone;
    Ok(Some(alert(snapshot, source, chain, kind)))
}

/// An emergency is over: the source looks at what was disclosed on it.
pub(super) fn review(
    snapshot: &mut Snapshot<'_>,
    source: &AgencyId,
    chain: BasisChainId,
) -> Change {
    alert(snapshot, source, chain, AlertKind::ReviewDue)
}
