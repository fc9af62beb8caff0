//! Key bundles: an agency's sealing keys, staff-token keys and facts, signed with its certified key.
//!
//! A bundle brings its own certificates. What is verified here is that the certificate's key signed it and
//! that it is well-formed and follows the one before; whether the certificates lead to the authority is
//! identity's question, asked with [`KeyBundle::chain`].

mod facts;

use super::claims::{digest, time, word};
use super::error::StatementError;
use super::jws::{self, Header, JwsError, KeyReference, Unverified};
use super::keys::{AgencySigner, SigningKey, VerifyingKey, b64u, sha256};
use crate::domain::directory::AgencyFacts;
use crate::domain::id::AgencyId;
use crate::domain::time::{Period, Timestamp};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `typ` of a key bundle.
pub const TYP: &str = "agency-keys+jwt";
/// How long a bundle may stand.
pub const BUNDLE_VALIDITY_MAX: Duration = Duration::from_secs(35 * 24 * 60 * 60);
/// How long a sealing key may be open: 30 days of use, 30 days for the last parcel, and slack.
pub const SEALING_KEY_VALIDITY_MAX: Duration = Duration::from_secs(65 * 24 * 60 * 60);
/// The one suite: HPKE base mode, X-Wing, HKDF-SHA256, ChaCha20-Poly1305.
pub const SUITE: u32 = 1;
/// Bytes of an X-Wing public key.
pub const SEALING_KEY_BYTES: usize = 1216;
/// Most sealing keys in a bundle, so that its ledger entry stays within 64 KiB.
const SEALING_KEYS_MAX: usize = 8;
/// Most staff-token keys in a bundle.
const STAFF_KEYS_MAX: usize = 16;

/// A public key to seal to.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingPublicKey {
    kid: String,
    bytes: Vec<u8>,
    validity: Period,
}

impl SealingPublicKey {
    /// A key and when it may be sealed to.
    ///
    /// # Errors
    ///
    /// [`StatementError::Key`] on another length than X-Wing's; [`StatementError::Time`] on a period that is
    /// empty or longer than [`SEALING_KEY_VALIDITY_MAX`].
    pub fn new(bytes: Vec<u8>, validity: Period) -> Result<Self, StatementError> {
        if bytes.len() != SEALING_KEY_BYTES {
            return Err(StatementError::Key);
        }
        let latest = validity.from.plus(SEALING_KEY_VALIDITY_MAX);
        if validity.until <= validity.from || validity.until > latest {
            return Err(StatementError::Time);
        }
        Ok(Self {
            kid: b64u(&sha256(&bytes)),
            bytes,
            validity,
        })
    }

    /// Base64url SHA-256 of the key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The key, 1,216 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// When it may be sealed to; parcels end before it does.
    #[must_use]
    pub const fn validity(&self) -> Period {
        self.validity
    }
}

impl std::fmt::Debug for SealingPublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingPublicKey({})", self.kid)
    }
}

/// What an agency says of itself in a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyBundleDraft {
    /// The agency.
    pub agency: AgencyId,
    /// Number of the bundle, from 1.
    pub seq: u64,
    /// SHA-256 of the bundle before, none for the first.
    pub prev: Option<[u8; 32]>,
    /// When it was signed.
    pub issued: Timestamp,
    /// First moment at which it no longer stands.
    pub expires: Timestamp,
    /// Keys to seal to.
    pub sealing_keys: Vec<SealingPublicKey>,
    /// Keys that sign staff tokens.
    pub staff_keys: Vec<VerifyingKey>,
    /// What the gate, the matching and the person rely on.
    pub facts: AgencyFacts,
}

