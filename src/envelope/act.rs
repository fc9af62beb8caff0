//! What administrators sign: acts, and approvals of another's act.
//!
//! Their keys are listed in the router's settings, not certified; `kid` is the digest of the public key.

use super::claims::{digest, time, word};
use super::error::StatementError;
use super::jws::{self, Header, JwsError, KeyReference, Unverified, Verified};
use super::keys::{Signer, VerifyingKey, b64u, sha256};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::AgencyKind;
use serde::{Deserialize, Serialize};

/// `typ` of an act.
pub const ACT_TYP: &str = "act+jwt";
/// `typ` of an approval.
pub const APPROVAL_TYP: &str = "approval+jwt";
/// Longest origin, in bytes: a DNS name.
const ORIGIN_BYTES_MAX: usize = 253;

/// What an administrator proposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActBody {
    /// An agency becomes a member, or its kind or parent changes.
    Enrol {
        /// The agency.
        agency: AgencyId,
        /// What it is.
        kind: AgencyKind,
        /// The authority that it is a unit of.
        parent: Option<AgencyId>,
    },
    /// A version of the information-sharing protocol.
    PublishProtocol {
        /// Its number.
        version: u64,
        /// The file's text; parsed elsewhere.
        toml: String,
    },
    /// A suspended agency comes back.
    Reinstate {
        /// The agency.
        agency: AgencyId,
    },
    /// An agency is cut off.
    Suspend {
        /// The agency.
        agency: AgencyId,
    },
}

/// A signed act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// When it was signed.
    pub issued: Timestamp,
    /// The router it is for: its log's origin.
    pub origin: String,
    /// What is to be done.
    pub body: ActBody,
}

/// A signed approval of one act, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// When it was signed.
    pub issued: Timestamp,
    /// [`act_digest`] of the act.
    pub act: [u8; 32],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActClaims {
    iss: String,
    iat: i64,
    origin: String,
    act: BodyClaims,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum BodyClaims {
    Enrol {
        agency: String,
        kind: String,
        parent: Option<String>,
    },
    PublishProtocol {
        version: u64,
        toml: String,
    },
    Reinstate {
        agency: String,
    },
    Suspend {
        agency: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApprovalClaims {
    iss: String,
    iat: i64,
    act: String,
}

/// SHA-256 of an act's compact JWS, which is what an approval names.
#[must_use]
pub fn act_digest(token: &[u8]) -> [u8; 32] {
    sha256(token)
}

/// What makes an act the same act again: SHA-256 of what is signed, whatever signature stands beside it.
///
/// A second valid ECDSA signature over the same act can be made by anyone, so this is not [`act_digest`].
///
/// # Errors
///
/// [`JwsError`] if the token is not in our shape.
pub fn act_identity(token: &[u8]) -> Result<[u8; 32], JwsError> {
    Ok(Unverified::parse(token)?.signed_digest())
}

/// The `kid` that a token claims, to look the administrator's key up by. Not yet to be believed.
///
/// # Errors
///
/// [`JwsError`] if the token is not in our shape or names its key another way.
pub fn claimed_kid(token: &[u8]) -> Result<String, JwsError> {
    match &Unverified::parse(token)?.header().key {
        KeyReference::Kid(kid) => Ok(kid.clone()),
        KeyReference::Chain(_) | KeyReference::Fingerprint(_) => Err(JwsError::Header),
    }
}

fn header(typ: &str, signer: &dyn Signer) -> Header {
    Header {
        typ: typ.to_owned(),
        key: KeyReference::Kid(signer.verifying_key().spki_kid()),
    }
}

fn verify(token: &[u8], typ: &str, key: &VerifyingKey) -> Result<Verified, StatementError> {
    let unverified = Unverified::parse(token)?;
    if unverified.header().key != KeyReference::Kid(key.spki_kid()) {
        return Err(StatementError::Issuer);
    }
    Ok(unverified.verify(key, typ)?)
}

impl Act {
    /// Signs it.
    ///
    /// # Errors
    ///
    /// [`JwsError::Key`] if the signer does not sign.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, JwsError> {
        let act = match &self.body {
            ActBody::Enrol {
                agency,
                kind,
                parent,
            } => BodyClaims::Enrol {
                agency: agency.to_string(),
                kind: kind.to_string(),
                parent: parent.as_ref().map(ToString::to_string),
            },
            ActBody::PublishProtocol { version, toml } => BodyClaims::PublishProtocol {
                version: *version,
                toml: toml.clone(),
            },
            ActBody::Reinstate { agency } => BodyClaims::Reinstate {
                agency: agency.to_string(),
            },
            ActBody::Suspend { agency } => BodyClaims::Suspend {
                agency: agency.to_string(),
            },
        };
        let claims = ActClaims {
            iss: signer.verifying_key().spki_kid(),
            iat: self.issued.seconds(),
            origin: self.origin.clone(),
            act,
        };
        jws::sign(&header(ACT_TYP, signer), &claims, signer)
    }

    /// Reads one that `key` signed.
    ///
    /// # Errors
    ///
    /// [`StatementError`] if it is not `key`'s, or not exactly as agreed.
    pub fn parse(token: &[u8], key: &VerifyingKey) -> Result<Self, StatementError> {
        let claims: ActClaims = verify(token, ACT_TYP, key)?.claims()?;
        if claims.iss != key.spki_kid() {
            return Err(StatementError::Issuer);
        }
        if claims.origin.len() > ORIGIN_BYTES_MAX {
            return Err(StatementError::Size);
        }
        let body = match claims.act {
            BodyClaims::Enrol {
                agency,
                kind,
                parent,
            } => ActBody::Enrol {
                agency: word(&agency)?,
                kind: word(&kind)?,
                parent: parent.as_deref().map(word).transpose()?,
            },
            BodyClaims::PublishProtocol { version, toml } => {
                ActBody::PublishProtocol { version, toml }
            }
            BodyClaims::Reinstate { agency } => ActBody::Reinstate {
                agency: word(&agency)?,
            },
            BodyClaims::Suspend { agency } => ActBody::Suspend {
                agency: word(&agency)?,
            },
        };
        Ok(Self {
            issued: time(claims.iat)?,
            origin: claims.origin,
            body,
        })
    }
}

impl Approval {
    /// Signs it.
    ///
    /// # Errors
    ///
    /// [`JwsError::Key`] if the signer does not sign.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, JwsError> {
        let claims = ApprovalClaims {
            iss: signer.verifying_key().spki_kid(),
            iat: self.issued.seconds(),
            act: b64u(&self.act),
        };
        jws::sign(&header(APPROVAL_TYP, signer), &claims, signer)
    }

    /// Reads one that `key` signed.
    ///
    /// # Errors
    ///
    /// [`StatementError`] if it is not `key`'s, or not exactly as agreed.
    pub fn parse(token: &[u8], key: &VerifyingKey) -> Result<Self, StatementError> {
        let claims: ApprovalClaims = verify(token, APPROVAL_TYP, key)?.claims()?;
        if claims.iss != key.spki_kid() {
            return Err(StatementError::Issuer);
        }
        Ok(Self {
            issued: time(claims.iat)?,
            act: digest(&claims.act)?,
        })
    }
}

#[cfg(test)]
mod tests;
