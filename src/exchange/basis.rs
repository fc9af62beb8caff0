//! Bases: recording a chain's next statement, and looking at one's own.

use super::{BasisName, Exchange, Page, Paged, Receipt, Refusal, Requested};
use crate::domain::id::{AgencyId, CaseHandle};
use crate::identity::caller::Caller;

/// Most chains in one case.
pub const CHAINS_PER_CASE_MAX: u32 = 64;

/// Where a chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasisState {
    /// In force, or still to begin.
    Active,
    /// Withdrawn.
    Withdrawn,
    /// Past its last period.
    Expired,
}

/// The head of one chain, as its source sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasisHead {
    /// Name.
    pub name: BasisName,
    /// Sequence number of the head.
    pub sequence: u64,
    /// State.
    pub state: BasisState,
    /// Head statement.
    pub statement: Vec<u8>,
}

impl Exchange {
    /// Records one basis statement.
    ///
    /// # Errors
    ///
    /// [`Refusal::SignatureInvalid`], [`Refusal::BasisSequence`], [`Refusal::BasisBounds`],
    /// [`Refusal::BasisWithdrawn`], [`Refusal::RecipientUnavailable`], [`Refusal::TooMany`].
    pub async fn record_basis(
        &self,
        _caller: &Caller,
        _source: &AgencyId,
        _requested: Requested,
        _statement: Vec<u8>,
    ) -> Result<(BasisName, Receipt), Refusal> {
        todo!()
    }

    /// One chain's head.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`].
    pub async fn basis(&self, _caller: &Caller, _name: &BasisName) -> Result<BasisHead, Refusal> {
        todo!()
    }

    /// A source's chains, of one case or of all.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] for a page token that is not ours.
    pub async fn bases(
        &self,
        _caller: &Caller,
        _source: &AgencyId,
        _case: Option<CaseHandle>,
        _page: Page,
    ) -> Result<Paged<BasisHead>, Refusal> {
        todo!()
    }
}