/// A bundle whose signature is that of its first certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyBundle {
    content: KeyBundleDraft,
    chain: Vec<Vec<u8>>,
    key: VerifyingKey,
    digest: [u8; 32],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    seq: u64,
    prev: String,
    iat: i64,
    exp: i64,
    enc: Vec<SealingKeyClaims>,
    jwks: Vec<StaffKeyClaims>,
    facts: facts::FactsClaims,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealingKeyClaims {
    kid: String,
    suite: u32,
    pk: String,
    nbf: i64,
    exp: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StaffKeyClaims {
    kid: String,
    kty: String,
    crv: String,
    x: String,
    y: String,
}

impl KeyBundleDraft {
    /// Signs the bundle.
    ///
    /// # Errors
    ///
    /// As [`KeyBundle::parse`] would refuse it, or if the signer does not sign.
    pub fn sign(&self, signer: &dyn AgencySigner) -> Result<Vec<u8>, StatementError> {
        let claims = Claims {
            iss: self.agency.to_string(),
            seq: self.seq,
            prev: self.prev.map_or_else(String::new, |digest| b64u(&digest)),
            iat: self.issued.seconds(),
            exp: self.expires.seconds(),
            enc: self.sealing_keys.iter().map(SealingKeyClaims::of).collect(),
            jwks: self.staff_keys.iter().map(StaffKeyClaims::of).collect(),
            facts: facts::FactsClaims::of(&self.facts),
        };
        let header = Header {
            typ: TYP.to_owned(),
            key: KeyReference::Chain(signer.certificate_chain().to_vec()),
        };
        let token = jws::sign(&header, &claims, signer)?;
        KeyBundle::parse(&token)?;
        Ok(token)
    }
}

impl SealingKeyClaims {
    fn of(key: &SealingPublicKey) -> Self {
        Self {
            kid: key.kid.clone(),
            suite: SUITE,
            pk: b64u(&key.bytes),
            nbf: key.validity.from.seconds(),
            exp: key.validity.until.seconds(),
        }
    }

    fn parse(&self) -> Result<SealingPublicKey, StatementError> {
        if self.suite != SUITE {
            return Err(StatementError::Key);
        }
        let bytes = BASE64URL_NOPAD
            .decode(self.pk.as_bytes())
            .map_err(|_| StatementError::Key)?;
        let validity = Period {
            from: time(self.nbf)?,
            until: time(self.exp)?,
        };
        let key = SealingPublicKey::new(bytes, validity)?;
        if key.kid == self.kid {
            Ok(key)
        } else {
            Err(StatementError::Key)
        }
    }
}

impl StaffKeyClaims {
    fn of(key: &VerifyingKey) -> Self {
        let (x, y) = key.sec1().split_at(1).1.split_at(32);
        Self {
            kid: key.point_kid(),
            kty: "EC".to_owned(),
            crv: "P-256".to_owned(),
            x: b64u(x),
            y: b64u(y),
        }
    }

    fn parse(&self) -> Result<VerifyingKey, StatementError> {
        if self.kty != "EC" || self.crv != "P-256" {
            return Err(StatementError::Key);
        }
        let point = [&[4][..], &digest(&self.x)?, &digest(&self.y)?].concat();
        let key = VerifyingKey::from_sec1(&point).map_err(|_| StatementError::Key)?;
        if key.point_kid() == self.kid {
            Ok(key)
        } else {
            Err(StatementError::Key)
        }
    }
}

impl KeyBundle {
    /// Reads a bundle and verifies it with the key of its own first certificate.
    ///
    /// # Errors
    ///
    /// [`StatementError`] if it is not signed by that key, or not exactly as agreed.
    pub fn parse(token: &[u8]) -> Result<Self, StatementError> {
        let unverified = Unverified::parse(token)?;
        let KeyReference::Chain(chain) = &unverified.header().key else {
            return Err(JwsError::Header.into());
        };
        let chain = chain.clone();
        let leaf = chain.first().ok_or(JwsError::Header)?;
        let key = VerifyingKey::from_certificate(leaf).map_err(JwsError::Key)?;
        let claims: Claims = unverified.verify(&key, TYP)?.claims()?;
        let content = claims.parse()?;
        Ok(Self {
            content,
            chain,
            key,
            digest: sha256(token),
        })
    }

    /// What the bundle says.
    #[must_use]
    pub const fn content(&self) -> &KeyBundleDraft {
        &self.content
    }

    /// Certificates of the signing key, DER, leaf first: to be verified before the bundle is believed.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// SHA-256 of the compact JWS, which the next bundle repeats.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The key that signed the bundle, and signs the agency's other statements.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        SigningKey {
            agency: self.content.agency.clone(),
            key: self.key.clone(),
            fingerprint: self.chain.first().map_or([0; 32], |leaf| sha256(leaf)),
        }
    }

    /// Whether the bundle may follow `previous` (none: it is the agency's first).
    ///
    /// # Errors
    ///
    /// [`StatementError::Sequence`], or [`StatementError::Issuer`] on another agency's.
    pub fn follows(&self, previous: Option<&Self>) -> Result<(), StatementError> {
        let Some(previous) = previous else {
            return if self.content.seq == 1 {
                Ok(())
            } else {
                Err(StatementError::Sequence)
            };
        };
        if previous.content.agency != self.content.agency {
            return Err(StatementError::Issuer);
        }
        let next = previous.content.seq.checked_add(1);
        let follows = next == Some(self.content.seq)
            && self.content.prev == Some(previous.digest)
            && self.content.issued >= previous.content.issued;
        if follows {
            Ok(())
        } else {
            Err(StatementError::Sequence)
        }
    }

    /// Whether the bundle stands at `now`; `skew` is how far the issuer's clock may be ahead.
    #[must_use]
    pub fn stands(&self, now: Timestamp, skew: Duration) -> bool {
        self.content.issued <= now.plus(skew) && now < self.content.expires
    }

    /// The sealing key with this id.
    #[must_use]
    pub fn sealing_key(&self, kid: &str) -> Option<&SealingPublicKey> {
        self.content.sealing_keys.iter().find(|key| key.kid == kid)
    }

    /// The key to seal to at `now`: the one that lasts longest, of those that are open.
    #[must_use]
    pub fn current_sealing_key(&self, now: Timestamp) -> Option<&SealingPublicKey> {
        let open = self
            .content
            .sealing_keys
            .iter()
            .filter(|key| key.validity.contains(now));
        open.max_by_key(|key| key.validity.until)
    }

    /// The staff-token key with this id.
    #[must_use]
    pub fn staff_key(&self, kid: &str) -> Option<&VerifyingKey> {
        self.content
            .staff_keys
            .iter()
            .find(|key| key.point_kid() == kid)
    }
}

