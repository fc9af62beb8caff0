//! An exported folder as a source: the layout of C2SP tlog-tiles, with the openings beside it.
//!
//! `openings/<N>.jsonl` has a line `{"decision":{…},"index":…,"nonce":"…"}` for each opening of entry bundle N. A
//! decision that is not RFC 8785 JSON, which no honest log holds, stands there as a string in base64url.

use crate::audit::source::{AuditSource, SealedOpening, SignedCheckpoint, SourceError};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::hash::Hash;
use crate::ledger::layout::{self, CHECKPOINT_PATH};
use crate::ledger::proof;
use crate::ledger::tree::{Edge, KeptTile, TILE_WIDTH, TileError, TileSource};
use data_encoding::BASE64URL_NOPAD;
use std::cmp::Ordering;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The log's verifier key, as the folder's writer knew it.
pub const KEY_PATH: &str = "log.vkey";

/// Folder of the openings.
pub const OPENINGS_FOLDER: &str = "openings";

/// Longest file read, in bytes: 256 entries of the longest, or their openings.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

const WIDTH: u64 = TILE_WIDTH as u64;

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

/// A file that others made, of so many bytes at most.
///
/// # Errors
///
/// What the operating system says, and for what is not a plain file: a device or a pipe under a file's name has no end.
pub(super) fn read_plain(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    // Looked at before it is opened: opening a pipe waits for a writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other("it is too long"));
    }
    Ok(bytes)
}

/// The line of an opening, with its newline.
pub(super) fn write_line(opening: &SealedOpening, out: &mut Vec<u8>) {
    let canonical = serde_json::from_slice::<serde_json::Value>(&opening.decision)
        .ok()
        .filter(serde_json::Value::is_object)
        .and_then(|value| serde_json_canonicalizer::to_vec(&value).ok())
        .is_some_and(|bytes| bytes == opening.decision);
    out.extend_from_slice(b"{\"decision\":");
    if canonical {
        out.extend_from_slice(&opening.decision);
    } else {
        let text = BASE64URL_NOPAD.encode(&opening.decision);
        out.extend_from_slice(format!("\"{text}\"").as_bytes());
    }
    let nonce = BASE64URL_NOPAD.encode(&opening.nonce);
    let rest = format!(",\"index\":{},\"nonce\":\"{nonce}\"}}\n", opening.index);
    out.extend_from_slice(rest.as_bytes());
}

/// Reads exactly what [`write_line`] writes, without its newline. The decision is taken as it stands: whether it is
/// RFC 8785 JSON is seen when it is opened.
#[must_use]
pub fn read_line(line: &str) -> Option<SealedOpening> {
    let rest = line.strip_prefix("{\"decision\":")?.strip_suffix("\"}")?;
    let (rest, nonce) = rest.rsplit_once(",\"nonce\":\"")?;
    let (decision, digits) = rest.rsplit_once(",\"index\":")?;
    let index: u64 = digits.parse().ok()?;
    let decision = match decision.strip_prefix('"') {
        Some(text) => BASE64URL_NOPAD
            .decode(text.strip_suffix('"')?.as_bytes())
            .ok()?,
        None if decision.starts_with('{') && decision.ends_with('}') => {
            decision.as_bytes().to_vec()
        }
        None => return None,
    };
    (index.to_string() == digits).then_some(SealedOpening {
        index,
        nonce: BASE64URL_NOPAD.decode(nonce.as_bytes()).ok()?,
        decision,
    })
}

