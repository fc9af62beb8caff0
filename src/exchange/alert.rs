//! Alerts: that a human of one agency must look, and that somebody has.
//!
//! An alert is its viewer's own: a random id, its own names, and nothing that another agency's alert of the same act
//! has in common with it (R3). It says what happened in codes, never to whom.

use super::event::EventKind;
use super::sequencer::{Change, Doorbell, Row};
use super::snapshot::{Prepared, Snapshot, own};
use super::{AlertName, Exchange, Page, Paged, Receipt, Refusal, Requested};
use crate::domain::deadline::CLOCK_STEP;
use crate::domain::id::{AgencyId, AlertId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::AlertKind;
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::storage::engine::Table;
use crate::storage::records::alert::{AlertOrderRecord, AlertRecord};
use crate::storage::records::{self, Record, key};

/// What an alert says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alert {
    /// Kind.
    pub(super) kind: AlertKind,
    /// The viewer's own resource name; empty for none.
    pub(super) about: String,
    /// Agency that caused it, if the viewer may know.
    pub(super) by: Option<AgencyId>,
    /// Coded words, separated by slashes; empty for none.
    pub(super) code: String,
}

/// The viewer's view of one alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertView {
    /// The viewer's name of it.
    pub name: AlertName,
    /// Kind.
    pub kind: AlertKind,
    /// The viewer's own resource name; empty for none.
    pub about: String,
    /// Agency that caused it, if the viewer may know.
    pub by: Option<AgencyId>,
    /// Coded words, separated by slashes.
    pub code: String,
    /// When it was raised, to the minute: one act may alert several agencies.
    pub raised: Timestamp,
    /// Whether somebody has taken it.
    pub acknowledged: bool,
}

/// Raises an alert with `change`: a record, an entry behind those of the change, a doorbell.
///
/// Call it after the change's own entries are pushed: receipts are counted from the first.
pub(super) fn raise(
    snapshot: &Snapshot<'_>,
    change: &mut Change,
    viewer: &AgencyId,
    alert: Alert,
) -> AlertId {
    let id = AlertId::from_random(snapshot.shared.random());
    let decision = Decision::AlertRaised {
        alert: id.to_string(),
        viewer: viewer.to_string(),
        kind: alert.kind.name().to_owned(),
    };
    let record = AlertRecord {
        kind: alert.kind.name().to_owned(),
        about: alert.about,
        by: alert.by.map(|by| by.to_string()).unwrap_or_default(),
        code: alert.code,
        raised: snapshot.now.millis(),
        acknowledged: 0,
    };
    let order = AlertOrderRecord {
        alert: id.to_string(),
    };
    let name = AlertName {
        agency: viewer.clone(),
        alert: id,
    };
    change.entries.push(snapshot.entry(Actor::Router, decision));
    change.writes.push(record.put(key::alert(viewer, id)));
    change.rows.push(Row {
        table: Table::AlertOrder,
        agency: viewer.clone(),
        value: prost::Message::encode_to_vec(&order),
    });
    change.doorbells.push(Doorbell {
        agency: viewer.clone(),
        resource: name.to_string(),
        kind: EventKind::Alert,
    });
    id
}

fn view(name: AlertName, record: AlertRecord) -> Result<AlertView, Refusal> {
    const TABLE: Table = Table::Alert;
    Ok(AlertView {
        name,
        kind: records::word(TABLE, &record.kind)?,
        by: records::optional(TABLE, &record.by)?,
        raised: records::time(TABLE, record.raised)?.coarse(CLOCK_STEP),
        acknowledged: record.acknowledged != 0,
        about: record.about,
        code: record.code,
    })
}

fn prepare_acknowledge(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &AlertName,
    requested: &Requested,
) -> Result<Prepared<()>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let row = key::alert(&name.agency, name.alert);
    let record = snapshot.get::<AlertRecord>(row.clone())?;
    let mut record = record.ok_or(Refusal::NotFound)?;
    if record.acknowledged != 0 {
        return Err(Refusal::AlreadyTaken);
    }
    record.acknowledged = snapshot.now.millis();
    let mut change = snapshot.change();
    change.writes.push(record.put(row));
    let decision = Decision::AlertAcknowledged {
        alert: name.alert.to_string(),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

impl Exchange {
    /// A viewer's alerts, in the order raised.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] for a page token that is not ours.
    pub async fn alerts(
        &self,
        caller: &Caller,
        viewer: &AgencyId,
        page: Page,
    ) -> Result<Paged<AlertView>, Refusal> {
        own(caller, viewer)?;
        let viewer = viewer.clone();
        self.read(move |snapshot| {
            let tokens = &snapshot.shared.tokens;
            let after = tokens.read("alerts", &viewer, &page.token)?;
            let prefix = key::of_agency(&viewer);
            let after = after.as_deref();
            let rows = snapshot.scan(Table::AlertOrder, &prefix, after, page.size + 1)?;
            let more = rows.len() > page.size;
            let mut items = Vec::with_capacity(page.size);
            let mut next = String::new();
            for (row, stored) in rows.into_iter().take(page.size) {
                let id = AlertOrderRecord::from_stored(&stored)?.alert;
                let id: AlertId = records::word(Table::AlertOrder, &id)?;
                let record = snapshot.peek::<AlertRecord>(&key::alert(&viewer, id))?;
                let record = record.ok_or_else(|| records::corrupt(Table::AlertOrder))?;
                let name = AlertName {
                    agency: viewer.clone(),
                    alert: id,
                };
                items.push(view(name, record)?);
                if more {
                    next = tokens.make("alerts", &viewer, &row);
                }
            }
            Ok(Paged { items, next })
        })
        .await
    }

    /// Takes an alert: what would have escalated it does not.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::AlreadyTaken`].
    pub async fn acknowledge_alert(
        &self,
        caller: &Caller,
        name: &AlertName,
        requested: Requested,
    ) -> Result<Receipt, Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            prepare_acknowledge(snapshot, &by, &name, &requested)
        };
        let done = self
            .perform_for(caller, "AcknowledgeAlert", prepare)
            .await?;
        Ok(done.single()?.1)
    }
}
