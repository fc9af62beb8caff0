//! What a source tells the router of a carried referral: for whom, for what, which labels, on which basis. No content.
//!
//! The file itself never reaches the router; its digest binds this statement to it.

use super::claims::{agency_header, digest, time, verify_agency, word, words};
use super::error::StatementError;
use super::jws::{self, JwsError};
use super::keys::{AgencySigner, SigningKey, b64u};
use crate::domain::id::{AgencyId, BasisChainId, CarriedId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::Purpose;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `typ` of the statement.
pub const TYP: &str = "carried-statement+jwt";

/// Longest life of a carried referral, as of a parcel: 30 days.
pub const LIFE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A carried referral, from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutwardStatement {
    /// Its id, known to the source and the router.
    pub carried: CarriedId,
    /// Who sealed it.
    pub source: AgencyId,
    /// For whom, as the source calls them; see [`AgencyId::is_outside`].
    pub recipient: AgencyId,
    /// For what.
    pub purpose: Purpose,
    /// The basis chain.
    pub chain: BasisChainId,
    /// Every label of its fields.
    pub labels: LabelSet,
    /// When it was sealed.
    pub issued: Timestamp,
    /// After this nothing is released.
    pub expires: Timestamp,
    /// SHA-256 of the file.
    pub file: [u8; 32],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    jti: String,
    iat: i64,
    exp: i64,
    purpose: String,
    basis: String,
    labels: Vec<String>,
    file: String,
}

impl OutwardStatement {
    /// Signs it.
    ///
    /// # Errors
    ///
    /// [`JwsError::Key`] if the signer does not sign.
    pub fn sign(&self, signer: &dyn AgencySigner) -> Result<Vec<u8>, JwsError> {
        let claims = Claims {
            iss: self.source.to_string(),
            aud: self.recipient.to_string(),
            jti: self.carried.to_string(),
            iat: self.issued.seconds(),
            exp: self.expires.seconds(),
            purpose: self.purpose.to_string(),
            basis: self.chain.to_string(),
            labels: self.labels.iter().map(|label| label.to_string()).collect(),
            file: b64u(&self.file),
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
        let labels: Vec<Label> = words(&claims.labels, Label::COUNT)?;
        let statement = Self {
            carried: word(&claims.jti)?,
            source: word(&claims.iss)?,
            recipient: word(&claims.aud)?,
            purpose: word(&claims.purpose)?,
            chain: word(&claims.basis)?,
            labels: labels.into_iter().collect(),
            issued: time(claims.iat)?,
            expires: time(claims.exp)?,
            file: digest(&claims.file)?,
        };
        if statement.source != signer.agency {
            return Err(StatementError::Issuer);
        }
        if !statement.recipient.is_outside() || statement.labels.is_empty() {
            return Err(StatementError::Claim);
        }
        let lasts = statement.issued < statement.expires
            && statement.expires <= statement.issued.plus(LIFE_MAX);
        if lasts {
            Ok(statement)
        } else {
            Err(StatementError::Time)
        }
    }

    /// Whether it may be recorded `now`, the signer's clock being at most `skew` ahead.
    #[must_use]
    pub fn stands(&self, now: Timestamp, skew: Duration) -> bool {
        self.issued <= now.plus(skew) && now < self.expires
    }
}
