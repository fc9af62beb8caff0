use super::*;
use crate::envelope::fixture::Stream;
use data_encoding::HEXLOWER;
use hpke_rs::hpke_types::{AeadAlgorithm, KdfAlgorithm, KemAlgorithm};
use hpke_rs::libcrux::HpkeLibcrux;
use serde_json::Value;

type Second = hpke_rs::Hpke<HpkeLibcrux>;

fn second() -> Second {
    Second::new(
        hpke_rs::Mode::Base,
        KemAlgorithm::XWingDraft06,
        KdfAlgorithm::HkdfSha256,
        AeadAlgorithm::ChaCha20Poly1305,
    )
}

fn vectors(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    HEXLOWER
        .decode(vector[name].as_str().unwrap().as_bytes())
        .unwrap()
}

#[test]
fn another_library_opens_what_we_seal_and_we_open_what_it_seals() {
    let mut random = Stream::new("hpke");
    let seed = SealingSeed::generate(&mut random);
    let (enc, ciphertext) = seal(&seed.public_key(), b"info", b"plain", &mut random).unwrap();
    let private = hpke_rs::HpkePrivateKey::new(seed.expose().to_vec());
    let opened = second().open(&enc, &private, b"info", b"", &ciphertext, None, None, None);
    assert_eq!(opened.unwrap(), b"plain");

    let public = hpke_rs::HpkePublicKey::new(seed.public_key());
    let (enc, ciphertext) = second()
        .seal(&public, b"info", b"", b"back", None, None, None)
        .unwrap();
    assert_eq!(
        open(&seed, &enc, b"info", &ciphertext).unwrap().as_slice(),
        b"back"
    );
    assert!(open(&seed, &enc, b"other", &ciphertext).is_none());
}

#[test]
fn x_wing_answers_as_its_draft_says() {
    let vectors = vectors(include_str!("../../../tests/vectors/x-wing.json"));
    for vector in vectors["vectors"].as_array().unwrap() {
        let seed: [u8; 32] = bytes(vector, "sk").try_into().unwrap();
        let seed = SealingSeed::from_bytes(Zeroizing::new(seed));
        assert_eq!(seed.public_key(), bytes(vector, "pk"));
        // The encapsulation draws its 64 bytes in one piece.
        struct Eseed(Vec<u8>);
        impl Random for Eseed {
            fn fill(&mut self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.0);
            }
        }
        let mut eseed = Eseed(bytes(vector, "eseed"));
        let (enc, ciphertext) = seal(&bytes(vector, "pk"), b"", b"x", &mut eseed).unwrap();
        assert_eq!(enc, bytes(vector, "ct"));
        assert_eq!(
            open(&seed, &enc, b"", &ciphertext).unwrap().as_slice(),
            b"x"
        );
    }
}

#[test]
fn the_key_schedule_answers_as_rfc_9180_says() {
    use hpke::kem::X25519HkdfSha256 as Dh;
    let vector = vectors(include_str!("../../../tests/vectors/rfc9180-a2-base.json"));
    let private = <Dh as Kem>::PrivateKey::from_bytes(&bytes(&vector, "skRm")).unwrap();
    let enc = <Dh as Kem>::EncappedKey::from_bytes(&bytes(&vector, "enc")).unwrap();
    let mut context = setup_receiver::<ChaCha20Poly1305, HkdfSha256, Dh>(
        &OpModeR::Base,
        &private,
        &enc,
        &bytes(&vector, "info"),
    )
    .unwrap();
    for encryption in vector["encryptions"].as_array().unwrap() {
        let opened = context
            .open(&bytes(encryption, "ct"), &bytes(encryption, "aad"))
            .unwrap();
        assert_eq!(opened, bytes(encryption, "pt"));
    }
}

#[test]
fn a_seed_is_never_printed() {
    let seed = SealingSeed::generate(&mut Stream::new("print"));
    assert_eq!(format!("{seed:?}"), "SealingSeed(..)");
}

#[test]
fn a_destroyed_seed_opens_nothing() {
    let seed = SealingSeed::generate(&mut Stream::new("destroy"));
    let mut seeds = MemorySeeds::default();
    seeds.keep(&seed);
    assert_eq!(seeds.seed(&seed.kid()).unwrap().expose(), seed.expose());
    seeds.destroy(&seed.kid());
    assert!(seeds.seed(&seed.kid()).is_none());
}
