//! One pass over a log, at the level asked for, and what it showed.

use super::damage::Damage;
use super::finding::{Finding, Problem, Severity};
use super::openings::Openings;
use super::replay::{Counts, Pins, Replay};
use super::source::SealedOpening;
use super::verify::{Standing, Verify};
use crate::domain::time::Timestamp;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::hash::{Hash, leaf};
use crate::ledger::tree::{Edge, FullTile};
use std::collections::VecDeque;

/// How deep an audit goes; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Hashes, signatures, times, and the past.
    Verify,
    /// Every commitment opens.
    Openings,
    /// Every decision is made again.
    Replay,
}

/// A running audit.
#[derive(Debug)]
pub struct Audit {
    verify: Verify,
    openings: Option<Openings>,
    replay: Option<Replay>,
    damage: Damage,
    findings: Vec<Finding>,
    replayed: Replayed,
}

/// The tree as far as a watermark says that it was replayed, and the leaves after that.
#[derive(Debug)]
struct Replayed {
    edge: Edge,
    after: VecDeque<Hash>,
}

impl Replayed {
    /// Whether the tree has this root at this size, which is past those asked for before.
    fn has(&mut self, size: u64, root: &[u8; 32]) -> bool {
        while self.edge.size() < size {
            let Some(leaf) = self.after.pop_front() else {
                return false;
            };
            let _ = self.edge.append(leaf);
        }
        self.edge.size() == size && self.edge.root().as_bytes() == root
    }
}

/// What an audit showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Entries of the log that are vouched for: read now, or by the run whose state was resumed.
    pub entries: u64,
    /// Of those, not read again now.
    pub resumed: u64,
    /// When the log last ticked.
    pub last_tick: Option<Timestamp>,
    /// What the replay counted.
    pub counts: Option<Counts>,
    /// What the first entry pinned.
    pub pins: Option<Pins>,
    /// What was found, by index, with the log as a whole last.
    pub findings: Vec<Finding>,
    /// Whether the log is one with its checkpoint and the saved one: then the new one may be saved.
    pub intact: bool,
    /// Where the recomputation stands, for the next run; none where the entries were not read.
    pub standing: Option<Standing>,
}

impl Report {
    /// Findings that are violations.
    pub fn violations(&self) -> impl Iterator<Item = &Finding> {
        self.of(Severity::Violation)
    }

    /// Findings that a person should look at.
    pub fn notices(&self) -> impl Iterator<Item = &Finding> {
        self.of(Severity::Notice)
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.problem.severity() == severity)
    }
}

impl Audit {
    /// From the first entry; `saved` is the auditor's saved checkpoint, if there is one.
    #[must_use]
    pub fn new(level: Level, saved: Option<Checkpoint>) -> Self {
        Self {
            verify: Verify::new(saved),
            openings: (level >= Level::Openings).then(Openings::new),
            replay: (level >= Level::Replay).then(Replay::new),
            damage: Damage::default(),
            findings: Vec::new(),
            replayed: Replayed {
                edge: Edge::new(),
                after: VecDeque::new(),
            },
        }
    }

    /// A [`Level::Verify`] audit of what came after the saved checkpoint; `None` if `standing` does not fit it.
    #[must_use]
    pub fn resume(saved: Checkpoint, standing: &Standing) -> Option<Self> {
        let verify = Verify::resume(saved, standing)?;
        Some(Self {
            verify,
            ..Self::new(Level::Verify, None)
        })
    }

    /// Lets a forked log be compared with the edge that was saved, to say where it differs.
    #[must_use]
    pub fn remembering(mut self, edge: Option<Vec<Vec<Hash>>>) -> Self {
        self.verify = self.verify.remembering(edge);
        self
    }

    /// Index of the next entry.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.verify.size()
    }

    /// Takes the next entry and what the source gives to open it; gives the tiles that it filled.
    #[must_use = "the tiles can be compared with those that the source keeps"]
    pub fn feed(&mut self, bytes: &[u8], given: Option<&SealedOpening>) -> Vec<FullTile> {
        let (entry, tiles) = self.verify.feed(bytes);
        let opening = self
            .openings
            .as_mut()
            .and_then(|level| level.feed(entry.as_ref(), given));
        if let Some(replay) = &mut self.replay {
            self.findings
                .extend(replay.feed(entry.as_ref(), opening.as_ref()));
            self.replayed.after.push_back(leaf(bytes));
            if let Some((size, root)) = replay.take_claim()
                && !self.replayed.has(size, &root)
            {
                let index = self.verify.size().saturating_sub(1);
                self.findings.push(Problem::WatermarkRoot.at(index));
            }
        }
        tiles
    }

    /// The tiles that are not full: `(level, index, hashes)`.
    #[must_use]
    pub fn partial_tiles(&self) -> Vec<(u8, u64, Vec<Hash>)> {
        self.verify.partial_tiles()
    }

    /// Notes that a tile of the source is not the recomputed one; none of its hashes, if it is missing or cut.
    pub fn wrong_tile(&mut self, level: u8, index: u64, recomputed: &[Hash], kept: Vec<Hash>) {
        self.damage.note(level, index, recomputed, kept);
    }

    /// Index below which a replay has found openings to have been replayed by an auditor before; zero without one, and
    /// once anything about that was wrong.
    #[must_use]
    pub fn watermark(&self) -> u64 {
        let doubted = self.findings.iter().any(|finding| {
            matches!(
                finding.problem,
                Problem::WatermarkStatement(_)
                    | Problem::Watermark
                    | Problem::WatermarkRoot
                    | Problem::ErasedUnwatermarked(_)
                    | Problem::EndedEarly(_)
            )
        });
        let replay = self.replay.as_ref().filter(|_| !doubted);
        replay.map_or(0, Replay::watermark)
    }

    /// What the replay found so far.
    #[must_use]
    pub fn replayed(&self) -> &[Finding] {
        &self.findings
    }

    /// Compares with the signed checkpoint and closes the audit.
    #[must_use]
    pub fn finish(self, checkpoint: &Checkpoint) -> Report {
        let mut findings = self.findings;
        let (entries, last_tick) = (self.verify.size(), self.verify.last_tick());
        let named = self.replay.as_ref().map(Replay::log_origin);
        if named.is_some_and(|origin| !origin.is_empty() && origin != checkpoint.origin) {
            findings.push(Problem::LogOrigin.overall());
        }
        let (resumed, standing) = (self.verify.from(), self.verify.standing());
        let mut verified = self.damage.findings(self.verify.gives(checkpoint));
        verified.extend(self.verify.finish(checkpoint));
        let intact = !verified
            .iter()
            .any(|finding| finding.problem.severity() == Severity::Violation);
        findings.extend(verified);
        let watermark = self.replay.as_ref().map_or(0, Replay::watermark);
        let opened = self.openings.map(|openings| openings.finish(watermark));
        findings.extend(opened.unwrap_or_default());
        findings.sort_by_key(|finding| finding.index.unwrap_or(u64::MAX));
        Report {
            entries,
            resumed,
            last_tick,
            counts: self.replay.as_ref().map(Replay::counts),
            pins: self.replay.as_ref().map(Replay::pins),
            findings,
            intact,
            standing: Some(standing),
        }
    }
}
