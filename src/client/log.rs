//! An agency's view of the log: one pinned key, the last checkpoint it saw, and no patience with contradictions.
//!
//! Every reply that changes or discloses something carries a receipt. It is believed when its checkpoint is signed
//! by the pinned key, its entry is included, the commitment opens to the decision told, and the checkpoint extends
//! what this agency saw before (invariants 8 and 10).

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::time::Timestamp;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::decision::Decision;
use crate::ledger::entry::{Entry, EntryBody, Opening};
use crate::ledger::hash::Hash;
use crate::ledger::note::NoteVerifier;
use crate::ledger::proof::verify_consistency;
use crate::ledger::receipt_file::{EXTENSION, ReceiptError, ReceiptFile};
use crate::proto::v1;
use seen::{Mark, Seen, mark};

mod seen;

/// Longest proof taken: a tree of 2^64 leaves needs no more.
const PROOF_HASHES_MAX: usize = 128;

/// Receipts kept of one index and event: a log is succeeded once in years.
const RECEIPTS_OF_ONE_INDEX_MAX: u32 = 10;

/// The router showed something that an honest router cannot show.
///
/// Not an error to retry: stop sending, keep the saved checkpoint file and the log of this program, and call the
/// auditors. The messages say which promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogViolation {
    /// No receipt, or one whose parts are not well formed.
    #[error(
        "the reply has no usable receipt; do not rely on it, stop sending and call the auditors"
    )]
    NoReceipt,
    /// The checkpoint is not signed by the pinned key.
    #[error(
        "the checkpoint is not signed by the pinned log key; stop sending and call the auditors"
    )]
    NotSigned,
    /// The entry is not in the tree that the checkpoint signs.
    #[error(
        "the entry is not in the log that the router signed; stop sending and call the auditors"
    )]
    NotIncluded,
    /// The entry is of another act than the reply says, or its commitment opens to something else.
    #[error(
        "the entry records something else than what was done; stop sending and call the auditors"
    )]
    OtherEntry,
    /// Two roots for one size, or no proof that one log extends the other.
    #[error(
        "the log is not a continuation of what was seen before: it was forked or rewritten; \
         stop sending, keep the saved checkpoint and call the auditors"
    )]
    Forked,
    /// A proof is missing or does not verify.
    #[error(
        "the router did not prove that its log continues what was seen before; \
         stop sending, keep the saved checkpoint and call the auditors"
    )]
    NotConsistent,
    /// The checkpoint is of another log than the pinned one.
    #[error(
        "the router names its log anew: it was restored from a backup and its log succeeded, or it is not this \
         agency's router. Stop sending, ask the operator and the auditors by phone for the new log key, put it into \
         trust/ (`safeconduct router trust`), then run `safeconduct agency resubmit`, which compares with \
         the saved checkpoint"
    )]
    Succeeded,
    /// The latest checkpoint is smaller than one seen before.
    #[error(
        "the log has shrunk: it was rewound or restored from an old copy; \
         stop sending, keep the saved checkpoint and call the auditors"
    )]
    Rewound,
}

/// The saved checkpoint cannot be used; nothing is believed until someone looks at it.
#[derive(Debug, thiserror::Error)]
pub enum LogStateError {
    /// The pinned key is not a verifier key.
    #[error("the pinned log key is not a verifier key")]
    Key,
    /// The saved checkpoint is not one of this log.
    #[error("the saved checkpoint is not one of this log")]
    Foreign,
    /// The file cannot be read or written.
    #[error("the saved checkpoint cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
}

/// A checkpoint's size and root; size zero is "nothing seen yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Leaves.
    pub size: u64,
    /// Root, when there are any.
    pub root: Option<Hash>,
}

/// Two checkpoints whose consistency is still to be proved, by `ProveConsistency`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Gap {
    /// The smaller.
    pub old: (u64, Hash),
    /// The larger.
    pub new: (u64, Hash),
}

impl Gap {
    /// The gap between two checkpoints, the smaller first.
    const fn between(one: Mark, other: Mark) -> Self {
        let (old, new) = if one.0 < other.0 {
            (one, other)
        } else {
            (other, one)
        };
        Self { old, new }
    }

    /// Whether `proof` shows that the larger checkpoint continues the smaller one.
    ///
    /// # Errors
    ///
    /// [`LogViolation::NotConsistent`].
    pub fn closes(&self, proof: &[Vec<u8>]) -> Result<(), LogViolation> {
        let proof = hashes(proof)?;
        verify_consistency(self.old.0, self.new.0, &self.old.1, &self.new.1, &proof)
            .map_err(|_| LogViolation::NotConsistent)
    }
}

