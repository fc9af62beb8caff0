//! The batch being built: what earlier survivors of it wrote counts as changed.

use super::change::{Change, EntryDraft, Placed, Read};
use super::tiles::StoredTiles;
use super::{Answer, SubmitError, Waiting};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Opening;
use crate::ledger::hash;
use crate::ledger::tree::Edge;
use crate::storage::engine::{Batch, StorageError, Table, Write};
use crate::storage::records::log::OpeningRecord;
use crate::storage::records::request::DoorbellRecord;
use crate::storage::records::{Record, key};
use std::collections::{BTreeMap, HashMap};

/// Doorbells kept for an agency; who resumes from before them must list.
pub const DOORBELLS_KEPT: u64 = 10_000;

/// Most indexes of one tombstone: with 16 digits each it stays below an entry's 65,535 bytes. What erases more, such as
/// the close of a referral with thousands of messages, leaves several.
pub const TOMBSTONE_INDEXES_MAX: usize = 3_000;

/// An entry's bytes, and its opening with the decision's bytes.
type Encoded = (Vec<u8>, Option<(Opening, Vec<u8>)>);

/// What a batch needs to know of the store.
pub(super) trait Versions {
    /// The version of a key as the store stands; zero for absent. `since`: see [`Change::since`].
    fn unchanged(&self, read: &Read, since: u64) -> Result<bool, StorageError>;
    /// The last number of an agency's rows in a table; zero for none.
    fn last_number(&self, table: Table, agency: &AgencyId) -> Result<u64, StorageError>;
}

/// A change that stands in the batch.
pub(super) struct Survivor {
    pub(super) answer: Answer,
    pub(super) placed: Placed,
    pub(super) entries: Vec<(Vec<u8>, Option<Opening>)>,
}

/// A batch being built.
pub(super) struct Building {
    at: Timestamp,
    pub(super) edge: Edge,
    entries: Vec<Vec<u8>>,
    writes: Vec<Write>,
    /// Keys written by survivors; the value says whether the key exists after the batch.
    pub(super) written: HashMap<(Table, Vec<u8>), bool>,
    pub(super) numbers: HashMap<(Table, AgencyId), u64>,
    pub(super) rung: BTreeMap<AgencyId, u64>,
    pub(super) survivors: Vec<Survivor>,
    /// Whether every survivor may use the headroom of a full disk.
    urgent: bool,
}

impl Building {
    /// An empty batch on top of `edge`, at `at`.
    pub(super) fn new(edge: Edge, at: Timestamp) -> Self {
        Self {
            at,
            edge,
            entries: Vec::new(),
            writes: Vec::new(),
            written: HashMap::new(),
            numbers: HashMap::new(),
            rung: BTreeMap::new(),
            survivors: Vec::new(),
            urgent: true,
        }
    }

    /// Takes a change into the batch, or answers it why not.
    pub(super) fn add(&mut self, waiting: Waiting, versions: &dyn Versions) {
        let Waiting { change, answer } = waiting;
        match self.check(&change, versions) {
            Ok(()) => self.admit(change, answer, versions),
            Err(error) => {
                let _ = answer.send(Err(error));
            }
        }
    }

    fn check(&self, change: &Change, versions: &dyn Versions) -> Result<(), SubmitError> {
        for read in &change.reads {
            let key = (read.table, read.key.clone());
            if self.written.contains_key(&key) {
                return Err(SubmitError::Stale);
            }
            match versions.unchanged(read, change.since) {
                Ok(true) => {}
                Ok(false) => return Err(SubmitError::Stale),
                Err(error) => {
                    tracing::error!(%error, "a version cannot be read");
                    return Err(SubmitError::Unavailable);
                }
            }
        }
        match change.validity {
            Some(period) if !period.contains(self.at) => Err(SubmitError::Expired),
            _ => Ok(()),
        }
    }

