//! What administrators do: enrol, publish, reinstate with two signatures; suspend with one.

use super::{Exchange, Receipt, Refusal, Requested};
use crate::domain::id::ProposalId;
use crate::identity::caller::Caller;
use std::time::Duration;

/// How long a proposal awaits its approval.
pub const PROPOSAL_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Exchange {
    /// Proposes one signed act.
    ///
    /// # Errors
    ///
    /// [`Refusal::SignatureInvalid`], [`Refusal::InvalidField`].
    pub async fn propose(
        &self,
        _caller: &Caller,
        _requested: Requested,
        _act: Vec<u8>,
    ) -> Result<(ProposalId, Receipt), Refusal> {
        todo!()
    }

    /// Approves a proposal with the other administrator's signature; it takes effect.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::SignatureInvalid`], [`Refusal::InvalidField`].
    pub async fn approve(
        &self,
        _caller: &Caller,
        _requested: Requested,
        _proposal: ProposalId,
        _approval: Vec<u8>,
    ) -> Result<Receipt, Refusal> {
        todo!()
    }

    /// Suspends one agency at once, by one signature.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::SignatureInvalid`], [`Refusal::InvalidField`].
    pub async fn suspend_agency(
        &self,
        _caller: &Caller,
        _requested: Requested,
        _act: Vec<u8>,
    ) -> Result<Receipt, Refusal> {
        todo!()
    }

    /// Records that certificate revocation lists were loaded (SHA-256 of each, base64url).
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`], [`Refusal::Overloaded`].
    pub async fn revocations_loaded(&self, _lists: Vec<String>) -> Result<Receipt, Refusal> {
        todo!()
    }
}
