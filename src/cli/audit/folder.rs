//! An exported folder as a source: the layout of C2SP tlog-tiles, with the openings beside it.
//!
//! `openings/<N>.jsonl` has a line `{"decision":{…},"index":…,"nonce":"…"}` for each opening of entry bundle N. A
//! decision that is not RFC 8785 JSON, which no honest log holds, stands there as a string in base64url.

use crate::audit::source::{AuditSource, SealedOpening, SignedCheckpoint, SourceError};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::hash::Hash;
use crate::ledger::layout::{self, CHECKPOINT_PATH};
use crate::ledger::proof;
use crate::ledger::tree::{Edge, TILE_WIDTH, TileError, TileSource};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The log's verifier key, as the folder's writer knew it.
pub const KEY_PATH: &str = "log.vkey";

/// Folder of the openings.
pub const OPENINGS_FOLDER: &str = "openings";

/// Longest file read, in bytes: 256 entries of the longest, or their openings.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

const WIDTH: u64 = TILE_WIDTH as u64;

/// One line of an openings file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) decision: Value,
    pub(super) index: u64,
    pub(super) nonce: String,
}

/// An exported folder.
#[derive(Debug, Clone)]
pub struct FolderSource {
    folder: PathBuf,
    /// What the checkpoint file says, believed only to find partial tiles.
    size: Option<u64>,
}

fn damaged(path: &str) -> SourceError {
    SourceError::Damaged(format!("{path} is damaged"))
}

impl FolderSource {
    /// The folder at `folder`.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder, size: None }
    }

    /// The file at `path`; none if it is not there.
    fn find(&self, path: &str) -> Result<Option<Vec<u8>>, SourceError> {
        let full = self.folder.join(path);
        let read = || -> io::Result<Vec<u8>> {
            if fs::metadata(&full)?.len() > FILE_BYTES_MAX {
                return Err(io::Error::other("it is too long"));
            }
            fs::read(&full)
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SourceError::Unavailable(format!(
                "{}: {error}",
                full.display()
            ))),
        }
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let missing = || SourceError::Damaged(format!("{path} is missing"));
        self.find(path)?.ok_or_else(missing)
    }

    fn text(&self, path: &str) -> Result<String, SourceError> {
        String::from_utf8(self.read(path)?).map_err(|_| damaged(path))
    }

    fn size(&mut self) -> Result<u64, SourceError> {
        if let Some(size) = self.size {
            return Ok(size);
        }
        let note = self.text(CHECKPOINT_PATH)?;
        let end = note.find("\n\n").ok_or_else(|| damaged(CHECKPOINT_PATH))?;
        let text = note.get(..=end).unwrap_or_default();
        let size = Checkpoint::parse(text)
            .map_err(|_| damaged(CHECKPOINT_PATH))?
            .size;
        self.size = Some(size);
        Ok(size)
    }

    /// Bundle or tile `index` at a level with `count` of them: the file as wide as it is now, else the full one.
    fn tile_file(
        &self,
        index: u64,
        count: u64,
        path: impl Fn(u64, usize) -> String,
    ) -> Result<(String, Option<Vec<u8>>), SourceError> {
        let width = count.saturating_sub(index.saturating_mul(WIDTH)).min(WIDTH);
        let narrow = path(index, usize::try_from(width).unwrap_or(TILE_WIDTH));
        if let Some(bytes) = self.find(&narrow)? {
            return Ok((narrow, Some(bytes)));
        }
        let full = self.find(&path(index, TILE_WIDTH))?;
        Ok((narrow, full))
    }

    fn line(&self, path: &str, number: usize, line: &str) -> Result<SealedOpening, SourceError> {
        let wrong = || SourceError::Damaged(format!("{path} is damaged at line {}", number + 1));
        let line: Line = serde_json::from_str(line).map_err(|_| wrong())?;
        let decision = match &line.decision {
            Value::String(text) => BASE64URL_NOPAD
                .decode(text.as_bytes())
                .map_err(|_| wrong())?,
            value => serde_json_canonicalizer::to_vec(value).map_err(|_| wrong())?,
        };
        let nonce = BASE64URL_NOPAD
            .decode(line.nonce.as_bytes())
            .map_err(|_| wrong())?;
        Ok(SealedOpening {
            index: line.index,
            nonce,
            decision,
        })
    }
}

impl AuditSource for FolderSource {
    async fn checkpoint(&mut self) -> Result<SignedCheckpoint, SourceError> {
        let note = self.text(CHECKPOINT_PATH)?;
        let vkey = self
            .find(KEY_PATH)?
            .and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(SignedCheckpoint {
            note,
            vkey: vkey.map(|vkey| vkey.trim_end().to_owned()),
        })
    }