    /// Nothing of the change is in the batch until all of it can be.
    fn admit(&mut self, change: Change, answer: Answer, versions: &dyn Versions) {
        let placed = Placed {
            first: self.edge.size(),
            at: self.at,
        };
        let mut entries = Vec::with_capacity(change.entries.len());
        let erased = change.erased.into_vec();
        let tombstones = erased.chunks(TOMBSTONE_INDEXES_MAX);
        let tombstones = tombstones.map(|indexes| EntryDraft::erased(indexes.to_vec()));
        for draft in change.entries.into_iter().chain(tombstones) {
            let (entry, opening) = draft.at(self.at);
            match entry.encode() {
                Ok(bytes) => entries.push((bytes, opening)),
                Err(error) => {
                    tracing::error!(%error, "an entry cannot be written");
                    let _ = answer.send(Err(SubmitError::Invalid));
                    return;
                }
            }
        }
        let mut numbered = Vec::new();
        let rows = (change.rows.iter()).map(|row| (row.table, &row.agency));
        let bells = (change.doorbells.iter()).map(|bell| (Table::Doorbell, &bell.agency));
        for (table, agency) in rows.chain(bells) {
            match self.next_number(table, agency, versions) {
                Ok(number) => numbered.push(number),
                Err(error) => {
                    tracing::error!(%error, "a number cannot be read");
                    let _ = answer.send(Err(SubmitError::Unavailable));
                    return;
                }
            }
        }
        self.urgent &= change.urgent;
        let mut writes = change.writes;
        let mut numbered = numbered.into_iter();
        for (row, number) in change.rows.into_iter().zip(&mut numbered) {
            writes.push(Write::Put {
                table: row.table,
                key: key::numbered(&row.agency, number),
                value: row.value,
                life: crate::storage::engine::Life::Record,
            });
        }
        for (bell, number) in change.doorbells.into_iter().zip(numbered) {
            let record = DoorbellRecord {
                resource: bell.resource,
                kind: bell.kind.number(),
                time: self.at.millis(),
            };
            writes.push(record.put(key::numbered(&bell.agency, number)));
            if let Some(old) = number.checked_sub(DOORBELLS_KEPT) {
                writes.push(Write::Delete {
                    table: Table::Doorbell,
                    key: key::numbered(&bell.agency, old),
                });
            }
            self.rung.insert(bell.agency, number);
        }
        for late in change.late {
            writes.extend(late(placed));
        }
        self.append(entries, writes, placed, answer);
    }

    fn append(
        &mut self,
        entries: Vec<Encoded>,
        writes: Vec<Write>,
        placed: Placed,
        answer: Answer,
    ) {
        let mut kept = Vec::with_capacity(entries.len());
        for (bytes, opening) in entries {
            let index = self.edge.size();
            for tile in self.edge.append(hash::leaf(&bytes)) {
                self.writes.push(StoredTiles::put(&tile));
            }
            self.entries.push(bytes.clone());
            let opening = opening.map(|(opening, decision)| {
                let record = OpeningRecord {
                    nonce: opening.nonce.to_vec(),
                    decision,
                };
                let kept = Decision::outlives_retention(opening.decision.event());
                self.writes.push(record.put_as(key::index(index), kept));
                opening
            });
            kept.push((bytes, opening));
        }
        for write in writes {
            let (table, key, exists) = match &write {
                Write::Put { table, key, .. } => (*table, key, true),
                Write::Delete { table, key } | Write::Erase { table, key } => (*table, key, false),
            };
            if is_versioned(table) {
                self.written.insert((table, key.clone()), exists);
            }
            self.writes.push(write);
        }
        self.survivors.push(Survivor {
            answer,
            placed,
            entries: kept,
        });
    }

    fn next_number(
        &mut self,
        table: Table,
        agency: &AgencyId,
        versions: &dyn Versions,
    ) -> Result<u64, StorageError> {
        let key = (table, agency.clone());
        let last = match self.numbers.get(&key) {
            Some(&last) => last,
            None => versions.last_number(table, agency)?,
        };
        self.numbers.insert(key, last + 1);
        Ok(last + 1)
    }

    /// The batch for the store, taking what was built.
    pub(super) fn take_batch(&mut self, previous_checkpoint: &str) -> Batch {
        Batch {
            entries: std::mem::take(&mut self.entries),
            writes: std::mem::take(&mut self.writes),
            root: *self.edge.root().as_bytes(),
            previous_checkpoint: previous_checkpoint.as_bytes().to_vec(),
            urgent: self.urgent && !self.survivors.is_empty(),
        }
    }
}

/// Whether anybody relies on versions of the table's keys. The others are written once, or read by nobody who commits.
pub(super) const fn is_versioned(table: Table) -> bool {
    !matches!(
        table,
        Table::Entry
            | Table::Opening
            | Table::Tile
            | Table::Inbox
            | Table::Outbox
            | Table::Doorbell
            | Table::ChainParcel
            | Table::ParcelContent
            | Table::CaseBasis
            | Table::Deadline
            | Table::RequestDay
            | Table::MessageContent
            | Table::AlertOrder
            | Table::Met
            | Table::Disclosure
            | Table::Released
    )
}
