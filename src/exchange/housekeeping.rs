//! What the exchange does by itself: ticks, digests, lapses, sweeps.

use super::event::EventKind;
use super::offer::view::OfferView;
use super::sequencer::{Change, Doorbell, EntryDraft};
use super::snapshot::{DAY_MILLIS, Prepared, Snapshot};
use super::{Exchange, Refusal};
use crate::domain::offer::OfferCommand;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::OfferState;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::storage::engine::{Table, Write};
use crate::storage::records::offer::OfferRecord;
use crate::storage::records::{self, key};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// How often an entry makes freshness visible.
pub const TICK_EVERY: Duration = Duration::from_secs(10 * 60);

/// How often the directory is digested again although nothing changed, and what is old is swept.
pub const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// How often offers past their time are looked for, and withdrawals whose clean-up was cut off.
pub const LAPSE_EVERY: Duration = Duration::from_secs(15);

/// Days that a request is remembered: 30, and the day it was made in.
pub const REQUEST_DAYS: i64 = 31;

/// Rows looked at in one step.
const STEP_MAX: usize = 256;

/// Who an entry says acted, where nobody of the staff did.
const NOBODY: &str = "router";

fn prepare_lapse(snapshot: &mut Snapshot<'_>, row: &[u8]) -> Result<Prepared<()>, Refusal> {
    let parts = key::split_deadline(row);
    let (due, id) = parts.ok_or_else(|| records::corrupt(Table::Deadline))?;
    let forget = Write::Delete {
        table: Table::Deadline,
        key: row.to_vec(),
    };
    let record = snapshot.get::<OfferRecord>(key::offer(id))?;
    let record = record.ok_or_else(|| records::corrupt(Table::Deadline))?;
    let written: OfferState = records::word(Table::Offer, &record.state)?;
    // A moment before its time the offer still stands as it is written.
    let just_before = due.minus(Duration::from_millis(1));
    let mut offer = OfferView::parse(id, record, just_before)?;
    if !written.can_lapse() {
        let mut change = snapshot.change();
        change.writes.push(forget);
        return Ok(Prepared::New(change, (), Vec::new()));
    }
    let mut writes = vec![forget];
    offer.apply(&OfferCommand::Lapse)?;
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
    Ok(Prepared::New(change, (), Vec::new()))
}

impl Exchange {
    /// Writes a tick.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn tick(&self) -> Result<(), Refusal> {
        let change = Change {
            entries: vec![EntryDraft::tick()],
            ..Change::default()
        };
        self.submit(change).await.map(|_| ())
    }

    /// Writes down the offers whose time ran out, and tells both sides; gives how many deadlines passed.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn lapse_due(&self) -> Result<usize, Refusal> {
        let mut passed = 0;
        loop {
            let due = self.read(|snapshot| {
                let rows = snapshot.scan(Table::Deadline, b"", None, STEP_MAX)?;
                let is_due = |at: Timestamp| at <= snapshot.now;
                let rows = rows.into_iter().map(|(row, _)| row);
                let due = rows
                    .take_while(|row| key::split_deadline(row).is_none_or(|(at, _)| is_due(at)));
                Ok(due.collect::<Vec<_>>())
            });
            let due = due.await?;
            if due.is_empty() {
                return Ok(passed);
            }
            for row in due {
                let step = move |snapshot: &mut Snapshot<'_>| prepare_lapse(snapshot, &row);
                let _ = self.perform(step).await?;
                passed += 1;
            }
        }
    }

    /// Forgets requests that were remembered long enough; gives how many.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn sweep_requests(&self) -> Result<usize, Refusal> {
        let mut swept = 0;
        loop {
            let step = |snapshot: &mut Snapshot<'_>| {
                let today = snapshot.now.millis() / DAY_MILLIS;
                let oldest = u32::try_from(today - REQUEST_DAYS).unwrap_or(0);
                let rows = snapshot.scan(Table::RequestDay, b"", None, STEP_MAX)?;
                let mut change = snapshot.change();
                let mut count = 0;
                for (row, _) in rows {
                    let Some((day, request)) = row.split_at_checked(4) else {
                        return Err(records::corrupt(Table::RequestDay).into());
                    };
                    if day >= oldest.to_be_bytes().as_slice() {
                        break;
                    }
                    count += 1;
                    change.writes.push(Write::Delete {
                        table: Table::Request,
                        key: request.to_vec(),
                    });
                    change.writes.push(Write::Delete {
                        table: Table::RequestDay,
                        key: row,
                    });
                }
                if count == 0 {
                    return Ok(Prepared::Again(0, Vec::new()));
                }
                Ok(Prepared::New(change, count, Vec::new()))
            };
            match self.perform(step).await?.value {
                0 => return Ok(swept),
                count => swept += count,
            }
        }
    }

    /// Keeps house until nothing can be committed any more; run it as a task and abort it to let the exchange go.
    pub async fn keep_house(self: Arc<Self>) {
        let now = Instant::now();
        let mut tick = interval_at(now, TICK_EVERY);
        let mut sweep = interval_at(now + SWEEP_EVERY, SWEEP_EVERY);
        let mut lapse = interval_at(now, LAPSE_EVERY);
        for timer in [&mut tick, &mut sweep, &mut lapse] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let mut fatal = self.fatal();
        loop {
            let done = tokio::select! {
                _ = tick.tick() => self.tick().await,
                _ = lapse.tick() => {
                    // Whoever withdrew may have hung up between the withdrawal and the end of its clean-up.
                    let cleaned = self.resume().await;
                    self.lapse_due().await.and(cleaned)
                }
                _ = sweep.tick() => self.sweep().await,
                _ = fatal.changed() => return,
            };
            if let Err(refusal) = done {
                tracing::warn!(%refusal, "house could not be kept; it is tried again");
            }
        }
    }

    /// Digests the directory again and forgets what is old.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn sweep(&self) -> Result<(), Refusal> {
        self.publish_digest(true).await?;
        self.record_counted_denials().await?;
        self.sweep_requests().await.map(|_| ())
    }
}
