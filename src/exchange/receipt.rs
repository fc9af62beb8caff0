//! Receipts: that an entry is in the ledger, durable, under one signed checkpoint.

use super::refusal::Refusal;
use super::sequencer::Published;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Opening;
use crate::ledger::hash::Hash;
use crate::ledger::proof::{self, ProofError};
use std::sync::Arc;

/// Proof that one entry is in the ledger. Made by the exchange only, after the entry's batch is durable.
///
/// Not `Clone` and not serialisable: a reply that discloses is built from the receipt of its own entry.
#[must_use]
pub struct Receipt {
    index: u64,
    entry: Vec<u8>,
    opening: Option<Opening>,
    inclusion: Vec<Hash>,
    published: Arc<Published>,
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Receipt({})", self.index)
    }
}

impl Receipt {
    /// Whether it is of a decline that awaits a second person.
    #[must_use]
    pub fn is_proposed_decline(&self) -> bool {
        let decision = self.opening().map(|opening| &opening.decision);
        matches!(decision, Some(Decision::DeclineProposed { .. }))
    }

    /// The receipt of an entry that is in `published`, which is durable.
    pub(super) fn new(
        index: u64,
        entry: Vec<u8>,
        opening: Option<Opening>,
        published: Arc<Published>,
    ) -> Result<Self, Refusal> {
        let inclusion = proof::inclusion(
            &published.edge,
            published.tiles.as_ref(),
            index,
            published.edge.size(),
        )
        .map_err(broken)?;
        Ok(Self {
            index,
            entry,
            opening,
            inclusion,
            published,
        })
    }

    /// Index of the entry.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The entry's exact bytes.
    #[must_use]
    pub fn entry(&self) -> &[u8] {
        &self.entry
    }

    /// What opens the entry's commitment; none for entries in the clear.
    #[must_use]
    pub const fn opening(&self) -> Option<&Opening> {
        self.opening.as_ref()
    }

    /// Inclusion proof to the checkpoint.
    #[must_use]
    pub fn inclusion(&self) -> &[Hash] {
        &self.inclusion
    }

    /// The signed checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> &str {
        &self.published.checkpoint
    }

    /// Size of the tree under the checkpoint.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.published.edge.size()
    }

    /// Proof that the checkpoint extends the tree of `known` leaves; none for a size of zero or past the checkpoint.
    ///
    /// # Errors
    ///
    /// [`Refusal::Internal`] when a tile cannot be had.
    pub fn consistency_from(&self, known: u64) -> Result<Option<Vec<Hash>>, Refusal> {
        if known == 0 || known > self.size() {
            return Ok(None);
        }
        let tiles = self.published.tiles.as_ref();
        proof::consistency(&self.published.edge, tiles, known, self.size())
            .map(Some)
            .map_err(broken)
    }
}

/// A proof that should be there and is not.
pub(super) fn broken(error: ProofError) -> Refusal {
    match error {
        ProofError::OutOfRange => Refusal::OutOfRange,
        ProofError::Tile(error) => {
            tracing::error!(%error, "a tile of the ledger cannot be had");
            Refusal::Internal
        }
    }
}

/// What an operation gives beside its receipts.
#[derive(Debug)]
#[must_use]
pub struct Done<T> {
    /// The result.
    pub value: T,
    /// Receipts of the entries that are the caller's to see, in the order of the acts.
    pub receipts: Vec<Receipt>,
}

impl<T> Done<T> {
    /// The result and its one receipt.
    pub(super) fn single(self) -> Result<(T, Receipt), Refusal> {
        let mut receipts = self.receipts.into_iter();
        match (receipts.next(), receipts.next()) {
            (Some(receipt), None) => Ok((self.value, receipt)),
            _ => Err(Refusal::Internal),
        }
    }
}
