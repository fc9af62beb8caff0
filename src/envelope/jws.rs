//! Compact JWS, the one shape we take: ES256, a header we know by heart, verified before it is parsed.
//!
//! # Source
//!
//! RFC 7515 §7.1 and RFC 7518 §3.4. Everything optional there is refused here.

use super::keys::{KeyError, Signer, b64u, sha256};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use super::keys::{SigningKey, VerifyingKey};

/// Longest token taken, in bytes: a key bundle's ledger entry must fit 65,535.
pub const JWS_BYTES_MAX: usize = 64 * 1024;
/// Longest header, in base64url characters; the certificates of a bundle stand in it.
const HEADER_CHARS_MAX: usize = 16 * 1024;
/// Most certificates in a header.
const CHAIN_MAX: usize = 4;
/// Longest `kid` or `typ`, in bytes.
const WORD_BYTES_MAX: usize = 64;

/// Why a token is refused. Safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Longer than [`JWS_BYTES_MAX`].
    #[error("the signed statement is too long")]
    TooLong,
    /// Not three base64url parts, or not the one encoding of their bytes.
    #[error("the signed statement is not a compact JWS")]
    NotCompact,
    /// An unknown, missing or malformed header member, `crit` among them.
    #[error("the header of the signed statement is not as agreed")]
    Header,
    /// Not ES256.
    #[error("the signature algorithm is not ES256")]
    Algorithm,
    /// Signed as something else.
    #[error("the signed statement is of another type")]
    Type,
    /// The signature is not that key's.
    #[error("the signature does not verify")]
    Signature,
    /// Signed, but the claims are not as agreed.
    #[error("the claims of the signed statement are not as agreed")]
    Claims,
    /// Our own key did not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Which key a header points to: exactly one way each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyReference {
    /// `kid`.
    Kid(String),
    /// `x5c`: certificates as DER, leaf first.
    Chain(Vec<Vec<u8>>),
    /// `x5t#S256`: SHA-256 of the signing certificate.
    Fingerprint([u8; 32]),
}

/// A header: what is signed, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// `typ`, without a slash.
    pub typ: String,
    /// The key.
    pub key: KeyReference,
}

/// The header on the wire; members in the order of their names, as JCS has them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHeader {
    alg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    typ: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x5c: Option<Vec<String>>,
    #[serde(default, rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    x5t: Option<String>,
}

impl Header {
    fn to_wire(&self) -> WireHeader {
        let (kid, x5c, x5t) = match &self.key {
            KeyReference::Kid(kid) => (Some(kid.clone()), None, None),
            KeyReference::Chain(chain) => (
                None,
                Some(chain.iter().map(|der| BASE64.encode(der)).collect()),
                None,
            ),
            KeyReference::Fingerprint(fingerprint) => (None, None, Some(b64u(fingerprint))),
        };
        WireHeader {
            alg: "ES256".to_owned(),
            kid,
            typ: self.typ.clone(),
            x5c,
            x5t,
        }
    }

    fn from_wire(wire: WireHeader) -> Result<Self, JwsError> {
        if wire.alg != "ES256" {
            return Err(JwsError::Algorithm);
        }
        if wire.typ.len() > WORD_BYTES_MAX {
            return Err(JwsError::Header);
        }
        let key = match (wire.kid, wire.x5c, wire.x5t) {
            (Some(kid), None, None) if (1..=WORD_BYTES_MAX).contains(&kid.len()) => {
                KeyReference::Kid(kid)
            }
            (None, Some(chain), None) if (1..=CHAIN_MAX).contains(&chain.len()) => {
                let chain = chain.iter().map(|text| BASE64.decode(text.as_bytes()));
                let chain: Result<_, _> = chain.collect();
                KeyReference::Chain(chain.map_err(|_| JwsError::Header)?)
            }
            (None, None, Some(text)) => {
                KeyReference::Fingerprint(digest_from_b64u(&text).ok_or(JwsError::Header)?)
            }
            _ => return Err(JwsError::Header),
        };
        Ok(Self { typ: wire.typ, key })
    }
}

/// 32 bytes from their one base64url form.
#[must_use]
pub fn digest_from_b64u(text: &str) -> Option<[u8; 32]> {
    BASE64URL_NOPAD
        .decode(text.as_bytes())
        .ok()?
        .try_into()
        .ok()
}

