//! Reads: place by overlay and index, bytes by the journal, key by the keyring.

use std::ops::Bound;
use std::sync::{PoisonError, RwLockReadGuard};

use super::Shared;
use super::cipher::{self, Binding};
use super::keyring::Slot;
use super::overlay::{Found, Overlay};
use super::payload::{Kept, Location};
use crate::storage::engine::{Head, StorageError, Stored, Table};

/// What became of a value between finding and reading it.
enum Fetched {
    Value(Stored),
    /// Its decisions' month is over.
    Expired,
    /// Its key is gone: it must have been erased since it was found.
    Erased,
}

impl Shared {
    fn overlay(&self) -> RwLockReadGuard<'_, Overlay> {
        self.overlay.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn head(&self) -> Head {
        self.overlay().head
    }

    /// Where the value of `key` (table first) lies.
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<Location>, StorageError> {
        let row = self.cluster.inward(key.to_vec());
        self.overlay().find(&self.tree, &row)
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Stored>, StorageError> {
        let key = row_key(table, key);
        let find = |_: Option<&[u8]>| Ok(self.find(&key)?.map(|location| (key.clone(), location)));
        self.read_one(find)
    }

    pub(super) fn last(
        &self,
        table: Table,
        prefix: &[u8],
    ) -> Result<Option<(Vec<u8>, Stored)>, StorageError> {
        let prefix = self.row_place(table, prefix);
        let lower = Bound::Included(prefix.clone());
        let mut upper = Bound::Excluded(successor(&prefix));
        let mut again = None;
        loop {
            let found = self
                .overlay()
                .range(&self.tree, lower.clone(), upper.clone(), 1, true)?;
            let Some((key, location)) = found.into_iter().next() else {
                return Ok(None);
            };
            let known = self.cluster.outward(key.clone());
            match self.fetch(&known, &location)? {
                Fetched::Value(stored) => return Ok(Some((bare(known), stored))),
                Fetched::Expired => upper = Bound::Excluded(key),
                Fetched::Erased => once_more(&mut again, &location)?,
            }
        }
    }

    pub(super) fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Stored)>, StorageError> {
        let prefix = self.row_place(table, prefix);
        let lower = match after.map(|after| self.row_place(table, after)) {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix.clone()),
        };
        let upper = Bound::Excluded(successor(&prefix));
        let mut again = None;
        'whole: loop {
            let mut rows = Vec::new();
            let mut lower = lower.clone();
            loop {
                let wanted = limit - rows.len();
                let found: Vec<Found> =
                    self.overlay()
                        .range(&self.tree, lower, upper.clone(), wanted, false)?;
                let is_last = found.len() < wanted;
                let mut reached = None;
                for (key, location) in found {
                    let known = self.cluster.outward(key.clone());
                    match self.fetch(&known, &location)? {
                        Fetched::Value(stored) => rows.push((bare(known), stored)),
                        Fetched::Expired => {}
                        Fetched::Erased => {
                            // All of a batch or nothing: begin again rather than mix two states.
                            once_more(&mut again, &location)?;
                            continue 'whole;
                        }
                    }
                    reached = Some(key);
                }
                match reached {
                    Some(key) if !is_last && rows.len() < limit => lower = Bound::Excluded(key),
                    _ => return Ok(rows),
                }
            }
        }
    }

    /// Where the index keeps a key, or what begins with it.
    fn row_place(&self, table: Table, key: &[u8]) -> Vec<u8> {
        self.cluster.inward(row_key(table, key))
    }

    fn read_one(
        &self,
        find: impl Fn(Option<&[u8]>) -> Result<Option<Found>, StorageError>,
    ) -> Result<Option<Stored>, StorageError> {
        let mut again = None;
        loop {
            let Some((key, location)) = find(None)? else {
                return Ok(None);
            };
            match self.fetch(&key, &location)? {
                Fetched::Value(stored) => return Ok(Some(stored)),
                Fetched::Expired => return Ok(None),
                Fetched::Erased => once_more(&mut again, &location)?,
            }
        }
    }

    fn fetch(&self, key: &[u8], location: &Location) -> Result<Fetched, StorageError> {
        let Location {
            segment,
            offset,
            version,
            ..
        } = *location;
        let damaged =
            |what: &str| StorageError::Corrupt(format!("{what} in segment {segment} at {offset}"));
        let file = self
            .segments
            .find(segment)
            .ok_or_else(|| damaged("no value"))?;
        let mut bytes = vec![0; location.bytes as usize];
        if let Err(error) = file.file.read_exact_at(&mut bytes, u64::from(offset)) {
            return Err(damaged(&format!("an unreadable value ({error})")));
        }
        if crc32fast::hash(&bytes) != location.crc {
            return Err(damaged("a damaged value"));
        }
        if location.kept == Kept::Plain {
            return Ok(Fetched::Value(Stored {
                version,
                value: bytes,
            }));
        }
        let slot = location.slot;
        let read = self.keyring.read(slot);
        match read.map_err(|error| damaged(&format!("no key ({error}) for the value")))? {
            Slot::Ready(secret) => {
                let binding = Binding {
                    key,
                    version,
                    slot,
                    kept: location.kept,
                };
                let value = cipher::open(&secret, &binding, bytes)
                    .map_err(|_| damaged("a value that its key does not open"))?;
                Ok(Fetched::Value(Stored { version, value }))
            }
            Slot::Erased if location.kept == Kept::Decision => Ok(Fetched::Expired),
            Slot::Erased => Ok(Fetched::Erased),
            Slot::Damaged => Err(damaged("both copies of the key are damaged for the value")),
        }
    }
}

/// A key that is gone while its row is still there, twice, is corruption rather than a race with its erasure.
fn once_more(again: &mut Option<Location>, location: &Location) -> Result<(), StorageError> {
    if again.replace(*location) == Some(*location) {
        let place = format!("segment {} at {}", location.segment, location.offset);
        return Err(StorageError::Corrupt(format!(
            "the key of the value in {place} is gone"
        )));
    }
    Ok(())
}

/// A key of the index: the table's number first.
pub(super) fn row_key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(key.len() + 1);
    row.push(table as u8);
    row.extend_from_slice(key);
    row
}

fn bare(mut row: Vec<u8>) -> Vec<u8> {
    row.remove(0);
    row
}

/// The least key above all that begin with `prefix`, whose first byte is a table's number and so not the greatest.
fn successor(prefix: &[u8]) -> Vec<u8> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if let Some(last) = last.checked_add(1) {
            next.push(last);
            break;
        }
    }
    next
}
