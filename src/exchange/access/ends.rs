//! What ends by itself: a request that nobody answered, a window that is over, a review that nobody made.

use super::request::{review_due, ring_all};
use super::view::AccessView;
use crate::domain::id::AccessId;
use crate::domain::vocabulary::AccessState;
use crate::exchange::Refusal;
use crate::exchange::sequencer::Change;
use crate::exchange::snapshot::Snapshot;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::storage::engine::{Table, Write};
use crate::storage::records::{self, key};

/// Writes down that an access has ended, and destroys what was released. None when it runs on, or that was done.
pub(in crate::exchange) fn ends(
    snapshot: &mut Snapshot<'_>,
    id: AccessId,
) -> Result<Option<Change>, Refusal> {
    let view = AccessView::load(snapshot, id)?;
    let mut view = view.ok_or_else(|| records::corrupt(Table::Deadline))?;
    let state = view.access.state(snapshot.now);
    let over = matches!(state, AccessState::Ended | AccessState::Expired);
    if view.record.ended || !over {
        return Ok(None);
    }
    view.record.ended = true;
    let decision = Decision::AccessEnded {
        access: id.to_string(),
        to: state.name().to_owned(),
    };
    if state == AccessState::Ended {
        snapshot.note_erased(view.record.released_entry);
    }
    let mut change = snapshot.change();
    change.entries.push(snapshot.entry(Actor::Router, decision));
    change.writes.push(view.put());
    if state == AccessState::Ended {
        change.writes.push(Write::Erase {
            table: Table::AccessContent,
            key: key::access(id),
        });
        review_due(snapshot, &mut change, &view)?;
    } else {
        ring_all(snapshot, &mut change, &view)?;
    }
    Ok(Some(change))
}

/// Alerts again when nobody has reviewed in time. None when somebody has.
pub(in crate::exchange) fn unreviewed(
    snapshot: &mut Snapshot<'_>,
    id: AccessId,
) -> Result<Option<Change>, Refusal> {
    let view = AccessView::load(snapshot, id)?;
    let view = view.ok_or_else(|| records::corrupt(Table::Deadline))?;
    if view.access.review.is_some() {
        return Ok(None);
    }
    let mut change = snapshot.change();
    review_due(snapshot, &mut change, &view)?;
    Ok(Some(change))
}
