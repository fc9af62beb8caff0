//! What is committed and not in the index yet, and reads that see both as one.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::index::{Applied, parse_row};
use super::payload::Location;
use crate::storage::engine::{Head, StorageError};

/// Changes that the index does not have yet, and the head they lead to. Behind one lock: readers see a batch or do not.
#[derive(Debug)]
pub(super) struct Overlay {
    pub(super) head: Head,
    changes: BTreeMap<Vec<u8>, (u64, Option<Location>)>,
}

/// A key and where its value lies.
pub(super) type Found = (Vec<u8>, Location);

impl Overlay {
    pub(super) fn new(head: Head) -> Overlay {
        Overlay {
            head,
            changes: BTreeMap::new(),
        }
    }

    /// Shows a batch.
    pub(super) fn show(&mut self, applied: &Applied) {
        let version = applied.end.batches;
        for change in &applied.changes {
            self.changes
                .insert(change.key.clone(), (version, change.location));
        }
        let facts = &applied.facts;
        self.head = Head {
            batches: version,
            size: facts.size,
            root: facts.root,
        };
    }

    /// Forgets a batch that the index has.
    pub(super) fn forget(&mut self, applied: &Applied) {
        let version = applied.end.batches;
        for change in &applied.changes {
            if self
                .changes
                .get(&change.key)
                .is_some_and(|(newest, _)| *newest <= version)
            {
                self.changes.remove(&change.key);
            }
        }
    }

    /// Where the value of `key` lies.
    pub(super) fn find(
        &self,
        tree: &sled::Tree,
        key: &[u8],
    ) -> Result<Option<Location>, StorageError> {
        if let Some((_, location)) = self.changes.get(key) {
            return Ok(*location);
        }
        tree.get(key)
            .map_err(index_error)?
            .map(|row| parse(&row))
            .transpose()
    }

    /// Up to `limit` keys in the range, ascending, or descending when `is_reverse`.
    pub(super) fn range(
        &self,
        tree: &sled::Tree,
        lower: Bound<Vec<u8>>,
        upper: Bound<Vec<u8>>,
        limit: usize,
        is_reverse: bool,
    ) -> Result<Vec<Found>, StorageError> {
        type Rows<'a> = Box<dyn Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>> + 'a>;
        type Changes<'a> =
            Box<dyn Iterator<Item = (&'a Vec<u8>, &'a (u64, Option<Location>))> + 'a>;
        if is_empty(&lower, &upper) {
            return Ok(Vec::new());
        }
        let changes = self.changes.range((lower.clone(), upper.clone()));
        let rows = tree.range::<Vec<u8>, _>((lower, upper));
        let (changes, rows): (Changes<'_>, Rows<'_>) = if is_reverse {
            (Box::new(changes.rev()), Box::new(rows.rev()))
        } else {
            (Box::new(changes), Box::new(rows))
        };
        let (mut changes, mut rows) = (changes.peekable(), rows.peekable());
        let mut found = Vec::new();
        while found.len() < limit {
            let order = match (changes.peek(), rows.peek()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (Some((change, _)), Some(Ok((row, _)))) => {
                    let order = change.as_slice().cmp(row);
                    if is_reverse { order.reverse() } else { order }
                }
                (_, Some(_)) => std::cmp::Ordering::Greater,
            };
            if order.is_le() {
                if order.is_eq() {
                    rows.next();
                }
                if let Some((key, (_, Some(location)))) = changes.next() {
                    found.push((key.clone(), *location));
                }
            } else if let Some(row) = rows.next() {
                let (key, row) = row.map_err(index_error)?;
                found.push((key.to_vec(), parse(&row)?));
            }
        }
        Ok(found)
    }
}

fn is_empty(lower: &Bound<Vec<u8>>, upper: &Bound<Vec<u8>>) -> bool {
    match (lower, upper) {
        (Bound::Included(low), Bound::Excluded(high)) => low >= high,
        (Bound::Excluded(low), Bound::Excluded(high)) => low >= high,
        _ => false,
    }
}

fn parse(row: &[u8]) -> Result<Location, StorageError> {
    parse_row(row).ok_or_else(|| StorageError::Corrupt("a row of the index is damaged".to_owned()))
}

fn index_error(error: sled::Error) -> StorageError {
    StorageError::Corrupt(format!("the index cannot be read: {error}"))
}
