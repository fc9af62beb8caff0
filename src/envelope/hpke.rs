//! HPKE, the one suite: base mode, X-Wing, HKDF-SHA256, ChaCha20-Poly1305, empty AAD.
//!
//! # Source
//!
//! RFC 9180 §6.1; X-Wing as KEM 0x647a of draft-ietf-hpke-pq. A private key is its 32-byte random seed and is
//! never derived from anything: libraries disagree on how.

use super::keys::{KeyError, b64u, sha256};
use crate::domain::random::Random;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, setup_receiver, setup_sender_with_rng,
};
use secrecy::{ExposeSecret, SecretBox};
use std::collections::BTreeMap;
use std::convert::Infallible;
use zeroize::Zeroizing;

/// A private sealing key: the seed from which X-Wing expands it. Wiped when dropped, printed never.
pub struct SealingSeed(SecretBox<[u8; 32]>);

impl SealingSeed {
    /// A new key from fresh randomness.
    #[must_use]
    pub fn generate(random: &mut dyn Random) -> Self {
        let mut seed = SecretBox::new(Box::new([0; 32]));
        random.fill(secrecy::ExposeSecretMut::expose_secret_mut(&mut seed));
        Self(seed)
    }

    /// From where it was kept.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(SecretBox::new(Box::new(*bytes)))
    }

    /// The seed itself, to be kept.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }

    /// The public key, 1,216 bytes.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        XWing::sk_to_pk(&self.private_key()).to_bytes().to_vec()
    }

    /// Base64url SHA-256 of the public key.
    #[must_use]
    pub fn kid(&self) -> String {
        b64u(&sha256(&self.public_key()))
    }

    fn private_key(&self) -> <XWing as Kem>::PrivateKey {
        <XWing as Kem>::PrivateKey::from_bytes(self.expose()).expect("a seed has 32 bytes")
    }
}

impl std::fmt::Debug for SealingSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingSeed(..)")
    }
}

/// Where an agency keeps the seeds of its sealing keys.
pub trait SeedStore: Send + Sync {
    /// The seed whose public key has this id, if it is kept.
    fn seed(&self, kid: &str) -> Option<SealingSeed>;
}

/// Seeds in memory; where they rest is the caller's business.
#[derive(Default)]
pub struct MemorySeeds(BTreeMap<String, Zeroizing<[u8; 32]>>);

impl MemorySeeds {
    /// Keeps a seed, by its key's id.
    pub fn keep(&mut self, seed: &SealingSeed) {
        self.0.insert(seed.kid(), Zeroizing::new(*seed.expose()));
    }

    /// Destroys a seed: parcels sealed to its key can be opened no more.
    pub fn destroy(&mut self, kid: &str) {
        self.0.remove(kid);
    }
}

impl SeedStore for MemorySeeds {
    fn seed(&self, kid: &str) -> Option<SealingSeed> {
        self.0.get(kid).cloned().map(SealingSeed::from_bytes)
    }
}

impl std::fmt::Debug for MemorySeeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemorySeeds({})", self.0.len())
    }
}

/// Seals `plaintext` to a public key: the encapsulated key and the ciphertext.
///
/// # Errors
///
/// [`KeyError::NotSealing`] if `public_key` is no X-Wing key.
pub fn seal(
    public_key: &[u8],
    info: &[u8],
    plaintext: &[u8],
    random: &mut dyn Random,
) -> Result<(Vec<u8>, Vec<u8>), KeyError> {
    let public_key = <XWing as Kem>::PublicKey::from_bytes(public_key);
    let public_key = public_key.map_err(|_| KeyError::NotSealing)?;
    let mut rng = Rng(random);
    let (enc, mut context) = setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        &public_key,
        info,
        &mut rng,
    )
    .map_err(|_| KeyError::NotSealing)?;
    let ciphertext = context
        .seal(plaintext, b"")
        .map_err(|_| KeyError::NotSealing)?;
    Ok((enc.to_bytes().to_vec(), ciphertext))
}

/// Opens what [`seal`] sealed; `None` if anything does not fit.
#[must_use]
pub fn open(
    seed: &SealingSeed,
    enc: &[u8],
    info: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let enc = <XWing as Kem>::EncappedKey::from_bytes(enc).ok()?;
    let mut context = setup_receiver::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &seed.private_key(),
        &enc,
        info,
    )
    .ok()?;
    context.open(ciphertext, b"").ok().map(Zeroizing::new)
}

/// Our randomness in the shape the library wants.
struct Rng<'a>(&'a mut dyn Random);

impl TryRng for Rng<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Rng<'_> {}

#[cfg(test)]
mod tests;
