//! Copies of a store that is in use, and stores made of copies.
//!
//! A copy is taken beside the router, without its lock and without stopping it. The journal is append-only, so its
//! frames up to some end are a store as it once was. Keys are copied after the frames that name them, and then the
//! frames that came meanwhile, until no new keys are found: so every key that is erased in the copy is erased by a
//! frame of the copy, and every frame finds its keys. The index is not copied; it is made from the journal.
//!
//! The keyring is what erasure acts on: whoever has an old copy of it can read what was erased since. It can be kept
//! apart from the rest, and must not be kept for long.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::cipher::{self, Binding};
use super::cluster::Cluster;
use super::error::{OpenError, corrupt};
use super::frame::{self, DIGEST_BYTES, FRAME_BYTES_MAX, HEADER_BYTES, Header, Kind};
use super::io::{Io, NamedFile, UNFINISHED, is_blank, make_folder};
use super::keyring::{Keyring, Slot};
use super::open::{STORE, identify, journal_folder, keyring_folder, lock};
use super::payload::{self, Kept};
use super::recovery::{self, Position};
use super::segment::{FIRST_FRAME, Segments};
use super::{ATTACHMENTS, Options};
use crate::storage::engine::{Head, Table};

/// How often a frame that is being written is looked at again.
const LOOKS_MAX: u32 = 100;

/// How long between two looks: a frame is one write.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// Copied at a time, in bytes; what is blank is left out of a backup, which so takes no space.
const CHUNK_BYTES: usize = 1 << 20;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// The store's id.
    pub store: [u8; 16],
    /// Batches of the journal.
    pub batches: u64,
    /// Chunks of the keyring.
    pub chunks: u32,
    /// Files of attachments.
    pub attachments: u64,
}

/// What a walk through a copy comes by.
#[derive(Debug)]
pub enum Step<'a> {
    /// The next ledger entry.
    Entry(&'a [u8]),
    /// The end of a batch, and where the store stood then.
    Batch(Head),
}

/// The end of a copied journal.
struct JournalCopy<'a> {
    io: &'a Io,
    from: PathBuf,
    to: PathBuf,
    store: [u8; 16],
    end: Position,
}

