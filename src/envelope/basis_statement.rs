//! The signed form of a basis: one chain of statements per case and recipient.

use super::claims::{agency_header, digest, time, verify_agency, word, words};
use super::error::StatementError;
use super::jws::{self, JwsError};
use super::keys::{AgencySigner, SigningKey, b64u};
use crate::domain::basis::{ALLOWS_MAX, Allow, BASIS_MAX, Basis, ForChild, Guardian};
use crate::domain::label::{Label, LabelSet};
use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// `typ` of a basis.
pub const TYP: &str = "basis+jwt";
/// Most purposes of a row.
const PURPOSES_MAX: usize = 32;

/// A basis and what its statement adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasisStatement {
    /// The basis.
    pub basis: Basis,
    /// When it was signed.
    pub issued: Timestamp,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guardian: Option<GuardianClaims>,
    child_view: String,
    assent: String,
    evidence: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowClaims {
    purposes: Vec<String>,
    labels: Vec<String>,
    asked: String,
    until: i64,
    reply: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardianClaims {
    relation: String,
    verified: bool,
    conflict: bool,
}

fn to_claims(allow: &Allow) -> AllowClaims {
    AllowClaims {
        purposes: allow.purposes.iter().map(ToString::to_string).collect(),
        labels: allow.labels.iter().map(|label| label.to_string()).collect(),
        asked: allow.asked.to_string(),
        until: allow.until.seconds(),
        reply: allow.reply,
    }
}

fn from_claims(claims: &AllowClaims, from: Timestamp) -> Result<Allow, StatementError> {
    let until = time(claims.until)?;
    if until <= from || until > from.plus(BASIS_MAX) {
        return Err(StatementError::Time);
    }
    let labels: Vec<Label> = words(&claims.labels, Label::COUNT)?;
    let labels = labels.into_iter().collect::<LabelSet>().closed();
    let purposes = words(&claims.purposes, PURPOSES_MAX)?;
    if labels.is_empty() || purposes.is_empty() {
        return Err(StatementError::Claim);
    }
    Ok(Allow {
        purposes,
        labels,
        asked: word(&claims.asked)?,
        until,
        reply: claims.reply,
    })
}

fn guardian(claims: &GuardianClaims) -> Result<Guardian, StatementError> {
    Ok(Guardian {
        relation: word(&claims.relation)?,
        verified: claims.verified,
        conflict: claims.conflict,
    })
}

impl BasisStatement {
    /// Signs it.
    ///
    /// # Errors
    ///
    /// [`JwsError::Key`] if the signer does not sign.
    pub fn sign(&self, signer: &dyn AgencySigner) -> Result<Vec<u8>, JwsError> {
        let basis = &self.basis;
        let claims = Claims {
            iss: basis.source.to_string(),
            aud: basis.recipient.to_string(),
            id: basis.chain.to_string(),
            seq: basis.seq,
            iat: self.issued.seconds(),
            from: basis.from.seconds(),
            case: basis.case.to_string(),
            kind: basis.kind.to_string(),
            allows: basis.allows.iter().map(to_claims).collect(),
            given_by: basis.given_by.to_string(),
            asked_alone: basis.asked_alone,
            interpreter: basis.interpreter.to_string(),
            child_told: basis.child_told.to_string(),
            guardian: basis.for_child.guardian.map(|guardian| GuardianClaims {
                relation: guardian.relation.to_string(),
                verified: guardian.verified,
                conflict: guardian.conflict,
            }),
            child_view: basis.for_child.view.to_string(),
            assent: basis.for_child.assent.to_string(),
            evidence: b64u(&self.evidence),
        };
        jws::sign(
            &agency_header(TYP, signer.certificate_fingerprint()),
            &claims,
            signer,
        )
    }

    /// Reads one that `signer` signed. What its kind may carry is for [`Basis::check_bounds`].
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
        let allows = claims.allows.iter().map(|allow| from_claims(allow, from));
        let basis = Basis {
            chain: word(&claims.id)?,
            source: word(&claims.iss)?,
            recipient: word(&claims.aud)?,
            case: word(&claims.case)?,
            seq: claims.seq,
            from,
            kind: word(&claims.kind)?,
            allows: allows.collect::<Result<_, _>>()?,
            given_by: word(&claims.given_by)?,
            asked_alone: claims.asked_alone,
            interpreter: word(&claims.interpreter)?,
            child_told: word(&claims.child_told)?,
            for_child: ForChild {
                guardian: claims.guardian.as_ref().map(guardian).transpose()?,
                view: word(&claims.child_view)?,
                assent: word(&claims.assent)?,
            },
        };
        if basis.source != signer.agency {
            return Err(StatementError::Issuer);
        }
        if basis.source == basis.recipient || basis.allows.is_empty() {
            return Err(StatementError::Claim);
        }
        Ok(Self {
            basis,
            issued: time(claims.iat)?,
            evidence: digest(&claims.evidence)?,
        })
    }
}

#[cfg(test)]
mod tests;
