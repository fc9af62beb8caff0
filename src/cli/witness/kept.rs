//! What a witness has cosigned: the last checkpoint of each log, in a file of its own.
//!
//! Checking and keeping is one step under one lock, and the file is durable before anything is signed: else a slower
//! request could put an older size back, and a crash could forget what was vouched for (invariant 10).

use crate::domain::time::Timestamp;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::cosignature::Cosigner;
use crate::ledger::hash::sha256;
use crate::ledger::witness::{KnownLogs, Refused, Signed, Submission, judge};
use crate::storage::lock::hold;
use data_encoding::HEXLOWER;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Proofs of a log's misbehaviour that are kept, over all logs: one is enough, and nobody shall fill the disk.
const EVIDENCE_MAX: usize = 64;

/// The folder of such proofs, within the state.
const EVIDENCE_FOLDER: &str = "evidence";

/// Why a witness's state cannot be used. Nothing is cosigned then.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file.
    #[error("{path}: {cause}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Another process holds it.
    #[error("{0} is in use: is this witness running already?")]
    Locked(PathBuf),
    /// A checkpoint that its log did not sign.
    #[error(
        "{0} holds no checkpoint signed by a key of its log: it was damaged, or the log's key was taken out of `logs`; \
         put the key back, or keep the folder as it is and begin a new witness under another name"
    )]
    Damaged(PathBuf),
}

/// Why a checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum NotCosigned {
    /// By the rules.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It could not be kept, now or before; nothing more of this log is cosigned until the witness starts again.
    #[error("what is cosigned cannot be kept")]
    Broken,
}

/// The last checkpoint of one log.
#[derive(Debug, Default)]
struct Latest {
    checkpoint: Option<Checkpoint>,
    /// The note that it came in.
    note: String,
    /// A write failed: what the disk holds is not known until it is read again.
    broken: bool,
}

/// What was cosigned of each known log.
#[derive(Debug)]
pub struct Kept {
    folder: PathBuf,
    logs: BTreeMap<String, Mutex<Latest>>,
    // Held while the witness runs.
    _lock: File,
}

impl Kept {
    /// Takes the state in `folder` up, for this process alone.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    pub fn open(folder: &Path, known: &KnownLogs) -> Result<Self, StateError> {
        let io = |path: &Path, cause: io::Error| StateError::Io {
            path: path.to_owned(),
            cause,
        };
        // Not made here: a witness that starts without its state would cosign a second history.
        let lock = File::open(folder).map_err(|cause| io(folder, cause))?;
        hold(&lock).map_err(|_| StateError::Locked(folder.to_owned()))?;
        let mut logs = BTreeMap::new();
        for origin in known.origins() {
            let path = folder.join(file_name(origin));
            let latest = match fs::read_to_string(&path) {
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => Latest::default(),
                Err(cause) if cause.kind() == io::ErrorKind::InvalidData => {
                    return Err(StateError::Damaged(path));
                }
                Err(cause) => return Err(io(&path, cause)),
                Ok(note) => {
                    let signed = known.recognise(&note).ok();
                    let signed = signed.filter(|signed| signed.checkpoint.origin == origin);
                    let signed = signed.ok_or_else(|| StateError::Damaged(path.clone()))?;
                    Latest {
                        checkpoint: Some(signed.checkpoint),
                        note,
                        broken: false,
                    }
                }
            };
            logs.insert(origin.to_owned(), Mutex::new(latest));
        }
        Ok(Self {
            folder: folder.to_owned(),
            logs,
            _lock: lock,
        })
    }

    /// The size last cosigned of `origin`; 0 for none.
    #[must_use]
    pub fn size(&self, origin: &str) -> u64 {
        let latest = self.logs.get(origin).and_then(|latest| latest.lock().ok());
        latest
            .and_then(|latest| latest.checkpoint.as_ref().map(|last| last.size))
            .unwrap_or(0)
    }

    /// Checks, keeps and only then signs; gives the signature line. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`NotCosigned`].
    pub fn cosign(
        &self,
        submission: &Submission,
        signed: &Signed,
        cosigner: &Cosigner,
        now: impl FnOnce() -> Timestamp,
    ) -> Result<String, NotCosigned> {
        let origin = &signed.checkpoint.origin;
        let log = self.logs.get(origin).ok_or(Refused::UnknownLog)?;
        let mut latest = log.lock().map_err(|_| NotCosigned::Broken)?;
        if latest.broken {
            return Err(NotCosigned::Broken);
        }
        if let Err(refused) = judge(latest.checkpoint.as_ref(), submission, &signed.checkpoint) {
            if matches!(refused, Refused::OtherRoot(_)) {
                self.keep_evidence(&latest.note, &submission.note);
            }
            return Err(refused.into());
        }
        if latest.checkpoint.as_ref() != Some(&signed.checkpoint) {
            if let Err(error) = self.write(origin, &submission.note) {
                tracing::error!(alarm = true, %error, origin, "a checkpoint was not kept; start the witness again");
                latest.broken = true;
                return Err(NotCosigned::Broken);
            }
            latest.checkpoint = Some(signed.checkpoint.clone());
            submission.note.clone_into(&mut latest.note);
        }
        Ok(cosigner.cosign(&signed.text, now()))
    }

    /// Replaces the file of `origin` at once and durably.
    fn write(&self, origin: &str, note: &str) -> io::Result<()> {
        let path = self.folder.join(file_name(origin));
        let temporary = path.with_extension("new");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(note.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Two notes of one log with one size and two roots: whoever has both can prove the fork to anybody.
    fn keep_evidence(&self, before: &str, now: &str) {
        let folder = self.folder.join(EVIDENCE_FOLDER);
        let name = HEXLOWER.encode(&sha256(&[before.as_bytes(), now.as_bytes()]).as_bytes()[..16]);
        let keep = || -> io::Result<()> {
            fs::create_dir_all(&folder)?;
            if fs::read_dir(&folder)?.count() < EVIDENCE_MAX {
                fs::write(
                    folder.join(format!("{name}.txt")),
                    format!("{before}\n\n{now}"),
                )?;
            }
            Ok(())
        };
        match keep() {
            Ok(()) => tracing::error!(
                alarm = true,
                folder = %folder.display(),
                "the log signed two roots for one size; the folder holds both notes: tell who relies on the log"
            ),
            Err(error) => {
                tracing::error!(alarm = true, %error, "the log signed two roots for one size")
            }
        }
    }
}

/// An origin may hold any character; its hash is a file's name on every system.
fn file_name(origin: &str) -> String {
    let hash = sha256(&[origin.as_bytes()]);
    format!("{}.checkpoint", HEXLOWER.encode(&hash.as_bytes()[..16]))
}

#[cfg(test)]
mod tests;
