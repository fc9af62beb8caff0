//! What one operation wants to happen, all of it or nothing.

use crate::domain::id::AgencyId;
use crate::domain::time::{Period, Timestamp};
use crate::exchange::event::EventKind;
use crate::ledger::decision::Decision;
use crate::ledger::entry::{Actor, Entry, EntryBody, Erased, Opening};
use crate::ledger::hash::Hash;
use crate::storage::engine::{Table, Write};
use std::collections::BTreeSet;

/// A key that the change relied on, and the version it had: zero for absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Where.
    pub table: Table,
    /// Which.
    pub key: Vec<u8>,
    /// Number of the batch that wrote it.
    pub version: u64,
}

/// An entry, but for its index and time.
#[derive(Debug, Clone)]
pub struct EntryDraft {
    by: Actor,
    body: EntryBody,
    opening: Option<(Opening, Vec<u8>)>,
}

impl EntryDraft {
    /// An entry that commits to `decision`, with a fresh nonce.
    #[must_use]
    pub fn decided(by: Actor, nonce: [u8; 32], decision: Decision) -> Self {
        let opening = Opening { nonce, decision };
        let bytes = opening.decision_bytes();
        Self {
            by,
            body: EntryBody::Committed {
                event: opening.decision.event(),
                commitment: crate::ledger::entry::commitment(&nonce, &bytes),
            },
            opening: Some((opening, bytes)),
        }
    }

    /// A key bundle, in the clear.
    #[must_use]
    pub const fn keys(agency: AgencyId, bundle: String) -> Self {
        Self {
            by: Actor::Agency(agency),
            body: EntryBody::Keys { bundle },
            opening: None,
        }
    }

    /// A tick.
    #[must_use]
    pub const fn tick() -> Self {
        Self {
            by: Actor::Router,
            body: EntryBody::Tick,
            opening: None,
        }
    }

    /// A directory digest, with the version of the protocol in force.
    #[must_use]
    pub const fn digest(number: u64, size: u64, root: Hash, protocol: u64) -> Self {
        Self {
            by: Actor::Router,
            body: EntryBody::Digest {
                number,
                size,
                root,
                protocol,
            },
            opening: None,
        }
    }

    /// A tombstone of what these entries carried; indexes strictly ascending.
    #[must_use]
    pub const fn erased(indexes: Vec<u64>) -> Self {
        Self {
            by: Actor::Router,
            body: EntryBody::Erased {
                of: Erased::Content,
                indexes,
            },
            opening: None,
        }
    }

    /// A tombstone of the openings of these entries; indexes strictly ascending.
    #[must_use]
    pub const fn expired(indexes: Vec<u64>) -> Self {
        Self {
            by: Actor::Router,
            body: EntryBody::Erased {
                of: Erased::Decision,
                indexes,
            },
            opening: None,
        }
    }

    /// The entry at `at`, and its opening with the decision's bytes.
    pub(super) fn at(self, at: Timestamp) -> (Entry, Option<(Opening, Vec<u8>)>) {
        let entry = Entry {
            by: self.by,
            at,
            body: self.body,
        };
        (entry, self.opening)
    }

    fn bytes(&self) -> usize {
        let opening = self.opening.as_ref();
        256 + opening.map_or(0, |(_, decision)| decision.len())
    }
}

/// A row that gets the agency's next number in its table.
#[derive(Debug, Clone)]
pub struct Row {
    /// Where.
    pub table: Table,
    /// Under which agency.
    pub agency: AgencyId,
    /// The value.
    pub value: Vec<u8>,
}

/// A doorbell to ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doorbell {
    /// Whose.
    pub agency: AgencyId,
    /// The viewer's own resource name.
    pub resource: String,
    /// Kind.
    pub kind: EventKind,
}

/// Where and when the entries of a change were put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Index of the first entry.
    pub first: u64,
    /// Time of the entries.
    pub at: Timestamp,
}

/// Writes that need to know where the entries were put.
pub type Late = Box<dyn FnOnce(Placed) -> Vec<Write> + Send>;

