//! Messages: parcels that pass between the parties of one offer, either way.
//!
//! They reuse a parcel's statement, sealing and checks under a `typ` of their own, and name their offer, so that
//! nothing signed as the one can be shown as the other, or at another offer.

use super::{MESSAGE_TYP, ParcelStatement, SealedParcel, StatementError};
use crate::domain::id::{OfferId, ParcelId};
use crate::domain::transcript::transcript;
use crate::envelope::keys::{SigningKey, sha256};

/// A message's statement that its sender has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageStatement {
    offer: OfferId,
    statement: ParcelStatement,
}

/// The `basis` claim of a reply: who replies does not know the chain that allows it, so it commits to the offer.
#[must_use]
pub fn reply_commitment(message: ParcelId, offer: OfferId) -> [u8; 32] {
    sha256(&transcript(&[
        b"safeconduct/v1/reply",
        message.to_string().as_bytes(),
        offer.to_string().as_bytes(),
    ]))
}

impl MessageStatement {
    /// Reads a statement that `signer` signed.
    ///
    /// # Errors
    ///
    /// [`StatementError`] if it is not `signer`'s, or not exactly as agreed.
    pub fn parse(token: &[u8], signer: &SigningKey) -> Result<Self, StatementError> {
        let (statement, offer) = ParcelStatement::parse_as(token, MESSAGE_TYP, signer)?;
        statement.claims.check_message()?;
        let offer = offer.ok_or(StatementError::Claim)?;
        Ok(Self { offer, statement })
    }

    /// The offer whose parties it passes between.
    #[must_use]
    pub const fn offer(&self) -> OfferId {
        self.offer
    }

    /// What it says as a parcel.
    #[must_use]
    pub const fn statement(&self) -> &ParcelStatement {
        &self.statement
    }

    /// Itself as a parcel's statement.
    #[must_use]
    pub fn into_statement(self) -> ParcelStatement {
        self.statement
    }

    /// Whether its basis commitment is that of a reply.
    ///
    /// # Errors
    ///
    /// [`StatementError::Commitment`] if not.
    pub fn check_reply(&self) -> Result<(), StatementError> {
        let claims = self.statement.claims();
        if claims.basis == reply_commitment(claims.parcel, self.offer) {
            Ok(())
        } else {
            Err(StatementError::Commitment)
        }
    }
}

impl SealedParcel {
    /// Verifies everything of a message that can be verified without a private key.
    ///
    /// # Errors
    ///
    /// [`StatementError`] at the first thing that is not as signed or as agreed.
    pub fn verify_message(&self, signer: &SigningKey) -> Result<MessageStatement, StatementError> {
        self.check_sizes()?;
        let message = MessageStatement::parse(&self.statement, signer)?;
        message.statement.check_parcel(self)?;
        Ok(message)
    }
}