/// The openings in the file of bundle `bundle`, in order.
///
/// # Errors
///
/// [`SourceError::Damaged`] with the line that cannot be read, or is out of order.
pub fn read_openings(bundle: u64, bytes: &[u8]) -> Result<Vec<SealedOpening>, SourceError> {
    let path = layout::openings_path(bundle);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        SourceError::Damaged(format!("{path} is damaged at line {line}"))
    })?;
    let lines = text.split_inclusive('\n');
    let first = bundle.saturating_mul(WIDTH);
    let mut next = first;
    let mut openings = Vec::new();
    for (line, number) in lines.zip(1..) {
        let opening = line
            .strip_suffix('\n')
            .and_then(read_line)
            .ok_or_else(|| SourceError::Damaged(format!("{path} is damaged at line {number}")))?;
        if opening.index < next || opening.index - first >= WIDTH {
            let text = format!("{path} is out of order at line {number}");
            return Err(SourceError::Damaged(text));
        }
        next = opening.index + 1;
        openings.push(opening);
    }
    Ok(openings)
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
        match read_plain(&full, FILE_BYTES_MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SourceError::Unavailable(format!(
                "{}: {error}",
                full.display()
            ))),
        }
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let missing = || {
            if self.folder.is_dir() {
                SourceError::Damaged(format!("{path} is missing"))
            } else {
                let folder = self.folder.display();
                SourceError::Unavailable(format!("{folder}: there is no such folder"))
            }
        };
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

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Whether there are openings beside the log.
    #[must_use]
    pub fn has_openings(&self) -> bool {
        self.folder.join(OPENINGS_FOLDER).is_dir()
    }

    /// The right edge of the tree at the size that the folder's checkpoint says, from its tiles alone.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when a tile is missing or cut.
    pub fn edge(&mut self) -> Result<Edge, SourceError> {
        let size = self.size()?;
        let tiles = Tiles { folder: self };
        let last = |index: u64| {
            let (_, bytes) = tiles
                .folder
                .tile_file(index / WIDTH, size, |index, width| {
                    layout::tile_path(0, index, width)
                })
                .map_err(|error| TileError::Source(Box::new(error)))?;
            let hashes = bytes.and_then(|bytes| layout::decode_tile(&bytes));
            let position = usize::try_from(index % WIDTH).unwrap_or(TILE_WIDTH);
            let index = index / WIDTH;
            hashes
                .and_then(|hashes| hashes.get(position).copied())
                .ok_or(TileError::Missing { level: 0, index })
        };
        match Edge::restore(size, &tiles, last) {
            Ok(edge) => Ok(edge),
            Err(TileError::Missing { level, index } | TileError::Damaged { level, index }) => {
                let path = layout::tile_path(level, index, TILE_WIDTH);
                let text = format!("{path}, whole or partial, is missing or cut short");
                Err(SourceError::Damaged(text))
            }
            Err(TileError::Source(_)) => Err(damaged("a tile")),
        }
    }
}

impl AuditSource for FolderSource {
    async fn checkpoint(&mut self) -> Result<SignedCheckpoint, SourceError> {
        let note = self.text(CHECKPOINT_PATH)?;
        let vkey = self.find(KEY_PATH)?.map(String::from_utf8).transpose();
        let vkey = vkey.map_err(|_| damaged(KEY_PATH))?;
        // Compared with the key that the auditor knows, byte by byte.
        let vkey = vkey.map(|vkey| vkey.strip_suffix('\n').unwrap_or(&vkey).to_owned());
        Ok(SignedCheckpoint { note, vkey })
    }

    async fn entries(&mut self, start: u64, count: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        let size = self.size()?;
        let bundle = start / WIDTH;
        let (path, bytes) = self.tile_file(bundle, size, layout::entries_path)?;
        let bytes = bytes.ok_or_else(|| SourceError::Damaged(format!("{path} is missing")))?;
        let entries = layout::decode_bundle(&bytes).ok_or_else(|| damaged(&path))?;
        let width = size.saturating_sub(bundle * WIDTH).min(WIDTH);
        // The full bundle stands in for one that was not full at this size.
        let told = match (entries.len() as u64).cmp(&width) {
            Ordering::Less => Some("fewer"),
            Ordering::Greater => (entries.len() < TILE_WIDTH).then_some("more"),
            Ordering::Equal => None,
        };
        if let Some(told) = told {
            let text = format!("{path} has {told} entries than it must");
            return Err(SourceError::Damaged(text));
        }
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
        if !self.has_openings() {
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
        for opening in read_openings(start / WIDTH, &bytes)? {
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
        let edge = self.edge()?;
        proof::consistency(&edge, &Tiles { folder: self }, old, new)
            .map_err(|_| SourceError::Damaged("the folder's tiles do not reach so far".into()))
    }
}

struct Tiles<'a> {
    folder: &'a FolderSource,
}

impl TileSource for Tiles<'_> {
    fn full_tile(&self, level: u8, index: u64) -> Result<Option<Arc<KeptTile>>, TileError> {
        let path = layout::tile_path(level, index, TILE_WIDTH);
        let bytes = self
            .folder
            .find(&path)
            .map_err(|error| TileError::Source(Box::new(error)))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let hashes = layout::decode_tile(&bytes).ok_or(TileError::Damaged { level, index })?;
        Ok(Some(Arc::new(hashes.into())))
    }
}
