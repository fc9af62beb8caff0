//! Checkpoints: what the log says of itself at one size, and the one who may say it.
//!
//! # Source
//!
//! <https://c2sp.org/tlog-checkpoint>; without extension lines.

use super::hash::{EMPTY_ROOT, Hash};
use super::note::NoteSigner;
use super::proof::{Unproven, verify_consistency};
use data_encoding::BASE64;

/// Origin, size and root of the tree at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// A text that is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a checkpoint")]
pub struct BadCheckpoint;

impl Checkpoint {
    /// Three lines: origin, decimal size, base64 root.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.base64())
    }

    /// Reads exactly what [`Checkpoint::text`] writes.
    ///
    /// # Errors
    ///
    /// [`BadCheckpoint`], also for extension lines: this log writes none.
    pub fn parse(text: &str) -> Result<Self, BadCheckpoint> {
        let mut lines = text.strip_suffix('\n').ok_or(BadCheckpoint)?.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(BadCheckpoint);
        };
        let root = BASE64.decode(root.as_bytes()).map_err(|_| BadCheckpoint)?;
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| BadCheckpoint)?,
            root: Hash::from_slice(&root).ok_or(BadCheckpoint)?,
        };
        let empty_agrees = (checkpoint.size == 0) == (checkpoint.root == EMPTY_ROOT);
        if origin.is_empty() || !empty_agrees || checkpoint.text() != text {
            return Err(BadCheckpoint);
        }
        Ok(checkpoint)
    }
}

/// Reads the first three lines of any log's checkpoint, also of one that has extension lines.
///
/// For witnesses, who vouch for logs that others wrote; what this log says of itself is read by [`Checkpoint::parse`].
///
/// # Errors
///
/// [`BadCheckpoint`].
pub fn parse_any(text: &str) -> Result<Checkpoint, BadCheckpoint> {
    let lines = text.strip_suffix('\n').ok_or(BadCheckpoint)?;
    if lines.split('\n').any(str::is_empty) {
        return Err(BadCheckpoint);
    }
    let three: usize = lines.split('\n').take(3).map(|line| line.len() + 1).sum();
    Checkpoint::parse(text.get(..three).ok_or(BadCheckpoint)?)
}

/// Why a checkpoint was not signed. Fatal: the log would contradict itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Smaller than what was signed before.
    #[error("the log would shrink")]
    Shrunk,
    /// Not a continuation of what was signed before.
    #[error("the log would fork: {0}")]
    Forked(Unproven),
}

/// Signs checkpoints of one log, and never two that contradict each other.
///
/// Keeps its own size and root, and demands a proof from there: a bug or a restored backup elsewhere
/// cannot make it sign a fork (invariant 10).
#[derive(Debug)]
pub struct CheckpointSigner {
    signer: NoteSigner,
    size: u64,
    root: Hash,
}

impl CheckpointSigner {
    /// For a log that has signed nothing yet.
    #[must_use]
    pub const fn begin(signer: NoteSigner) -> Self {
        Self {
            signer,
            size: 0,
            root: EMPTY_ROOT,
        }
    }

    /// For a log whose last signed checkpoint had this size and root.
    #[must_use]
    pub const fn resume(signer: NoteSigner, size: u64, root: Hash) -> Self {
        Self { signer, size, root }
    }

    /// The size last signed.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root last signed.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// The log's verifier key.
    #[must_use]
    pub fn vkey(&self) -> String {
        self.signer.vkey()
    }

    /// Signs the tree of `size` leaves with `root`, given the consistency proof from [`CheckpointSigner::size`]
    /// (empty from 0, and for the same size again).
    ///
    /// # Errors
    ///
    /// [`SignError`]; nothing is signed and nothing changes.
    pub fn advance(&mut self, size: u64, root: Hash, proof: &[Hash]) -> Result<String, SignError> {
        if size < self.size {
            return Err(SignError::Shrunk);
        }
        if self.size == 0 {
            if !proof.is_empty() || (size == 0) != (root == EMPTY_ROOT) {
                return Err(SignError::Forked(Unproven::Mismatch));
            }
        } else {
            verify_consistency(self.size, size, &self.root, &root, proof)
                .map_err(SignError::Forked)?;
        }
        let checkpoint = Checkpoint {
            origin: self.signer.name().to_owned(),
            size,
            root,
        };
        self.size = size;
        self.root = root;
        Ok(self.signer.sign(&checkpoint))
    }
}

#[cfg(test)]
mod tests;
