//! The right edge of the tree, in memory: appending costs O(1) hashes, amortised, and reads nothing.
//!
//! The tree is cut into tiles of 256 hashes. A tile at level `l` holds the hashes of complete subtrees of
//! `256^l` leaves. The edge holds the tiles that are not yet full, with their inner nodes, and the last few
//! full ones, so that proofs for new entries touch neither storage nor whole tiles. Full tiles are handed
//! back to be written; losing them loses nothing that the entries do not give back.

pub use self::kept_tile::KeptTile;
use super::hash::{EMPTY_ROOT, Hash, node};
use std::collections::VecDeque;
use std::sync::Arc;

/// Hashes in a full tile.
pub const TILE_WIDTH: usize = 256;

/// Levels within a tile: `log2` of [`TILE_WIDTH`].
pub(crate) const TILE_HEIGHT: u32 = 8;

/// Full tiles kept at level 0: as many leaves as two of the largest batches.
const RECENT_LEAF_TILES_MAX: usize = 8;

/// Full tiles kept at each higher level.
const RECENT_NODE_TILES_MAX: usize = 1;

/// A tile that became full by an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullTile {
    /// Level, 0 for leaves.
    pub level: u8,
    /// Index within the level.
    pub index: u64,
    /// [`TILE_WIDTH`] hashes.
    pub hashes: Vec<Hash>,
}

/// Why a tile could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TileError {
    /// It should be there and is not.
    #[error("tile {index} of level {level} is missing")]
    Missing {
        /// Level.
        level: u8,
        /// Index within the level.
        index: u64,
    },
    /// It has not [`TILE_WIDTH`] hashes.
    #[error("tile {index} of level {level} is damaged")]
    Damaged {
        /// Level.
        level: u8,
        /// Index within the level.
        index: u64,
    },
    /// The source failed.
    #[error("tiles cannot be read")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Where full tiles are kept.
pub trait TileSource {
    /// The full tile at `level` and `index`, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`TileError`] if the source failed.
    fn full_tile(&self, level: u8, index: u64) -> Result<Option<Arc<KeptTile>>, TileError>;
}

/// No tiles: enough for a tree of which the edge remembers everything.
#[derive(Debug, Clone, Copy)]
pub struct NoTiles;

impl TileSource for NoTiles {
    fn full_tile(&self, _level: u8, _index: u64) -> Result<Option<Arc<KeptTile>>, TileError> {
        Ok(None)
    }
}

/// A tile with its inner nodes: row `r` holds the complete subtrees of `2^r` of its hashes.
#[derive(Debug, Clone, Default)]
struct Tile {
    rows: [Vec<Hash>; TILE_HEIGHT as usize],
}

impl Tile {
    /// Appends a hash; gives the tile's root if that filled it.
    fn push(&mut self, hash: Hash) -> Option<Hash> {
        let mut hash = hash;
        for row in &mut self.rows {
            row.push(hash);
            match row.as_slice() {
                [.., left, right] if row.len() % 2 == 0 => hash = node(left, right),
                _ => return None,
            }
        }
        Some(hash)
    }
}

/// One level of the edge.
#[derive(Debug, Clone, Default)]
struct Level {
    /// The tile that is not yet full.
    partial: Tile,
    /// Full tiles before it.
    full: u64,
    /// The last of those, newest last.
    recent: VecDeque<Arc<Tile>>,
}

impl Level {
    /// Appends a hash; gives the full tile's hashes and root if that filled it.
    fn push(&mut self, hash: Hash, recent_max: usize) -> Option<(Vec<Hash>, Hash)> {
        let root = self.partial.push(hash)?;
        let tile = std::mem::take(&mut self.partial);
        let hashes = tile.rows[0].clone();
        self.full += 1;
        self.recent.push_back(Arc::new(tile));
        if self.recent.len() > recent_max {
            self.recent.pop_front();
        }
        Some((hashes, root))
    }

    /// Row `row` of tile `index`, if the edge still has it.
    fn row(&self, index: u64, row: usize) -> Option<&[Hash]> {
        if index == self.full {
            return self.partial.rows.get(row).map(Vec::as_slice);
        }
        let back = usize::try_from(self.full.checked_sub(index)?).ok()?;
        let tile = self.recent.get(self.recent.len().checked_sub(back)?)?;
        tile.rows.get(row).map(Vec::as_slice)
    }
}

/// The right edge of the tree.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    size: u64,
    levels: Vec<Level>,
}

impl Edge {
    /// The edge of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The edge of a tree of `size` leaves: `leaves` gives the hashes of those in no full tile.
    ///
    /// Reads at most 255 leaves and 255 tiles a level, never the whole log.
    ///
    /// # Errors
    ///
    /// [`TileError`] when a tile or a leaf is missing or damaged: rebuild by appending every entry.
    pub fn restore(
        size: u64,
        full_tiles: &dyn TileSource,
        leaves: impl Fn(u64) -> Result<Hash, TileError>,
    ) -> Result<Self, TileError> {
        let mut levels = Vec::new();
        let mut count = size;
        let mut level: u8 = 0;
        while count > 0 {
            let full = count >> TILE_HEIGHT;
            let mut partial = Tile::default();
            for position in (full << TILE_HEIGHT)..count {
                let hash = match level.checked_sub(1) {
                    None => leaves(position)?,
                    Some(below) => required_tile(full_tiles, below, position)?.root().ok_or(
                        TileError::Damaged {
                            level: below,
                            index: position,
                        },
                    )?,
                };
                partial.push(hash);
            }
            levels.push(Level {
                partial,
                full,
                recent: VecDeque::new(),
            });
            count = full;
            level += 1;
        }
        Ok(Self { size, levels })
    }