/// What one operation wants to happen.
#[derive(Default)]
pub struct Change {
    /// Number of the last batch that its reads are sure to have seen.
    pub since: u64,
    /// What it relied on.
    pub reads: Vec<Read>,
    /// When it may be recorded; always, when none.
    pub validity: Option<Period>,
    /// Entries, in order.
    pub entries: Vec<EntryDraft>,
    /// Entries whose content it erases, ascending: a tombstone follows its own entries.
    pub erased: Box<[u64]>,
    /// Writes.
    pub writes: Vec<Write>,
    /// Numbered rows.
    pub rows: Vec<Row>,
    /// Doorbells.
    pub doorbells: Vec<Doorbell>,
    /// Writes that need the index or the time.
    pub late: Vec<Late>,
    /// Bytes of those among them that hold more than names and numbers.
    pub late_bytes: usize,
    /// Withdrawal and erasure: goes on when the disk is full.
    pub urgent: bool,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Change({} entries, {} writes)",
            self.entries.len(),
            self.writes.len()
        )
    }
}

impl Change {
    /// Narrows the time at which the change may be recorded.
    pub fn within(&mut self, period: Period) {
        self.validity = Some(match self.validity {
            Some(before) => before.intersection(&period),
            None => period,
        });
    }

    /// Takes in another change, prepared from the same snapshot: both happen, or neither.
    pub fn absorb(&mut self, other: Self) {
        // What the other writes late counts from its own first entry, which now stands behind ours.
        let before = self.entries.len() as u64;
        for late in other.late {
            self.late.push(Box::new(move |placed: Placed| {
                late(Placed {
                    first: placed.first + before,
                    at: placed.at,
                })
            }));
        }
        self.since = self.since.min(other.since);
        self.reads.extend(other.reads);
        if let Some(period) = other.validity {
            self.within(period);
        }
        self.late_bytes += other.late_bytes;
        self.entries.extend(other.entries);
        let both = self.erased.iter().chain(&other.erased).copied();
        self.erased = both.collect::<BTreeSet<u64>>().into_iter().collect();
        self.writes.extend(other.writes);
        self.rows.extend(other.rows);
        self.doorbells.extend(other.doorbells);
        self.urgent &= other.urgent;
    }

    /// About how many bytes it takes in a batch.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let writes = self.writes.iter().map(|write| match write {
            Write::Put { key, value, .. } => key.len() + value.len() + 32,
            Write::Delete { key, .. } | Write::Erase { key, .. } => key.len() + 32,
        });
        let rows = self.rows.iter().map(|row| row.value.len() + 96);
        let entries = self.entries.iter().map(EntryDraft::bytes);
        let rest = 256 * (self.doorbells.len() + self.late.len()) + self.late_bytes + 512;
        writes.sum::<usize>() + rows.sum::<usize>() + entries.sum::<usize>() + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::engine::Table;

    /// A change of `entries` entries that writes down where its first one was put.
    fn change(entries: usize) -> Change {
        let mut change = Change {
            entries: (0..entries).map(|_| EntryDraft::tick()).collect(),
            ..Change::default()
        };
        change.late.push(Box::new(|placed| {
            vec![Write::Delete {
                table: Table::Meta,
                key: placed.first.to_be_bytes().to_vec(),
            }]
        }));
        change
    }

    #[test]
    fn changes_taken_in_know_where_their_own_entries_were_put() {
        let mut all = change(2);
        all.absorb(change(3));
        all.absorb(change(1));
        let placed = Placed {
            first: 10,
            at: Timestamp::MAX,
        };
        let firsts: Vec<Vec<u8>> = all
            .late
            .into_iter()
            .flat_map(|late| late(placed))
            .map(|write| match write {
                Write::Delete { key, .. } => key,
                _ => Vec::new(),
            })
            .collect();
        let expected = [10_u64, 12, 15].map(|first| first.to_be_bytes().to_vec());
        assert_eq!(firsts, expected);
    }
}
