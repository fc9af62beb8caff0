//! The keyring: fixed slots of random keys, so that erasing is overwriting one.
//!
//! Slots are filled and synced before any of them is taken, so taking one costs nothing: the frame
//! that uses it names it.
//! No slot is taken twice. Two copies of every slot lie in two files; erasing overwrites both. Of two copies that
//! disagree, *erased* wins: nothing comes back.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::error::{OpenError, corrupt};
use super::io::{Io, NamedFile, UNFINISHED};
use super::payload::Reader;

/// A content or decision key.
pub(super) type Key = Zeroizing<[u8; 32]>;

const SLOT_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"SCKEYS01";
const READY: u8 = 1;
const ERASED: u8 = 2;

/// What a slot holds.
pub(super) enum Slot {
    Ready(Key),
    Erased,
    /// Neither copy is whole.
    Damaged,
}

#[derive(Debug)]
struct Chunk {
    first: u64,
    slots: u64,
    a: NamedFile,
    b: NamedFile,
}

/// All slots of a store.
pub(super) struct Keyring {
    folder: PathBuf,
    io: Io,
    store: [u8; 16],
    chunk_slots: u64,
    chunks: RwLock<Vec<Arc<Chunk>>>,
    /// Held while a chunk is being made.
    growing: Mutex<()>,
}

impl Keyring {
    /// As [`Keyring::open`], to be read alone: nothing is tidied up, and no chunk will be made.
    pub(super) fn look(folder: PathBuf, store: [u8; 16]) -> Result<Keyring, OpenError> {
        Self::open_as(folder, Io::default(), store, 1, false)
    }

    /// Opens every chunk; an unfinished one was never used.
    pub(super) fn open(
        folder: PathBuf,
        io: Io,
        store: [u8; 16],
        chunk_slots: u64,
    ) -> Result<Keyring, OpenError> {
        Self::open_as(folder, io, store, chunk_slots, true)
    }

    fn open_as(
        folder: PathBuf,
        io: Io,
        store: [u8; 16],
        chunk_slots: u64,
        is_own: bool,
    ) -> Result<Keyring, OpenError> {
        let mut numbers = Vec::new();
        for item in fs::read_dir(&folder)? {
            let path = item?.path();
            let extension = path
                .extension()
                .and_then(|e| e.to_str())
                .unwrap_or_default();
            let stem = path
                .file_stem()
                .and_then(|s| s.to_str())
                .unwrap_or_default();
            match (extension, stem.parse::<u32>()) {
                ("a", Ok(number)) => numbers.push(number),
                ("b", Ok(_)) => {}
                (UNFINISHED, _) if is_own => fs::remove_file(&path)?,
                (UNFINISHED, _) => {}
                _ => return corrupt("the keyring's folder holds a foreign file"),
            }
        }
        numbers.sort_unstable();
        let mut chunks = Vec::new();
        let mut first = 1;
        for (expected, number) in (1..).zip(numbers) {
            if number != expected {
                return corrupt(format!("{expected:08}.a is missing"));
            }
            let chunk = open_chunk(&folder, &store, number, first)?;
            first += chunk.slots;
            chunks.push(Arc::new(chunk));
        }
        let growing = Mutex::default();
        Ok(Keyring {
            folder,
            io,
            store,
            chunk_slots,
            chunks: RwLock::new(chunks),
            growing,
        })
    }

    /// Number of the last slot there is.
    pub(super) fn last(&self) -> u64 {
        let chunks = self.chunks.read().unwrap_or_else(PoisonError::into_inner);
        chunks
            .last()
            .map_or(0, |chunk| chunk.first + chunk.slots - 1)
    }

    /// Sees to it that slots up to `slot` exist, durably.
    pub(super) fn grow_to(&self, slot: u64) -> io::Result<()> {
        while self.last() < slot {
            let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
            let last = self.last();
            if last >= slot {
                break;
            }
            let number = self
                .chunks
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .len()
                + 1;
            let chunk = self.make_chunk(number as u32, last + 1)?;
            let mut chunks = self.chunks.write().unwrap_or_else(PoisonError::into_inner);
            chunks.push(Arc::new(chunk));
        }
        Ok(())
    }

    fn make_chunk(&self, number: u32, first: u64) -> io::Result<Chunk> {
        let slots = self.chunk_slots;
        let mut bytes = Zeroizing::new(Vec::with_capacity((slots as usize + 1) * SLOT_BYTES));
        bytes.extend_from_slice(&header(&self.store, number, first, slots));
        let mut key = Key::default();
        for slot in first..first + slots {
            aws_lc_rs::rand::fill(&mut key[..]).map_err(|_| io::Error::other("no randomness"))?;
            bytes.extend_from_slice(&encode(slot, READY, &key));
        }
        let publish = |copy: &str| {
            let path = self.folder.join(format!("{number:08}.{copy}"));
            self.io
                .publish(&path, |file| self.io.write_at(file, &bytes, 0))
        };
        // The second copy first: a chunk exists when its first copy does.
        let b = publish("b")?;
        let a = publish("a")?;
        Ok(Chunk { first, slots, a, b })
    }

    fn place(&self, slot: u64) -> Option<(Arc<Chunk>, u64)> {
        let chunks = self.chunks.read().unwrap_or_else(PoisonError::into_inner);
        let index = chunks
            .partition_point(|chunk| chunk.first <= slot)
            .checked_sub(1)?;
        let chunk = chunks.get(index)?;
        let within = slot - chunk.first;
        (within < chunk.slots).then(|| (chunk.clone(), (within + 1) * SLOT_BYTES as u64))
    }