/// An entry that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// Its index.
    pub index: u64,
    /// The entry.
    pub entry: Entry,
    /// What it commits to, unless it is in the clear.
    pub decision: Option<Decision>,
    /// The receipt, to be kept with the case: it proves the same to anybody, offline and years later.
    pub receipt: Arc<ReceiptFile>,
}

impl Proven {
    /// Itself, if the decision is the one expected.
    ///
    /// # Errors
    ///
    /// [`LogViolation::OtherEntry`].
    pub fn expect(self, expected: impl FnOnce(&Decision) -> bool) -> Result<Self, LogViolation> {
        match &self.decision {
            Some(decision) if expected(decision) => Ok(self),
            _ => Err(LogViolation::OtherEntry),
        }
    }
}

/// See the module's page.
#[derive(Debug)]
pub struct LogView {
    verifier: NoteVerifier,
    path: Option<PathBuf>,
    receipts: Option<PathBuf>,
    seen: Mutex<Seen>,
}

impl LogView {
    /// A view that starts from nothing and is kept in memory.
    ///
    /// # Errors
    ///
    /// [`LogStateError::Key`].
    pub fn in_memory(vkey: &str) -> Result<Self, LogStateError> {
        let verifier = NoteVerifier::parse(vkey).map_err(|_| LogStateError::Key)?;
        Ok(Self {
            verifier,
            path: None,
            receipts: None,
            seen: Mutex::default(),
        })
    }

    /// A view kept in the file `path`, starting from what is saved there.
    ///
    /// # Errors
    ///
    /// [`LogStateError`] when the key or the saved checkpoint cannot be used.
    pub fn open(vkey: &str, path: PathBuf) -> Result<Self, LogStateError> {
        let mut view = Self::in_memory(vkey)?;
        match fs::read_to_string(&path) {
            Ok(note) => {
                let checkpoint = view
                    .verifier
                    .verify(&note)
                    .map_err(|_| LogStateError::Foreign)?;
                view.seen().latest = Some((checkpoint, note));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        view.path = Some(path);
        Ok(view)
    }

    /// The same view, which keeps every receipt that it verified as a file in `folder`: of what this agency did, of
    /// what it opened, of keys it published.
    ///
    /// The folder is made if it is not there. A receipt names no person, but its opening says which offer was opened:
    /// files are the owner's alone.
    ///
    /// # Errors
    ///
    /// [`LogStateError::Io`] when the folder cannot be made.
    pub fn keeping_receipts(mut self, folder: PathBuf) -> Result<Self, LogStateError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&folder)?;
        self.receipts = Some(folder);
        Ok(self)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // A panic elsewhere leaves what was seen as true as before.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log's origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.verifier.name()
    }

    /// The pinned key.
    #[must_use]
    pub const fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    /// What the next request may name as known.
    #[must_use]
    pub fn known(&self) -> Known {
        match &self.seen().latest {
            Some((checkpoint, _)) => Known {
                size: checkpoint.size,
                root: Some(checkpoint.root),
            },
            None => Known {
                size: 0,
                root: None,
            },
        }
    }

