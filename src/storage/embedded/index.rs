//! The index: a sled tree from key to place in the journal, which can be rebuilt at any time.
//!
//! One tree holds everything, the watermark too, so that both change in one sled batch. A sum over
//! all rows is kept with
//! the watermark: sled opens some damaged files with rows missing, and the sum tells.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use super::error::{OpenError, corrupt};
use super::frame::sha256;
use super::payload::{Change, Facts, Location, Reader, Row};
use super::recovery::Position;
use super::sort::Merged;
use crate::storage::engine::Head;
use crate::storage::lock;

/// How rows are written; an index of another format is made anew.
const FORMAT: u8 = 3;

/// Key of the watermark; no table has number 0.
const META_KEY: &[u8] = &[0];

/// Rows that [`IndexWriter::apply`] puts into one sled batch: sled's readers wait for all of it.
const ROWS_APPLIED_AT_ONCE: usize = 512;

/// Rows that [`IndexWriter::fill`] puts into one sled batch: a few pages' worth, which stay in its cache.
const ROWS_PER_BATCH: usize = 1_024;

/// What one committed batch does to the index.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) facts: Facts,
    pub(super) changes: Vec<Change>,
    /// Slots whose keys it destroys.
    pub(super) erased: Vec<u64>,
    /// Where its frame begins.
    pub(super) begin: u64,
    /// Where its frame ends.
    pub(super) end: Position,
}

/// How far the index has come, and what else must survive beside the journal's frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    /// Whose index it is: where the journal of its store begins.
    genesis: [u8; 32],
    pub(super) head: Head,
    /// Where the last frame applied begins; 0 when none was.
    pub(super) begin: u64,
    pub(super) end: Position,
    pub(super) next_slot: u64,
    /// Decision slots by month.
    pub(super) months: BTreeMap<u32, u64>,
    /// Which tables ever held content, one bit each.
    pub(super) content: [u8; 32],
    rows: u64,
    sum: u128,
}

impl Meta {
    /// Of an index without rows.
    pub(super) fn empty(genesis: Position) -> Meta {
        let root = crate::storage::limits::EMPTY_ROOT;
        Meta {
            genesis: genesis.digest,
            head: Head {
                batches: 0,
                size: 0,
                root,
            },
            begin: 0,
            end: genesis,
            next_slot: 1,
            months: BTreeMap::new(),
            content: [0; 32],
            rows: 0,
            sum: 0,
        }
    }

    /// Takes over what `applied` says, rows excepted.
    pub(super) fn advance(&mut self, applied: &Applied) {
        let facts = &applied.facts;
        self.head = Head {
            batches: applied.end.batches,
            size: facts.size,
            root: facts.root,
        };
        self.begin = applied.begin;
        self.end = applied.end;
        self.next_slot = facts.next_slot;
        self.months.retain(|_, slot| !applied.erased.contains(slot));
        if facts.decision_slot != 0 {
            self.months.insert(facts.month, facts.decision_slot);
        }
        for change in &applied.changes {
            if change
                .location
                .is_some_and(|location| location.is_content())
            {
                self.note_content(&change.key);
            }
        }
    }

    fn note_content(&mut self, key: &[u8]) {
        let table = usize::from(key.first().copied().unwrap_or_default());
        if let Some(byte) = self.content.get_mut(table / 8) {
            *byte |= 1 << (table % 8);
        }
    }

