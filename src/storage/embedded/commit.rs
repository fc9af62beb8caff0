//! Commits: plan, encrypt, append, show, erase, hand to the index.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError};

use super::Shared;
use super::cipher::{self, Binding};
use super::frame::{Draft, HEADER_BYTES};
use super::index::{Applied, Meta};
use super::journal::{Journal, is_full};
use super::keyring::{Key, Slot};
use super::payload::{self, Facts, Kept, Put};
use super::read::row_key;
use crate::storage::engine::{Batch, Head, Life, StorageError, Table, Write};
use crate::storage::limits;

/// Longest frame that may use the headroom of a full disk, in bytes, if its batch is urgent.
///
/// Whoever groups operations tries them one by one after a refusal.
const URGENT_BYTES_MAX: u64 = 64 << 10;

/// What commits change; behind one lock.
pub(super) struct Writer {
    pub(super) journal: Journal,
    /// As of the last commit; the index may be behind.
    pub(super) meta: Meta,
    /// When the last batch was written, for sealing an idle journal.
    pub(super) last_commit: std::time::Instant,
}

type Planned<'a> = Vec<(Vec<u8>, Option<Put<'a>>)>;

/// A batch with its keys taken and its values encrypted.
struct Plan<'a> {
    writes: Planned<'a>,
    erased: Vec<u64>,
    facts: Facts,
}

impl Shared {
    pub(super) fn commit(&self, batch: &Batch) -> Result<Head, StorageError> {
        limits::check(batch)?;
        self.commit_erasing(&mut self.writer(), batch, Vec::new())
    }

    pub(super) fn expire_decisions(&self, month: u32) -> Result<usize, StorageError> {
        let mut writer = self.writer();
        let slots: Vec<u64> = writer
            .meta
            .months
            .range(..month)
            .map(|(_, slot)| *slot)
            .collect();
        if !slots.is_empty() {
            let batch = Batch {
                root: writer.meta.head.root,
                ..Batch::default()
            };
            self.commit_erasing(&mut writer, &batch, slots.clone())?;
        }
        Ok(slots.len())
    }

    /// Commits `batch` and destroys the keys in `erased` besides those that it asks for.
    fn commit_erasing(
        &self,
        writer: &mut Writer,
        batch: &Batch,
        erased: Vec<u64>,
    ) -> Result<Head, StorageError> {
        writer.journal.check()?;
        if self
            .queue
            .wait_for_room(self.options.backlog_changes_max)
            .is_err()
        {
            return Err(writer.journal.fail("the index cannot be written"));
        }
        let plan = self.plan(writer, batch, erased)?;
        let mut draft = Draft::with_capacity(size_hint(batch));
        let Plan {
            writes,
            erased,
            facts,
        } = &plan;
        payload::encode(
            &mut draft,
            facts,
            &batch.previous_checkpoint,
            &batch.entries,
            writes,
            erased,
        );
        let is_urgent = draft.frame_bytes() <= URGENT_BYTES_MAX
            && (batch.urgent || batch.entries.is_empty() && !erased.is_empty());
        let (payload_bytes, number) = (draft.payload().len(), writer.meta.head.batches + 1);
        let (segment, begin, frame) = writer.journal.append(draft, is_urgent)?;
        // Durable from here on: what fails now fails the store.
        let body = frame
            .get(HEADER_BYTES..HEADER_BYTES + payload_bytes)
            .unwrap_or_default();
        let Some(payload) = payload::parse(body, number, segment, begin, &self.cluster) else {
            return Err(writer.journal.fail("a frame does not read back"));
        };
        let applied = Arc::new(Applied {
            facts: payload.facts,
            changes: payload.changes,
            erased: payload.erased,
            begin,
            end: writer.journal.position,
        });
        writer.meta.advance(&applied);
        writer.last_commit = std::time::Instant::now();
        self.overlay
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .show(&applied);
        if !applied.erased.is_empty()
            && let Err(error) = self.keyring.erase(&applied.erased)
        {
            return Err(writer.journal.fail(error));
        }
        // Only now, so that the index never counts a batch as done whose erasures are not.
        self.queue.push(applied);
        self.ask_steward(writer);
        Ok(writer.meta.head)
    }

    /// Asks for a segment or keys to be made before they are needed.
    fn ask_steward(&self, writer: &Writer) {
        let current = writer.journal.segment.number;
        let segment = (writer.journal.wants_next()
            && self.segments.find(current.saturating_add(1)).is_none())
        .then_some(current);
        let reserve = writer
            .meta
            .next_slot
            .saturating_add(self.options.chunk_slots / 2);
        let slot = (self.keyring.last() < reserve).then_some(reserve);
        if segment.is_some() || slot.is_some() {
            self.wants.ask(segment, slot);
        }
    }

