//! A log as long as wanted: entries that are well-formed and commit to nothing, hashed into tiles as they are made.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::subject::BenchError;
use crate::cli::audit::folder::KEY_PATH;
use crate::domain::time::Timestamp;
use crate::exchange::sequencer::TileCache;
use crate::ledger::checkpoint::CheckpointSigner;
use crate::ledger::entry::{Actor, Entry, EntryBody};
use crate::ledger::hash::{Hash, leaf, sha256};
use crate::ledger::layout::{self, CHECKPOINT_PATH};
use crate::ledger::note::NoteSigner;
use crate::ledger::tree::{Edge, KeptTile, TILE_WIDTH, TileError, TileSource};

/// Entries between two ticks.
const TICK_EVERY: u64 = 500;

/// Makes logs.
pub struct LongLog;

impl LongLog {
    /// Entry `index`.
    fn entry(index: u64) -> Vec<u8> {
        let millis = 1_794_000_600_000 + i64::try_from(index).unwrap_or(0) * 1_000;
        let body = if index.is_multiple_of(TICK_EVERY) {
            EntryBody::Tick
        } else {
            EntryBody::Committed {
                event: "opened",
                commitment: *sha256(&[&index.to_be_bytes()]).as_bytes(),
            }
        };
        let by = if body == EntryBody::Tick {
            Actor::Router
        } else {
            Actor::Agency("shelter-0042".parse().expect("the id is well-formed"))
        };
        let at = Timestamp::from_millis(millis).expect("the log is shorter than time");
        let entry = Entry { by, at, body };
        entry.encode().expect("the entry is well-formed")
    }

    /// The hash of entry `index`.
    pub(super) fn leaf_at(index: u64) -> Hash {
        leaf(&Self::entry(index))
    }

    /// Writes the tiles of a log of `entries` into `folder`, without its entries; gives its edge.
    pub(super) fn tiles(folder: &Path, entries: u64) -> Result<Edge, BenchError> {
        Self::write(folder, entries, false)
    }

    /// Writes a log of `entries` as `audit export` does, without openings; gives its key.
    pub(super) fn folder(folder: &Path, entries: u64) -> Result<String, BenchError> {
        let edge = Self::write(folder, entries, true)?;
        let failed = |error: &dyn std::fmt::Display| BenchError::Call(error.to_string());
        let signer =
            NoteSigner::ed25519("long.example", &[7; 32]).map_err(|error| failed(&error))?;
        let mut signer = CheckpointSigner::begin(signer);
        let note = signer.advance(edge.size(), edge.root(), &[]);
        std::fs::write(folder.join(KEY_PATH), signer.vkey() + "\n")?;
        std::fs::write(
            folder.join(CHECKPOINT_PATH),
            note.map_err(|error| failed(&error))?,
        )?;
        Ok(signer.vkey())
    }

    fn write(folder: &Path, entries: u64, bundles: bool) -> Result<Edge, BenchError> {
        let put = |path: &str, bytes: &[u8]| -> std::io::Result<()> {
            let full = folder.join(path);
            if let Some(parent) = full.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(full, bytes)
        };
        let mut edge = Edge::new();
        let mut bundle: Vec<Vec<u8>> = Vec::new();
        for index in 0..entries {
            let entry = Self::entry(index);
            for tile in edge.append(leaf(&entry)) {
                let path = layout::tile_path(tile.level, tile.index, TILE_WIDTH);
                put(&path, &layout::encode_tile(&tile.hashes))?;
            }
            if !bundles {
                continue;
            }
            bundle.push(entry);
            if bundle.len() == TILE_WIDTH || index + 1 == entries {
                let bytes = layout::encode_bundle(&bundle).unwrap_or_default();
                put(
                    &layout::entries_path(index / TILE_WIDTH as u64, bundle.len()),
                    &bytes,
                )?;
                bundle.clear();
            }
        }
        for (level, hashes) in (0..)
            .zip(edge.partials())
            .filter(|(_, hashes)| !hashes.is_empty())
        {
            let index = (entries >> (8 * u32::from(level))) >> 8;
            put(
                &layout::tile_path(level, index, hashes.len()),
                &layout::encode_tile(&hashes),
            )?;
        }
        Ok(edge)
    }
}

/// Full tiles in a folder, the last used in memory as a router has them.
pub struct CachedTiles {
    folder: PathBuf,
    cache: TileCache,
}

impl CachedTiles {
    /// The tiles under `folder`.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            cache: TileCache::default(),
        }
    }
}

impl TileSource for CachedTiles {
    fn full_tile(&self, level: u8, index: u64) -> Result<Option<Arc<KeptTile>>, TileError> {
        self.cache.get(level, index, || {
            let path = self
                .folder
                .join(layout::tile_path(level, index, TILE_WIDTH));
            let bytes = std::fs::read(path).map_err(|error| TileError::Source(Box::new(error)))?;
            let hashes = layout::decode_tile(&bytes).ok_or(TileError::Damaged { level, index })?;
            Ok(Some(hashes))
        })
    }
}