impl JournalCopy<'_> {
    /// Copies every whole frame that is there by now.
    fn catch_up(&mut self) -> Result<(), OpenError> {
        let (segments, end) = self.find_end()?;
        for number in self.end.segment..=end.segment {
            let Some(segment) = segments.find(number) else {
                return corrupt(format!("{number:010}.segment is missing"));
            };
            let from = if number == self.end.segment && self.end.offset > FIRST_FRAME {
                self.end.offset
            } else {
                0
            };
            let until = if number == end.segment {
                end.offset
            } else {
                segment.bytes
            };
            let path = self.to.join(format!("{number:010}.segment"));
            let file = if path.exists() {
                NamedFile::open(path)?
            } else {
                self.io.create(path)?
            };
            // The unused rest are zeros without a place on the disk.
            file.file.set_len(segment.bytes)?;
            copy_range(self.io, &segment.file, &file, from, until)?;
            self.io.sync(&file)?;
        }
        self.io.sync_folder(&self.to)?;
        self.end = end;
        Ok(())
    }

    /// Where the journal ends now. A frame that is just being written is looked at again.
    fn find_end(&self) -> Result<(Segments, Position), OpenError> {
        let mut at = self.end;
        for _ in 0..LOOKS_MAX {
            let segments = Segments::look(&self.from, &self.store)?;
            at = follow(&segments, &self.store, at)?;
            if header_is_blank(&segments, at)? {
                match recovery::nothing_after(&segments, &self.store, at) {
                    Ok(()) => return Ok((segments, at)),
                    // What was blank a moment ago was the end then: frames are written in order.
                    Err(_) if !header_is_blank(&segments, at)? => return Ok((segments, at)),
                    Err(error) => return Err(error),
                }
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        // It stays as it is: nobody is writing it. The rules of recovery say whether it may be left out.
        let segments = Segments::look(&self.from, &self.store)?;
        let tail = recovery::replay(&segments, &self.store, at, &mut |_, _, _| Ok(()))?;
        Ok((segments, tail.position))
    }
}

fn header_is_blank(segments: &Segments, at: Position) -> Result<bool, OpenError> {
    let Some(segment) = segments.find(at.segment) else {
        return corrupt(format!("{:010}.segment is missing", at.segment));
    };
    let mut bytes = [0; HEADER_BYTES];
    segment.file.read_exact_at(&mut bytes, at.offset)?;
    Ok(is_blank(&bytes))
}

/// The end of the whole frames after `at`, each after the one before it.
fn follow(segments: &Segments, store: &[u8; 16], at: Position) -> Result<Position, OpenError> {
    let mut at = at;
    let mut buffer = Vec::new();
    loop {
        let Some(segment) = segments.find(at.segment) else {
            return corrupt(format!("{:010}.segment is missing", at.segment));
        };
        let mut bytes = [0; HEADER_BYTES];
        if at.offset.saturating_add(HEADER_BYTES as u64) > segment.bytes {
            return Ok(at);
        }
        segment.file.read_exact_at(&mut bytes, at.offset)?;
        let Some(header) = Header::parse(&bytes) else {
            return Ok(at);
        };
        let batch = at.batches + u64::from(header.kind == Kind::Batch);
        let length = header.frame_bytes();
        let follows = header.store == *store
            && (header.segment, header.offset) == (at.segment, at.offset)
            && (header.previous, header.batch) == (at.digest, batch)
            && length <= FRAME_BYTES_MAX
            && at.offset.saturating_add(length) <= segment.bytes;
        if !follows {
            let (number, offset) = (at.segment, at.offset);
            return corrupt(format!(
                "the frame in segment {number} at {offset} does not follow the one before"
            ));
        }
        buffer.resize(length as usize, 0);
        segment.file.read_exact_at(&mut buffer, at.offset)?;
        let (body, rest) = buffer.split_at(header.payload_bytes as usize + HEADER_BYTES);
        let digest = frame::sha256(body);
        if rest.get(..DIGEST_BYTES) != Some(&digest[..]) {
            return Ok(at);
        }
        if header.kind == Kind::Roll && segments.find(at.segment.saturating_add(1)).is_none() {
            // Made after the folder was read: the next look finds it.
            return Ok(at);
        }
        at = match header.kind {
            Kind::Roll => Position {
                segment: at.segment.saturating_add(1),
                offset: FIRST_FRAME,
                digest,
                batches: batch,
            },
            Kind::Batch | Kind::Seal => Position {
                offset: at.offset + length,
                digest,
                batches: batch,
                ..at
            },
        };
    }
}

fn copy_range(io: &Io, from: &NamedFile, to: &NamedFile, begin: u64, until: u64) -> io::Result<()> {
    let mut at = begin;
    let mut chunk = vec![0; CHUNK_BYTES];
    while at < until {
        let n = (until - at).min(CHUNK_BYTES as u64) as usize;
        let Some(bytes) = chunk.get_mut(..n) else {
            break;
        };
        from.read_exact_at(bytes, at)?;
        if !is_blank(bytes) {
            io.write_at(to, bytes, at)?;
        }
        at += n as u64;
    }
    Ok(())
}

/// Numbers of the keyring's chunks in a folder, in order.
fn chunks(folder: &Path) -> Result<Vec<u32>, OpenError> {
    let mut numbers = Vec::new();
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let number = stem.and_then(|stem| stem.parse().ok());
        // A chunk exists when its first copy does.
        if path.extension().is_some_and(|extension| extension == "a")
            && let Some(number) = number
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn copy_file(io: &Io, from: &Path, to: &Path) -> io::Result<()> {
    let source = fs::File::open(from)?;
    io.publish(to, |file| {
        let mut at = 0;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let n = source.read_at(&mut chunk, at)?;
            let Some(bytes) = chunk.get(..n).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            io.write_at(file, bytes, at)?;
            at += n as u64;
        }
    })?;
    Ok(())
}

fn copy_keyring(io: &Io, from: &Path, to: &Path, after: u32) -> Result<u32, OpenError> {
    let mut last = after;
    for number in chunks(from)? {
        if number > after {
            for copy in ["b", "a"] {
                let name = format!("{number:08}.{copy}");
                copy_file(io, &from.join(&name), &to.join(&name))?;
            }
            last = number;
        }
    }
    Ok(last)
}

/// Files of attachments that were copied: how each stood when its copy was begun.
type Attachments = BTreeMap<OsString, (u64, SystemTime)>;

/// Copies the files that are not in `copied` as they stand now; those that are gone meanwhile were erased.
///
/// A file grows under its name while it is uploaded, and becomes an attachment by a frame that comes after its end: so
/// what was copied before such a frame is looked at again.
fn copy_attachments(
    io: &Io,
    from: &Path,
    to: &Path,
    copied: &mut Attachments,
) -> Result<(), OpenError> {
    let items = match fs::read_dir(from) {
        Ok(items) => items,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !to.exists() {
        make_folder(to)?;
    }
    for item in items {
        let item = item?;
        let name = item.file_name();
        let copy = || -> io::Result<Option<(u64, SystemTime)>> {
            let found = item.metadata()?;
            let stands = (found.len(), found.modified()?);
            if !found.is_file() || copied.get(&name) == Some(&stands) {
                return Ok(None);
            }
            copy_file(io, &item.path(), &to.join(&name))?;
            Ok(Some(stands))
        };
        match copy() {
            Ok(stands) => copied.extend(stands.map(|stands| (name, stands))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn new_folder(folder: &Path) -> Result<(), OpenError> {
    match fs::read_dir(folder) {
        Ok(mut items) => match items.next() {
            Some(_) => Err(OpenError::NotEmpty),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(make_folder(folder)?),
        Err(error) => Err(error.into()),
    }
}

/// Copies the store in `from`, which may be in use, into the new folder `to`, and its keyring into `keyring`, a new
/// folder too, or into `to`.
///
/// # Errors
///
/// An [`OpenError`] that names what is wrong; what was copied by then is no backup.
pub fn copy(
    from: &Path,
    to: &Path,
    keyring: Option<&Path>,
    options: &Options,
) -> Result<Copied, OpenError> {
    let io = Io(options.faults.clone());
    let store = identify(from)?;
    new_folder(to)?;
    let keys = keyring_folder(keyring.unwrap_or(to));
    if let Some(keyring) = keyring {
        new_folder(keyring)?;
        copy_file(&io, &from.join(STORE), &keyring.join(STORE))?;
    }
    make_folder(&journal_folder(to))?;
    make_folder(&keys)?;
    let mut journal = JournalCopy {
        io: &io,
        from: journal_folder(from),
        to: journal_folder(to),
        store,
        end: Position::genesis(&store),
    };
    journal.catch_up()?;
    let (files, target) = (from.join(ATTACHMENTS), to.join(ATTACHMENTS));
    let (mut chunks, mut attachments) = (0, Attachments::new());
    loop {
        let last = copy_keyring(&io, &keyring_folder(from), &keys, chunks)?;
        copy_attachments(&io, &files, &target, &mut attachments)?;
        if last == chunks {
            // Every frame that was copied finds its keys; one that came since might not.
            break;
        }
        chunks = last;
        journal.catch_up()?;
    }
    copy_file(&io, &from.join(STORE), &to.join(STORE))?;
    Ok(Copied {
        store,
        batches: journal.end.batches,
        chunks,
        attachments: attachments.len() as u64,
    })
}

/// Reads a copy from beginning to end: every frame, every value that still has a key, and every key's slot; hands what
/// the ledger is made of to `visit`. Writes nothing.
///
/// # Errors
///
/// [`OpenError::Corrupt`] naming what is not as it was written; what `visit` says.
pub fn walk(
    folder: &Path,
    keyring: &Path,
    visit: &mut dyn FnMut(Step<'_>) -> Result<(), OpenError>,
) -> Result<Head, OpenError> {
    let store = identify(folder)?;
    if identify(keyring)? != store {
        return corrupt("the keyring is of another store");
    }
    let segments = Segments::look(&journal_folder(folder), &store)?;
    let keys = Keyring::look(keyring_folder(keyring), store)?;
    let cluster = Cluster::of(&store);
    let mut head = Head {
        batches: 0,
        size: 0,
        root: [0; 32],
    };
    let mut next_slot = 0;
    let from = Position::genesis(&store);
    let tail = recovery::replay(&segments, &store, from, &mut |header, body, end| {
        let (segment, offset) = (header.segment, header.offset);
        let place = format!("segment {segment} at {offset}");
        let parsed = payload::parse(body, header.batch, segment, offset, &cluster);
        let Some(batch) = parsed.filter(|batch| batch.facts.old_size == head.size) else {
            return corrupt(format!(
                "the batch in {place} does not follow the one before"
            ));
        };
        for change in &batch.changes {
            let Some(location) = change.location else {
                continue;
            };
            let begin = u64::from(location.offset).checked_sub(offset + HEADER_BYTES as u64);
            let begin = begin.and_then(|begin| usize::try_from(begin).ok());
            let bytes = begin.and_then(|begin| body.get(begin..begin + location.bytes as usize));
            let Some(bytes) = bytes else {
                return corrupt(format!("no value in {place}"));
            };
            if change.key.first() == Some(&(Table::Entry as u8)) {
                visit(Step::Entry(bytes))?;
            }
            if location.kept == Kept::Plain {
                continue;
            }
            match keys.read(location.slot)? {
                Slot::Erased => {}
                Slot::Damaged => {
                    return corrupt(format!("no key for a value of the batch in {place}"));
                }
                Slot::Ready(secret) => {
                    let known = cluster.outward(change.key.clone());
                    let binding = Binding {
                        key: &known,
                        version: location.version,
                        slot: location.slot,
                        kept: location.kept,
                    };
                    if cipher::open(&secret, &binding, bytes.to_vec()).is_err() {
                        return corrupt(format!("a key does not open its value in {place}"));
                    }
                }
            }
        }
        head = Head {
            batches: end.batches,
            size: batch.facts.size,
            root: batch.facts.root,
        };
        next_slot = batch.facts.next_slot;
        visit(Step::Batch(head))
    })?;
    if tail.torn.is_some() {
        return corrupt("the copy ends in a frame that is not whole");
    }
    if keys.last() < next_slot.saturating_sub(1) {
        return corrupt("a chunk of the keyring is missing");
    }
    Ok(head)
}

/// Makes the store of a copy in the empty folder `to`; opening it finishes every erasure that the copy knows of.
///
/// # Errors
///
/// [`OpenError::NotEmpty`], or what is wrong; then `to` does not open, and is to be removed before another attempt.
pub fn install(from: &Path, keyring: &Path, to: &Path, options: &Options) -> Result<(), OpenError> {
    let io = Io(options.faults.clone());
    identify(from)?;
    new_folder(to)?;
    let _lock = lock(to, true)?;
    let (journal, keys) = (journal_folder(to), keyring_folder(to));
    make_folder(&journal)?;
    make_folder(&keys)?;
    for item in fs::read_dir(journal_folder(from))? {
        let item = item?;
        if Path::new(&item.file_name()).extension() != Some(UNFINISHED.as_ref()) {
            // Zeros are written too: what is appended later must find its place on the disk.
            copy_file(&io, &item.path(), &journal.join(item.file_name()))?;
        }
    }
    copy_keyring(&io, &keyring_folder(keyring), &keys, 0)?;
    let (files, target) = (from.join(ATTACHMENTS), to.join(ATTACHMENTS));
    copy_attachments(&io, &files, &target, &mut Attachments::new())?;
    io.sync_folder(to)?;
    if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        io.sync_folder(parent)?;
    }
    // Last: without it nothing opens.
    copy_file(&io, &from.join(STORE), &to.join(STORE))?;
    Ok(())
}
