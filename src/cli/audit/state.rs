//! The auditor's saved state: the log's key, the last checkpoint that it was seen to continue, and the right edge of
//! the tree there, so that the next `audit verify` reads only what is new.
//!
//! Losing it loses the past: the next audit can prove nothing about it. Keep a copy where the log's operator
//! cannot reach it.

use crate::audit::verify::Standing;
use crate::client::session::system_clock;
use crate::domain::time::Timestamp;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::hash::{Hash, leaf};
use crate::ledger::note::NoteVerifier;
use crate::ledger::tree::Edge;
use data_encoding::BASE64;
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
    /// When it was saved, by this computer's clock.
    saved_ms: i64,
    /// Absent after a check of the checkpoint alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    standing: Option<RawStanding>,
}

/// The edge gives the checkpoint's root; the times have a digest, since nothing signed covers them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStanding {
    edge: Vec<Vec<String>>,
    last_ms: Option<i64>,
    ticked_ms: Option<i64>,
    last_tick_ms: Option<i64>,
    digests: Option<u64>,
    sha256: String,
}

impl RawStanding {
    fn of(standing: &Standing) -> Self {
        let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
        let edge = standing.edge.iter();
        let edge = edge.map(|level| level.iter().map(Hash::base64).collect());
        let mut raw = Self {
            edge: edge.collect(),
            last_ms: millis(standing.last),
            ticked_ms: millis(standing.ticked),
            last_tick_ms: millis(standing.last_tick),
            digests: standing.digests,
            sha256: String::new(),
        };
        raw.sha256 = raw.digest();
        raw
    }

    fn digest(&self) -> String {
        let numbers = (self.last_ms, self.ticked_ms, self.last_tick_ms);
        leaf(format!("{numbers:?} {:?}", self.digests).as_bytes()).base64()
    }

    fn read(&self) -> Option<Standing> {
        let hash = |text: &String| Hash::from_slice(&BASE64.decode(text.as_bytes()).ok()?);
        let level = |level: &Vec<String>| level.iter().map(hash).collect::<Option<Vec<Hash>>>();
        let at = |millis: Option<i64>| millis.map(Timestamp::from_millis);
        let whole = |at: Option<Option<Timestamp>>| at != Some(None);
        let (last, ticked, last_tick) =
            (at(self.last_ms), at(self.ticked_ms), at(self.last_tick_ms));
        if self.sha256 != self.digest() || ![last, ticked, last_tick].into_iter().all(whole) {
            return None;
        }
        Some(Standing {
            edge: self.edge.iter().map(level).collect::<Option<_>>()?,
            last: last.flatten(),
            ticked: ticked.flatten(),
            last_tick: last_tick.flatten(),
            digests: self.digests,
        })
    }
}

/// What was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The log's key.
    pub verifier: NoteVerifier,
    /// The last checkpoint, its signature verified again.
    pub checkpoint: Checkpoint,
    /// When it was saved, by the clock of the computer that did.
    pub saved: Timestamp,
    /// Where the recomputation stood at that checkpoint, its root compared; none after a check of the checkpoint alone.
    pub standing: Option<Standing>,
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
        let standing = match &raw.standing {
            None => None,
            Some(raw) => {
                let standing = raw.read().ok_or_else(damaged)?;
                let edge = Edge::from_partials(checkpoint.size, &standing.edge);
                let fits = edge.is_some_and(|edge| edge.root() == checkpoint.root);
                Some(standing).filter(|_| fits).ok_or_else(damaged)?.into()
            }
        };
        let saved = Timestamp::from_millis(raw.saved_ms).ok_or_else(damaged)?;
        Ok(Some(State {
            verifier,
            checkpoint,
            saved,
            standing,
        }))
    }

    /// Replaces the saved state in one step: a crash leaves the old one or the new one.
    ///
    /// # Errors
    ///
    /// [`StateError::Write`].
    pub fn save(
        &self,
        verifier: &NoteVerifier,
        note: &str,
        standing: Option<&Standing>,
    ) -> Result<(), StateError> {
        let raw = Raw {
            origin: verifier.name().to_owned(),
            vkey: verifier.vkey(),
            checkpoint: note.to_owned(),
            saved_ms: system_clock()().millis(),
            standing: standing.map(RawStanding::of),
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
