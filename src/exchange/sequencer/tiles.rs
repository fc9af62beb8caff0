//! Full tiles, from the store and a small cache.

use crate::ledger::hash::Hash;
use crate::ledger::tree::{FullTile, KeptTile, TILE_WIDTH, TileError, TileSource};
use crate::storage::engine::{Engine, Life, Table, Write};
use crate::storage::records::key;
use quick_cache::sync::Cache;
use std::sync::Arc;

/// Tiles of leaves' hashes kept in memory, 8 KiB each.
const LEAF_TILES_MAX: usize = 128;

/// Tiles of higher levels kept in memory, 16 KiB each with their inner nodes: all of a log of 16 million entries.
const NODE_TILES_MAX: usize = 256;

/// Tiles in memory. Those of leaves do not drive out those above them, which nearly every proof needs.
#[derive(Debug)]
pub struct TileCache {
    leaves: Cache<u64, Arc<KeptTile>>,
    nodes: Cache<(u8, u64), Arc<KeptTile>>,
}

impl Default for TileCache {
    fn default() -> Self {
        Self {
            leaves: Cache::new(LEAF_TILES_MAX),
            nodes: Cache::new(NODE_TILES_MAX),
        }
    }
}

impl TileCache {
    /// The tile, from memory or as `read` gives its hashes.
    ///
    /// # Errors
    ///
    /// What `read` says; [`TileError::Damaged`] unless there are [`TILE_WIDTH`] hashes.
    pub fn get(
        &self,
        level: u8,
        index: u64,
        read: impl FnOnce() -> Result<Option<Vec<Hash>>, TileError>,
    ) -> Result<Option<Arc<KeptTile>>, TileError> {
        let known = match level {
            0 => self.leaves.get(&index),
            _ => self.nodes.get(&(level, index)),
        };
        if known.is_some() {
            return Ok(known);
        }
        let Some(hashes) = read()? else {
            return Ok(None);
        };
        if hashes.len() != TILE_WIDTH {
            return Err(TileError::Damaged { level, index });
        }
        // Few proofs meet in one tile of leaves, and none needs all its nodes; nearly all meet further up.
        let tile = match level {
            0 => Arc::new(KeptTile::from(hashes)),
            _ => Arc::new(KeptTile::remembering(hashes)),
        };
        match level {
            0 => self.leaves.insert(index, Arc::clone(&tile)),
            _ => self.nodes.insert((level, index), Arc::clone(&tile)),
        }
        Ok(Some(tile))
    }
}

/// Tiles of one store.
pub struct StoredTiles {
    engine: Arc<dyn Engine>,
    cache: TileCache,
}

impl StoredTiles {
    /// Tiles of `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self {
            engine,
            cache: TileCache::default(),
        }
    }

    /// The write that keeps a tile.
    #[must_use]
    pub fn put(tile: &FullTile) -> Write {
        Write::Put {
            table: Table::Tile,
            key: key::tile(tile.level, tile.index),
            value: tile
                .hashes
                .iter()
                .flat_map(|hash| *hash.as_bytes())
                .collect(),
            life: Life::Record,
        }
    }
}

impl TileSource for StoredTiles {
    fn full_tile(&self, level: u8, index: u64) -> Result<Option<Arc<KeptTile>>, TileError> {
        self.cache.get(level, index, || {
            let stored = self
                .engine
                .get(Table::Tile, &key::tile(level, index))
                .map_err(|error| TileError::Source(Box::new(error)))?;
            let Some(stored) = stored else {
                return Ok(None);
            };
            let hashes: Option<Vec<Hash>> = stored.value.chunks(32).map(Hash::from_slice).collect();
            hashes.ok_or(TileError::Damaged { level, index }).map(Some)
        })
    }
}
