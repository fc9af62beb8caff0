//! Makes and opens stores.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use super::cluster::Cluster;
use super::commit::Writer;
use super::error::{OpenError, corrupt};
use super::frame::Kind;
use super::index::{Applied, IndexWriter, Meta};
use super::io::{Io, make_folder};
use super::journal::{Journal, Maker};
use super::keyring::Keyring;
use super::overlay::Overlay;
use super::payload;
use super::recovery::{self, Position};
use super::segment::{Segment, Segments};
use super::sort::Sorter;
use super::trust::{self, Trust};
use super::{Opening, Options, Progress, Shared};
use crate::storage::lock;

/// Format of a store. A newer one is refused by name.
pub(super) const FORMAT: u32 = 1;

/// Changes that catching up puts into one sled batch: bounds its memory.
const CHANGES_PER_BATCH: usize = 4_096;

pub(super) const STORE: &str = "store";
const FIRST_LINE: &str = "safeconduct store";

pub(super) fn journal_folder(folder: &Path) -> PathBuf {
    folder.join("journal")
}

pub(super) fn keyring_folder(folder: &Path) -> PathBuf {
    folder.join("keyring")
}

pub(super) fn index_folder(folder: &Path) -> PathBuf {
    folder.join("index")
}

/// Makes a store. Its `store` file comes last: without it nothing opens.
pub(super) fn create(folder: &Path, options: &Options) -> Result<(), OpenError> {
    let io = Io(options.faults.clone());
    match fs::read_dir(folder) {
        Ok(mut items) => {
            if items.next().is_some() {
                return Err(OpenError::NotEmpty);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_folder(folder)?,
        Err(error) => return Err(error.into()),
    }
    let _lock = lock(folder, true)?;
    let mut store = [0; 16];
    aws_lc_rs::rand::fill(&mut store)
        .map_err(|_| OpenError::Io(io::Error::other("no randomness")))?;
    let (journal, keyring) = (journal_folder(folder), keyring_folder(folder));
    make_folder(&journal)?;
    make_folder(&keyring)?;
    let bytes = options.first_segment_bytes;
    Segment::create(&io, &journal, &store, 1, bytes, options.keep_free_bytes)?;
    Keyring::open(keyring, io.clone(), store, options.chunk_slots)?.grow_to(1)?;
    io.sync_folder(folder)?;
    if let Some(parent) = folder
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        io.sync_folder(parent)?;
    }
    let text = describe(FORMAT, &store);
    io.publish(&folder.join(STORE), |file| {
        io.write_at(file, text.as_bytes(), 0)
    })?;
    Ok(())
}

fn describe(format: u32, store: &[u8; 16]) -> String {
    let id = data_encoding::HEXLOWER.encode(store);
    let text = format!("{FIRST_LINE}\nformat {format}\nid {id}\n");
    let crc = crc32fast::hash(text.as_bytes());
    format!("{text}check {crc:08x}\n")
}

/// Reads the `store` file: what this is, before anything else is believed.
pub(super) fn identify(folder: &Path) -> Result<[u8; 16], OpenError> {
    let text = match fs::read(folder.join(STORE)) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if journal_folder(folder).exists() {
                return corrupt("the file store is missing");
            }
            return match fs::read_dir(folder).map(|mut items| items.next().is_none()) {
                Ok(false) => Err(OpenError::Foreign),
                _ => Err(OpenError::Missing),
            };
        }
        Err(error) => return Err(error.into()),
    };
    let mut lines = text.lines();
    if lines.next() != Some(FIRST_LINE) {
        return Err(OpenError::Foreign);
    }
    let format = lines
        .next()
        .and_then(|line| line.strip_prefix("format ")?.parse().ok());
    let id = lines.next().and_then(|line| {
        let id = data_encoding::HEXLOWER
            .decode(line.strip_prefix("id ")?.as_bytes())
            .ok()?;
        <[u8; 16]>::try_from(id).ok()
    });
    match (format, id) {
        (Some(found), _) if found > FORMAT => Err(OpenError::Newer {
            found,
            known: FORMAT,
        }),
        (Some(format), Some(id)) if text == describe(format, &id) => Ok(id),
        _ => corrupt("the file store is damaged"),
    }
}

