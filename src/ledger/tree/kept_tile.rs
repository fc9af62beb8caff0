//! A full tile as a source gives it, which may remember its inner nodes.

use super::{TILE_WIDTH, subtree_root};
use crate::ledger::hash::{Hash, node};
use std::sync::OnceLock;

/// The hashes of a full tile.
#[derive(Debug)]
pub struct KeptTile {
    hashes: Vec<Hash>,
    /// Row `r` holds the roots of `2^(r + 1)` hashes each; of no use to a tile that is asked once.
    inner: Option<OnceLock<Vec<Vec<Hash>>>>,
}

impl KeptTile {
    /// A tile that stays in memory: what is asked of it a second time costs no hash. Takes twice the memory, 16 KiB.
    #[must_use]
    pub const fn remembering(hashes: Vec<Hash>) -> Self {
        Self {
            hashes,
            inner: Some(OnceLock::new()),
        }
    }

    /// Its hashes; [`TILE_WIDTH`] of them unless it is damaged.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Whether it has as many hashes as a full tile.
    pub(super) const fn is_full(&self) -> bool {
        self.hashes.len() == TILE_WIDTH
    }

    /// The root over `2^row` of its hashes, the `position`-th of these.
    pub(super) fn subtree(&self, row: u32, position: usize) -> Option<Hash> {
        let Some(above) = row.checked_sub(1) else {
            return self.hashes.get(position).copied();
        };
        match &self.inner {
            Some(inner) => {
                let rows = inner.get_or_init(|| inner_nodes(&self.hashes));
                rows.get(above as usize)?.get(position).copied()
            }
            None => {
                let mut parts = self.hashes.chunks(1 << row);
                parts.nth(position).and_then(subtree_root)
            }
        }
    }

    /// The root over all of them.
    pub(super) fn root(&self) -> Option<Hash> {
        subtree_root(&self.hashes)
    }
}

/// A tile that is asked once and dropped.
impl From<Vec<Hash>> for KeptTile {
    fn from(hashes: Vec<Hash>) -> Self {
        Self {
            hashes,
            inner: None,
        }
    }
}

fn inner_nodes(hashes: &[Hash]) -> Vec<Vec<Hash>> {
    let mut rows: Vec<Vec<Hash>> = Vec::new();
    let mut row = hashes;
    while row.len() > 1 {
        let above = row.chunks_exact(2).filter_map(|pair| match pair {
            [left, right] => Some(node(left, right)),
            _ => None,
        });
        rows.push(above.collect());
        row = rows.last().map_or(&[], Vec::as_slice);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hash::leaf;

    #[test]
    fn a_tile_that_remembers_says_the_same_as_one_that_does_not() {
        let hashes: Vec<Hash> = (0..TILE_WIDTH as u32)
            .map(|n| leaf(&n.to_be_bytes()))
            .collect();
        let remembering = KeptTile::remembering(hashes.clone());
        let once = KeptTile::from(hashes);
        for row in 0..=8 {
            for position in 0..=(TILE_WIDTH >> row) {
                let said = remembering.subtree(row, position);
                assert_eq!(said, once.subtree(row, position), "{row} {position}");
                assert_eq!(said.is_some(), position < TILE_WIDTH >> row);
            }
        }
        assert_eq!(remembering.subtree(8, 0), once.root());
    }
}
