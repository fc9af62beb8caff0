//! What a parcel gives away to the router, and what two recipients can join.

use super::*;
use std::collections::BTreeSet;

#[test]
fn no_plaintext_stands_in_what_is_sealed() {
    // Invariant 21: a canary in every field, searched raw and in base64 at every offset.
    let canary = "CANARYCANARYCANARYCANARY";
    let fields = vec![
        field("statement.text", "STATEMENT/WHOLE", json!(canary)),
        field("identity.alias", "IDENTITY/ALIAS", json!(canary)),
        field("health.measures", "HEALTH/FUNCTIONAL", json!([canary])),
    ];
    let world = World::with(fields);
    let parcel = &world.sealed.parcel;
    let parts = [&parcel.statement, &parcel.enc, &parcel.wrapped];
    let all: Vec<u8> = parts
        .into_iter()
        .chain(&parcel.fields)
        .flatten()
        .copied()
        .collect();
    let core = &canary[..12];
    let needles: Vec<Vec<u8>> = (0..3)
        .map(|skip| {
            data_encoding::BASE64URL_NOPAD
                .encode(&core.as_bytes()[skip..][..9])
                .into_bytes()
        })
        .chain([
            core.as_bytes().to_vec(),
            b"statement.text".to_vec(),
            b"alias".to_vec(),
        ])
        .collect();
    for needle in needles {
        assert!(!all.windows(needle.len()).any(|window| window == needle));
    }
    let debug = format!("{:?} {:?}", parcel, world.open(parcel).unwrap());
    assert!(!debug.contains("CANARY"));
}

#[test]
fn two_recipients_parcels_share_no_bytes() {
    // Invariant 22. Shared by design: the header (algorithm, type and the source's certificate), and claims that
    // say nothing of the person: names of members, source, times in steps of 15 minutes, suite, purpose and stage.
    let signer = signer();
    let mut random = Stream::new("pair");
    let house = sealed(&signer, "house1", &HOUSE, fields(), &mut random);
    let clinic = sealed(&signer, "clinic", &CLINIC, fields(), &mut random);
    assert_ne!(house.basis_salt, clinic.basis_salt);
    let (ours, theirs) = (runs(&house, &signer), runs(&clinic, &signer));
    assert!(ours.len() > 2000);
    assert_eq!(ours.intersection(&theirs).count(), 0);
}

/// Every run of eight bytes in all that a recipient holds of a parcel, sealed and in the clear.
fn runs(sealed: &Sealed, signer: &CertifiedSigner) -> BTreeSet<[u8; 8]> {
    let parcel = &sealed.parcel;
    let source = signing_key("alpha", signer);
    let statement = parcel.verify(&source).unwrap();
    let claims = statement.claims();
    let random: Vec<Vec<u8>> = [
        &claims.sealed_key,
        &claims.basis,
        &claims.labels,
        statement.signed_digest(),
    ]
    .into_iter()
    .chain(&claims.digests)
    .map(|digest| digest.to_vec())
    .chain([
        claims.parcel.as_bytes().to_vec(),
        claims.kid.clone().into_bytes(),
    ])
    .chain([parcel.enc.clone(), parcel.wrapped.clone()])
    .chain(parcel.fields.iter().cloned())
    .chain([parcel.statement[parcel.statement.len() - 86..].to_vec()])
    .collect();
    // The statement's text without its shared members.
    let payload = parcel.statement.split(|&byte| byte == b'.').nth(1).unwrap();
    let payload = data_encoding::BASE64URL_NOPAD.decode(payload).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let shared = [
        "iss", "aud", "iat", "exp", "suite", "purpose", "stage", "fwd", "_sd_alg",
    ];
    let own = json
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| !shared.contains(&name.as_str()));
    let texts = own.flat_map(|(_, value)| match value {
        serde_json::Value::Array(items) => items.clone(),
        value => vec![value.clone()],
    });
    let texts = texts.map(|text| text.as_str().unwrap().as_bytes().to_vec());
    random
        .into_iter()
        .chain(texts)
        .flat_map(|bytes| {
            bytes
                .windows(8)
                .map(|run| run.try_into().unwrap())
                .collect::<Vec<[u8; 8]>>()
        })
        .collect()
}

#[test]
fn two_parcels_of_one_record_are_of_the_same_size() {
    let signer = signer();
    assert_eq!(signer.certificate_chain().len(), 1);
    let mut random = Stream::new("sizes");
    let one = sealed(&signer, "house1", &HOUSE, fields(), &mut random).parcel;
    let other = sealed(&signer, "house2", &CLINIC, fields(), &mut random).parcel;
    assert_eq!(one.byte_size(), other.byte_size());
}
