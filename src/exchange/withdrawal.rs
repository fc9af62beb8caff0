//! Withdrawal: it can always be recorded, and nothing is disclosed under the chain afterwards.

use super::{BasisName, Exchange, Receipt, Refusal, Requested};
use crate::identity::caller::Caller;

impl Exchange {
    /// Withdraws one chain.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::SignatureInvalid`], [`Refusal::BasisSequence`], [`Refusal::BasisWithdrawn`].
    pub async fn withdraw_basis(
        &self,
        _caller: &Caller,
        _name: &BasisName,
        _requested: Requested,
        _statement: Vec<u8>,
    ) -> Result<Receipt, Refusal> {
        todo!()
    }
}