    /// The hashes that are in no full tile, by level, lowest first: all that the edge needs to go on.
    #[must_use]
    pub fn partials(&self) -> Vec<Vec<Hash>> {
        let rows = self.levels.iter().map(|level| level.partial.rows.first());
        rows.map(|row| row.cloned().unwrap_or_default()).collect()
    }

    /// The edge of a tree of `size` leaves from what [`Edge::partials`] gave; `None` if they are not as many hashes
    /// as that size has. Whether they are the right ones is seen by [`Edge::root`].
    #[must_use]
    pub fn from_partials(size: u64, partials: &[Vec<Hash>]) -> Option<Self> {
        let mut levels = Vec::new();
        let mut count = size;
        for hashes in partials {
            let full = count >> TILE_HEIGHT;
            if count == 0 || hashes.len() as u64 != count - (full << TILE_HEIGHT) {
                return None;
            }
            let mut partial = Tile::default();
            for hash in hashes {
                partial.push(*hash);
            }
            levels.push(Level {
                partial,
                full,
                recent: VecDeque::new(),
            });
            count = full;
        }
        (count == 0).then_some(Self { size, levels })
    }

    /// Leaves in the tree.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        // Right to left: the complete subtrees of the edge, smallest first.
        let mut root: Option<Hash> = None;
        for level in &self.levels {
            for row in &level.partial.rows {
                if let Some(last) = row.last().filter(|_| row.len() % 2 == 1) {
                    root = Some(root.map_or(*last, |right| node(last, &right)));
                }
            }
        }
        root.unwrap_or(EMPTY_ROOT)
    }

    /// Appends a leaf's hash; gives the tiles that it filled, lowest level first, to be written by the caller.
    #[must_use = "the tiles that became full are to be written"]
    pub fn append(&mut self, leaf: Hash) -> Vec<FullTile> {
        let mut full = Vec::new();
        let mut hash = leaf;
        let mut level: u8 = 0;
        self.size += 1;
        loop {
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Level::default());
            }
            let recent_max = if level == 0 {
                RECENT_LEAF_TILES_MAX
            } else {
                RECENT_NODE_TILES_MAX
            };
            let Some(this) = self.levels.get_mut(at) else {
                return full;
            };
            let index = this.full;
            let Some((hashes, root)) = this.push(hash, recent_max) else {
                return full;
            };
            full.push(FullTile {
                level,
                index,
                hashes,
            });
            hash = root;
            level += 1;
        }
    }

    /// The root of the complete subtree of `2^height` leaves that starts at leaf `index << height`.
    ///
    /// From memory for the newest part of the tree, else from one full tile.
    pub(crate) fn subtree(
        &self,
        tiles: &dyn TileSource,
        height: u32,
        index: u64,
    ) -> Result<Hash, TileError> {
        let level = u8::try_from(height / TILE_HEIGHT).expect("a height is below 64");
        let row = height % TILE_HEIGHT;
        let tile = index >> (TILE_HEIGHT - row);
        let position = usize::try_from(index & ((1 << (TILE_HEIGHT - row)) - 1))
            .expect("a position is below the tile's width");
        let remembered = self
            .levels
            .get(usize::from(level))
            .and_then(|edge| edge.row(tile, row as usize));
        if let Some(hashes) = remembered {
            return hashes
                .get(position)
                .copied()
                .ok_or(TileError::Missing { level, index: tile });
        }
        required_tile(tiles, level, tile)?
            .subtree(row, position)
            .ok_or(TileError::Damaged { level, index: tile })
    }

    /// The hashes of tile `index` of `level` in the tree of `size` leaves, full or partial: what an export writes.
    ///
    /// # Errors
    ///
    /// [`TileError::Missing`] if the tree of that size has no such tile, or its source has lost it.
    pub fn tile(
        &self,
        tiles: &dyn TileSource,
        level: u8,
        index: u64,
        size: u64,
    ) -> Result<Vec<Hash>, TileError> {
        let missing = TileError::Missing { level, index };
        let shift = TILE_HEIGHT * u32::from(level);
        let count = if size > self.size {
            0
        } else {
            size.checked_shr(shift).unwrap_or(0)
        };
        let start = index << TILE_HEIGHT;
        if start >= count {
            return Err(missing);
        }
        let width = usize::try_from((count - start).min(TILE_WIDTH as u64)).unwrap_or(TILE_WIDTH);
        let hashes = match self
            .levels
            .get(usize::from(level))
            .and_then(|edge| edge.row(index, 0))
        {
            Some(hashes) => hashes.get(..width).map(<[Hash]>::to_vec),
            None => required_tile(tiles, level, index)?
                .hashes()
                .get(..width)
                .map(<[Hash]>::to_vec),
        };
        hashes.ok_or(missing)
    }
}

fn required_tile(
    tiles: &dyn TileSource,
    level: u8,
    index: u64,
) -> Result<Arc<KeptTile>, TileError> {
    let tile = tiles
        .full_tile(level, index)?
        .ok_or(TileError::Missing { level, index })?;
    if tile.is_full() {
        Ok(tile)
    } else {
        Err(TileError::Damaged { level, index })
    }
}

/// The root over a power of two of hashes; `None` for none.
pub(crate) fn subtree_root(hashes: &[Hash]) -> Option<Hash> {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .chunks(2)
            .filter_map(|pair| match pair {
                [left, right] => Some(node(left, right)),
                _ => None,
            })
            .collect();
    }
    row.first().copied()
}

mod kept_tile;
#[cfg(test)]
mod tests;
