//! Segments: the files of the journal, of fixed size and pre-written with zeros, so that appending to one changes no
//! metadata and cannot run out of space.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::error::{OpenError, corrupt};
use super::frame::HEADER_BYTES;
use super::io::{Io, NamedFile, UNFINISHED};
use super::payload::Reader;

/// Where the first frame of a segment begins, in bytes.
pub(super) const FIRST_FRAME: u64 = HEADER_BYTES as u64;

const MAGIC: [u8; 8] = *b"SCSEGM01";
const ZERO_BYTES: usize = 1 << 20;

/// How much is pre-written between two syncs, in bytes: one large sync would hold up the journal's own.
const SYNC_EVERY_BYTES: u64 = 4 << 20;

/// One file of the journal.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u32,
    pub(super) bytes: u64,
    pub(super) file: NamedFile,
}

impl Segment {
    /// Makes a segment durable under its name, full of zeros but for its header.
    ///
    /// Refuses, as a full disk would, when less than `keep_free` bytes would be left beside it.
    pub(super) fn create(
        io: &Io,
        folder: &Path,
        store: &[u8; 16],
        number: u32,
        bytes: u64,
        keep_free: u64,
    ) -> io::Result<Segment> {
        let space = rustix::fs::statvfs(folder)?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        if free < bytes.saturating_add(keep_free) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let path = folder.join(format!("{number:010}.segment"));
        let file = io.publish(&path, |file| {
            let zeros = vec![0; ZERO_BYTES];
            let mut at = 0;
            while at < bytes {
                let n = (bytes - at).min(ZERO_BYTES as u64);
                io.write_at(file, zeros.get(..n as usize).unwrap_or(&zeros), at)?;
                at += n;
                if at % SYNC_EVERY_BYTES == 0 {
                    io.sync(file)?;
                }
            }
            io.write_at(file, &header(store, number, bytes), 0)
        })?;
        Ok(Segment {
            number,
            bytes,
            file,
        })
    }

    fn open(path: &Path, store: &[u8; 16], number: u32) -> Result<Segment, OpenError> {
        let file = NamedFile::open(path.to_owned())?;
        let name = file.name();
        let length = file.file.metadata()?.len();
        if length < FIRST_FRAME {
            return corrupt(format!("{name} is cut short"));
        }
        let mut found = [0; HEADER_BYTES];
        file.read_exact_at(&mut found, 0)?;
        let mut reader = Reader {
            bytes: &found,
            at: 8,
        };
        let (Some(_), Some(bytes)) = (reader.u32(), reader.u64()) else {
            return corrupt(format!("{name} has no header"));
        };
        if found.get(..8) != Some(&MAGIC[..]) || found.get(20..36) != Some(&store[..]) {
            return corrupt(format!("{name} does not belong to this store"));
        }
        if found != header(store, number, bytes) {
            return corrupt(format!("{name} has a damaged header"));
        }
        if length != bytes {
            return corrupt(format!("{name} has {length} bytes instead of {bytes}"));
        }
        Ok(Segment {
            number,
            bytes,
            file,
        })
    }
}

fn header(store: &[u8; 16], number: u32, bytes: u64) -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&number.to_be_bytes());
    out[12..20].copy_from_slice(&bytes.to_be_bytes());
    out[20..36].copy_from_slice(store);
    let crc = crc32fast::hash(&out[..HEADER_BYTES - 4]);
    out[HEADER_BYTES - 4..].copy_from_slice(&crc.to_be_bytes());
    out
}

/// All segments, for reading; and the next one, once it is ready.
#[derive(Debug, Default)]
pub(super) struct Segments {
    all: RwLock<Vec<Arc<Segment>>>,
    /// Held while the next segment is being made, so that whoever needs it waits for it.
    next: Mutex<Option<Arc<Segment>>>,
}

impl Segments {
    /// Opens every segment of `folder`; their numbers must run from 1 without a gap.
    pub(super) fn open(folder: &Path, store: &[u8; 16]) -> Result<Segments, OpenError> {
        Self::read(folder, store, true)
    }

    /// As [`Segments::open`], of a journal that another process may be writing: nothing is tidied up.
    pub(super) fn look(folder: &Path, store: &[u8; 16]) -> Result<Segments, OpenError> {
        Self::read(folder, store, false)
    }

    fn read(folder: &Path, store: &[u8; 16], is_own: bool) -> Result<Segments, OpenError> {
        let mut numbers = Vec::new();
        for item in fs::read_dir(folder)? {
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
                ("segment", Ok(number)) => numbers.push((number, path)),
                // Was being made when the process ended; never used.
                (UNFINISHED, _) if is_own => fs::remove_file(&path)?,
                (UNFINISHED, _) => {}
                _ => return corrupt("the journal's folder holds a foreign file"),
            }
        }
        numbers.sort();
        let mut all = Vec::new();
        for (expected, (number, path)) in (1..).zip(numbers) {
            if number != expected {
                return corrupt(format!("{expected:010}.segment is missing"));
            }
            all.push(Arc::new(Segment::open(&path, store, number)?));
        }
        if all.is_empty() {
            return corrupt("0000000001.segment is missing");
        }
        Ok(Segments {
            all: RwLock::new(all),
            next: Mutex::default(),
        })
    }

    /// A segment by number.
    pub(super) fn find(&self, number: u32) -> Option<Arc<Segment>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(usize::try_from(number).ok()?.checked_sub(1)?)
            .cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Segment>> {
        self.all
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The segment after `current`, made now if nobody has yet.
    pub(super) fn next(
        &self,
        current: u32,
        make: impl FnOnce(u32) -> io::Result<Segment>,
    ) -> io::Result<Arc<Segment>> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = current.saturating_add(1);
        if let Some(segment) = next.as_ref().filter(|segment| segment.number == wanted) {
            return Ok(segment.clone());
        }
        let segment = match self.find(wanted) {
            Some(segment) => segment,
            None => {
                let segment = Arc::new(make(wanted)?);
                let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
                all.push(segment.clone());
                segment
            }
        };
        *next = Some(segment.clone());
        Ok(segment)
    }
}
