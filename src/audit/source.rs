//! Where an audit gets what it checks: a live router, an exported folder. Nothing it gives is believed.

use crate::ledger::hash::Hash;
use std::future::Future;

/// Most entries or openings asked for at once.
pub const RUN_MAX: u64 = 1_000;

/// Why a source gave nothing. The texts may name files and hosts, never a person.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is not there, or does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// What it gave cannot be read: a file or a message is damaged, and this names it.
    #[error("{0}")]
    Damaged(String),
    /// The caller's mandate does not reach so far.
    #[error("{0}")]
    NotPermitted(String),
}

/// The newest checkpoint as a source gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The signed note.
    pub note: String,
    /// The verifier key that the source names. Only a key from elsewhere proves anything: the auditor's saved
    /// state, or an argument.
    pub vkey: Option<String>,
}

/// One entry's opening as a source gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedOpening {
    /// Index of the entry.
    pub index: u64,
    /// Nonce, 32 bytes.
    pub nonce: Vec<u8>,
    /// The decision in RFC 8785 JSON.
    pub decision: Vec<u8>,
}

/// A log to audit.
///
/// An implementation retries what may be retried and gives what it was given: checking is the audit's part.
pub trait AuditSource: Send {
    /// The newest signed checkpoint.
    fn checkpoint(&mut self) -> impl Future<Output = Result<SignedCheckpoint, SourceError>> + Send;

    /// The exact bytes of entries in order from `start`: at least one, at most `count` ≤ [`RUN_MAX`].
    ///
    /// Called only with `start` below the checkpoint's size. Fewer than asked is lawful; none is damage.
    fn entries(
        &mut self,
        start: u64,
        count: u64,
    ) -> impl Future<Output = Result<Vec<Vec<u8>>, SourceError>> + Send;

    /// One item per entry in order from `start`, at least one, at most `count` ≤ [`RUN_MAX`]: `None` where the
    /// entry is in the clear or its opening was erased.
    fn openings(
        &mut self,
        start: u64,
        count: u64,
    ) -> impl Future<Output = Result<Vec<Option<SealedOpening>>, SourceError>> + Send;

    /// The hashes of a tile, for a source that keeps tiles: they are compared with the recomputed ones.
    ///
    /// `None` where the source keeps none.
    fn tile(
        &mut self,
        level: u8,
        index: u64,
        width: usize,
    ) -> impl Future<Output = Result<Option<Vec<Hash>>, SourceError>> + Send {
        let _ = (level, index, width);
        async { Ok(None) }
    }

    /// The consistency proof from `old` ≥ 1 to `new` leaves.
    fn consistency(
        &mut self,
        old: u64,
        new: u64,
    ) -> impl Future<Output = Result<Vec<Hash>, SourceError>> + Send;
}
