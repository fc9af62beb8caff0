//! Agencies, keys and a fixed stream of randomness for this room's tests.

use super::bundle::SealingPublicKey;
use super::disclosure::Field;
use super::hpke::{SealingSeed, SeedStore};
use super::keys::{AgencySigner as _, CertifiedSigner, Signer as _, SigningKey, sha256};
use super::seal::{ParcelDraft, Sealed, seal};
use super::statement::Forward;
use crate::domain::id::{AgencyId, BasisChainId};
use crate::domain::label::Label;
use crate::domain::random::Random;
use crate::domain::time::{Period, Timestamp};
use crate::domain::vocabulary::{Purpose, Stage};
use secrecy::ExposeSecret as _;
use std::time::Duration;
use zeroize::Zeroizing;

/// SHA-256 of a seed and a counter: the same on every machine.
pub(super) struct Stream {
    seed: [u8; 32],
    counter: u64,
}

impl Stream {
    pub(super) fn new(seed: &str) -> Self {
        Self {
            seed: sha256(seed.as_bytes()),
            counter: 0,
        }
    }
}

impl Random for Stream {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let block = sha256(&[&self.seed[..], &self.counter.to_be_bytes()].concat());
            chunk.copy_from_slice(&block[..chunk.len()]);
            self.counter += 1;
        }
    }
}

pub(super) fn agency(id: &str) -> AgencyId {
    id.parse().unwrap()
}

/// 2026-06-01T01:40:00Z.
pub(super) fn now() -> Timestamp {
    Timestamp::from_seconds(1_780_278_000).unwrap()
}

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn signer() -> CertifiedSigner {
    let (_, pkcs8) = super::keys::KeyPairSigner::generate().unwrap();
    certified(pkcs8.expose_secret())
}

pub(super) fn certified(pkcs8: &[u8]) -> CertifiedSigner {
    let pair = rcgen::KeyPair::try_from(pkcs8).unwrap();
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&pair)
        .unwrap();
    CertifiedSigner::new(pkcs8, vec![certificate.der().to_vec()]).unwrap()
}

pub(super) fn signing_key(id: &str, signer: &CertifiedSigner) -> SigningKey {
    SigningKey {
        agency: agency(id),
        key: signer.verifying_key().clone(),
        fingerprint: signer.certificate_fingerprint(),
    }
}

/// A recipient's seeds.
pub(super) struct Seeds(pub(super) Vec<[u8; 32]>);

impl SeedStore for Seeds {
    fn seed(&self, kid: &str) -> Option<SealingSeed> {
        let seeds = self
            .0
            .iter()
            .map(|bytes| SealingSeed::from_bytes(Zeroizing::new(*bytes)));
        seeds.into_iter().find(|seed| seed.kid() == kid)
    }
}

pub(super) fn sealing_key(seed: &[u8; 32]) -> SealingPublicKey {
    let seed = SealingSeed::from_bytes(Zeroizing::new(*seed));
    let validity = Period {
        from: now().minus(DAY),
        until: now().plus(DAY * 60),
    };
    SealingPublicKey::new(seed.public_key(), validity).unwrap()
}

pub(super) fn field(path: &str, label: &str, value: serde_json::Value) -> Field {
    Field {
        path: path.to_owned(),
        label: label.parse::<Label>().unwrap(),
        value,
    }
}

/// Three fields that say nothing true of anyone.
pub(super) fn fields() -> Vec<Field> {
    vec![
        field("age.band", "AGE/BAND", "ADULT".into()),
        field(
            "language.languages",
            "LANGUAGE/WHOLE",
            serde_json::json!(["ar"]),
        ),
        field(
            "care.needs",
            "CARE_NEEDS/CODED",
            serde_json::json!(["PREGNANT", "MOBILITY"]),
        ),
    ]
}

pub(super) fn chain() -> BasisChainId {
    BasisChainId::from_random([7; 16])
}

/// Seals `fields` for `recipient`, as alpha.
pub(super) fn sealed(
    signer: &CertifiedSigner,
    recipient: &str,
    seed: &[u8; 32],
    fields: Vec<Field>,
    random: &mut Stream,
) -> Sealed {
    let (source, recipient) = (agency("alpha"), agency(recipient));
    let draft = ParcelDraft {
        source: &source,
        recipient: &recipient,
        key: &sealing_key(seed),
        purpose: Purpose::SafeAccommodation,
        stage: Stage::Triage,
        chain: chain(),
        now: now(),
        until: now().plus(DAY),
        forward: Forward::default(),
        supersedes: None,
        parent: None,
        fields,
        carried: Vec::new(),
    };
    seal(draft, signer, random).unwrap()
}