    /// The latest checkpoint as signed, to hand to an auditor.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        self.seen().latest.as_ref().map(|(_, note)| note.clone())
    }

    /// The time of the newest entry proved so far: how fresh this view is (checkpoints have no time).
    #[must_use]
    pub fn freshest(&self) -> Option<Timestamp> {
        self.seen().freshest
    }

    /// Verifies one receipt; `known` is what the request named.
    ///
    /// A [`Gap`] is left when the reply's own proof does not tie its checkpoint to the latest one seen, as
    /// happens when replies overtake each other: the caller closes it by [`LogView::close`] before it believes, and
    /// keeps the receipt.
    ///
    /// # Errors
    ///
    /// [`LogViolation`].
    pub fn take(
        &self,
        receipt: Option<&v1::Receipt>,
        known: Known,
    ) -> Result<(Proven, Option<Gap>), LogViolation> {
        let receipt = receipt.ok_or(LogViolation::NoReceipt)?;
        let note = &receipt.checkpoint;
        let checkpoint = self.verified(note)?;
        let proven = prove(receipt, &checkpoint)?;
        if let Some(root) = known.root
            && receipt.consistency_from == known.size
        {
            let proof = hashes(&receipt.consistency)?;
            verify_consistency(known.size, checkpoint.size, &root, &checkpoint.root, &proof)
                .map_err(|_| self.accuse(LogViolation::NotConsistent, note))?;
        }
        let tied = receipt.consistency_from == known.size && known.root.is_some();
        let gap = self.admit(checkpoint, note, tied.then_some(known))?;
        let mut seen = self.seen();
        seen.freshest = seen.freshest.max(Some(proven.entry.at));
        drop(seen);
        if gap.is_none() {
            self.keep(&proven);
        }
        Ok((proven, gap))
    }

    /// Verifies a checkpoint that came without an entry.
    ///
    /// # Errors
    ///
    /// [`LogViolation::NotSigned`], [`LogViolation::Forked`], and [`LogViolation::Rewound`] when it is smaller than
    /// one seen before.
    pub fn take_checkpoint(&self, note: &str) -> Result<Option<Gap>, LogViolation> {
        self.take_checkpoint_since(note, self.known())
    }

    /// As [`LogView::take_checkpoint`], of a reply to a request before which `known` was seen: replies that overtook it
    /// may have shown more since.
    ///
    /// # Errors
    ///
    /// As [`LogView::take_checkpoint`].
    pub fn take_checkpoint_since(
        &self,
        note: &str,
        known: Known,
    ) -> Result<Option<Gap>, LogViolation> {
        let checkpoint = self.verified(note)?;
        if checkpoint.size < known.size {
            return Err(LogViolation::Rewound);
        }
        self.admit(checkpoint, note, None)
    }

    /// Holds another party's checkpoint of this log against what was seen here, and moves nothing: what each was shown
    /// must be one log. A [`Gap`] is left where their sizes differ, to be closed by [`Gap::closes`].
    ///
    /// # Errors
    ///
    /// [`LogViolation::NotSigned`], and [`LogViolation::Forked`] for two roots of one size: then the two notes together
    /// prove to anybody that the log's keeper showed two logs.
    pub fn compare(&self, note: &str) -> Result<Option<Gap>, LogViolation> {
        let other = self.verified(note)?;
        let other = (other.size, other.root);
        let seen = self.seen();
        let Some((latest, _)) = &seen.latest else {
            return Ok(None);
        };
        let latest = mark(latest);
        match seen.marks().find(|(size, _)| *size == other.0) {
            Some(same) if same == other => Ok(None),
            Some(_) => Err(LogViolation::Forked),
            None => Ok(Some(Gap::between(latest, other))),
        }
    }

    fn verified(&self, note: &str) -> Result<Checkpoint, LogViolation> {
        self.verifier.verify(note).map_err(|_| {
            let named = note.split('\n').next();
            if named == Some(self.verifier.name()) {
                LogViolation::NotSigned
            } else {
                LogViolation::Succeeded
            }
        })
    }

    /// Moves the view to `checkpoint` if it is larger; `tied` is a checkpoint it is proved to extend.
    ///
    /// It must be one log with the latest seen, and with what another program of this agency may have saved since: each
    /// relation that is not proved yet is a [`Gap`].
    fn admit(
        &self,
        checkpoint: Checkpoint,
        note: &str,
        tied: Option<Known>,
    ) -> Result<Option<Gap>, LogViolation> {
        self.advance(checkpoint, note, tied)
            .map_err(|violation| self.accuse(violation, note))
    }

    fn advance(
        &self,
        checkpoint: Checkpoint,
        note: &str,
        tied: Option<Known>,
    ) -> Result<Option<Gap>, LogViolation> {
        let mut seen = self.seen();
        let this = mark(&checkpoint);
        if seen.contradicts(this) {
            return Err(LogViolation::Forked);
        }
        if seen.holds(this) {
            return Ok(None);
        }
        let saved = self.saved();
        let other = saved.as_ref().and_then(|saved| saved.found.clone());
        let other = other.filter(|(other, _)| !seen.holds(mark(other)));
        if let Some(other) = other.as_ref().map(|(other, _)| mark(other))
            && (seen.contradicts(other) || (other.0 == this.0 && other.1 != this.1))
        {
            return Err(LogViolation::Forked);
        }
        let mut top = this;
        if let Some(latest) = seen.latest.as_ref().map(|(latest, _)| mark(latest)) {
            let tied = this.0 > latest.0
                && tied.is_some_and(|known| (known.size, known.root) == (latest.0, Some(latest.1)));
            let between = Gap::between(latest, this);
            if tied {
                // Not asked for again while the other gap is closed.
                seen.prove(between);
            } else if !seen.is_proved(between) {
                return Ok(Some(between));
            }
            top = if this.0 < latest.0 { latest } else { this };
        }
        if let Some(other) = other.as_ref().map(|(other, _)| mark(other))
            && other != top
            && !seen.is_proved(Gap::between(other, top))
        {
            return Ok(Some(Gap::between(other, top)));
        }
        for newer in [Some((checkpoint, note.to_owned())), other] {
            seen.advance(newer);
        }
        if let (Some(saved), Some((latest, note))) = (&saved, &seen.latest) {
            self.save(saved, latest, note);
        }
        Ok(None)
    }

    /// Closes a gap with a proof from `ProveConsistency`; `note` is the checkpoint that opened it. Another gap may be
    /// left, to be closed in the same way.
    ///
    /// # Errors
    ///
    /// [`LogViolation::NotConsistent`], and [`LogViolation::Forked`] as before.
    pub fn close(
        &self,
        gap: Gap,
        proof: &[Vec<u8>],
        note: &str,
    ) -> Result<Option<Gap>, LogViolation> {
        let checkpoint = self
            .verifier
            .verify(note)
            .map_err(|_| LogViolation::NotSigned)?;
        gap.closes(proof)
            .map_err(|violation| self.accuse(violation, note))?;
        self.seen().prove(gap);
        self.admit(checkpoint, note, None)
    }

    /// Keeps a receipt whose checkpoint goes with all that was seen, if receipts are kept: one of a fork would take the
    /// place of the true one of the same index. A failure is told to the operator, and the act stands all the same.
    pub(super) fn keep(&self, proven: &Proven) {
        let Some(folder) = &self.receipts else { return };
        if matches!(
            proven.entry.body,
            EntryBody::Digest { .. } | EntryBody::Tick
        ) {
            return;
        }
        let name = proven.receipt.file_name();
        let mut path = folder.join(&name);
        // An entry that a restore lost may have had the same index and event: both are evidence.
        for number in 2..RECEIPTS_OF_ONE_INDEX_MAX {
            let Ok(text) = fs::read_to_string(&path) else {
                break;
            };
            // The first one proves as much as a later one of the same entry.
            let kept = ReceiptFile::parse(&text);
            if kept.is_ok_and(|kept| kept.entry == proven.receipt.entry) {
                return;
            }
            let stem = name.trim_end_matches(EXTENSION).trim_end_matches('.');
            path = folder.join(format!("{stem}-{number}.{EXTENSION}"));
        }
        if path.exists() {
            return;
        }
        let write = |text: String| {
            let temporary = path.with_extension("new");
            let mut options = File::options();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&temporary)?;
            file.write_all(text.as_bytes())?;
            fs::rename(&temporary, &path)
        };
        let kept = proven.receipt.encode().map_err(std::io::Error::other);
        if let Err(error) = kept.and_then(write) {
            tracing::warn!(%error, "a receipt could not be kept");
        }
    }
}

