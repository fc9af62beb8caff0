//! A replay watermark: an auditor of a national mandate says up to where it decided the log again, and what it found.
//!
//! Below it, openings may end after their retention time: what they said was looked at once, by somebody outside.

use super::claims::{agency_header, digest, time, verify_agency, word};
use super::error::StatementError;
use super::jws::{self, JwsError};
use super::keys::{AgencySigner, SigningKey, b64u};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// `typ` of a watermark.
pub const TYP: &str = "replay-watermark+jwt";

/// What an auditor signs after a replay that found no violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// The auditor's agency.
    pub auditor: AgencyId,
    /// The log's origin at that time.
    pub origin: String,
    /// Entries decided again: all below this index.
    pub upto: u64,
    /// Root of the tree over them.
    pub root: [u8; 32],
    /// SHA-256 of the report.
    pub report: [u8; 32],
    /// When it was signed.
    pub issued: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    upto: u64,
    root: String,
    report: String,
    iat: i64,
}

impl Watermark {
    /// Signs it.
    ///
    /// # Errors
    ///
    /// [`JwsError::Key`] if the signer does not sign.
    pub fn sign(&self, signer: &dyn AgencySigner) -> Result<Vec<u8>, JwsError> {
        let claims = Claims {
            iss: self.auditor.to_string(),
            aud: self.origin.clone(),
            upto: self.upto,
            root: b64u(&self.root),
            report: b64u(&self.report),
            iat: self.issued.seconds(),
        };
        let header = agency_header(TYP, signer.certificate_fingerprint());
        jws::sign(&header, &claims, signer)
    }

    /// Reads one that `signer` signed.
    ///
    /// # Errors
    ///
    /// [`StatementError`] if it is not `signer`'s, or not exactly as agreed.
    pub fn parse(token: &[u8], signer: &SigningKey) -> Result<Self, StatementError> {
        let claims: Claims = verify_agency(token, TYP, signer)?.claims()?;
        let watermark = Self {
            auditor: word(&claims.iss)?,
            origin: claims.aud,
            upto: claims.upto,
            root: digest(&claims.root)?,
            report: digest(&claims.report)?,
            issued: time(claims.iat)?,
        };
        if watermark.auditor != signer.agency {
            return Err(StatementError::Issuer);
        }
        Ok(watermark)
    }
}