    fn plan<'a>(
        &self,
        writer: &mut Writer,
        batch: &'a Batch,
        mut erased: Vec<u64>,
    ) -> Result<Plan<'a>, StorageError> {
        let mut last = HashMap::with_capacity(batch.writes.len());
        for (index, write) in batch.writes.iter().enumerate() {
            last.insert(place(write), index);
        }
        let head = writer.meta.head;
        let version = head.batches + 1;
        let mut slots = Slots {
            shared: self,
            next: writer.meta.next_slot,
            month: None,
        };
        let mut writes = Planned::with_capacity(last.len());
        for (index, write) in batch.writes.iter().enumerate() {
            let (table, key) = place(write);
            // Later writes of a batch win; what they replace never reaches the disk.
            if last.get(&(table, key)) != Some(&index) {
                continue;
            }
            if table == Table::Entry {
                return Err(StorageError::Refused(
                    "entries are not written by key".to_owned(),
                ));
            }
            let key = row_key(table, key);
            // Content that is replaced or deleted is erased as well: afterwards nothing would know its slot.
            if writer.meta.may_hold_content(&key)
                && let Some(old) = self.find(&key)?.filter(|old| old.is_content())
            {
                erased.push(old.slot);
            }
            let Write::Put { value, life, .. } = write else {
                writes.push((key, None));
                continue;
            };
            let put = match slots.put(writer, version, &key, value, *life) {
                Ok(put) => put,
                Err(error) if is_full(&error) => {
                    return Err(StorageError::Refused(
                        "no space is left for keys".to_owned(),
                    ));
                }
                Err(error) => return Err(writer.journal.fail(error)),
            };
            writes.push((key, Some(put)));
        }
        let (month, decision_slot) = slots.month.map_or((0, 0), |(month, slot, _)| (month, slot));
        let size = head.size + batch.entries.len() as u64;
        let facts = Facts {
            old_size: head.size,
            size,
            root: batch.root,
            month,
            decision_slot,
            next_slot: slots.next,
        };
        Ok(Plan {
            writes,
            erased,
            facts,
        })
    }
}

/// Takes slots for one batch. Those of a batch that is refused are taken again by the next.
struct Slots<'s> {
    shared: &'s Shared,
    next: u64,
    /// Month, slot and key of this batch's decisions.
    month: Option<(u32, u64, Key)>,
}

impl Slots<'_> {
    fn take(&mut self) -> io::Result<(u64, Key)> {
        let (slot, key) = self.shared.keyring.take(self.next)?;
        self.next = slot + 1;
        Ok((slot, key))
    }

    fn put<'a>(
        &mut self,
        writer: &Writer,
        version: u64,
        key: &[u8],
        value: &'a [u8],
        life: Life,
    ) -> io::Result<Put<'a>> {
        let (kept, slot, secret) = match life {
            Life::Record => {
                return Ok(Put {
                    kept: Kept::Plain,
                    slot: 0,
                    bytes: Cow::Borrowed(value),
                });
            }
            Life::Decision => {
                let (slot, secret) = self.of_month(writer)?;
                (Kept::Decision, slot, secret)
            }
            Life::Content => {
                let (slot, secret) = self.take()?;
                (Kept::Content, slot, secret)
            }
        };
        let binding = Binding {
            key,
            version,
            slot,
            kept,
        };
        let sealed = cipher::seal(&secret, &binding, value)
            .map_err(|_| io::Error::other("a value could not be encrypted"))?;
        Ok(Put {
            kept,
            slot,
            bytes: Cow::Owned(sealed),
        })
    }

    fn of_month(&mut self, writer: &Writer) -> io::Result<(u64, Key)> {
        if let Some((_, slot, secret)) = &self.month {
            return Ok((*slot, secret.clone()));
        }
        let month = (self.shared.options.month)();
        let known = writer.meta.months.get(&month).copied();
        let found = match known
            .map(|slot| self.shared.keyring.read(slot))
            .transpose()?
        {
            Some(Slot::Ready(secret)) => known.map(|slot| (slot, secret)),
            _ => None,
        };
        let (slot, secret) = match found {
            Some(found) => found,
            None => self.take()?,
        };
        self.month = Some((month, slot, secret.clone()));
        Ok((slot, secret))
    }
}

fn place(write: &Write) -> (Table, &[u8]) {
    match write {
        Write::Put { table, key, .. }
        | Write::Delete { table, key }
        | Write::Erase { table, key } => (*table, key),
    }
}

fn size_hint(batch: &Batch) -> usize {
    let entries: usize = batch.entries.iter().map(|entry| entry.len() + 4).sum();
    let writes = batch.writes.iter().map(|write| match write {
        Write::Put { key, value, .. } => key.len() + value.len() + 64,
        Write::Delete { key, .. } | Write::Erase { key, .. } => key.len() + 64,
    });
    entries + writes.sum::<usize>() + batch.previous_checkpoint.len() + 256
}
