//! Reading and writing the small things inside claims.

use super::error::StatementError;
use super::jws::{Header, KeyReference, Unverified, Verified, digest_from_b64u};
use super::keys::SigningKey;
use crate::domain::time::Timestamp;
use std::str::FromStr;

/// A word or an id.
pub(super) fn word<T: FromStr>(text: &str) -> Result<T, StatementError> {
    text.parse().map_err(|_| StatementError::Claim)
}

/// Words, at most `max`, none twice.
pub(super) fn words<T: FromStr + PartialEq>(
    texts: &[String],
    max: usize,
) -> Result<Vec<T>, StatementError> {
    if texts.len() > max {
        return Err(StatementError::Size);
    }
    let mut out: Vec<T> = Vec::with_capacity(texts.len());
    for text in texts {
        let value = word(text)?;
        if out.contains(&value) {
            return Err(StatementError::Claim);
        }
        out.push(value);
    }
    Ok(out)
}

/// A NumericDate.
pub(super) fn time(seconds: i64) -> Result<Timestamp, StatementError> {
    Timestamp::from_seconds(seconds).ok_or(StatementError::Time)
}

/// A SHA-256 digest.
pub(super) fn digest(text: &str) -> Result<[u8; 32], StatementError> {
    digest_from_b64u(text).ok_or(StatementError::Claim)
}

/// The header of what an agency signs with a certified key.
pub(super) fn agency_header(typ: &str, fingerprint: [u8; 32]) -> Header {
    Header {
        typ: typ.to_owned(),
        key: KeyReference::Fingerprint(fingerprint),
    }
}

/// Verifies what an agency signed with a certified key.
pub(super) fn verify_agency(
    token: &[u8],
    typ: &str,
    signer: &SigningKey,
) -> Result<Verified, StatementError> {
    let unverified = Unverified::parse(token)?;
    if unverified.header().key != KeyReference::Fingerprint(signer.fingerprint) {
        return Err(StatementError::Issuer);
    }
    Ok(unverified.verify(&signer.key, typ)?)
}
