//! The auditor's saved state: the log's key and the last checkpoint that it was seen to continue.
//!
//! Losing it loses the past: the next audit can prove nothing about it. Keep a copy where the log's operator
//! cannot reach it.

use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::note::NoteVerifier;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why the saved state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read.
    #[error("the saved state {0} cannot be read: {1}")]
    Read(String, io::Error),
    /// It is not what was written.
    #[error("the saved state {0} is damaged; do not replace it before you know why")]
    Damaged(String),
    /// It cannot be written.
    #[error("the saved state {0} cannot be written: {1}")]
    Write(String, io::Error),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    origin: String,
    vkey: String,
    checkpoint: String,
}

/// What was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The log's key.
    pub verifier: NoteVerifier,
    /// The last checkpoint, its signature verified again.
    pub checkpoint: Checkpoint,
}

/// Where it is saved.
#[derive(Debug, Clone)]
pub struct StateFile(PathBuf);

impl StateFile {
    /// The file at `path`, which need not exist.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn name(&self) -> String {
        self.0.display().to_string()
    }

    /// The saved state; none if there is no file.
    ///
    /// # Errors
    ///
    /// [`StateError`] if there is a file, and it is not one that [`StateFile::save`] wrote.
    pub fn load(&self) -> Result<Option<State>, StateError> {
        let bytes = match fs::read(&self.0) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::Read(self.name(), error)),
        };
        let damaged = || StateError::Damaged(self.name());
        let raw: Raw = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        let verifier = NoteVerifier::parse(&raw.vkey).map_err(|_| damaged())?;
        let checkpoint = verifier.verify(&raw.checkpoint).map_err(|_| damaged())?;
        if verifier.name() != raw.origin {
            return Err(damaged());
        }
        Ok(Some(State {
            verifier,
            checkpoint,
        }))
    }

    /// Replaces the saved state in one step: a crash leaves the old one or the new one.
    ///
    /// # Errors
    ///
    /// [`StateError::Write`].
    pub fn save(&self, verifier: &NoteVerifier, note: &str) -> Result<(), StateError> {
        let raw = Raw {
            origin: verifier.name().to_owned(),
            vkey: verifier.vkey(),
            checkpoint: note.to_owned(),
        };
        let write = || -> io::Result<()> {
            let text = serde_json::to_string_pretty(&raw)? + "\n";
            let mut temporary = self.0.clone().into_os_string();
            temporary.push(".new");
            let mut file = File::create(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &self.0)?;
            let folder = self
                .0
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|error| StateError::Write(self.name(), error))
    }
}
