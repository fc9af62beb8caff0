//! What auditors and members read of the ledger.

use super::{Exchange, Refusal};
use crate::identity::caller::Caller;
use crate::ledger::hash::Hash;
use std::sync::Arc;

/// Most entries or openings of one reply.
pub const RUN_MAX: usize = 1_000;

/// Most bytes of one reply.
pub const RUN_BYTES_MAX: usize = 768 * 1024;

/// The opening of one entry, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOpening {
    /// Index of the entry.
    pub index: u64,
    /// Nonce; empty for entries in the clear.
    pub nonce: Vec<u8>,
    /// The decision; empty for entries in the clear.
    pub decision: Vec<u8>,
}

impl Exchange {
    /// The latest signed checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> Arc<str> {
        todo!()
    }

    /// The log's verifier key.
    #[must_use]
    pub fn verifier_key(&self) -> &str {
        todo!()
    }

    /// A run of entries. The reading has an entry of its own, durable before the answer.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn entries(
        &self,
        _caller: &Caller,
        _start: u64,
        _count: usize,
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        todo!()
    }

    /// A run of openings. The reading has an entry of its own, durable before the answer.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn openings(
        &self,
        _caller: &Caller,
        _start: u64,
        _count: usize,
    ) -> Result<Vec<ReadOpening>, Refusal> {
        todo!()
    }

    /// That entry `index` is in the tree of `size` leaves.
    ///
    /// # Errors
    ///
    /// [`Refusal::OutOfRange`].
    pub async fn prove_inclusion(&self, _index: u64, _size: u64) -> Result<Vec<Hash>, Refusal> {
        todo!()
    }

    /// That the tree of `old` leaves begins the tree of `new` leaves.
    ///
    /// # Errors
    ///
    /// [`Refusal::OutOfRange`].
    pub async fn prove_consistency(&self, _old: u64, _new: u64) -> Result<Vec<Hash>, Refusal> {
        todo!()
    }
}
