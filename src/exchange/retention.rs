//! How long decisions can be opened: for the time in the members' protocol, and never before an auditor has replayed
//! them.
//!
//! Whole months end together, since the decisions of a month share one key. First tombstones of all their openings, in
//! steps; then, a month later, the key. What later acts stand on has no such end ([`Decision::outlives_retention`]).

use super::basis::{STATEMENT_BYTES_MAX, statement_refusal, text};
use super::receipt::broken;
use super::sequencer::{EntryDraft, Published};
use super::snapshot::{DAY_MILLIS, Prepared, Snapshot, own};
use super::{Exchange, Receipt, Refusal, Requested, SKEW};
use crate::domain::id::AgencyId;
use crate::domain::protocol::Protocol;
use crate::domain::time::Timestamp;
use crate::envelope::watermark::Watermark;
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Entry;
use crate::ledger::hash::Hash;
use crate::ledger::proof;
use crate::storage::embedded::month_of;
use crate::storage::engine::{Table, Write};
use crate::storage::records::log::{CounterRecord, WatermarkRecord};
use crate::storage::records::{self, Record, key};
use std::sync::Arc;

/// Openings ended in one step: their tombstone fits an entry.
const STEP_MAX: usize = 1_000;

fn prepare(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    auditor: &AgencyId,
    requested: &Requested,
    token: &[u8],
    published: &Published,
) -> Result<Prepared<()>, Refusal> {
    const BAD: Refusal = Refusal::InvalidField("statement");
    own(caller, auditor)?;
    let agency = snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(auditor, requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    if token.len() > STATEMENT_BYTES_MAX {
        return Err(BAD);
    }
    let signer = snapshot.signer_of(&agency, token)?;
    let watermark =
        Watermark::parse(token, signer).map_err(|error| statement_refusal(error, BAD))?;
    let before = snapshot.get::<WatermarkRecord>(key::WATERMARK.to_vec())?;
    let before = before.map_or(0, |record| record.upto);
    let size = published.edge.size();
    let origin = published.checkpoint.lines().next();
    let meant = Some(watermark.origin.as_str()) == origin
        && watermark.issued <= snapshot.now.plus(SKEW)
        && (1..=size).contains(&watermark.upto);
    if !meant {
        return Err(BAD);
    }
    if watermark.upto <= before {
        return Err(Refusal::WatermarkBehind(before));
    }
    // What was replayed must be this log, and no other that its operator showed the auditor.
    let (edge, tiles) = (&published.edge, published.tiles.as_ref());
    let proof = proof::consistency(edge, tiles, watermark.upto, size).map_err(broken)?;
    let replayed = Hash::from_bytes(watermark.root);
    proof::verify_consistency(watermark.upto, size, &replayed, &edge.root(), &proof)
        .map_err(|_| BAD)?;
    let mut change = snapshot.change();
    let record = WatermarkRecord {
        upto: watermark.upto,
    };
    change.writes.push(record.put(key::WATERMARK.to_vec()));
    let decision = Decision::WatermarkRecorded {
        statement: text(token)?,
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    snapshot.remember(&mut change, auditor, requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

/// The entry at `index`.
fn entry_at(snapshot: &Snapshot<'_>, index: u64) -> Result<Entry, Refusal> {
    let stored = snapshot
        .shared
        .engine
        .get(Table::Entry, &key::index(index))?;
    let stored = stored.ok_or(Refusal::Internal)?;
    Ok(Entry::parse(&stored.value).map_err(|_| records::corrupt(Table::Entry))?)
}

/// The first of `size` entries that is not older than `month`.
fn first_of(snapshot: &Snapshot<'_>, month: u32, size: u64) -> Result<u64, Refusal> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        if month_of(entry_at(snapshot, middle)?.at.seconds()) < month {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// What stays when the rest ends.
#[derive(Clone, Copy)]
struct Stays {
    /// The first month.
    month: u32,
    /// Its first entry.
    bound: u64,
}

/// What stays; none when nothing ends.
fn plan(snapshot: &mut Snapshot<'_>) -> Result<Option<Stays>, Refusal> {
    let record = snapshot.peek::<WatermarkRecord>(key::WATERMARK)?;
    let Some(watermark) = record.map(|record| record.upto) else {
        return Ok(None);
    };
    let protocol = snapshot.protocol()?;
    let Some(days) = protocol.protocol.as_ref().map(Protocol::retention_days) else {
        return Ok(None);
    };
    let size = snapshot.shared.engine.head().size;
    let cutoff = snapshot.now.millis() - i64::from(days) * DAY_MILLIS;
    let cutoff = Timestamp::from_millis(cutoff).ok_or(Refusal::Internal)?;
    let mut month = month_of(cutoff.seconds());
    let mut bound = first_of(snapshot, month, size)?;
    if bound > watermark {
        // Nobody has replayed so far: only the months before the first that was not replayed whole.
        month = month_of(entry_at(snapshot, watermark)?.at.seconds());
        bound = first_of(snapshot, month, size)?;
    }
    Ok((bound > 0).then_some(Stays { month, bound }))
}

/// Buries the next openings that end; gives whether there were any, and what stays.
///
/// Planned anew for each step, so that it relies on the protocol: the members may agree on a longer time meanwhile.
fn bury(snapshot: &mut Snapshot<'_>) -> Result<Prepared<(bool, Option<Stays>)>, Refusal> {
    let stays = plan(snapshot)?;
    let Some(Stays { bound, .. }) = stays else {
        return Ok(Prepared::Again((false, None), Vec::new()));
    };
    let done = snapshot.get::<CounterRecord>(key::EXPIRED.to_vec())?;
    let done = done.map_or(0, |record| record.number);
    if done >= bound {
        return Ok(Prepared::Again((false, stays), Vec::new()));
    }
    let after = done.checked_sub(1).map(key::index);
    let rows = snapshot.scan(Table::Opening, b"", after.as_deref(), STEP_MAX)?;
    let mut indexes = Vec::new();
    let mut writes = Vec::new();
    let mut reached = bound;
    let is_last = rows.len() < STEP_MAX;
    for (row, _) in rows {
        let index = row.as_slice().try_into().map(u64::from_be_bytes);
        let index = index.map_err(|_| records::corrupt(Table::Opening))?;
        if index >= bound {
            break;
        }
        reached = if is_last { bound } else { index + 1 };
        if Decision::outlives_retention(entry_at(snapshot, index)?.body.event()) {
            continue;
        }
        indexes.push(index);
        writes.push(Write::Delete {
            table: Table::Opening,
            key: row,
        });
    }
    let mut change = snapshot.change();
    change.writes = writes;
    let record = CounterRecord { number: reached };
    change.writes.push(record.put(key::EXPIRED.to_vec()));
    if !indexes.is_empty() {
        change.entries.push(EntryDraft::expired(indexes));
    }
    Ok(Prepared::New(change, (true, stays), Vec::new()))
}

impl Exchange {
    /// Records a replay watermark.
    ///
    /// # Errors
    ///
    /// [`Refusal::SignatureInvalid`], [`Refusal::InvalidField`] when it is of another log or another history of this
    /// one, or is past its end; [`Refusal::WatermarkBehind`] when it goes no further than the one before.
    pub async fn record_watermark(
        &self,
        caller: &Caller,
        auditor: &AgencyId,
        requested: Requested,
        statement: Vec<u8>,
    ) -> Result<Receipt, Refusal> {
        let (by, auditor) = (caller.clone(), auditor.clone());
        let published = self.sequencer.published();
        let step = move |snapshot: &mut Snapshot<'_>| {
            prepare(snapshot, &by, &auditor, &requested, &statement, &published)
        };
        let done = self.perform_for(caller, "RecordWatermark", step).await?;
        Ok(done.single()?.1)
    }

    /// Ends the decisions that are past their retention and below the replay watermark.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`]; it is gone on with the next time.
    pub async fn expire_openings(&self) -> Result<(), Refusal> {
        let mut any = false;
        let stays = loop {
            let (more, stays) = self.perform(bury).await?.value;
            if !more {
                break stays;
            }
            any = true;
        };
        let Some(Stays { month, bound }) = stays else {
            return Ok(());
        };
        let shared = Arc::clone(&self.shared);
        // A month's key may also have sealed what came in the first moments of the next, by a clock that went back.
        let month = month.saturating_sub(1);
        // Also when nothing was left to bury: a stop between the two steps must not keep a key for ever.
        let ended = tokio::task::spawn_blocking(move || shared.engine.expire_decisions(month));
        ended.await.map_err(|_| Refusal::Internal)??;
        if any {
            tracing::info!(bound, "decisions past their retention have ended");
        }
        Ok(())
    }
}
