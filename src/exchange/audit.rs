//! What auditors and members read of the ledger.

use super::receipt::broken;
use super::snapshot::{Prepared, Snapshot};
use super::{Exchange, Refusal};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::ledger::hash::Hash;
use crate::ledger::proof;
use crate::storage::engine::Table;
use crate::storage::records::key;
use crate::storage::records::log::OpeningRecord;

/// Most entries or openings of one reply.
pub const RUN_MAX: usize = 1_000;

/// Most bytes of one reply.
pub const RUN_BYTES_MAX: usize = 768 * 1024;

/// The opening of one entry, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOpening {
    /// Index of the entry.
    pub index: u64,
    /// Nonce; empty for entries in the clear.
    pub nonce: Vec<u8>,
    /// The decision; empty for entries in the clear.
    pub decision: Vec<u8>,
}

/// Takes from a run while the reply does not grow past [`RUN_BYTES_MAX`]; always the first.
fn fits(bytes: &mut usize, next: usize) -> bool {
    let first = *bytes == 0;
    *bytes += next + 16;
    first || *bytes <= RUN_BYTES_MAX
}

fn read_entries(snapshot: &Snapshot<'_>, start: u64, end: u64) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    for index in start..end {
        let stored = snapshot
            .shared
            .engine
            .get(Table::Entry, &key::index(index))?;
        let entry = stored.ok_or(Refusal::Internal)?.value;
        if !fits(&mut bytes, entry.len()) {
            break;
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn read_openings(
    snapshot: &Snapshot<'_>,
    start: u64,
    end: u64,
) -> Result<Vec<ReadOpening>, Refusal> {
    let mut openings = Vec::new();
    let mut bytes = 0;
    for index in start..end {
        let record = snapshot.peek::<OpeningRecord>(&key::index(index))?;
        let record = record.unwrap_or_default();
        if !fits(&mut bytes, record.decision.len() + 64) {
            break;
        }
        openings.push(ReadOpening {
            index,
            nonce: record.nonce,
            decision: record.decision,
        });
    }
    Ok(openings)
}

impl Exchange {
    /// Reads a run, and has the reading recorded before it is answered.
    async fn audited<T: Send + Clone + 'static>(
        &self,
        caller: &Caller,
        what: &'static str,
        (start, count): (u64, usize),
        read: fn(&Snapshot<'_>, u64, u64) -> Result<Vec<T>, Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        let size = self.sequencer.published().edge.size();
        let count = count.clamp(1, RUN_MAX) as u64;
        let end = start.saturating_add(count).min(size);
        let by = caller.clone();
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            let run = read(snapshot, start, end)?;
            let decision = Decision::AuditRead {
                what: what.to_owned(),
                start,
                count: run.len() as u64,
                question: None,
                staff: by.staff().as_str().to_owned(),
            };
            let mut change = snapshot.change();
            change.entries.push(snapshot.entry_by(&by, decision));
            Ok(Prepared::New(change, run, vec![0]))
        };
        Ok(self.perform(prepare).await?.value)
    }

    /// A run of entries. The reading has an entry of its own, durable before the answer.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn entries(
        &self,
        caller: &Caller,
        start: u64,
        count: usize,
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        self.audited(caller, "entries", (start, count), read_entries)
            .await
    }

    /// A run of openings. The reading has an entry of its own, durable before the answer.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn openings(
        &self,
        caller: &Caller,
        start: u64,
        count: usize,
    ) -> Result<Vec<ReadOpening>, Refusal> {
        self.audited(caller, "openings", (start, count), read_openings)
            .await
    }

    /// That entry `index` is in the tree of `size` leaves.
    ///
    /// # Errors
    ///
    /// [`Refusal::OutOfRange`].
    pub async fn prove_inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, Refusal> {
        let published = self.sequencer.published();
        self.read(move |_| {
            proof::inclusion(&published.edge, published.tiles.as_ref(), index, size).map_err(broken)
        })
        .await
    }

    /// That the tree of `old` leaves begins the tree of `new` leaves.
    ///
    /// # Errors
    ///
    /// [`Refusal::OutOfRange`].
    pub async fn prove_consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, Refusal> {
        let published = self.sequencer.published();
        self.read(move |_| {
            proof::consistency(&published.edge, published.tiles.as_ref(), old, new).map_err(broken)
        })
        .await
    }
}
