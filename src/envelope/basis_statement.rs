//! The signed form of a basis: one chain of statements per case and recipient.

use super::claims::{agency_header, digest, time, verify_agency, word, words};
use super::error::StatementError;
use super::jws::{self, JwsError};
use super::keys::{AgencySigner, SigningKey, b64u};
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle};
use crate::domain::label::{Label, LabelSet};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{BasisKind, Purpose};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `typ` of a basis.
pub const TYP: &str = "basis+jwt";
/// How long any part of a basis may run: never endless, and a year at most.
pub const BASIS_VALIDITY_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// Most rows.
const ALLOWS_MAX: usize = 32;
/// Most purposes of a row.
const PURPOSES_MAX: usize = 32;
/// Most labels of a row: every one there is.
const LABELS_MAX: usize = 64;

/// One row of what the person allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// For these purposes.
    pub purposes: Vec<Purpose>,
    /// These labels and the lesser forms of each.
    pub labels: LabelSet,
    /// `BUNDLE` or `SPECIFIC`.
    pub asked: String,
    /// First moment at which the row no longer holds.
    pub until: Timestamp,
}

/// A basis and what its statement adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasisStatement {
    /// The chain.
    pub chain: BasisChainId,
    /// Who relies on it.
    pub source: AgencyId,
    /// The one recipient.
    pub recipient: AgencyId,
    /// The source's handle of the case.
    pub case: CaseHandle,
    /// Number in the chain, from 1.
    pub seq: u64,
    /// When it was signed.
    pub issued: Timestamp,
    /// First moment at which it holds.
    pub from: Timestamp,
    /// The lawful ground.
    pub kind: BasisKind,
    /// What is allowed.
    pub allows: Vec<Allow>,
    /// Who gave it.
    pub given_by: String,
    /// Whether the person was asked alone.
    pub asked_alone: bool,
    /// Who interpreted.
    pub interpreter: String,
    /// Whether a child was told first.
    pub child_told: String,
    /// Salted digest of the rest of the record, which stays with the source.
    pub evidence: [u8; 32],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    id: String,
    seq: u64,
    iat: i64,
    from: i64,
    case: String,
    kind: String,
    allows: Vec<AllowClaims>,
    given_by: String,
    asked_alone: bool,
    interpreter: String,
    child_told: String,
    evidence: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowClaims {
    purposes: Vec<String>,
    labels: Vec<String>,
    asked: String,
    until: i64,
}

/// A label from `CATEGORY/FORM`.
fn label(text: &str) -> Result<Label, StatementError> {
    let (category, form) = text.split_once('/').ok_or(StatementError::Claim)?;
    Label::new(word(category)?, word(form)?).map_err(|_| StatementError::Claim)
}

impl Allow {
    fn to_claims(&self) -> AllowClaims {
        AllowClaims {
            purposes: self.purposes.iter().map(ToString::to_string).collect(),
            labels: self.labels.iter().map(|label| label.to_string()).collect(),
            asked: self.asked.clone(),
            until: self.until.seconds(),
        }
    }

    fn from_claims(claims: &AllowClaims, from: Timestamp) -> Result<Self, StatementError> {
        if claims.labels.len() > LABELS_MAX {
            return Err(StatementError::Size);
        }
        let mut labels = LabelSet::EMPTY;
        for text in &claims.labels {
            labels.insert_up_to(label(text)?);
        }
        let until = time(claims.until)?;
        if until <= from || until > from.plus(BASIS_VALIDITY_MAX) {
            return Err(StatementError::Time);
        }
        let purposes = words(&claims.purposes, PURPOSES_MAX)?;
        if labels.is_empty() || purposes.is_empty() {
            return Err(StatementError::Claim);
        }
        Ok(Self {
            purposes,
            labels,
            asked: claims.asked.clone(),
            until,
        })
    }
}

impl BasisStatement {
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
            from: self.from.seconds(),
            case: self.case.to_string(),
            kind: self.kind.to_string(),
            allows: self.allows.iter().map(Allow::to_claims).collect(),
            given_by: self.given_by.clone(),
            asked_alone: self.asked_alone,
            interpreter: self.interpreter.clone(),
            child_told: self.child_told.clone(),
            evidence: b64u(&self.evidence),
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
        if claims.allows.len() > ALLOWS_MAX {
            return Err(StatementError::Size);
        }
        if claims.seq == 0 {
            return Err(StatementError::Sequence);
        }
        let from = time(claims.from)?;
        let allows = claims
            .allows
            .iter()
            .map(|allow| Allow::from_claims(allow, from));
        let statement = Self {
            chain: word(&claims.id)?,
            source: word(&claims.iss)?,
            recipient: word(&claims.aud)?,
            case: word(&claims.case)?,
            seq: claims.seq,
            issued: time(claims.iat)?,
            from,
            kind: word(&claims.kind)?,
            allows: allows.collect::<Result<_, _>>()?,
            given_by: claims.given_by,
            asked_alone: claims.asked_alone,
            interpreter: claims.interpreter,
            child_told: claims.child_told,
            evidence: digest(&claims.evidence)?,
        };
        if statement.source != signer.agency {
            return Err(StatementError::Issuer);
        }
        if statement.source == statement.recipient || statement.allows.is_empty() {
            return Err(StatementError::Claim);
        }
        Ok(statement)
    }
}
