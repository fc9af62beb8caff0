//! What tiles that differ tell of the damage: which entry was changed, what stands in whose place, which file is cut.
//!
//! A tile is compared with the one recomputed from the entries. If the entries give the signed root, the tile's file
//! is wrong; if they do not, the entry is, at the place where the hashes differ.

use super::finding::{Finding, Problem};
use crate::ledger::hash::Hash;
use crate::ledger::layout::{entries_path, tile_path};
use crate::ledger::tree::TILE_WIDTH;
use std::collections::{BTreeMap, HashMap};

/// Differing tiles remembered with their hashes, 16 KiB each: what is damaged in more places is named tile by tile.
const REMEMBERED_MAX: usize = 256;

/// One tile that differs.
#[derive(Debug)]
struct Wrong {
    level: u8,
    index: u64,
    recomputed: Vec<Hash>,
    kept: Vec<Hash>,
}

impl Wrong {
    fn path(&self) -> String {
        tile_path(self.level, self.index, self.recomputed.len())
    }

    /// Positions at which the hashes differ.
    fn positions(&self) -> impl Iterator<Item = u64> {
        let pairs = (0..).zip(self.recomputed.iter().zip(&self.kept));
        pairs
            .filter(|(_, (recomputed, kept))| recomputed != kept)
            .map(|(position, _)| position)
    }

    fn first(&self) -> u64 {
        self.positions().next().unwrap_or(0)
    }

    const fn base(&self) -> u64 {
        self.index * TILE_WIDTH as u64
    }
}

/// The tiles that differ.
#[derive(Debug, Default)]
pub struct Damage {
    wrong: Vec<Wrong>,
    findings: Vec<Finding>,
}

impl Damage {
    /// Takes a tile that differs: `kept` has none of its hashes if the file is missing or cut.
    pub fn note(&mut self, level: u8, index: u64, recomputed: &[Hash], kept: Vec<Hash>) {
        if kept.len() != recomputed.len() {
            let path = tile_path(level, index, recomputed.len());
            self.findings.push(Problem::NoTile(path).overall());
        } else if self.wrong.len() < REMEMBERED_MAX {
            let recomputed = recomputed.to_vec();
            self.wrong.push(Wrong {
                level,
                index,
                recomputed,
                kept,
            });
        } else {
            let path = tile_path(level, index, recomputed.len());
            self.findings.push(Problem::Tile(path).overall());
        }
    }

    /// What it comes to. `root`: whether the entries give the root that is signed.
    #[must_use]
    pub fn findings(mut self, root: bool) -> Vec<Finding> {
        let mut findings = std::mem::take(&mut self.findings);
        let swapped = self.whole_tiles(root, &mut findings);
        let mut single = Vec::new();
        for (at, wrong) in self.wrong.iter().enumerate() {
            if swapped.contains_key(&at) || (!root && self.follows(wrong)) {
                continue;
            }
            if wrong.level == 0 && !root {
                single.push(wrong);
                continue;
            }
            let problem = Problem::Tile(wrong.path());
            findings.push(if wrong.level == 0 {
                problem.at(wrong.base() + wrong.first())
            } else {
                problem.overall()
            });
        }
        entries(&single, &mut findings);
        findings
    }

    /// Tiles whose hashes are exactly another's: the files of tiles changed places, or the bundles of entries did.
    fn whole_tiles(&self, root: bool, findings: &mut Vec<Finding>) -> BTreeMap<usize, usize> {
        let mut places: HashMap<(u8, &[Hash]), usize> = HashMap::new();
        for (at, wrong) in self.wrong.iter().enumerate() {
            places.insert((wrong.level, &wrong.kept), at);
        }
        let mut swapped = BTreeMap::new();
        for (at, wrong) in self.wrong.iter().enumerate() {
            let Some(&other) = places.get(&(wrong.level, wrong.recomputed.as_slice())) else {
                continue;
            };
            let Some(partner) = self.wrong.get(other) else {
                continue;
            };
            let mutual = partner.recomputed == wrong.kept;
            if !mutual || wrong.recomputed.len() < 2 || (!root && wrong.level > 0) {
                continue;
            }
            swapped.insert(at, other);
            if at < other {
                findings.push(if root {
                    Problem::TilesSwapped(wrong.path(), partner.path()).overall()
                } else {
                    let width = wrong.recomputed.len();
                    let paths = (
                        entries_path(wrong.index, width),
                        entries_path(partner.index, width),
                    );
                    Problem::TilesSwapped(paths.0, paths.1).at(wrong.base())
                });
            }
        }
        swapped
    }

    /// Whether a tile of a higher level differs only because of tiles below it that differ.
    fn follows(&self, wrong: &Wrong) -> bool {
        let below = |position: u64| {
            self.wrong
                .iter()
                .any(|one| one.level + 1 == wrong.level && one.index == wrong.base() + position)
        };
        wrong.level > 0 && wrong.positions().all(below)
    }
}

/// Entries that changed places, and the first one changed of each tile.
fn entries(tiles: &[&Wrong], findings: &mut Vec<Finding>) {
    let mut differing: Vec<(u64, Hash, Hash)> = Vec::new();
    for tile in tiles {
        let pairs = (tile.base()..).zip(tile.recomputed.iter().zip(&tile.kept));
        let pairs = pairs.filter(|(_, (recomputed, kept))| recomputed != kept);
        differing.extend(pairs.map(|(index, (recomputed, kept))| (index, *recomputed, *kept)));
    }
    let kept: HashMap<Hash, (u64, Hash)> = differing
        .iter()
        .map(|(index, recomputed, kept)| (*kept, (*index, *recomputed)))
        .collect();
    let mut told = None;
    for (index, recomputed, own) in &differing {
        match kept.get(recomputed) {
            Some((other, theirs)) if theirs == own && other != index => {
                if index < other {
                    findings.push(Problem::Swapped(*other).at(*index));
                }
            }
            _ => {
                let tile = index / TILE_WIDTH as u64;
                if told == Some(tile) {
                    continue;
                }
                told = Some(tile);
                let width = tiles.iter().find(|one| one.index == tile);
                let width = width.map_or(TILE_WIDTH, |one| one.recomputed.len());
                findings.push(Problem::Changed(tile_path(0, tile, width)).at(*index));
            }
        }
    }
}
