//! The default engine: one folder on one machine.
//!
//! ```text
//! store            what this is, its format and id
//! lock             held for life
//! journal/         the truth: segments of frames, one frame a batch
//! keyring/         keys of erasable values, two copies
//! index/           sled: key to place in the journal; may be deleted at any time
//! index.trust      whether the index may be looked at
//! attachments/     sealed files, under keys of the keyring; made with the first one
//! ```
//!
//! A commit encrypts, appends one frame, syncs, shows the batch to readers, erases keys if asked
//! to, and answers. The index
//! follows in its own thread; until it has a batch, an overlay in memory answers for it.
//!
//! What is promised of values: a plain one carries a CRC-32, an encrypted one is authenticated; a frame is bound to its
//! place and to all history before it by SHA-256. See [`recovery`] for what a stop can and cannot look like.

pub mod backup;
mod cipher;
mod cluster;
mod commit;
mod error;
mod frame;
mod index;
mod io;
mod journal;
mod keyring;
mod open;
mod overlay;
mod payload;
mod read;
pub(crate) mod recovery;
mod segment;
mod sort;
mod trust;
mod worker;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use super::engine::{Batch, Engine, Head, StorageError, Stored, Table};
pub use error::OpenError;
pub(crate) use frame::HEADER_BYTES as FRAME_HEADER_BYTES;
pub use io::{Faults, Operation};

use index::IndexWriter;
use worker::{Queue, Wants};

/// Folder of attachments' files.
const ATTACHMENTS: &str = "attachments";

/// How far a rebuild of the index has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the journal read.
    pub done_bytes: u64,
    /// Bytes of the journal, the unused end included.
    pub total_bytes: u64,
}

/// Told of progress, about once a mebibyte.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// How a store is kept. The sizes count for what is made from now on; what exists keeps its own.
#[derive(Clone)]
pub struct Options {
    /// Size of the first segment in bytes: small, so that a new store is.
    pub first_segment_bytes: u64,
    /// Size of every later segment in bytes.
    pub segment_bytes: u64,
    /// Slots in a chunk of the keyring (64 B each, twice).
    pub chunk_slots: u64,
    /// Free space that making a segment must leave for the index and the rest, in bytes; past it, batches are refused.
    pub keep_free_bytes: u64,
    /// sled's cache in bytes as they lie on disk; in memory they take many times that.
    pub index_cache_bytes: u64,
    /// Changes that may wait for the index; past it, commits wait too.
    pub backlog_changes_max: usize,
    /// An idle journal is sealed after this long; `None` seals at a clean stop only.
    pub seal_after: Option<Duration>,
    /// Rebuild the index though it looks well; also finishes every erasure, as after restoring a backup.
    pub rebuild: bool,
    /// Told how a rebuild goes.
    pub progress: Option<OnProgress>,
    /// The present month, counted from year 0: which key new decisions are kept under.
    pub month: fn() -> u32,
    /// Makes file operations fail, in tests.
    pub faults: Option<Arc<dyn Faults>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            first_segment_bytes: 16 << 20,
            segment_bytes: 64 << 20,
            chunk_slots: 16_384,
            keep_free_bytes: 128 << 20,
            index_cache_bytes: 4 << 20,
            backlog_changes_max: 65_536,
            seal_after: Some(Duration::from_secs(1)),
            rebuild: false,
            progress: None,
            month: present_month,
            faults: None,
        }
    }
}

/// The present month in UTC, counted from year 0.
fn present_month() -> u32 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    month_of(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The month in UTC, counted from year 0, of a time in seconds since the epoch; none before that is told apart.
#[must_use]
pub fn month_of(seconds: i64) -> u32 {
    // Days to civil date, after Howard Hinnant's `civil_from_days`.
    let days = u64::try_from(seconds).unwrap_or(0) / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March; ten of them to January.
    let months = (era * 400 + year_of_era) * 12 + (5 * day_of_year + 2) / 153 + 2;
    u32::try_from(months).unwrap_or(u32::MAX)
}

/// The embedded engine. Dropping it stops it cleanly.
pub struct EmbeddedEngine {
    shared: Arc<Shared>,
    index: Option<JoinHandle<Option<IndexWriter>>>,
    steward: Option<JoinHandle<()>>,
    opening: Opening,
}

/// What opening a store had to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opening {
    /// The index was made anew from the journal.
    pub rebuilt: bool,
    /// Batches read from the journal: all of them at a rebuild, else those that the index lacked.
    pub replayed: u64,
    /// A frame that was never whole was cut from the end: segment and offset.
    pub cut: Option<(u32, u64)>,
}

struct Shared {
    folder: std::path::PathBuf,
    options: Options,
    io: io::Io,
    segments: Arc<segment::Segments>,
    keyring: keyring::Keyring,
    tree: sled::Tree,
    cluster: cluster::Cluster,
    overlay: RwLock<overlay::Overlay>,
    writer: Mutex<commit::Writer>,
    queue: Queue,
    wants: Wants,
    /// Locked as long as the store is open.
    _lock: std::fs::File,
}

