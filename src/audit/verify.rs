//! Recomputes the tree: every leaf, the root at the checkpoint and at the auditor's saved one, the order of time.

use super::finding::{Finding, Problem};
use crate::domain::time::Timestamp;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::entry::{Entry, EntryBody};
use crate::ledger::hash::{self, Hash};
use crate::ledger::tree::{Edge, FullTile, NoTiles};
use std::time::Duration;

/// How often a log ticks.
pub const TICK_EVERY: Duration = Duration::from_secs(10 * 60);

/// How late a tick may be.
const TICK_SLACK: Duration = Duration::from_secs(60);

/// Where a recomputation stood after its last entry: what the next run needs to go on from there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Hashes that are in no full tile, by level, lowest first: they give the root.
    pub edge: Vec<Vec<Hash>>,
    /// When the last entry was.
    pub last: Option<Timestamp>,
    /// The last tick, or where its absence was last reported.
    pub ticked: Option<Timestamp>,
    /// The last tick.
    pub last_tick: Option<Timestamp>,
    /// Number of the last directory digest; none where it is not known.
    pub digests: Option<u64>,
}

/// A running recomputation.
#[derive(Debug)]
pub struct Verify {
    edge: Edge,
    /// Entries that an earlier run has read.
    from: u64,
    saved: Option<Checkpoint>,
    /// The edge at the saved size, to say where a forked log differs.
    saved_edge: Option<Vec<Vec<Hash>>>,
    saved_agrees: Option<bool>,
    /// First and last entry of what first differs from the saved edge.
    differs: Option<(u64, u64)>,
    last: Option<Timestamp>,
    /// The last tick, or where its absence was last reported.
    ticked: Option<Timestamp>,
    last_tick: Option<Timestamp>,
    digests: Option<u64>,
    findings: Vec<Finding>,
}

impl Verify {
    /// From the first entry; `saved` is the auditor's saved checkpoint, if there is one.
    #[must_use]
    pub fn new(saved: Option<Checkpoint>) -> Self {
        Self {
            edge: Edge::new(),
            from: 0,
            saved,
            saved_edge: None,
            saved_agrees: None,
            differs: None,
            last: None,
            ticked: None,
            last_tick: None,
            digests: Some(0),
            findings: Vec::new(),
        }
    }

    /// From the entry after the saved checkpoint; `None` if `standing` is not that of a tree with its size and root.
    #[must_use]
    pub fn resume(saved: Checkpoint, standing: &Standing) -> Option<Self> {
        let edge = Edge::from_partials(saved.size, &standing.edge)?;
        (edge.root() == saved.root).then(|| Self {
            from: edge.size(),
            edge,
            saved_agrees: Some(true),
            last: standing.last,
            ticked: standing.ticked,
            last_tick: standing.last_tick,
            digests: standing.digests,
            ..Self::new(Some(saved))
        })
    }

    /// Lets a forked log be compared with the edge that was saved, to say where it differs.
    #[must_use]
    pub fn remembering(self, edge: Option<Vec<Vec<Hash>>>) -> Self {
        Self {
            saved_edge: edge,
            ..self
        }
    }

    /// Entries that were not read again.
    #[must_use]
    pub const fn from(&self) -> u64 {
        self.from
    }

    /// Where the recomputation stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            edge: self.edge.partials(),
            last: self.last,
            ticked: self.ticked,
            last_tick: self.last_tick,
            digests: self.digests,
        }
    }

    /// Whether the entries gave the root of `checkpoint`.
    #[must_use]
    pub fn gives(&self, checkpoint: &Checkpoint) -> bool {
        self.edge.size() == checkpoint.size && self.edge.root() == checkpoint.root
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
            self.differs = self.first_difference();
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
            if self.digests.is_some_and(|last| number != last + 1) {
                self.findings.push(Problem::Digest.at(index));
            }
            self.digests = Some(number);
        }
        (Some(entry), tiles)
    }

    /// First and last entry of the first subtree of the edge that is not the saved one; none if none differs.
    fn first_difference(&self) -> Option<(u64, u64)> {
        let saved = self.saved_edge.as_ref()?;
        let now = self.edge.partials();
        let mut levels: Vec<_> = saved.iter().zip(&now).enumerate().collect();
        // The highest level holds the oldest entries.
        levels.reverse();
        levels.into_iter().find_map(|(level, (saved, now))| {
            let position = saved
                .iter()
                .zip(now)
                .position(|(saved, now)| saved != now)?;
            let shift = 8 * u32::try_from(level).ok()?;
            let full = (self.edge.size() >> shift) >> 8;
            let subtree = (full << 8) + position as u64;
            Some((subtree << shift, ((subtree + 1) << shift) - 1))
        })
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
        let gives = self.gives(checkpoint);
        if let Some(saved) = &self.saved {
            let problem = if saved.origin != checkpoint.origin {
                Some(Problem::Forked)
            } else if checkpoint.size < saved.size {
                Some(Problem::Shrunk)
            } else if checkpoint.size == saved.size {
                (checkpoint.root != saved.root).then_some(Problem::Forked)
            } else {
                // Entries that are not those of the checkpoint say nothing of its history.
                let contradicts = gives && saved.size > 0 && self.saved_agrees != Some(true);
                contradicts.then_some(Problem::Forked)
            };
            if problem == Some(Problem::Forked)
                && let Some((first, last)) = self.differs
            {
                self.findings.push(Problem::ForkedWithin(last).at(first));
            }
            self.findings.extend(problem.map(Problem::overall));
        }
        self.findings
    }
}

#[cfg(test)]
mod tests;
