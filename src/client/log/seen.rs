//! What was seen of the log, in memory and in the file that all programs of one agency share.

use super::{Gap, LogView, LogViolation};
use crate::domain::time::Timestamp;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::hash::{Hash, leaf};
use data_encoding::HEXLOWER;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Checkpoints remembered beside the latest, for replies that overtake each other.
const RECENT_MAX: usize = 64;

/// File beside the saved checkpoint that is locked while that is read and replaced.
const LOCK_EXTENSION: &str = "lock";

/// Of the files beside the saved checkpoint that hold what contradicts it; part of the note's hash follows.
const AGAINST_EXTENSION: &str = "against-";

/// Most such files: two notes prove a fork, and a router must not fill the disk with them.
const AGAINST_MAX: usize = 8;

/// A checkpoint's size and root.
pub(super) type Mark = (u64, Hash);

pub(super) const fn mark(checkpoint: &Checkpoint) -> Mark {
    (checkpoint.size, checkpoint.root)
}

/// What was seen; all of it is one log.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) latest: Option<(Checkpoint, String)>,
    recent: VecDeque<Mark>,
    /// Pairs of which the larger was proved to continue the smaller.
    proved: VecDeque<(Mark, Mark)>,
    pub(super) freshest: Option<Timestamp>,
}

/// What stands in the file, while no other program of this agency can replace it.
pub(super) struct Saved {
    /// None where the folder takes no lock: then nothing is written.
    lock: Option<File>,
    /// The checkpoint there, if there is one of this log.
    pub(super) found: Option<(Checkpoint, String)>,
    /// Whether there is something else there, which is left alone.
    foreign: bool,
}

impl LogView {
    /// Locks the file and reads it; none when nothing is kept in a file.
    ///
    /// Several programs of one agency share a folder. What one of them saved is what the others must continue as well:
    /// each replaces it only by what is proved to continue it, so that the evidence of a fork outlives them all.
    pub(super) fn saved(&self) -> Option<Saved> {
        let path = self.path.as_ref()?;
        let lock = || -> std::io::Result<File> {
            let mut options = File::options();
            let options = options.write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(path.with_extension(LOCK_EXTENSION))?;
            file.lock()?;
            Ok(file)
        };
        let lock = lock();
        if let Err(error) = &lock {
            tracing::warn!(%error, "the last seen checkpoint cannot be locked, and is not saved");
        }
        let (found, foreign) = match fs::read_to_string(path) {
            Ok(note) => match self.verifier.verify(&note) {
                Ok(checkpoint) => (Some((checkpoint, note)), false),
                Err(_) => (None, true),
            },
            Err(error) => (None, error.kind() != ErrorKind::NotFound),
        };
        if foreign {
            tracing::warn!("the saved checkpoint is not one of this log, and is left as it is");
        }
        Some(Saved {
            lock: lock.ok(),
            found,
            foreign,
        })
    }

    /// Saves the latest checkpoint, if it is newer than the one there; a failure is told to the operator and leaves an
    /// older, still true one.
    pub(super) fn save(&self, saved: &Saved, latest: &Checkpoint, note: &str) {
        let Some(path) = &self.path else { return };
        let newer = saved
            .found
            .as_ref()
            .is_none_or(|(found, _)| found.size < latest.size);
        if saved.lock.is_none() || saved.foreign || !newer {
            return;
        }
        let temporary = path.with_extension("new");
        let written = fs::write(&temporary, note).and_then(|()| fs::rename(&temporary, path));
        if let Err(error) = written {
            tracing::warn!(%error, "the last seen checkpoint could not be saved");
        }
    }
}

impl LogView {
    /// Keeps a signed note beside the saved checkpoint that it does not go with: neither proves to others alone what
    /// the log's keeper did. A failure is told to the operator.
    pub(super) fn accuse(&self, violation: LogViolation, note: &str) -> LogViolation {
        let keep = |path: &PathBuf| -> io::Result<()> {
            let hash = HEXLOWER.encode(&leaf(note.as_bytes()).as_bytes()[..8]);
            let against = path.with_extension(format!("{AGAINST_EXTENSION}{hash}"));
            let mut kept = 0;
            for file in fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
                let name = file?.file_name();
                kept += usize::from(name.to_string_lossy().contains(AGAINST_EXTENSION));
            }
            if against.exists() || kept >= AGAINST_MAX {
                return Ok(());
            }
            let temporary = path.with_extension(format!("{AGAINST_EXTENSION}{hash}.part"));
            let mut options = File::options();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&temporary)?;
            file.write_all(note.as_bytes())?;
            file.sync_all()?;
            fs::rename(temporary, against)
        };
        if let Some(path) = &self.path {
            match keep(path) {
                Ok(()) => {
                    tracing::error!("what contradicts the saved checkpoint is kept beside it")
                }
                Err(error) => {
                    tracing::warn!(%error, "what contradicts the saved checkpoint could not be kept")
                }
            }
        }
        violation
    }
}

impl Seen {
    pub(super) fn marks(&self) -> impl Iterator<Item = Mark> {
        let latest = self.latest.as_ref().map(|(latest, _)| mark(latest));
        self.recent.iter().copied().chain(latest)
    }

    pub(super) fn holds(&self, this: Mark) -> bool {
        self.marks().any(|seen| seen == this)
    }

    /// Whether another root of this size was seen.
    pub(super) fn contradicts(&self, (size, root): Mark) -> bool {
        self.marks().any(|seen| seen.0 == size && seen.1 != root)
    }

    pub(super) fn is_proved(&self, gap: Gap) -> bool {
        self.proved.contains(&(gap.old, gap.new))
    }

    pub(super) fn prove(&mut self, gap: Gap) {
        if self.proved.len() >= RECENT_MAX {
            self.proved.pop_front();
        }
        self.proved.push_back((gap.old, gap.new));
    }

    /// Takes a checkpoint that is one log with all that was seen.
    pub(super) fn advance(&mut self, checkpoint: Option<(Checkpoint, String)>) {
        let Some((checkpoint, note)) = checkpoint else {
            return;
        };
        match &self.latest {
            Some((latest, _)) if checkpoint.size <= latest.size => {
                self.remember(mark(&checkpoint));
            }
            latest => {
                let before = latest.as_ref().map(|(latest, _)| mark(latest));
                self.latest = Some((checkpoint, note));
                if let Some(before) = before {
                    self.remember(before);
                }
            }
        }
    }

    fn remember(&mut self, checkpoint: Mark) {
        if self.recent.contains(&checkpoint) {
            return;
        }
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(checkpoint);
    }
}