    /// What `slot` holds, by whichever copy is whole.
    pub(super) fn read(&self, slot: u64) -> io::Result<Slot> {
        let Some((chunk, offset)) = self.place(slot) else {
            return Ok(Slot::Damaged);
        };
        match read_copy(&chunk.a, slot, offset)? {
            Slot::Damaged => {
                tracing::warn!(slot, "a key slot is damaged; its second copy is used");
                read_copy(&chunk.b, slot, offset)
            }
            whole => Ok(whole),
        }
    }

    /// The first slot from `from` on whose two copies are whole and agree, with its key.
    pub(super) fn take(&self, from: u64) -> io::Result<(u64, Key)> {
        let mut slot = from.max(1);
        loop {
            self.grow_to(slot)?;
            if let Some((chunk, offset)) = self.place(slot) {
                let a = read_copy(&chunk.a, slot, offset)?;
                let b = read_copy(&chunk.b, slot, offset)?;
                if let (Slot::Ready(a), Slot::Ready(b)) = (a, b)
                    && a == b
                {
                    return Ok((slot, a));
                }
            }
            slot += 1;
        }
    }

    /// Overwrites both copies of each slot and syncs them.
    pub(super) fn erase(&self, slots: &[u64]) -> io::Result<()> {
        let blank = Key::default();
        let mut places = Vec::with_capacity(slots.len());
        for &slot in slots {
            let Some(place) = self.place(slot) else {
                return Err(io::Error::other("a key slot is missing"));
            };
            places.push((slot, place));
        }
        for is_first in [true, false] {
            let mut touched: Vec<&NamedFile> = Vec::new();
            for (slot, (chunk, offset)) in &places {
                let file = if is_first { &chunk.a } else { &chunk.b };
                self.io
                    .write_at(file, &encode(*slot, ERASED, &blank), *offset)?;
                if !touched.iter().any(|other| other.path == file.path) {
                    touched.push(file);
                }
            }
            for file in touched {
                self.io.sync(file)?;
            }
        }
        Ok(())
    }

    /// Erases those of `slots` of which a copy is still there: what a stop in the middle of it left to do.
    pub(super) fn finish_erasing(&self, slots: &[u64]) -> io::Result<()> {
        let mut left = Vec::new();
        for &slot in slots {
            let Some((chunk, offset)) = self.place(slot) else {
                continue;
            };
            let a = read_copy(&chunk.a, slot, offset)?;
            let b = read_copy(&chunk.b, slot, offset)?;
            if !matches!((a, b), (Slot::Erased, Slot::Erased)) {
                left.push(slot);
            }
        }
        self.erase(&left)
    }
}

fn open_chunk(
    folder: &std::path::Path,
    store: &[u8; 16],
    number: u32,
    first: u64,
) -> Result<Chunk, OpenError> {
    let open = |copy: &str| -> Result<(NamedFile, Option<u64>, u64), OpenError> {
        let path = folder.join(format!("{number:08}.{copy}"));
        if !path.exists() {
            return corrupt(format!("{number:08}.{copy} is missing"));
        }
        let file = NamedFile::open(path)?;
        let length = file.file.metadata()?.len();
        if length < SLOT_BYTES as u64 {
            return corrupt(format!("{} is cut short", file.name()));
        }
        let mut found = [0; SLOT_BYTES];
        file.read_exact_at(&mut found, 0)?;
        let mut reader = Reader {
            bytes: &found,
            at: 24,
        };
        let slots = reader
            .u64()
            .filter(|slots| found == header(store, number, first, *slots));
        Ok((file, slots, length))
    };
    let (a, a_slots, a_length) = open("a")?;
    let (b, b_slots, b_length) = open("b")?;
    let (Some(slots), true) = (a_slots, a_slots == b_slots) else {
        let copy = if a_slots.is_none() { &a } else { &b };
        return corrupt(format!(
            "{} is damaged or does not belong to this store",
            copy.name()
        ));
    };
    let length = slots.saturating_add(1).saturating_mul(SLOT_BYTES as u64);
    for (file, found) in [(&a, a_length), (&b, b_length)] {
        if found != length {
            return corrupt(format!(
                "{} has {found} bytes instead of {length}",
                file.name()
            ));
        }
    }
    Ok(Chunk { first, slots, a, b })
}

fn header(store: &[u8; 16], number: u32, first: u64, slots: u64) -> [u8; SLOT_BYTES] {
    let mut out = [0; SLOT_BYTES];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&number.to_be_bytes());
    out[16..24].copy_from_slice(&first.to_be_bytes());
    out[24..32].copy_from_slice(&slots.to_be_bytes());
    out[32..48].copy_from_slice(store);
    let crc = crc32fast::hash(&out[..SLOT_BYTES - 4]);
    out[SLOT_BYTES - 4..].copy_from_slice(&crc.to_be_bytes());
    out
}

fn encode(slot: u64, state: u8, key: &Key) -> [u8; SLOT_BYTES] {
    let mut out = [0; SLOT_BYTES];
    out[0] = state;
    out[8..16].copy_from_slice(&slot.to_be_bytes());
    out[16..48].copy_from_slice(&key[..]);
    let crc = crc32fast::hash(&out[..SLOT_BYTES - 4]);
    out[SLOT_BYTES - 4..].copy_from_slice(&crc.to_be_bytes());
    out
}

fn read_copy(file: &NamedFile, slot: u64, offset: u64) -> io::Result<Slot> {
    let mut bytes = Zeroizing::new([0; SLOT_BYTES]);
    file.read_exact_at(&mut bytes[..], offset)?;
    let mut key = Key::default();
    key.copy_from_slice(&bytes[16..48]);
    let state = bytes[0];
    if *bytes != encode(slot, state, &key) {
        return Ok(Slot::Damaged);
    }
    Ok(match state {
        READY => Slot::Ready(key),
        ERASED => Slot::Erased,
        _ => Slot::Damaged,
    })
}