impl std::fmt::Debug for EmbeddedEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedEngine")
            .field("head", &self.head())
            .finish_non_exhaustive()
    }
}

impl EmbeddedEngine {
    /// Makes a store in `folder`, which must be empty or absent, and opens it.
    ///
    /// # Errors
    ///
    /// [`OpenError::NotEmpty`], or what the operating system refuses.
    pub fn create(folder: &Path, options: Options) -> Result<EmbeddedEngine, OpenError> {
        open::create(folder, &options)?;
        Self::open(folder, options)
    }

    /// Opens the store in `folder`: verifies, cuts a torn end, finishes erasures, and rebuilds the index if need be.
    ///
    /// # Errors
    ///
    /// An [`OpenError`] that names what is wrong; nothing is made anew.
    pub fn open(folder: &Path, options: Options) -> Result<EmbeddedEngine, OpenError> {
        let (shared, index, opening) = open::open(folder, options)?;
        let shared = Arc::new(shared);
        Ok(EmbeddedEngine {
            index: Some(worker::spawn_index(shared.clone(), index)?),
            steward: Some(worker::spawn_steward(shared.clone())?),
            shared,
            opening,
        })
    }

    /// What opening it had to do.
    #[must_use]
    pub fn opening(&self) -> Opening {
        self.opening
    }

    /// Writes a sealing frame after the last batch, so that damage to that can no longer pass for a torn write.
    ///
    /// # Errors
    ///
    /// [`StorageError::Failed`], as for a commit.
    pub fn seal(&self) -> Result<(), StorageError> {
        self.shared.writer().journal.seal()
    }

    /// Ends the decisions of every month before `month` (counted from year 0): destroys their keys. They read as absent
    /// from then on. Answers how many months ended.
    ///
    /// # Errors
    ///
    /// As for a commit.
    pub fn expire_decisions(&self, month: u32) -> Result<usize, StorageError> {
        self.shared.expire_decisions(month)
    }

    /// Bytes of the journal's frames so far, the unused ends of segments not counted.
    #[must_use]
    pub fn journal_bytes(&self) -> u64 {
        let position = self.shared.writer().journal.position;
        let before = self.shared.segments.all();
        let full = before
            .iter()
            .filter(|segment| segment.number < position.segment);
        full.map(|segment| segment.bytes).sum::<u64>() + position.offset
    }

    /// Waits until the index has every batch committed so far.
    pub fn settle(&self) {
        self.shared.queue.settle();
    }
}

impl Drop for EmbeddedEngine {
    fn drop(&mut self) {
        self.shared.wants.stop();
        if let Some(steward) = self.steward.take() {
            let _ = steward.join();
        }
        self.shared.queue.stop();
        let index = self
            .index
            .take()
            .and_then(|index| index.join().ok().flatten());
        // After a failure nothing more is written; the next start finds out how far it came.
        if let Some(index) = index
            && self.seal().is_ok()
        {
            let folder = open::index_folder(&self.shared.folder);
            let recorded = index.sync(&folder).and_then(|()| {
                let state = trust::State::Clean(trust::digest_files(&folder)?);
                trust::record(&self.shared.io, &self.shared.folder, &state)
            });
            if let Err(error) = recorded {
                tracing::warn!(%error, "the index was not left cleanly");
            }
        }
    }
}

impl Shared {
    fn writer(&self) -> MutexGuard<'_, commit::Writer> {
        self.writer.lock().unwrap_or_else(|poisoned| {
            // A commit panicked, and nobody knows how far it came: the next start finds out.
            let mut writer = poisoned.into_inner();
            writer.journal.fail("an earlier commit panicked");
            writer
        })
    }
}

impl Engine for EmbeddedEngine {
    fn head(&self) -> Head {
        self.shared.head()
    }

    fn attachments(&self) -> std::path::PathBuf {
        self.shared.folder.join(ATTACHMENTS)
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Stored>, StorageError> {
        self.shared.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Stored)>, StorageError> {
        self.shared.scan(table, prefix, after, limit)
    }

    fn last(&self, table: Table, prefix: &[u8]) -> Result<Option<(Vec<u8>, Stored)>, StorageError> {
        self.shared.last(table, prefix)
    }

    fn commit(&self, batch: &Batch) -> Result<Head, StorageError> {
        self.shared.commit(batch)
    }

    fn expire_decisions(&self, month: u32) -> Result<(), StorageError> {
        self.shared.expire_decisions(month).map(|_| ())
    }

    fn fresh_id(&self) -> Result<[u8; 16], StorageError> {
        self.shared.cluster.fresh_id()
    }
}

#[cfg(test)]
mod tests;