pub(super) fn lock(folder: &Path, is_new: bool) -> Result<File, OpenError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .create_new(is_new)
        .truncate(false)
        .mode(0o600)
        .open(folder.join("lock"))?;
    match lock::hold(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Opens a store; the index writer goes to its thread.
pub(super) fn open(
    folder: &Path,
    options: Options,
) -> Result<(Shared, IndexWriter, Opening), OpenError> {
    let io = Io(options.faults.clone());
    let store = identify(folder)?;
    let lock = lock(folder, false)?;
    for part in [journal_folder(folder), keyring_folder(folder)] {
        if !part.is_dir() {
            let name = part
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            return corrupt(format!("the folder {name} is missing"));
        }
    }
    let segments = Arc::new(Segments::open(&journal_folder(folder), &store)?);
    let keyring = Keyring::open(
        keyring_folder(folder),
        io.clone(),
        store,
        options.chunk_slots,
    )?;

    let mut opening = Opening::default();
    let mut index = open_index(folder, &io, &options, &store, &mut opening)?;
    let from = &index.meta;
    if from.head.batches > 0 && !recovery::holds(&segments, &store, from.begin, from.end)? {
        return corrupt(format!(
            "the journal does not hold batch {}, which the index knows of",
            from.head.batches
        ));
    }
    let (meta, tail) = replay(
        folder,
        &segments,
        &store,
        &keyring,
        &options,
        &mut index,
        &mut opening,
    )?;
    let position = tail.position;
    let Some(segment) = segments.find(position.segment) else {
        return corrupt(format!("{:010}.segment is missing", position.segment));
    };
    if let Some(bytes) = tail.torn {
        tracing::warn!(
            segment = segment.number,
            offset = position.offset,
            "a torn frame is cut"
        );
        recovery::cut(&io, &segment, position.offset, bytes)?;
        opening.cut = Some((segment.number, position.offset));
    }
    if keyring.last() < meta.next_slot.saturating_sub(1) {
        return corrupt("a chunk of the keyring is missing");
    }
    let maker = Maker {
        io: io.clone(),
        folder: journal_folder(folder),
        store,
        bytes: options.segment_bytes,
        keep_free: options.keep_free_bytes,
    };
    let journal = Journal {
        io: io.clone(),
        store,
        maker,
        segments: segments.clone(),
        segment,
        position,
        is_sealed: tail.is_sealed,
        failed: None,
    };
    let overlay = RwLock::new(Overlay::new(meta.head));
    let writer = Writer {
        journal,
        meta,
        last_commit: std::time::Instant::now(),
    };
    let shared = Shared {
        folder: folder.to_owned(),
        options,
        io,
        segments,
        keyring,
        tree: index.tree.clone(),
        cluster: Cluster::of(&store),
        overlay,
        writer: Mutex::new(writer),
        queue: Default::default(),
        wants: Default::default(),
        _lock: lock,
    };
    Ok((shared, index, opening))
}

/// The index as it is, when it may be believed and is whole; else an empty one.
fn open_index(
    folder: &Path,
    io: &Io,
    options: &Options,
    store: &[u8; 16],
    opening: &mut Opening,
) -> Result<IndexWriter, OpenError> {
    let index = index_folder(folder);
    let cache = options.index_cache_bytes;
    let genesis = Position::genesis(store);
    let usable = !options.rebuild && index.is_dir();
    let trust = if usable {
        trust::of_index(folder, &index)
    } else {
        Trust::None
    };
    let found = match trust {
        Trust::None => None,
        Trust::Rows => IndexWriter::open(&index, cache, genesis, true),
        Trust::Whole => IndexWriter::open(&index, cache, genesis, false),
    };
    if let Some(found) = found {
        trust::record(io, folder, &trust::State::Open)?;
        return Ok(found);
    }
    opening.rebuilt = true;
    // Removed before it is called trustworthy: a stop in between must not leave the old one.
    let made = IndexWriter::create(&index, cache, genesis)?;
    trust::record(io, folder, &trust::State::Open)?;
    Ok(made)
}

/// Brings the index up to the journal's end and finishes erasures on the way.
fn replay(
    folder: &Path,
    segments: &Segments,
    store: &[u8; 16],
    keyring: &Keyring,
    options: &Options,
    index: &mut IndexWriter,
    opening: &mut Opening,
) -> Result<(Meta, recovery::Tail), OpenError> {
    let cluster = Cluster::of(store);
    let mut meta = index.meta.clone();
    let mut sorter = from_nothing(index).then(|| Sorter::new(folder.to_owned()));
    let mut waiting = Vec::new();
    let mut changes = 0;
    let mut told = 0;
    let total_bytes = segments.all().iter().map(|segment| segment.bytes).sum();
    let before = |number: u32| -> u64 {
        let all = segments.all();
        all.iter()
            .filter(|segment| segment.number < number)
            .map(|segment| segment.bytes)
            .sum()
    };
    let from = meta.end;
    let tail = recovery::replay(segments, store, from, &mut |header, body, end| {
        debug_assert_eq!(header.kind, Kind::Batch);
        let place = format!("segment {} at {}", header.segment, header.offset);
        let parsed = payload::parse(body, header.batch, header.segment, header.offset, &cluster);
        let Some(payload) = parsed.filter(|payload| payload.facts.old_size == meta.head.size)
        else {
            return corrupt(format!(
                "the batch in {place} does not follow the one before"
            ));
        };
        keyring.finish_erasing(&payload.erased)?;
        let applied = Arc::new(Applied {
            facts: payload.facts,
            changes: payload.changes,
            erased: payload.erased,
            begin: header.offset,
            end,
        });
        meta.advance(&applied);
        opening.replayed += 1;
        if let Some(sorter) = &mut sorter {
            sorter.add(&applied)?;
        } else {
            changes += applied.changes.len();
            waiting.push(applied);
        }
        if changes >= CHANGES_PER_BATCH {
            apply(index, &waiting)?;
            waiting.clear();
            changes = 0;
        }
        if let Some(progress) = &options.progress {
            let done_bytes = before(end.segment) + end.offset;
            if done_bytes >= told + (1 << 20) {
                told = done_bytes;
                progress(Progress {
                    done_bytes,
                    total_bytes,
                });
            }
        }
        Ok(())
    })?;
    apply(index, &waiting)?;
    if let Some(sorter) = sorter {
        index.fill(sorter.merged()?, &meta)?;
    }
    Ok((meta, tail))
}

/// Whether the index has to be made from the whole journal.
fn from_nothing(index: &IndexWriter) -> bool {
    index.meta.head.batches == 0
}

fn apply(index: &mut IndexWriter, batches: &[Arc<Applied>]) -> Result<(), OpenError> {
    if batches.is_empty() {
        return Ok(());
    }
    match index.apply(batches) {
        Ok(()) => Ok(()),
        Err(error) => corrupt(format!("the index cannot be written: {error}")),
    }
}
