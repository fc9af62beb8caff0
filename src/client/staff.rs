//! Staff tokens: the agency vouches for a member of its staff, for minutes, on one certificate.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;

use crate::domain::id::{AgencyId, StaffPseudonym};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::StaffRole;

/// How long a token is good for: half of what the router accepts, so that clocks may differ.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// A cached token is replaced when less than this is left of it.
const REMINT_BEFORE: Duration = Duration::from_secs(60);

/// Clocks may differ by this much: tokens are valid from so long before they are minted.
const SKEW: Duration = Duration::from_secs(5);

/// The staff-token key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the staff-token key cannot sign")]
pub struct TokenKeyError;

/// A member of staff as the router knows them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Staff {
    /// Pseudonym that only the agency resolves.
    pub pseudonym: StaffPseudonym,
    /// Role.
    pub role: StaffRole,
}

/// Mints staff tokens with one of the agency's staff-token keys.
#[derive(Debug)]
pub struct TokenMint {
    agency: AgencyId,
    origin: String,
    certificate: String,
    key: EcdsaKeyPair,
    kid: String,
    cache: Mutex<HashMap<Staff, (Timestamp, String)>>,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'static str,
}

#[derive(Serialize)]
struct Confirmation<'a> {
    #[serde(rename = "x5t#S256")]
    certificate: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    role: &'static str,
    cnf: Confirmation<'a>,
}

/// The id of a P-256 public key: base64url SHA-256 of its uncompressed point.
#[must_use]
pub fn key_id(point: &[u8]) -> String {
    BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, point).as_ref())
}

impl TokenMint {
    /// A mint for `agency` at the router of `origin`, bound to the client certificate of `fingerprint`.
    ///
    /// # Errors
    ///
    /// [`TokenKeyError`] when `pkcs8` is not a P-256 key.
    pub fn new(
        agency: AgencyId,
        origin: String,
        fingerprint: &[u8; 32],
        pkcs8: &[u8],
    ) -> Result<Self, TokenKeyError> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| TokenKeyError)?;
        let kid = key_id(key.public_key().as_ref());
        Ok(Self {
            agency,
            origin,
            certificate: BASE64URL_NOPAD.encode(fingerprint),
            key,
            kid,
            cache: Mutex::new(HashMap::new()),
        })
    }

    /// A token for `staff`, from the cache while enough of it is left.
    ///
    /// # Errors
    ///
    /// [`TokenKeyError`] when signing fails.
    pub fn token(&self, staff: &Staff, now: Timestamp) -> Result<String, TokenKeyError> {
        let mut cache = self.cache.lock().map_err(|_| TokenKeyError)?;
        if let Some((until, token)) = cache.get(staff)
            && now.plus(REMINT_BEFORE) < *until
        {
            return Ok(token.clone());
        }
        let until = now.plus(LIFETIME);
        let token = self.mint(staff, now, until)?;
        cache.retain(|_, (until, _)| now < *until);
        cache.insert(staff.clone(), (until, token.clone()));
        Ok(token)
    }

    fn mint(
        &self,
        staff: &Staff,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<String, TokenKeyError> {
        let header = Header {
            alg: "ES256",
            kid: &self.kid,
            typ: "at+jwt",
        };
        let claims = Claims {
            iss: self.agency.as_str(),
            sub: staff.pseudonym.as_str(),
            aud: &self.origin,
            iat: now.seconds(),
            nbf: now.minus(SKEW).seconds(),
            exp: until.seconds(),
            role: staff.role.name(),
            cnf: Confirmation {
                certificate: &self.certificate,
            },
        };
        let part = |json: Result<Vec<u8>, _>| {
            json.map(|json| BASE64URL_NOPAD.encode(&json))
                .map_err(|_: serde_json::Error| TokenKeyError)
        };
        let signed = format!(
            "{}.{}",
            part(serde_json::to_vec(&header))?,
            part(serde_json::to_vec(&claims))?
        );
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|_| TokenKeyError)?;
        Ok(format!(
            "{signed}.{}",
            BASE64URL_NOPAD.encode(signature.as_ref())
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mint() -> TokenMint {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .unwrap();
        let agency = "alpha".parse().unwrap();
        TokenMint::new(
            agency,
            "safeconduct.example".into(),
            &[7; 32],
            pkcs8.as_ref(),
        )
        .unwrap()
    }

    fn worker() -> Staff {
        Staff {
            pseudonym: "w1".parse().unwrap(),
            role: StaffRole::Caseworker,
        }
    }

    #[test]
    fn a_token_is_kept_until_a_minute_before_it_ends() {
        let mint = mint();
        let start = Timestamp::from_seconds(1_700_000_000).unwrap();
        let first = mint.token(&worker(), start).unwrap();
        assert_eq!(
            mint.token(&worker(), start.plus(Duration::from_secs(200)))
                .unwrap(),
            first
        );
        assert_ne!(
            mint.token(&worker(), start.plus(Duration::from_secs(241)))
                .unwrap(),
            first
        );
    }

    #[test]
    fn a_token_names_agency_role_and_certificate() {
        let now = Timestamp::from_seconds(1_700_000_000).unwrap();
        let token = mint().token(&worker(), now).unwrap();
        let claims = token.split('.').nth(1).unwrap();
        let claims: serde_json::Value =
            serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap();
        assert_eq!(claims["iss"], "alpha");
        assert_eq!(claims["role"], "CASEWORKER");
        assert_eq!(claims["exp"], 1_700_000_300);
        assert_eq!(claims["cnf"]["x5t#S256"], BASE64URL_NOPAD.encode(&[7; 32]));
    }
}