    /// Whether the table of `key` ever held content.
    pub(super) fn may_hold_content(&self, key: &[u8]) -> bool {
        let table = usize::from(key.first().copied().unwrap_or_default());
        self.content
            .get(table / 8)
            .is_some_and(|byte| byte & (1 << (table % 8)) != 0)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.push(FORMAT);
        for number in [
            self.head.batches,
            self.head.size,
            self.begin,
            self.end.offset,
        ] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.genesis);
        out.extend_from_slice(&self.head.root);
        out.extend_from_slice(&self.end.digest);
        out.extend_from_slice(&self.end.segment.to_be_bytes());
        out.extend_from_slice(&self.next_slot.to_be_bytes());
        out.extend_from_slice(&self.content);
        out.extend_from_slice(&self.rows.to_be_bytes());
        out.extend_from_slice(&self.sum.to_be_bytes());
        for (month, slot) in &self.months {
            out.extend_from_slice(&month.to_be_bytes());
            out.extend_from_slice(&slot.to_be_bytes());
        }
        let check = sha256(&out);
        out.extend_from_slice(&check);
        out
    }

    fn parse(bytes: &[u8]) -> Option<Meta> {
        let (body, check) = bytes.split_last_chunk::<32>()?;
        if sha256(body) != *check {
            return None;
        }
        let (format, body) = body.split_first()?;
        if *format != FORMAT {
            return None;
        }
        let mut reader = Reader { bytes: body, at: 0 };
        let (batches, size) = (reader.u64()?, reader.u64()?);
        let (begin, offset) = (reader.u64()?, reader.u64()?);
        let genesis = reader.take(32)?.try_into().ok()?;
        let root = reader.take(32)?.try_into().ok()?;
        let digest = reader.take(32)?.try_into().ok()?;
        let segment = reader.u32()?;
        let mut meta = Meta {
            genesis,
            head: Head {
                batches,
                size,
                root,
            },
            begin,
            end: Position {
                segment,
                offset,
                digest,
                batches,
            },
            next_slot: reader.u64()?,
            months: BTreeMap::new(),
            content: reader.take(32)?.try_into().ok()?,
            rows: reader.u64()?,
            sum: u128::from_be_bytes(reader.take(16)?.try_into().ok()?),
        };
        while !reader.is_done() {
            let month = reader.u32()?;
            meta.months.insert(month, reader.u64()?);
        }
        Some(meta)
    }

    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_add(1);
        self.sum = self.sum.wrapping_add(row_sum(key, value));
    }

    fn subtract(&mut self, key: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(row_sum(key, value));
    }
}

fn row_sum(key: &[u8], value: &[u8]) -> u128 {
    let digest = sha256(&[value, key].concat());
    digest
        .first_chunk()
        .map_or(0, |half| u128::from_be_bytes(*half))
}

/// Writes the index; there is one.
pub(super) struct IndexWriter {
    db: sled::Db,
    pub(super) tree: sled::Tree,
    /// As of the last sled batch.
    pub(super) meta: Meta,
}

fn open_sled(folder: &Path, cache_bytes: u64) -> sled::Result<sled::Db> {
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(cache_bytes)
        .flush_every_ms(Some(1_000))
        .use_compression(false);
    // sled locks its file as well, and tells a lock apart by its words only.
    for _ in 1..lock::ATTEMPTS_MAX {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("acquire lock") => {
                std::thread::sleep(lock::PAUSE);
            }
            opened => return opened,
        }
    }
    config.open()
}

impl IndexWriter {
    /// Opens what is there, checking every row if asked to; `None` when it is not whole, or another store's.
    pub(super) fn open(
        folder: &Path,
        cache_bytes: u64,
        genesis: Position,
        check_rows: bool,
    ) -> Option<IndexWriter> {
        let folder = folder.to_owned();
        // Of its own thread, since sled panics on some damaged files.
        let thread = std::thread::Builder::new().name("index-check".to_owned());
        let handle = thread
            .spawn(move || {
                let db = open_sled(&folder, cache_bytes).ok()?;
                let tree = (*db).clone();
                let meta = Meta::parse(&tree.get(META_KEY).ok()??)?;
                if meta.genesis != genesis.digest {
                    return None;
                }
                if !check_rows {
                    return Some(IndexWriter { db, tree, meta });
                }
                let mut found = Meta {
                    rows: 0,
                    sum: 0,
                    ..meta.clone()
                };
                for row in tree.range(&[1_u8][..]..) {
                    let (key, value) = row.ok()?;
                    found.add(&key, &value);
                }
                (found == meta).then_some(IndexWriter { db, tree, meta })
            })
            .ok()?;
        handle.join().ok().flatten()
    }

