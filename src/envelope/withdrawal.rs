//! The withdrawal of a basis, signed by the source: the next statement of the chain, and its last word.

use super::claims::{agency_header, time, verify_agency, word};
use super::error::StatementError;
use super::jws::{self, JwsError};
use super::keys::{AgencySigner, SigningKey};
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle};
use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// `typ` of a withdrawal.
pub const TYP: &str = "basis-withdrawal+jwt";

/// A withdrawal. Three separate questions were asked; the first answer is the statement itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// The chain that ends.
    pub chain: BasisChainId,
    /// Who withdraws, for the person.
    pub source: AgencyId,
    /// Who may open no more.
    pub recipient: AgencyId,
    /// The source's handle of the case.
    pub case: CaseHandle,
    /// One more than the chain's last statement.
    pub seq: u64,
    /// When it was signed.
    pub issued: Timestamp,
    /// Whether the recipient is asked to erase.
    pub erase: bool,
    /// Whether the person leaves the service.
    pub leave: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    id: String,
    seq: u64,
    iat: i64,
    case: String,
    erase: bool,
    leave: bool,
}

impl Withdrawal {
    /// Signs it.
    ///
    /// # Errors
    ///
    /// [`JwsError::Key`] if the signer does not sign.
    pub fn sign(&self, signer: &dyn AgencySigner) -> Result<Vec<u8>, JwsError> {
        let claims = Claims {
            iss: self.source.to_string(),
            aud: self.recipient.to_string(),
            id: self.chain.to_string(),
            seq: self.seq,
            iat: self.issued.seconds(),
            case: self.case.to_string(),
            erase: self.erase,
            leave: self.leave,
        };
        jws::sign(
            &agency_header(TYP, signer.certificate_fingerprint()),
            &claims,
            signer,
        )
    }

    /// Reads one that `signer` signed.
    ///
    /// # Errors
    ///
    /// [`StatementError`] if it is not `signer`'s, or not exactly as agreed.
    pub fn parse(token: &[u8], signer: &SigningKey) -> Result<Self, StatementError> {
        let claims: Claims = verify_agency(token, TYP, signer)?.claims()?;
        let withdrawal = Self {
            chain: word(&claims.id)?,
            source: word(&claims.iss)?,
            recipient: word(&claims.aud)?,
            case: word(&claims.case)?,
            seq: claims.seq,
            issued: time(claims.iat)?,
            erase: claims.erase,
            leave: claims.leave,
        };
        if withdrawal.source != signer.agency {
            return Err(StatementError::Issuer);
        }
        // A chain begins with a basis, so a withdrawal is never its first statement.
        if withdrawal.seq < 2 {
            return Err(StatementError::Sequence);
        }
        Ok(withdrawal)
    }
}