    async fn entries(&mut self, start: u64, count: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        let size = self.size()?;
        let (path, bytes) = self.tile_file(start / WIDTH, size, layout::entries_path)?;
        let bytes = bytes.ok_or_else(|| SourceError::Damaged(format!("{path} is missing")))?;
        let entries = layout::decode_bundle(&bytes).ok_or_else(|| damaged(&path))?;
        let skip = usize::try_from(start % WIDTH).unwrap_or(TILE_WIDTH);
        let take = usize::try_from(count).unwrap_or(TILE_WIDTH);
        let entries: Vec<_> = entries.into_iter().skip(skip).take(take).collect();
        if entries.is_empty() {
            Err(damaged(&path))
        } else {
            Ok(entries)
        }
    }

    async fn openings(
        &mut self,
        start: u64,
        count: u64,
    ) -> Result<Vec<Option<SealedOpening>>, SourceError> {
        if !self.folder.join(OPENINGS_FOLDER).is_dir() {
            let text = "the folder has no openings: it can be verified, not replayed";
            return Err(SourceError::NotPermitted(text.into()));
        }
        let first = start - start % WIDTH;
        let end = (first + WIDTH)
            .min(start.saturating_add(count))
            .min(self.size()?)
            .max(start + 1);
        let mut found = vec![None; usize::try_from(end - start).unwrap_or(0)];
        let path = layout::openings_path(start / WIDTH);
        let Some(bytes) = self.find(&path)? else {
            return Ok(found);
        };
        let text = String::from_utf8(bytes).map_err(|_| damaged(&path))?;
        let mut next = first;
        for (number, line) in text.lines().enumerate() {
            let opening = self.line(&path, number, line)?;
            if opening.index < next || opening.index >= first + WIDTH {
                return Err(SourceError::Damaged(format!(
                    "{path} is out of order at line {}",
                    number + 1
                )));
            }
            next = opening.index + 1;
            let slot = opening
                .index
                .checked_sub(start)
                .and_then(|at| usize::try_from(at).ok());
            if let Some(slot) = slot.and_then(|at| found.get_mut(at)) {
                *slot = Some(opening);
            }
        }
        Ok(found)
    }

    async fn tile(
        &mut self,
        level: u8,
        index: u64,
        width: usize,
    ) -> Result<Option<Vec<Hash>>, SourceError> {
        // A tile that is missing or cut is as wrong as one that differs: none of its hashes are there.
        let bytes = self
            .find(&layout::tile_path(level, index, width))?
            .unwrap_or_default();
        Ok(Some(layout::decode_tile(&bytes).unwrap_or_default()))
    }

    async fn consistency(&mut self, old: u64, new: u64) -> Result<Vec<Hash>, SourceError> {
        let count = self.size()?;
        let unproven = |_| SourceError::Damaged("the folder's tiles do not reach so far".into());
        let tiles = Tiles { folder: self };
        let last = |index: u64| {
            let (_, bytes) = tiles
                .folder
                .tile_file(index / WIDTH, count, |index, width| {
                    layout::tile_path(0, index, width)
                })
                .map_err(|error| TileError::Source(Box::new(error)))?;
            let hashes = bytes.and_then(|bytes| layout::decode_tile(&bytes));
            let position = usize::try_from(index % WIDTH).unwrap_or(TILE_WIDTH);
            let missing = TileError::Missing {
                level: 0,
                index: index / WIDTH,
            };
            hashes
                .and_then(|hashes| hashes.get(position).copied())
                .ok_or(missing)
        };
        let edge = Edge::restore(count, &tiles, last).map_err(unproven)?;
        proof::consistency(&edge, &tiles, old, new)
            .map_err(|_| SourceError::Damaged("the folder's tiles do not reach so far".into()))
    }
}

struct Tiles<'a> {
    folder: &'a FolderSource,
}

impl TileSource for Tiles<'_> {
    fn full_tile(&self, level: u8, index: u64) -> Result<Option<Arc<[Hash]>>, TileError> {
        let path = layout::tile_path(level, index, TILE_WIDTH);
        let bytes = self
            .folder
            .find(&path)
            .map_err(|error| TileError::Source(Box::new(error)))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let hashes = layout::decode_tile(&bytes).ok_or(TileError::Damaged { level, index })?;
        Ok(Some(hashes.into()))
    }
}