impl Claims {
    fn parse(self) -> Result<KeyBundleDraft, StatementError> {
        let (issued, expires) = (time(self.iat)?, time(self.exp)?);
        if expires <= issued || expires > issued.plus(BUNDLE_VALIDITY_MAX) {
            return Err(StatementError::Time);
        }
        let prev = match (self.seq, self.prev.as_str()) {
            (1, "") => None,
            (0 | 1, _) | (_, "") => return Err(StatementError::Sequence),
            (_, text) => Some(digest(text)?),
        };
        if self.enc.len() > SEALING_KEYS_MAX || self.jwks.len() > STAFF_KEYS_MAX {
            return Err(StatementError::Size);
        }
        let mut sealing_keys: Vec<SealingPublicKey> = Vec::with_capacity(self.enc.len());
        for claims in &self.enc {
            let key = claims.parse()?;
            if sealing_keys.iter().any(|other| other.kid == key.kid) {
                return Err(StatementError::Key);
            }
            sealing_keys.push(key);
        }
        let mut staff_keys: Vec<VerifyingKey> = Vec::with_capacity(self.jwks.len());
        for claims in &self.jwks {
            let key = claims.parse()?;
            if staff_keys.contains(&key) {
                return Err(StatementError::Key);
            }
            staff_keys.push(key);
        }
        Ok(KeyBundleDraft {
            agency: word(&self.iss)?,
            seq: self.seq,
            prev,
            issued,
            expires,
            sealing_keys,
            staff_keys,
            facts: self.facts.parse()?,
        })
    }
}

#[cfg(test)]
mod tests;
