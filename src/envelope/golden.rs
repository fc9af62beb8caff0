//! Golden vectors for every step of sealing, and a second implementation in Python that opens and seals.
//!
//! `SAFECONDUCT_UPDATE_VECTORS=1` writes the vectors anew; a changed file is a changed format.

use super::disclosure::{Disclosure, field_aad, field_info, field_key, open_field};
use super::fixture::{DAY, Seeds, Stream, agency, chain, field, now};
use super::hpke::{self, SealingSeed};
use super::jws::{SigningKey, Unverified, VerifyingKey};
use super::keys::{AgencySigner, KeyError, KeyPairSigner, Signer, b64u};
use super::open::{Expected, open};
use super::seal::{ParcelDraft, parcel_info, seal};
use super::statement::{COARSE, Forward, LabelledDigest, ParcelStatement, SealedParcel, TYP};
use crate::domain::id::ParcelId;
use crate::domain::label::Label;
use crate::domain::time::Period;
use crate::domain::transcript::transcript;
use crate::domain::vocabulary::{Purpose, Stage};
use crate::envelope::bundle::SealingPublicKey;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use zeroize::Zeroizing;

const SEED: [u8; 32] = [0x42; 32];
const FINGERPRINT: [u8; 32] = [0x5a; 32];
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/parcel.json");

/// A key whose certificate's fingerprint is fixed, since nothing here reads the certificate.
struct FixedCertificate(KeyPairSigner);

impl Signer for FixedCertificate {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        self.0.sign(message)
    }

    fn verifying_key(&self) -> &VerifyingKey {
        self.0.verifying_key()
    }
}

impl AgencySigner for FixedCertificate {
    fn certificate_chain(&self) -> &[Vec<u8>] {
        &[]
    }

    fn certificate_fingerprint(&self) -> [u8; 32] {
        FINGERPRINT
    }
}

fn sealing_key() -> SealingPublicKey {
    let seed = SealingSeed::from_bytes(Zeroizing::new(SEED));
    let validity = Period {
        from: now(),
        until: now().plus(DAY * 60),
    };
    SealingPublicKey::new(seed.public_key(), validity).unwrap()
}

fn parcel_json(parcel: &SealedParcel) -> Value {
    let labels: Vec<Value> = parcel.labels.iter().map(label_json).collect();
    json!({
        "statement": String::from_utf8(parcel.statement.clone()).unwrap(),
        "enc": b64u(&parcel.enc),
        "wrapped": b64u(&parcel.wrapped),
        "labels": labels,
        "fields": parcel.fields.iter().map(|field| b64u(field)).collect::<Vec<_>>(),
    })
}

fn label_json(item: &LabelledDigest) -> Value {
    json!({
        "d": b64u(&item.digest),
        "cat": item.label.category().name(),
        "form": item.label.form().name(),
    })
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64URL_NOPAD
        .decode(value.as_str().unwrap().as_bytes())
        .unwrap()
}

fn parcel_from(value: &Value) -> SealedParcel {
    let labels = value["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| LabelledDigest {
            digest: bytes(&item["d"]).try_into().unwrap(),
            label: Label::new(
                item["cat"].as_str().unwrap().parse().unwrap(),
                item["form"].as_str().unwrap().parse().unwrap(),
            )
            .unwrap(),
        });
    SealedParcel {
        statement: value["statement"].as_str().unwrap().as_bytes().to_vec(),
        enc: bytes(&value["enc"]),
        wrapped: bytes(&value["wrapped"]),
        labels: labels.collect(),
        fields: value["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(bytes)
            .collect(),
    }
}

/// Every step of one parcel sealed from a fixed stream; only the ECDSA signature is not reproducible.
fn steps() -> Value {
    let signer = FixedCertificate(KeyPairSigner::generate().unwrap().0);
    let (source, recipient, key) = (agency("alpha"), agency("house1"), sealing_key());
    let draft = ParcelDraft {
        source: &source,
        recipient: &recipient,
        key: &key,
        purpose: Purpose::SafeAccommodation,
        stage: Stage::Triage,
        chain: chain(),
        now: now(),
        until: now().plus(DAY),
        forward: Forward {
            recipients: vec![agency("medic")],
            hops: 1,
        },
        supersedes: None,
        parent: None,
        fields: vec![
            field("age.band", "AGE/BAND", json!("ADULT")),
            field("language.languages", "LANGUAGE/WHOLE", json!(["ar", "prs"])),
            field("identity.alias", "IDENTITY/ALIAS", json!("Мая – \"é\"")),
            field("care.detail", "CARE_NEEDS/DETAIL", json!("x".repeat(300))),
        ],
        carried: Vec::new(),
    };
    let sealed = seal(draft, &signer, &mut Stream::new("golden")).unwrap();
    let parcel = &sealed.parcel;
    let point = *signer.verifying_key().sec1();
    let statement = parcel.verify(&issuer(&point, FINGERPRINT)).unwrap();
    let claims = statement.claims();
    let info = parcel_info(claims);
    let seed = SealingSeed::from_bytes(Zeroizing::new(SEED));
    let rk = hpke::open(&seed, &parcel.enc, &info, &parcel.wrapped).unwrap();
    let rk: [u8; 32] = rk.as_slice().try_into().unwrap();
    let fields: Vec<Value> = parcel
        .labels
        .iter()
        .zip(&parcel.fields)
        .map(|(item, ciphertext)| {
            let padded = open_field(&rk, sealed.id, item, ciphertext).unwrap();
            let disclosure = Disclosure::from_padded(&padded).unwrap();
            json!({
                "disclosure": disclosure.text(),
                "json": String::from_utf8(
                    BASE64URL_NOPAD.decode(disclosure.text().as_bytes()).unwrap()).unwrap(),
                "d": b64u(&item.digest),
                "info": b64u(&field_info(sealed.id, &item.digest)),
                "key": b64u(&*field_key(&rk, sealed.id, &item.digest)),
                "aad": b64u(&field_aad(sealed.id, item)),
                "padded_bytes": padded.len(),
            })
        })
        .collect();
    let unverified = Unverified::parse(&parcel.statement).unwrap();
    let payload = unverified
        .verify(signer.verifying_key(), TYP)
        .unwrap()
        .payload;
    json!({
        "about": "One parcel, step by step. Binary values are base64url. Seeds and keys are for tests only.",
        "transcript": {
            "parts": ["", "a", "safeconduct/v1/field"],
            "bytes": b64u(&transcript(&[b"", b"a", b"safeconduct/v1/field"])),
        },
        "seed": b64u(&SEED),
        "public_key": b64u(key.bytes()),
        "kid": key.kid(),
        "jti": sealed.id.to_string(),
        "chain": chain().to_string(),
        "basis_salt": b64u(&sealed.basis_salt),
        "basis": b64u(&claims.basis),
        "hpke_info": b64u(&info),
        "parcel_key": b64u(&rk),
        "fields": fields,
        "labels_digest": b64u(&claims.labels),
        "payload": String::from_utf8(payload).unwrap(),
        "signing_key": b64u(&point),
        "fingerprint": b64u(&FINGERPRINT),
        "parcel": parcel_json(parcel),
    })
}

