//! Parcels as the router sees them: a signed statement, labels, and bytes it cannot read.
//!
//! Everything here is checked without a private key. What only the recipient can check is in `open`.

mod message;
mod parcel;

use super::bundle::{SUITE, SealingPublicKey};
use super::claims::{agency_header, digest, time, verify_agency, word, words};
pub use super::error::StatementError;
use super::jws::{self, JwsError};
use super::keys::{AgencySigner, SigningKey, b64u, sha256};
use crate::domain::id::{AgencyId, BasisChainId, OfferId, ParcelId};
use crate::domain::time::Timestamp;
use crate::domain::transcript::transcript;
use crate::domain::vocabulary::{Purpose, Stage};
pub use message::{MessageStatement, reply_commitment};
pub use parcel::{
    ENCAPSULATED_KEY_BYTES, FIELD_BYTES_MAX, FIELDS_MAX, LabelledDigest, PARCEL_BYTES_MAX,
    SealedParcel, TAG_BYTES, WRAPPED_KEY_BYTES, labels_digest, sealed_key_digest, size_class,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `typ` of a parcel's statement.
pub const TYP: &str = "parcel+sd-jwt";
/// `typ` of a message's statement: what is signed as a message is no parcel, and no parcel is a message.
pub const MESSAGE_TYP: &str = "message+sd-jwt";
/// Longest statement, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 16 * 1024;
/// How long a parcel may wait to be opened.
pub const PARCEL_VALIDITY_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Step of a statement's times: finer, and a second candidate could tell when a first was asked.
pub const COARSE: Duration = Duration::from_secs(15 * 60);
/// Decoys fill the digests up to a multiple of this.
pub const DIGEST_STEP: usize = 8;
/// Most hops of a forward.
pub const HOPS_MAX: u8 = 3;
/// Most recipients in a forward list.
const FORWARD_RECIPIENTS_MAX: usize = 32;

/// To whom, and how far, the recipient may pass it on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forward {
    /// Agencies that the person agreed to.
    pub recipients: Vec<AgencyId>,
    /// How many hops are left.
    pub hops: u8,
}

/// What a statement claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParcelClaims {
    /// The source.
    pub issuer: AgencyId,
    /// The one recipient.
    pub recipient: AgencyId,
    /// The parcel's random id.
    pub parcel: ParcelId,
    /// When it was sealed, coarse.
    pub issued: Timestamp,
    /// First moment at which it may no longer be opened.
    pub expires: Timestamp,
    /// What for.
    pub purpose: Purpose,
    /// From which stage on.
    pub stage: Stage,
    /// The recipient's sealing key.
    pub kid: String,
    /// SHA-256 of the encapsulated and the wrapped key.
    pub sealed_key: [u8; 32],
    /// Salted commitment to the basis chain.
    pub basis: [u8; 32],
    /// Digest of the list of labels.
    pub labels: [u8; 32],
    /// Forwarding.
    pub forward: Forward,
    /// Digests of the disclosures and of decoys, sorted.
    pub digests: Vec<[u8; 32]>,
    /// The parcel that this one corrects.
    pub supersedes: Option<ParcelId>,
    /// SHA-256 of the statement that this one forwards from.
    pub parent: Option<[u8; 32]>,
}

/// A statement that its source has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParcelStatement {
    claims: ParcelClaims,
    signed_digest: [u8; 32],
    digest: [u8; 32],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    jti: String,
    iat: i64,
    exp: i64,
    suite: u32,
    purpose: String,
    stage: String,
    kid: String,
    hpke: String,
    basis: String,
    labels: String,
    fwd: ForwardClaims,
    #[serde(rename = "_sd_alg")]
    sd_alg: String,
    #[serde(rename = "_sd")]
    sd: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    supersedes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    /// Of a message alone: the offer whose parties it passes between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offer: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForwardClaims {
    recipients: Vec<String>,
    hops: u8,
}

/// The `basis` claim: it tells the recipient nothing, and the router what it already knows.
#[must_use]
pub fn basis_commitment(salt: &[u8; 32], chain: &BasisChainId) -> [u8; 32] {
    sha256(&transcript(&[
        b"safeconduct/v1/basis",
        salt,
        chain.to_string().as_bytes(),
    ]))
}

