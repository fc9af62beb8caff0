//! Approving, refusing and reviewing: by somebody outside the asking agency.

use super::request::ring_all;
use super::view::{AccessView, member, oversees, party, person, refused};
use crate::domain::break_glass::RELEASE_WITHIN;
use crate::domain::time::{Period, Timestamp};
use crate::domain::vocabulary::{AccessFinding, OfferState};
use crate::exchange::clockwork::{self, Due};
use crate::exchange::snapshot::{Prepared, Snapshot};
use crate::exchange::{AccessName, Refusal, Requested};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;

/// What somebody outside says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Say {
    /// Yes.
    Approve,
    /// No.
    Refuse,
    /// What the review found.
    Review(AccessFinding),
}

pub(super) fn prepare(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &AccessName,
    requested: &Requested,
    say: Say,
) -> Result<Prepared<()>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let mut view = AccessView::of_viewer(snapshot, name, caller)?;
    let requester = member(snapshot, &view.access.requester)?;
    let parties = (
        &party(snapshot, &requester.id)?,
        &party(snapshot, caller.agency())?,
    );
    let (by, now) = (person(caller), snapshot.now);
    let ends = view.access.ends();
    let staff = caller.staff().as_str().to_owned();
    let access = view.id.to_string();
    // The offer's state has no part in these acts.
    let no = |refusal| refused(refusal, OfferState::Closed);
    let decision = match say {
        Say::Approve => {
            let until = now.plus(RELEASE_WITHIN);
            let line = view.line.clone();
            view.access
                .answer(parties, by, line.as_ref(), Some(until), now)
                .map_err(no)?;
            view.record.release_by = until.millis();
            let until = until.millis();
            Decision::AccessApproved {
                access,
                until,
                staff,
            }
        }
        Say::Refuse => {
            let line = view.line.clone();
            view.access
                .answer(parties, by, line.as_ref(), None, now)
                .map_err(no)?;
            Decision::AccessRefused { access, staff }
        }
        Say::Review(finding) => {
            let may = oversees(caller.kind());
            view.access
                .review(parties, &by, may, finding, now)
                .map_err(no)?;
            view.record.finding = finding.name().to_owned();
            Decision::AccessReviewed {
                access,
                finding: finding.name().to_owned(),
                staff,
            }
        }
    };
    let mut change = snapshot.change();
    change.entries.push(snapshot.entry_by(caller, decision));
    if !matches!(say, Say::Review(_)) {
        view.record.answered_by = caller.agency().to_string();
        view.record.answered_staff = caller.staff().as_str().to_owned();
        // An answer that comes after the request's time is none.
        change.within(Period {
            from: now,
            until: ends.unwrap_or(Timestamp::MAX),
        });
    }
    if let Say::Approve = say {
        let until = view.access.ends().unwrap_or(now);
        let due = clockwork::schedule(until, Due::AccessEnds(view.id));
        change.writes.push(due);
    }
    change.writes.push(view.put());
    ring_all(snapshot, &mut change, &view)?;
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}