fn issuer(point: &[u8], fingerprint: [u8; 32]) -> SigningKey {
    let key = VerifyingKey::from_sec1(point).unwrap();
    SigningKey {
        agency: agency("alpha"),
        key,
        fingerprint,
    }
}

fn golden() -> Value {
    serde_json::from_str(&std::fs::read_to_string(PATH).unwrap()).unwrap()
}

#[test]
fn every_step_of_sealing_gives_the_golden_bytes() {
    let mut steps = steps();
    if std::env::var_os("SAFECONDUCT_UPDATE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&steps).unwrap();
        std::fs::write(PATH, text + "\n").unwrap();
    }
    let golden = golden();
    // The golden statement is still its signer's; then only the signed part is compared.
    let point = bytes(&golden["signing_key"]);
    let parcel = parcel_from(&golden["parcel"]);
    let statement =
        ParcelStatement::parse(&parcel.statement, &issuer(&point, FINGERPRINT)).unwrap();
    assert!(statement.check_parcel(&parcel).is_ok());
    steps["signing_key"] = golden["signing_key"].clone();
    let unsigned = |value: &Value| {
        let text = value["parcel"]["statement"].as_str().unwrap();
        text.rsplit_once('.').unwrap().0.to_owned()
    };
    assert_eq!(unsigned(&steps), unsigned(&golden));
    steps["parcel"]["statement"] = golden["parcel"]["statement"].clone();
    assert_eq!(steps, golden);
}

/// Runs a script of `tests/python`; `None`, with the reason printed, where Python or its modules are lacking.
fn python(script: &str, input: &Value) -> Option<Value> {
    let path = format!("{}/tests/python/{script}", env!("CARGO_MANIFEST_DIR"));
    let child = Command::new("python3")
        .args(["-B", &path])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: python3 does not start: {error}");
            return None;
        }
    };
    let mut stdin = child.stdin.take().unwrap();
    // A script that lacks its modules may be gone before it has read.
    let _ = stdin.write_all(input.to_string().as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        println!("skipped: {}", errors.trim());
        return None;
    }
    assert!(output.status.success(), "{script}: {errors}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn wanted_fields() -> Value {
    let mut wanted = serde_json::Map::new();
    for field in golden()["fields"].as_array().unwrap() {
        let parts: Value = serde_json::from_str(field["json"].as_str().unwrap()).unwrap();
        wanted.insert(parts[1].as_str().unwrap().to_owned(), parts[2].clone());
    }
    wanted.into()
}

#[test]
fn python_opens_what_rust_sealed() {
    let Some(fields) = python("open_parcel.py", &golden()) else {
        return;
    };
    assert_eq!(fields, wanted_fields());
}

#[test]
fn rust_opens_what_python_sealed() {
    let id = ParcelId::from_random([0x33; 16]);
    let key = sealing_key();
    let input = json!({
        "recipient_key": b64u(key.bytes()),
        "chain": chain().to_string(),
        "claims": {
            "iss": "alpha",
            "aud": "house1",
            "jti": id.to_string(),
            "iat": now().coarse(COARSE).seconds(),
            "exp": now().plus(DAY).coarse(COARSE).seconds(),
            "suite": 1,
            "purpose": "SAFE_ACCOMMODATION",
            "stage": "TRIAGE",
            "fwd": {"recipients": [], "hops": 0},
        },
        "fields": wanted_fields(),
    });
    let Some(output) = python("seal_parcel.py", &input) else {
        return;
    };
    let fingerprint = bytes(&output["fingerprint"]).try_into().unwrap();
    let source = issuer(&bytes(&output["signing_key"]), fingerprint);
    let recipient = agency("house1");
    let expected = Expected {
        recipient: &recipient,
        purpose: Purpose::SafeAccommodation,
        stage: Stage::Triage,
        now: now(),
        skew: Duration::ZERO,
    };
    let parcel = parcel_from(&output["parcel"]);
    let opened = open(&parcel, &source, &expected, &Seeds(vec![SEED]), &|_| None).unwrap();
    for field in &opened.fields {
        let content = &wanted_fields()[&field.field.path];
        assert_eq!(field.field.value, content["v"]);
        assert!(field.recognised);
    }
    assert_eq!(
        opened.fields.len(),
        wanted_fields().as_object().unwrap().len()
    );
}