impl ParcelClaims {
    /// Signs the statement.
    ///
    /// # Errors
    ///
    /// As [`ParcelStatement::parse`] would refuse it, or if the signer does not sign.
    pub fn sign(&self, signer: &dyn AgencySigner) -> Result<Vec<u8>, StatementError> {
        self.sign_as(None, signer)
    }

    /// Signs the statement of a message between the parties of `offer`.
    ///
    /// # Errors
    ///
    /// As [`MessageStatement::parse`] would refuse it, or if the signer does not sign.
    pub fn sign_message(
        &self,
        offer: OfferId,
        signer: &dyn AgencySigner,
    ) -> Result<Vec<u8>, StatementError> {
        self.check_message()?;
        self.sign_as(Some(offer), signer)
    }

    fn check_message(&self) -> Result<(), StatementError> {
        let passed_on = self.forward != Forward::default() || self.parent.is_some();
        if passed_on || self.supersedes.is_some() {
            return Err(StatementError::Claim);
        }
        Ok(())
    }

    fn sign_as(
        &self,
        offer: Option<OfferId>,
        signer: &dyn AgencySigner,
    ) -> Result<Vec<u8>, StatementError> {
        self.check_bounds()?;
        let forward = ForwardClaims {
            recipients: self
                .forward
                .recipients
                .iter()
                .map(ToString::to_string)
                .collect(),
            hops: self.forward.hops,
        };
        let claims = Claims {
            iss: self.issuer.to_string(),
            aud: self.recipient.to_string(),
            jti: self.parcel.to_string(),
            iat: self.issued.seconds(),
            exp: self.expires.seconds(),
            suite: SUITE,
            purpose: self.purpose.to_string(),
            stage: self.stage.to_string(),
            kid: self.kid.clone(),
            hpke: b64u(&self.sealed_key),
            basis: b64u(&self.basis),
            labels: b64u(&self.labels),
            fwd: forward,
            sd_alg: "sha-256".to_owned(),
            sd: self.digests.iter().map(|digest| b64u(digest)).collect(),
            supersedes: self.supersedes.map(|parcel| parcel.to_string()),
            parent: self.parent.map(|digest| b64u(&digest)),
            offer: offer.map(|offer| offer.to_string()),
        };
        let typ = if offer.is_some() { MESSAGE_TYP } else { TYP };
        let header = agency_header(typ, signer.certificate_fingerprint());
        let token = jws::sign(&header, &claims, signer)?;
        if token.len() > STATEMENT_BYTES_MAX {
            return Err(StatementError::Size);
        }
        Ok(token)
    }

    fn check_bounds(&self) -> Result<(), StatementError> {
        let coarse = self.issued.coarse(COARSE) == self.issued
            && self.expires.coarse(COARSE) == self.expires;
        let lasts =
            self.issued < self.expires && self.expires <= self.issued.plus(PARCEL_VALIDITY_MAX);
        if !(coarse && lasts) {
            return Err(StatementError::Time);
        }
        let count = self.digests.len();
        let counted = (1..=FIELDS_MAX).contains(&count) && count.is_multiple_of(DIGEST_STEP);
        if !counted || self.forward.hops > HOPS_MAX {
            return Err(StatementError::Size);
        }
        if !self.digests.is_sorted_by(|a, b| a < b) {
            return Err(StatementError::Labels);
        }
        if self.issuer == self.recipient {
            return Err(StatementError::Claim);
        }
        Ok(())
    }
}

impl TryFrom<Claims> for ParcelClaims {
    type Error = StatementError;

    fn try_from(claims: Claims) -> Result<Self, StatementError> {
        if claims.suite != SUITE || claims.sd_alg != "sha-256" {
            return Err(StatementError::Claim);
        }
        // A key id is the digest of its key, in one form only.
        digest(&claims.kid)?;
        let parsed = Self {
            issuer: word(&claims.iss)?,
            recipient: word(&claims.aud)?,
            parcel: word(&claims.jti)?,
            issued: time(claims.iat)?,
            expires: time(claims.exp)?,
            purpose: word(&claims.purpose)?,
            stage: word(&claims.stage)?,
            kid: claims.kid,
            sealed_key: digest(&claims.hpke)?,
            basis: digest(&claims.basis)?,
            labels: digest(&claims.labels)?,
            forward: Forward {
                recipients: words(&claims.fwd.recipients, FORWARD_RECIPIENTS_MAX)?,
                hops: claims.fwd.hops,
            },
            digests: claims
                .sd
                .iter()
                .map(|text| digest(text))
                .collect::<Result<_, _>>()?,
            supersedes: claims.supersedes.as_deref().map(word).transpose()?,
            parent: claims.parent.as_deref().map(digest).transpose()?,
        };
        parsed.check_bounds()?;
        Ok(parsed)
    }
}

