//! What the exchange does by itself and by the hour: ticks, digests, sweeps. What is due at a time of its own is
//! `clockwork`'s.

use super::sequencer::{Change, EntryDraft};
use super::snapshot::{DAY_MILLIS, Prepared, Snapshot};
use super::{Exchange, Refusal};
use crate::storage::engine::{Table, Write};
use crate::storage::records;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// How often an entry makes freshness visible.
pub const TICK_EVERY: Duration = Duration::from_secs(10 * 60);

/// How often the directory is digested again although nothing changed, and what is old is swept.
pub const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// How often what is due is looked for, and withdrawals whose clean-up was cut off.
pub const DUE_EVERY: Duration = Duration::from_secs(15);

/// Days that a request is remembered: 30, and the day it was made in.
pub const REQUEST_DAYS: i64 = 31;

/// Rows looked at in one step.
const STEP_MAX: usize = 256;

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
        let mut due = interval_at(now, DUE_EVERY);
        for timer in [&mut tick, &mut sweep, &mut due] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let mut fatal = self.fatal();
        loop {
            let done = tokio::select! {
                _ = tick.tick() => {
                    let ticked = self.tick().await;
                    ticked.and(self.record_failures().await)
                }
                _ = due.tick() => {
                    // Whoever withdrew may have hung up between the withdrawal and the end of its clean-up. That comes
                    // first: a withdrawal counts from its own entry, so no clock may ring for an offer that it ends,
                    // nor ask the next one to open what has no basis. What lapsed before the withdrawal is left to its
                    // own clock, and that which lapsed after it is written down without one.
                    let cleaned = self.resume().await;
                    self.run_due().await.and(cleaned)
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
        self.sweep_attachments().await?;
        self.expire_openings().await?;
        self.sweep_requests().await.map(|_| ())
    }
}
