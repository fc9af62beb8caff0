//! Verifies staff tokens: an agency's word, bound to its certificate, for one member of its staff.
//!
//! The library checks the signature and the presence of claims; `typ`, critical headers, times and the binding are
//! checked here, with the time handed in.
//!
//! # Source
//!
//! RFC 9068 (`at+jwt`), RFC 8705 §3 (`cnf`), RFC 8725 (JWT best practice).

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};

use super::certificate::CertifiedAgency;
use super::leaf::sha256;
use super::staff_key::StaffKeys;
use crate::domain::id::StaffPseudonym;
use crate::domain::time::Timestamp;
use crate::domain::transcript::transcript;
use crate::domain::vocabulary::StaffRole;

/// `typ` of a staff token.
pub const TOKEN_TYPE: &str = "at+jwt";

/// Largest token read, in bytes: ours are about 600.
pub const TOKEN_BYTES_MAX: usize = 4 * 1024;

/// Longest life of a token: how long a dismissed member of staff may still act.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(10 * 60);

/// How far the clocks of desk and router may be apart.
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(5);

/// Tokens remembered as verified: one per member of staff at work, about 200 bytes each.
pub const TOKENS_CACHED: usize = 8 * 1024;

/// Why a token vouches for nobody. For logs; it repeats nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Too long, not three parts, or a header we do not know.
    #[error("the token is malformed")]
    Malformed,
    /// An algorithm other than ES256, another type, or a header that brings its own key or demands.
    #[error("the token's header is not a staff token's")]
    Header,
    /// No such key in the agency's bundle.
    #[error("the token's key is not in the agency's bundle")]
    UnknownKey,
    /// Not signed by that key.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim is missing, unknown or of the wrong type.
    #[error("the token's claims are not a staff token's")]
    Claims,
    /// Another agency's, or for another audience.
    #[error("the token is another agency's or for another audience")]
    Party,
    /// Bound to another certificate.
    #[error("the token is bound to another certificate")]
    Binding,
    /// Not yet or no longer valid, or valid for too long.
    #[error("the token is not valid now")]
    Time,
}

/// The claims of a staff token, exactly these.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: String,
    pub(super) iat: u32,
    pub(super) nbf: u32,
    pub(super) exp: u32,
    pub(super) role: String,
    pub(super) cnf: Confirmation,
}

/// The certificate that the token is bound to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Confirmation {
    #[serde(rename = "x5t#S256")]
    pub(super) fingerprint: String,
}

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffToken {
    staff: StaffPseudonym,
    role: StaffRole,
    not_before: Timestamp,
    expires: Timestamp,
}

impl StaffToken {
    /// The pseudonym of the member of staff.
    #[must_use]
    pub const fn staff(&self) -> &StaffPseudonym {
        &self.staff
    }

    /// Their role.
    #[must_use]
    pub const fn role(&self) -> StaffRole {
        self.role
    }

    /// When it ends, without leeway.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    fn check_time(&self, now: Timestamp) -> Result<(), TokenError> {
        let early = now.plus(TOKEN_LEEWAY) < self.not_before;
        let late = now >= self.expires.plus(TOKEN_LEEWAY);
        if early || late {
            return Err(TokenError::Time);
        }
        Ok(())
    }
}

/// Remembers tokens that verified, bounded, so that each costs one signature check and not one per request.
///
/// The key covers certificate, bundle and audience besides the token: a new certificate or bundle starts afresh.
/// Time is checked on every use. Failures are not remembered, so that strangers cannot push good tokens out.
pub struct TokenCache(Cache<[u8; 32], StaffToken>);

impl TokenCache {
    /// An empty cache of [`TOKENS_CACHED`] tokens.
    #[must_use]
    pub fn new() -> Self {
        Self(Cache::new(TOKENS_CACHED))
    }

    /// How many tokens it remembers, for the metrics.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it remembers none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for TokenCache {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenCache")
    }
}