impl ParcelStatement {
    /// Reads a statement that `signer` signed.
    ///
    /// # Errors
    ///
    /// [`StatementError`] if it is not `signer`'s, or not exactly as agreed.
    pub fn parse(token: &[u8], signer: &SigningKey) -> Result<Self, StatementError> {
        let (statement, offer) = Self::parse_as(token, TYP, signer)?;
        if offer.is_some() {
            return Err(StatementError::Claim);
        }
        Ok(statement)
    }

    fn parse_as(
        token: &[u8],
        typ: &str,
        signer: &SigningKey,
    ) -> Result<(Self, Option<OfferId>), StatementError> {
        if token.len() > STATEMENT_BYTES_MAX {
            return Err(JwsError::TooLong.into());
        }
        let verified = verify_agency(token, typ, signer)?;
        let claims: Claims = verified.claims()?;
        let offer = claims.offer.as_deref().map(word).transpose()?;
        let claims = ParcelClaims::try_from(claims)?;
        if claims.issuer != signer.agency {
            return Err(StatementError::Issuer);
        }
        let statement = Self {
            claims,
            signed_digest: verified.signed_digest,
            digest: sha256(token),
        };
        Ok((statement, offer))
    }

    /// What it claims.
    #[must_use]
    pub const fn claims(&self) -> &ParcelClaims {
        &self.claims
    }

    /// SHA-256 of what was signed: the statement's identity when a parcel id comes twice.
    #[must_use]
    pub const fn signed_digest(&self) -> &[u8; 32] {
        &self.signed_digest
    }

    /// SHA-256 of the whole statement: what a forward of it names as its parent.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether the statement may be deposited or opened at `now`; `skew` is how far the issuer's clock may be ahead.
    #[must_use]
    pub fn stands(&self, now: Timestamp, skew: Duration) -> bool {
        self.claims.issued <= now.plus(skew) && now < self.claims.expires
    }

    /// Whether the basis commitment opens to `chain` with `salt`.
    ///
    /// # Errors
    ///
    /// [`StatementError::Commitment`] if not.
    pub fn check_basis(&self, salt: &[u8; 32], chain: &BasisChainId) -> Result<(), StatementError> {
        if basis_commitment(salt, chain) == self.claims.basis {
            Ok(())
        } else {
            Err(StatementError::Commitment)
        }
    }

    /// Whether the parcel is sealed to `key` and ends before the key does.
    ///
    /// # Errors
    ///
    /// [`StatementError::Key`] or [`StatementError::Time`].
    pub fn check_key(&self, key: &SealingPublicKey) -> Result<(), StatementError> {
        if self.claims.kid != key.kid() {
            return Err(StatementError::Key);
        }
        if self.claims.expires > key.validity().until {
            return Err(StatementError::Time);
        }
        Ok(())
    }

    /// Whether everything else of `parcel` is what the statement signs, as far as it can be seen from outside.
    ///
    /// # Errors
    ///
    /// [`StatementError::Size`], [`StatementError::Labels`] or [`StatementError::SealedKey`].
    pub fn check_parcel(&self, parcel: &SealedParcel) -> Result<(), StatementError> {
        parcel.check_sizes()?;
        if sealed_key_digest(&parcel.enc, &parcel.wrapped) != self.claims.sealed_key {
            return Err(StatementError::SealedKey);
        }
        let sorted = parcel.labels.is_sorted_by(|a, b| a.digest < b.digest);
        if !sorted || labels_digest(&parcel.labels) != self.claims.labels {
            return Err(StatementError::Labels);
        }
        if self.claims.digests.len() != parcel.labels.len().next_multiple_of(DIGEST_STEP) {
            return Err(StatementError::Size);
        }
        let listed =
            |item: &LabelledDigest| self.claims.digests.binary_search(&item.digest).is_ok();
        if parcel.labels.iter().all(listed) {
            Ok(())
        } else {
            Err(StatementError::Labels)
        }
    }
}

#[cfg(test)]
mod tests;
