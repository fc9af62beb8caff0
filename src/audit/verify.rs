//! Recomputes the tree: every leaf, the root at the checkpoint and at the auditor's saved one, the order of time.

use super::finding::{Finding, Problem};
use crate::domain::time::Timestamp;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::entry::{Entry, EntryBody};
use crate::ledger::hash;
use crate::ledger::tree::{Edge, FullTile, NoTiles};
use std::time::Duration;

/// How often a log ticks.
pub const TICK_EVERY: Duration = Duration::from_secs(10 * 60);

/// How late a tick may be.
const TICK_SLACK: Duration = Duration::from_secs(60);

/// A running recomputation.
#[derive(Debug, Default)]
pub struct Verify {
    edge: Edge,
    saved: Option<Checkpoint>,
    saved_agrees: Option<bool>,
    last: Option<Timestamp>,
    /// The last tick, or where its absence was last reported.
    ticked: Option<Timestamp>,
    last_tick: Option<Timestamp>,
    digests: u64,
    findings: Vec<Finding>,
}

impl Verify {
    /// From the first entry; `saved` is the auditor's saved checkpoint, if there is one.
    #[must_use]
    pub fn new(saved: Option<Checkpoint>) -> Self {
        Self {
            saved,
            ..Self::default()
        }
    }

    /// Index of the next entry.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.edge.size()
    }

    /// When the last tick was, so far.
    #[must_use]
    pub const fn last_tick(&self) -> Option<Timestamp> {
        self.last_tick
    }

    /// Takes the next entry; gives it parsed, and the tiles that it filled.
    #[must_use = "the tiles can be compared with those that the source keeps"]
    pub fn feed(&mut self, bytes: &[u8]) -> (Option<Entry>, Vec<FullTile>) {
        let index = self.edge.size();
        let tiles = self.edge.append(hash::leaf(bytes));
        if let Some(saved) = self
            .saved
            .as_ref()
            .filter(|saved| saved.size == self.edge.size())
        {
            self.saved_agrees = Some(saved.root == self.edge.root());
        }
        let entry = match Entry::parse(bytes) {
            Ok(entry) => entry,
            Err(error) => {
                self.findings.push(Problem::Entry(error).at(index));
                return (None, tiles);
            }
        };
        self.check_time(index, &entry);
        if let EntryBody::Digest { number, .. } = entry.body {
            if number != self.digests + 1 {
                self.findings.push(Problem::Digest.at(index));
            }
            self.digests = number;
        }
        (Some(entry), tiles)
    }

    fn check_time(&mut self, index: u64, entry: &Entry) {
        if self.last.is_some_and(|last| entry.at < last) {
            self.findings.push(Problem::Time.at(index));
        }
        let since = self.ticked.unwrap_or(entry.at);
        let late = entry.at > since.plus(TICK_EVERY + TICK_SLACK);
        if late {
            self.findings
                .push(Problem::no_tick(since, entry.at).at(index));
        }
        let tick = entry.body == EntryBody::Tick;
        if tick || late || self.ticked.is_none() {
            self.ticked = Some(entry.at);
        }
        if tick {
            self.last_tick = Some(entry.at);
        }
        self.last = Some(entry.at);
    }

    /// The hashes of the tiles that are not full, lowest level first: `(level, index, hashes)`.
    #[must_use]
    pub fn partial_tiles(&self) -> Vec<(u8, u64, Vec<hash::Hash>)> {
        let size = self.edge.size();
        (0..8u8)
            .filter_map(|level| {
                let count = size >> (8 * u32::from(level));
                let index = count >> 8;
                let hashes = self.edge.tile(&NoTiles, level, index, size).ok()?;
                Some((level, index, hashes))
            })
            .collect()
    }

    /// Compares with the signed checkpoint; gives what was found.
    #[must_use]
    pub fn finish(mut self, checkpoint: &Checkpoint) -> Vec<Finding> {
        if self.edge.size() < checkpoint.size {
            self.findings.push(Problem::Short.overall());
        } else if self.edge.size() > checkpoint.size || self.edge.root() != checkpoint.root {
            self.findings.push(Problem::Root.overall());
        }
        if let Some(saved) = &self.saved {
            let problem = if saved.origin != checkpoint.origin {
                Some(Problem::Forked)
            } else if checkpoint.size < saved.size {
                Some(Problem::Shrunk)
            } else if saved.size > 0 && self.saved_agrees != Some(true) {
                Some(Problem::Forked)
            } else {
                None
            };
            self.findings.extend(problem.map(Problem::overall));
        }
        self.findings
    }
}

#[cfg(test)]
mod tests;
