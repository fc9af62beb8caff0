//! What a witness is asked and how it decides: never two roots for one size, never a smaller size than before.
//!
//! The decision only. Keeping what was decided, durably and before the cosignature leaves, is the witness program's.
//!
//! # Source
//!
//! <https://c2sp.org/tlog-witness>, `add-checkpoint`.

use super::checkpoint::{Checkpoint, parse_any};
use super::hash::Hash;
use super::note::{NOTE_BYTES_MAX, NoteError, NoteVerifier, unverified_text};
use super::proof::verify_consistency;
use data_encoding::BASE64;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Most lines of a consistency proof.
const PROOF_LINES_MAX: usize = 63;

/// Longest request body in bytes: the old size, 63 hashes of 45 bytes, and a note.
pub const SUBMISSION_BYTES_MAX: usize = 32 + PROOF_LINES_MAX * 45 + NOTE_BYTES_MAX;

/// Content type of the size that a witness tells when it has seen another one.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// A request to cosign a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The size that the log believes the witness to have cosigned last; 0 for none.
    pub old: u64,
    /// That the tree of `old` leaves begins the checkpoint's tree; empty from 0.
    pub proof: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub note: String,
}

/// A body that is no request. HTTP 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an add-checkpoint request")]
pub struct NoSubmission;

impl Submission {
    /// Reads a request body.
    ///
    /// # Errors
    ///
    /// [`NoSubmission`].
    pub fn parse(body: &str) -> Result<Self, NoSubmission> {
        if body.len() > SUBMISSION_BYTES_MAX {
            return Err(NoSubmission);
        }
        let (head, note) = body.split_once("\n\n").ok_or(NoSubmission)?;
        let mut lines = head.split('\n');
        let digits = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .ok_or(NoSubmission)?;
        let old: u64 = digits.parse().map_err(|_| NoSubmission)?;
        if old.to_string() != digits {
            return Err(NoSubmission);
        }
        let mut proof = Vec::new();
        for line in lines {
            let bytes = BASE64.decode(line.as_bytes()).map_err(|_| NoSubmission)?;
            proof.push(Hash::from_slice(&bytes).ok_or(NoSubmission)?);
        }
        if proof.len() > PROOF_LINES_MAX {
            return Err(NoSubmission);
        }
        Ok(Self {
            old,
            proof,
            note: note.to_owned(),
        })
    }

    /// The request body.
    #[must_use]
    pub fn body(&self) -> String {
        let mut body = format!("old {}\n", self.old);
        for hash in &self.proof {
            let _ = writeln!(body, "{}", hash.base64());
        }
        let _ = write!(body, "\n{}", self.note);
        body
    }
}

/// Why a checkpoint is not cosigned. Nothing is kept then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a checkpoint, or an old size beyond it. HTTP 400.
    #[error("not a checkpoint, or the old size is beyond it")]
    Malformed,
    /// The witness does not know the log. HTTP 404.
    #[error("this witness does not know the log of that origin")]
    UnknownLog,
    /// Not signed by a key that the witness knows for the log. HTTP 403.
    #[error("not signed by a key that this witness knows for the log")]
    NotSigned,
    /// The witness has cosigned another size last. HTTP 409, with that size.
    #[error("the checkpoint last cosigned has another size")]
    OtherSize(u64),
    /// The same size with another root: the log contradicts itself, and both notes together prove it. HTTP 409, with
    /// that size.
    #[error("another root of the same size was cosigned before: the log was forked or rewound")]
    OtherRoot(u64),
    /// The proof does not lead from what was cosigned before to this. HTTP 422.
    #[error("the consistency proof does not verify")]
    Inconsistent,
}

/// The logs that a witness vouches for, by origin; each with the keys that may sign for it.
#[derive(Debug, Clone, Default)]
pub struct KnownLogs(BTreeMap<String, Vec<NoteVerifier>>);

/// A checkpoint signed by a known log. What it says of the past is not yet looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Origin, size and root.
    pub checkpoint: Checkpoint,
    /// The note's whole text, extension lines included: what is cosigned.
    pub text: String,
}

impl KnownLogs {
    /// Takes a log's key in. A log may have several.
    pub fn add(&mut self, verifier: NoteVerifier) {
        let keys = self.0.entry(verifier.name().to_owned()).or_default();
        if !keys.contains(&verifier) {
            keys.push(verifier);
        }
    }

    /// The origins.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The checkpoint in `note`, if a key of its log signed it.
    ///
    /// # Errors
    ///
    /// [`Refused::Malformed`], [`Refused::UnknownLog`] or [`Refused::NotSigned`].
    pub fn recognise(&self, note: &str) -> Result<Signed, Refused> {
        let text = unverified_text(note).map_err(|_| Refused::Malformed)?;
        let checkpoint = parse_any(text).map_err(|_| Refused::Malformed)?;
        let keys = self.0.get(&checkpoint.origin).ok_or(Refused::UnknownLog)?;
        let mut refused = Refused::NotSigned;
        for key in keys {
            match key.verify_text(note) {
                Ok(text) => {
                    let text = text.to_owned();
                    return Ok(Signed { checkpoint, text });
                }
                Err(NoteError::Malformed | NoteError::TooManySignatures) => {
                    refused = Refused::Malformed;
                }
                Err(_) => {}
            }
        }
        Err(refused)
    }
}

/// Whether a signed checkpoint may be cosigned after `latest`, the last that was; `None` if none was.
///
/// # Errors
///
/// [`Refused`]; then nothing may be cosigned.
pub fn judge(
    latest: Option<&Checkpoint>,
    submission: &Submission,
    checkpoint: &Checkpoint,
) -> Result<(), Refused> {
    let last = latest.map_or(0, |latest| latest.size);
    if submission.old > checkpoint.size {
        return Err(Refused::Malformed);
    }
    if submission.old != last {
        return Err(Refused::OtherSize(last));
    }
    let Some(latest) = latest.filter(|latest| latest.size > 0) else {
        // From nothing: any first checkpoint extends it, and there is nothing to prove.
        return if submission.proof.is_empty() {
            Ok(())
        } else {
            Err(Refused::Inconsistent)
        };
    };
    if checkpoint.size == latest.size && checkpoint.root != latest.root {
        return Err(Refused::OtherRoot(last));
    }
    verify_consistency(
        latest.size,
        checkpoint.size,
        &latest.root,
        &checkpoint.root,
        &submission.proof,
    )
    .map_err(|_| Refused::Inconsistent)
}

#[cfg(test)]
mod tests;
