//! Keys: who signs, and who can open. Where private keys rest is the implementer's business.

use crate::domain::id::AgencyId;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    ParsedPublicKey,
};
use data_encoding::BASE64URL_NOPAD;
use secrecy::{ExposeSecret, SecretBox};
use std::fmt;

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Base64url without padding, as everywhere in signed JSON.
#[must_use]
pub fn b64u(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// Why a key cannot be used. Says nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no P-256 key, or no certificate that holds one.
    #[error("not a P-256 key")]
    NotP256,
    /// The bytes are no X-Wing key of this kind.
    #[error("not a sealing key")]
    NotSealing,
    /// The signer did not sign: a token was pulled, a library failed.
    #[error("the signing key is not available")]
    Unavailable,
    /// The certificate is for another key.
    #[error("the certificate is for another key")]
    OtherCertificate,
}

/// A P-256 public key, checked to be a point on the curve.
#[derive(Clone)]
pub struct VerifyingKey {
    point: [u8; 65],
    parsed: ParsedPublicKey,
}

impl VerifyingKey {
    /// From an uncompressed SEC 1 point: `04`, x, y.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotP256`] if it is not a point on the curve in that encoding.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, KeyError> {
        let point: [u8; 65] = bytes.try_into().map_err(|_| KeyError::NotP256)?;
        if point.first() != Some(&4) {
            return Err(KeyError::NotP256);
        }
        let parsed =
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| KeyError::NotP256)?;
        Ok(Self { point, parsed })
    }

    /// The key inside a certificate; nothing else of the certificate is checked.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotP256`] if the bytes are not one certificate with a P-256 key.
    pub fn from_certificate(der: &[u8]) -> Result<Self, KeyError> {
        let (rest, certificate) =
            x509_parser::parse_x509_certificate(der).map_err(|_| KeyError::NotP256)?;
        if !rest.is_empty() {
            return Err(KeyError::NotP256);
        }
        let spki = certificate.public_key();
        let is_ec =
            spki.algorithm.algorithm == x509_parser::oid_registry::OID_KEY_TYPE_EC_PUBLIC_KEY;
        let curve = spki
            .algorithm
            .parameters
            .as_ref()
            .and_then(|any| any.as_oid().ok());
        let is_p256 = curve == Some(x509_parser::oid_registry::OID_EC_P256);
        if !(is_ec && is_p256) {
            return Err(KeyError::NotP256);
        }
        Self::from_sec1(&spki.subject_public_key.data)
    }

    /// From a DER SubjectPublicKeyInfo, as the administrators' keys are listed.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotP256`] otherwise.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let point = der
            .strip_prefix(&SPKI_P256_PREFIX)
            .ok_or(KeyError::NotP256)?;
        Self::from_sec1(point)
    }

    /// The uncompressed SEC 1 point, 65 bytes.
    #[must_use]
    pub const fn sec1(&self) -> &[u8; 65] {
        &self.point
    }

    /// The DER SubjectPublicKeyInfo, 91 bytes.
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        [&SPKI_P256_PREFIX[..], &self.point].concat()
    }

    /// `kid` of an administrator: base64url SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_kid(&self) -> String {
        b64u(&sha256(&self.spki()))
    }

    /// `kid` of a staff-token key: base64url SHA-256 of the point.
    #[must_use]
    pub fn point_kid(&self) -> String {
        b64u(&sha256(&self.point))
    }

    /// Whether `signature` (r ‖ s, 64 bytes) over `message` is this key's.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.point == other.point
    }
}

impl Eq for VerifyingKey {}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.point_kid())
    }
}

/// A signing key that somebody has already tied to an agency, by a verified certificate chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Whose it is.
    pub agency: AgencyId,
    /// The key.
    pub key: VerifyingKey,
    /// SHA-256 of the signing certificate's DER (`x5t#S256`).
    pub fingerprint: [u8; 32],
}

/// What precedes the point in the one DER encoding of a P-256 SubjectPublicKeyInfo (RFC 5480 §2).
const SPKI_P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Something that signs with ECDSA P-256 and SHA-256.
pub trait Signer: Send + Sync {
    /// The signature over `message`, r ‖ s.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unavailable`] if the key cannot be reached.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError>;

    /// The public key.
    fn verifying_key(&self) -> &VerifyingKey;
}

/// An agency's signing key, with the certificate that says whose it is.
pub trait AgencySigner: Signer {
    /// The signing certificate and its intermediates, DER, leaf first; never empty.
    fn certificate_chain(&self) -> &[Vec<u8>];

    /// SHA-256 of the signing certificate's DER (`x5t#S256`).
    fn certificate_fingerprint(&self) -> [u8; 32];
}

/// A P-256 key pair in memory.
pub struct KeyPairSigner {
    pair: EcdsaKeyPair,
    public: VerifyingKey,
}

impl KeyPairSigner {
    /// From PKCS#8 DER.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotP256`] if it holds no P-256 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map_err(|_| KeyError::NotP256)?;
        let public = VerifyingKey::from_sec1(pair.public_key().as_ref())?;
        Ok(Self { pair, public })
    }

    /// A new key pair and its PKCS#8 DER; the key comes from the operating system.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unavailable`] if the operating system gives no randomness.
    pub fn generate() -> Result<(Self, SecretBox<Vec<u8>>), KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| KeyError::Unavailable)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Unavailable)?;
        let der = SecretBox::new(Box::new(pkcs8.as_ref().to_vec()));
        let signer = Self::from_pkcs8(der.expose_secret())?;
        Ok((signer, der))
    }
}

impl Signer for KeyPairSigner {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message)
            .map_err(|_| KeyError::Unavailable)?;
        signature
            .as_ref()
            .try_into()
            .map_err(|_| KeyError::Unavailable)
    }

    fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }
}

impl fmt::Debug for KeyPairSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPairSigner({})", self.public.point_kid())
    }
}

/// An agency's signing key in memory, with its certificates.
#[derive(Debug)]
pub struct CertifiedSigner {
    signer: KeyPairSigner,
    chain: Vec<Vec<u8>>,
    fingerprint: [u8; 32],
}

impl CertifiedSigner {
    /// From PKCS#8 DER and the certificates, leaf first.
    ///
    /// # Errors
    ///
    /// [`KeyError::OtherCertificate`] if the first certificate is not for this key.
    pub fn new(pkcs8: &[u8], chain: Vec<Vec<u8>>) -> Result<Self, KeyError> {
        let signer = KeyPairSigner::from_pkcs8(pkcs8)?;
        let leaf = chain.first().ok_or(KeyError::OtherCertificate)?;
        if VerifyingKey::from_certificate(leaf)? != signer.public {
            return Err(KeyError::OtherCertificate);
        }
        let fingerprint = sha256(leaf);
        Ok(Self {
            signer,
            chain,
            fingerprint,
        })
    }
}

impl Signer for CertifiedSigner {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        self.signer.sign(message)
    }

    fn verifying_key(&self) -> &VerifyingKey {
        &self.signer.public
    }
}

impl AgencySigner for CertifiedSigner {
    fn certificate_chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    fn certificate_fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}