    /// Makes an empty index, removing what is there.
    pub(super) fn create(
        folder: &Path,
        cache_bytes: u64,
        genesis: Position,
    ) -> Result<IndexWriter, OpenError> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        super::io::make_folder(folder)?;
        let db = match open_sled(folder, cache_bytes) {
            Ok(db) => db,
            Err(error) => return corrupt(format!("the index cannot be made: {error}")),
        };
        let tree = (*db).clone();
        Ok(IndexWriter {
            db,
            tree,
            meta: Meta::empty(genesis),
        })
    }

    /// Applies batches together, their rows sorted, in sled batches that readers do not have to wait long for.
    ///
    /// The watermark moves with the last of them. Until then the index holds rows ahead of it,
    /// which is harmless: readers
    /// see the same rows in the overlay, and a start after a kill reads the frames past the watermark once more.
    pub(super) fn apply(&mut self, batches: &[Arc<Applied>]) -> sled::Result<()> {
        let mut meta = self.meta.clone();
        let mut rows: BTreeMap<&[u8], Option<Row>> = BTreeMap::new();
        for applied in batches {
            meta.advance(applied);
            for change in &applied.changes {
                rows.insert(
                    &change.key,
                    change.location.map(|location| location.encode()),
                );
            }
        }
        let mut batch = sled::Batch::default();
        let mut waiting = 0;
        for (key, value) in rows {
            if let Some(old) = self.tree.get(key)? {
                self.meta.subtract(key, &old);
            }
            match value {
                Some(value) => {
                    self.meta.add(key, value.as_bytes());
                    batch.insert(key, value.as_bytes());
                }
                None => batch.remove(key),
            }
            waiting += 1;
            if waiting == ROWS_APPLIED_AT_ONCE {
                waiting = 0;
                batch.insert(META_KEY, self.meta.encode());
                self.tree.apply_batch(std::mem::take(&mut batch))?;
            }
        }
        (meta.rows, meta.sum) = (self.meta.rows, self.meta.sum);
        batch.insert(META_KEY, meta.encode());
        self.tree.apply_batch(batch)?;
        self.meta = meta;
        Ok(())
    }

    /// Fills an empty index with rows that come in the order of their keys. The watermark comes last: an index that a
    /// stop cut off has none, and is made anew.
    pub(super) fn fill(&mut self, mut rows: Merged, meta: &Meta) -> Result<(), OpenError> {
        let mut meta = Meta {
            rows: 0,
            sum: 0,
            ..meta.clone()
        };
        let written = |error| corrupt(format!("the index cannot be written: {error}"));
        let mut batch = sled::Batch::default();
        let mut waiting = 0;
        while let Some((key, row)) = rows.next()? {
            meta.add(&key, &row);
            batch.insert(key, row);
            waiting += 1;
            if waiting == ROWS_PER_BATCH {
                waiting = 0;
                let full = std::mem::take(&mut batch);
                self.tree.apply_batch(full).or_else(written)?;
            }
        }
        batch.insert(META_KEY, meta.encode());
        self.tree.apply_batch(batch).or_else(written)?;
        self.meta = meta;
        Ok(())
    }

    /// Makes the index durable: sled's flush, then our own sync of every file.
    pub(super) fn sync(&self, folder: &Path) -> Result<(), OpenError> {
        if let Err(error) = self.db.flush() {
            return corrupt(format!("the index cannot be flushed: {error}"));
        }
        sync_all(folder)?;
        Ok(())
    }
}

fn sync_all(folder: &Path) -> std::io::Result<()> {
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        if path.is_dir() {
            sync_all(&path)?;
        } else {
            File::open(&path)?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}

/// Reads a row.
pub(super) fn parse_row(value: &[u8]) -> Option<Location> {
    Location::parse(value)
}
