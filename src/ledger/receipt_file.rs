//! Receipts as files: that one entry is in the log, checked by anybody, years later, without a line.
//!
//! The text is a transparency log proof. Its `extra` line carries what the proof is of: the entry's bytes, and where
//! the holder has it the opening, as RFC 8785 JSON: `{"decision":…,"entry":…,"nonce":…}`, or `{"entry":…}` for an
//! entry in the clear or a receipt without its opening. Nothing of that line is believed: the entry must hash to the
//! leaf that is proved, and the opening must open what the entry commits to.
//!
//! # Source
//!
//! <https://c2sp.org/tlog-proof>, version 1.

use super::checkpoint::Checkpoint;
use super::entry::{Entry, EntryBody, EntryError, Opening};
use super::hash::{Hash, leaf};
use super::note::{NoteError, NoteVerifier};
use super::proof::verify_inclusion;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde::{Deserialize, Serialize};

/// First line of every proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Name extension of such files.
pub const EXTENSION: &str = "tlog-proof";

/// Longest file taken, in bytes: an act of 256 KiB as a decision, in two encodings, with the rest.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Most hashes taken: a tree of 2^64 leaves needs no more.
const HASHES_MAX: usize = 64;

/// Why a receipt is not believed. Repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not a proof, or not in the one form that is written.
    #[error("the file is not a receipt: it was cut, changed or is something else")]
    Malformed,
    /// The entry or the opening is not well-formed.
    #[error("the receipt's entry cannot be read: {0}")]
    Entry(#[from] EntryError),
    /// The checkpoint does not verify.
    #[error("the receipt's checkpoint is not to be believed: {0}")]
    Checkpoint(NoteError),
    /// The entry is not in the tree.
    #[error("the entry is not in the log that the checkpoint signs")]
    NotIncluded,
    /// The opening is of another entry.
    #[error("the opening in the receipt is not what the entry commits to")]
    WrongOpening,
}

/// One entry, proved under one checkpoint, with its opening where the holder has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptFile {
    /// Index of the entry.
    pub index: u64,
    /// The entry's exact bytes.
    pub entry: Vec<u8>,
    /// What opens the entry's commitment.
    pub opening: Option<Opening>,
    /// Inclusion proof to the checkpoint.
    pub inclusion: Vec<Hash>,
    /// The checkpoint, a signed note.
    pub checkpoint: String,
}

/// What a receipt proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The checkpoint that the entry is in.
    pub checkpoint: Checkpoint,
    /// The entry.
    pub entry: Entry,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extra {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    entry: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
}

impl ReceiptFile {
    /// The text of the file.
    ///
    /// # Errors
    ///
    /// [`ReceiptError::Malformed`] for an entry or a decision that is not text, which no parsed one is.
    pub fn encode(&self) -> Result<String, ReceiptError> {
        let text =
            |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| ReceiptError::Malformed);
        let opening = self.opening.as_ref();
        let extra = Extra {
            decision: opening
                .map(|opening| text(&opening.decision_bytes()))
                .transpose()?,
            entry: text(&self.entry)?,
            nonce: opening.map(|opening| BASE64URL_NOPAD.encode(&opening.nonce)),
        };
        let extra =
            serde_json_canonicalizer::to_vec(&extra).map_err(|_| ReceiptError::Malformed)?;
        let mut out = format!(
            "{HEADER}\nextra {}\nindex {}\n",
            BASE64.encode(&extra),
            self.index
        );
        for hash in &self.inclusion {
            out.push_str(&hash.base64());
            out.push('\n');
        }
        out.push('\n');
        out.push_str(&self.checkpoint);
        Ok(out)
    }

    /// Reads exactly what [`ReceiptFile::encode`] writes. Nothing of it is verified yet.
    ///
    /// # Errors
    ///
    /// [`ReceiptError::Malformed`], [`ReceiptError::Entry`].
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        const BAD: ReceiptError = ReceiptError::Malformed;
        if text.len() > FILE_BYTES_MAX {
            return Err(BAD);
        }
        let (proof, checkpoint) = text.split_once("\n\n").ok_or(BAD)?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(BAD);
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
        let extra = BASE64
            .decode(extra.ok_or(BAD)?.as_bytes())
            .map_err(|_| BAD)?;
        let extra: Extra = serde_json::from_slice(&extra).map_err(|_| BAD)?;
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index: u64 = index.and_then(|index| index.parse().ok()).ok_or(BAD)?;
        let hashes = lines.map(|line| {
            let bytes = BASE64.decode(line.as_bytes()).ok()?;
            Hash::from_slice(&bytes)
        });
        let inclusion: Option<Vec<Hash>> = hashes.take(HASHES_MAX + 1).collect();
        let inclusion = inclusion
            .filter(|proof| proof.len() <= HASHES_MAX)
            .ok_or(BAD)?;
        let opening = match (&extra.nonce, &extra.decision) {
            (None, None) => None,
            (Some(nonce), Some(decision)) => {
                let nonce = BASE64URL_NOPAD.decode(nonce.as_bytes()).map_err(|_| BAD)?;
                Some(Opening::parse(&nonce, decision.as_bytes())?)
            }
            _ => return Err(BAD),
        };
        let receipt = Self {
            index,
            entry: extra.entry.into_bytes(),
            opening,
            inclusion,
            checkpoint: checkpoint.to_owned(),
        };
        // One text for one receipt: a digit more or a JSON space is not what was written.
        if receipt.encode()? == text {
            Ok(receipt)
        } else {
            Err(BAD)
        }
    }

    /// What the receipt proves, to whoever believes the log's key.
    ///
    /// # Errors
    ///
    /// [`ReceiptError`], the first that applies.
    pub fn verify(&self, log: &NoteVerifier) -> Result<Shown, ReceiptError> {
        let checkpoint = log
            .verify(&self.checkpoint)
            .map_err(ReceiptError::Checkpoint)?;
        self.verify_under(checkpoint)
    }

    /// What the receipt proves, under its own checkpoint that was verified already.
    ///
    /// # Errors
    ///
    /// [`ReceiptError`], the first that applies.
    pub fn verify_under(&self, checkpoint: Checkpoint) -> Result<Shown, ReceiptError> {
        let (leaf, root) = (leaf(&self.entry), &checkpoint.root);
        verify_inclusion(&leaf, self.index, checkpoint.size, &self.inclusion, root)
            .map_err(|_| ReceiptError::NotIncluded)?;
        let entry = Entry::parse(&self.entry)?;
        if let Some(opening) = &self.opening {
            let opens = matches!(&entry.body, EntryBody::Committed { event, commitment }
                if opening.commitment() == *commitment && opening.decision.event() == *event);
            if !opens {
                return Err(ReceiptError::WrongOpening);
            }
        }
        Ok(Shown { checkpoint, entry })
    }

    /// The same receipt for somebody who is not to learn what was decided.
    #[must_use]
    pub fn without_opening(&self) -> Self {
        Self {
            opening: None,
            ..self.clone()
        }
    }

    /// A name for the file: the index and the event, which stand in the public log as well.
    #[must_use]
    pub fn file_name(&self) -> String {
        let event = Entry::parse(&self.entry).map_or("entry", |entry| entry.body.event());
        format!("{:010}-{event}.{EXTENSION}", self.index)
    }
}

#[cfg(test)]
mod tests;