/// What the receipt proves under its verified checkpoint, with the decision if the entry commits to one.
fn prove(receipt: &v1::Receipt, checkpoint: &Checkpoint) -> Result<Proven, LogViolation> {
    let entry = Entry::parse(&receipt.entry).map_err(|_| LogViolation::NoReceipt)?;
    let opening = match &entry.body {
        EntryBody::Committed { .. } => {
            let opening = Opening::parse(&receipt.nonce, &receipt.decision);
            Some(opening.map_err(|_| LogViolation::NoReceipt)?)
        }
        _ => None,
    };
    let file = ReceiptFile {
        index: receipt.index,
        entry: receipt.entry.clone(),
        opening,
        inclusion: hashes(&receipt.inclusion)?,
        checkpoint: receipt.checkpoint.clone(),
    };
    let shown = file
        .verify_under(checkpoint.clone())
        .map_err(|error| match error {
            ReceiptError::NotIncluded => LogViolation::NotIncluded,
            ReceiptError::WrongOpening => LogViolation::OtherEntry,
            ReceiptError::Malformed | ReceiptError::Entry(_) => LogViolation::NoReceipt,
            ReceiptError::Checkpoint(_) => LogViolation::NotSigned,
        })?;
    Ok(Proven {
        index: receipt.index,
        entry: shown.entry,
        decision: file
            .opening
            .as_ref()
            .map(|opening| opening.decision.clone()),
        receipt: Arc::new(file),
    })
}

fn hashes(proof: &[Vec<u8>]) -> Result<Vec<Hash>, LogViolation> {
    if proof.len() > PROOF_HASHES_MAX {
        return Err(LogViolation::NoReceipt);
    }
    proof
        .iter()
        .map(|hash| Hash::from_slice(hash).ok_or(LogViolation::NoReceipt))
        .collect()
}

#[cfg(test)]
mod tests;
