//! Full tiles, from the store and a small cache.

use crate::ledger::hash::Hash;
use crate::ledger::tree::{FullTile, KeptTile, TILE_WIDTH, TileError, TileSource};
use crate::storage::engine::{Engine, Life, Table, Write};
use crate::storage::records::key;
use quick_cache::sync::Cache;
use std::sync::Arc;

/// Tiles kept in memory, 16 KiB each with their inner nodes.
const CACHED_MAX: usize = 256;

/// Tiles of one store.
pub struct StoredTiles {
    engine: Arc<dyn Engine>,
    cache: Cache<(u8, u64), Arc<KeptTile>>,
}

impl StoredTiles {
    /// Tiles of `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self {
            engine,
            cache: Cache::new(CACHED_MAX),
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
        if let Some(tile) = self.cache.get(&(level, index)) {
            return Ok(Some(tile));
        }
        let stored = self
            .engine
            .get(Table::Tile, &key::tile(level, index))
            .map_err(|error| TileError::Source(Box::new(error)))?;
        let Some(stored) = stored else {
            return Ok(None);
        };
        let hashes: Option<Vec<Hash>> = stored.value.chunks(32).map(Hash::from_slice).collect();
        let hashes = hashes
            .filter(|hashes| hashes.len() == TILE_WIDTH)
            .ok_or(TileError::Damaged { level, index })?;
        let tile = Arc::new(KeptTile::remembering(hashes));
        self.cache.insert((level, index), Arc::clone(&tile));
        Ok(Some(tile))
    }
}