/// Signs `claims` (serialised as JCS) under `header`.
///
/// # Errors
///
/// [`JwsError::Key`] if the signer does not sign; [`JwsError::TooLong`] and [`JwsError::Claims`] if
/// the result could not be read back.
pub fn sign(
    header: &Header,
    claims: &impl Serialize,
    signer: &dyn Signer,
) -> Result<Vec<u8>, JwsError> {
    let header = serde_json::to_vec(&header.to_wire()).map_err(|_| JwsError::Header)?;
    let claims = serde_json_canonicalizer::to_vec(claims).map_err(|_| JwsError::Claims)?;
    let mut token = format!("{}.{}", b64u(&header), b64u(&claims));
    let signature = signer.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&b64u(&signature));
    if token.len() > JWS_BYTES_MAX {
        return Err(JwsError::TooLong);
    }
    Ok(token.into_bytes())
}

/// A token cut into its parts, its header read to find the key; nothing of it is to be believed.
#[derive(Debug)]
pub struct Unverified<'a> {
    header: Header,
    signing_input: &'a [u8],
    payload: &'a [u8],
    signature: [u8; 64],
}

/// A token whose signature holds.
#[derive(Debug)]
pub struct Verified {
    /// The header.
    pub header: Header,
    /// The claims' bytes, as signed.
    pub payload: Vec<u8>,
    /// SHA-256 of what was signed (header and claims without the signature), which is the statement's
    /// identity: a second valid ECDSA signature over the same input can be made by anyone.
    pub signed_digest: [u8; 32],
}

impl<'a> Unverified<'a> {
    /// Cuts a compact token.
    ///
    /// # Errors
    ///
    /// [`JwsError`] if it is not exactly in our shape.
    pub fn parse(token: &'a [u8]) -> Result<Self, JwsError> {
        if token.len() > JWS_BYTES_MAX {
            return Err(JwsError::TooLong);
        }
        let mut parts = token.split(|&byte| byte == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwsError::NotCompact);
        };
        if header.len() > HEADER_CHARS_MAX {
            return Err(JwsError::TooLong);
        }
        // The decoder refuses padding, foreign symbols and non-zero trailing bits.
        let header = BASE64URL_NOPAD
            .decode(header)
            .map_err(|_| JwsError::NotCompact)?;
        let signature = BASE64URL_NOPAD
            .decode(signature)
            .map_err(|_| JwsError::NotCompact)?;
        let signature = signature.try_into().map_err(|_| JwsError::Signature)?;
        let wire: WireHeader = object(&header).ok_or(JwsError::Header)?;
        let signing_input_len = token.len() - 1 - SIGNATURE_CHARS;
        let signing_input = token.get(..signing_input_len).ok_or(JwsError::NotCompact)?;
        Ok(Self {
            header: Header::from_wire(wire)?,
            signing_input,
            payload,
            signature,
        })
    }

    /// The header, to find the key by. Not yet to be believed.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// `iat` in the claims, in seconds: to find the key by that stood then. Not yet to be believed.
    #[must_use]
    pub fn claimed_seconds(&self) -> Option<i64> {
        #[derive(Deserialize)]
        struct Issued {
            iat: i64,
        }
        let payload = BASE64URL_NOPAD.decode(self.payload).ok()?;
        object::<Issued>(&payload).map(|claims| claims.iat)
    }

    /// SHA-256 of what is signed, as [`Verified::signed_digest`]. Not yet to be believed.
    #[must_use]
    pub fn signed_digest(&self) -> [u8; 32] {
        sha256(self.signing_input)
    }

    /// Verifies the signature and the type, and only then hands out the claims' bytes.
    ///
    /// # Errors
    ///
    /// [`JwsError::Type`] or [`JwsError::Signature`].
    pub fn verify(self, key: &VerifyingKey, expected_typ: &str) -> Result<Verified, JwsError> {
        if self.header.typ != expected_typ {
            return Err(JwsError::Type);
        }
        if !key.verifies(self.signing_input, &self.signature) {
            return Err(JwsError::Signature);
        }
        let payload = BASE64URL_NOPAD
            .decode(self.payload)
            .map_err(|_| JwsError::NotCompact)?;
        let signed_digest = sha256(self.signing_input);
        Ok(Verified {
            header: self.header,
            payload,
            signed_digest,
        })
    }
}

/// 64 bytes in base64url without padding.
const SIGNATURE_CHARS: usize = 86;

impl Verified {
    /// The claims: one JSON object without unknown or repeated members, if `T` says so.
    ///
    /// # Errors
    ///
    /// [`JwsError::Claims`].
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, JwsError> {
        object(&self.payload).ok_or(JwsError::Claims)
    }
}

/// A JSON object as `T`. (Serde would read a JSON array into a struct as well.)
fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    if json.first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests;