/// The token in the value of an `authorization` header, `Bearer <token>`.
#[must_use]
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Verifies `token` for the agency of `peer`, through the cache.
///
/// # Errors
///
/// [`TokenError`], the first that applies.
pub fn verify(
    token: &str,
    peer: &CertifiedAgency,
    keys: &StaffKeys,
    origin: &str,
    now: Timestamp,
    cache: &TokenCache,
) -> Result<StaffToken, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    let key = sha256(&transcript(&[
        token.as_bytes(),
        peer.fingerprint(),
        &keys.bundle().to_be_bytes(),
        peer.agency().as_str().as_bytes(),
        origin.as_bytes(),
    ]));
    if let Some(known) = cache.0.get(&key) {
        if let Err(error) = known.check_time(now) {
            cache.0.remove(&key);
            return Err(error);
        }
        return Ok(known);
    }
    let fresh = verify_afresh(token, peer, keys, origin, now)?;
    cache.0.insert(key, fresh.clone());
    Ok(fresh)
}

fn verify_afresh(
    token: &str,
    peer: &CertifiedAgency,
    keys: &StaffKeys,
    origin: &str,
    now: Timestamp,
) -> Result<StaffToken, TokenError> {
    let kid = key_id(token)?;
    let key = keys.key(&kid).ok_or(TokenError::UnknownKey)?;
    let claims = signed_claims(token, key.point())?;
    if claims.iss != peer.agency().as_str() || claims.aud != origin {
        return Err(TokenError::Party);
    }
    let bound_to = BASE64URL_NOPAD.decode(claims.cnf.fingerprint.as_bytes());
    let bound_to = bound_to.map_err(|_| TokenError::Claims)?;
    verify_slices_are_equal(&bound_to, peer.fingerprint()).map_err(|_| TokenError::Binding)?;
    let lifetime = u64::from(claims.exp.saturating_sub(claims.iat.min(claims.nbf)));
    let issued = seconds(claims.iat)?;
    if lifetime > TOKEN_LIFETIME_MAX.as_secs()
        || claims.exp <= claims.iat
        || issued > now.plus(TOKEN_LEEWAY)
    {
        return Err(TokenError::Time);
    }
    let token = StaffToken {
        staff: claims.sub.parse().map_err(|_| TokenError::Claims)?,
        role: claims.role.parse().map_err(|_| TokenError::Claims)?,
        not_before: seconds(claims.nbf)?,
        expires: seconds(claims.exp)?,
    };
    token.check_time(now)?;
    Ok(token)
}

/// The key id of a header that says nothing but `alg`, `typ` and `kid`.
fn key_id(token: &str) -> Result<String, TokenError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct StaffHeader {
        alg: String,
        typ: String,
        kid: String,
    }
    let (header, _) = token.split_once('.').ok_or(TokenError::Malformed)?;
    let header = BASE64URL_NOPAD.decode(header.as_bytes());
    let header = header.map_err(|_| TokenError::Malformed)?;
    // `crit`, `jku`, `jwk`, `x5u`, `x5c`, whatever else is invented, and anything twice fall here.
    let header: StaffHeader = serde_json::from_slice(&header).map_err(|_| TokenError::Header)?;
    if header.alg != "ES256" || header.typ != TOKEN_TYPE {
        return Err(TokenError::Header);
    }
    Ok(header.kid)
}

fn signed_claims(token: &str, point: &[u8; 65]) -> Result<Claims, TokenError> {
    use jsonwebtoken::errors::ErrorKind;
    // What the library would check against its own clock or leniently is checked by us on the typed claims.
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_required_spec_claims(&["exp", "nbf", "iss", "sub", "aud"]);
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    let data = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_ec_der(point), &rules);
    data.map(|data| data.claims)
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature | ErrorKind::InvalidEcdsaKey => TokenError::Signature,
            ErrorKind::InvalidAlgorithm => TokenError::Header,
            ErrorKind::Json(_) | ErrorKind::MissingRequiredClaim(_) => TokenError::Claims,
            _ => TokenError::Malformed,
        })
}

fn seconds(numeric_date: u32) -> Result<Timestamp, TokenError> {
    Timestamp::from_seconds(i64::from(numeric_date)).ok_or(TokenError::Claims)
}

#[cfg(test)]
mod tests;
