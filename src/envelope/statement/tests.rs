use super::*;
use crate::domain::label::Label;
use crate::envelope::fixture::{
    DAY, Stream, agency, fields, now, sealed, sealing_key, signer, signing_key,
};
use crate::envelope::keys::CertifiedSigner;
use proptest::prelude::*;

const HOUSE: [u8; 32] = [11; 32];

fn parcel(signer: &CertifiedSigner) -> SealedParcel {
    sealed(
        signer,
        "house1",
        &HOUSE,
        fields(),
        &mut Stream::new("statement"),
    )
    .parcel
}

#[test]
fn the_router_verifies_all_but_the_content() {
    let alpha = signer();
    let parcel = parcel(&alpha);
    let statement = parcel.verify(&signing_key("alpha", &alpha)).unwrap();
    assert!(statement.check_key(&sealing_key(&HOUSE)).is_ok());
    assert_eq!(
        statement.check_key(&sealing_key(&[1; 32])),
        Err(StatementError::Key)
    );
    assert!(statement.stands(now(), Duration::ZERO));
    assert!(!statement.stands(now().plus(DAY), Duration::ZERO));
    assert!(!statement.stands(now().minus(DAY), Duration::from_secs(60)));
    assert_eq!(parcel.label_set().len(), 3);
    // The same key under another agency's name is another issuer's.
    assert_eq!(
        parcel.verify(&signing_key("beta", &alpha)),
        Err(StatementError::Issuer)
    );
}

#[test]
fn claims_out_of_bounds_are_refused_when_signed_and_when_read() {
    let alpha = signer();
    let good = parcel(&alpha)
        .verify(&signing_key("alpha", &alpha))
        .unwrap()
        .claims()
        .clone();
    type Change = (StatementError, fn(&mut ParcelClaims));
    let changes: [Change; 8] = [
        (StatementError::Time, |claims| {
            claims.issued = claims.issued.plus(Duration::from_secs(60))
        }),
        (StatementError::Time, |claims| {
            claims.expires = claims.issued.plus(DAY * 31)
        }),
        (StatementError::Time, |claims| {
            claims.expires = claims.issued
        }),
        (StatementError::Size, |claims| claims.digests.truncate(7)),
        (StatementError::Size, |claims| claims.digests.clear()),
        (StatementError::Size, |claims| claims.forward.hops = 4),
        (StatementError::Labels, |claims| claims.digests.reverse()),
        (StatementError::Claim, |claims| {
            claims.recipient = claims.issuer.clone()
        }),
    ];
    for (error, change) in changes {
        let mut claims = good.clone();
        change(&mut claims);
        assert_eq!(claims.sign(&alpha), Err(error));
    }
    let mut claims = good;
    claims.forward = Forward {
        recipients: vec![agency("law"), agency("csw")],
        hops: 1,
    };
    claims.supersedes = Some(ParcelId::from_random([1; 16]));
    claims.parent = Some([2; 32]);
    let token = claims.sign(&alpha).unwrap();
    let read = ParcelStatement::parse(&token, &signing_key("alpha", &alpha)).unwrap();
    assert_eq!(*read.claims(), claims);
}

#[test]
fn sizes_are_bounded_and_classed() {
    let alpha = signer();
    let key = signing_key("alpha", &alpha);
    let good = parcel(&alpha);
    let changes: [fn(&mut SealedParcel); 7] = [
        |parcel| parcel.fields.clear(),
        |parcel| parcel.fields[0].push(0),
        |parcel| parcel.fields[0].truncate(271),
        |parcel| parcel.fields[0] = vec![0; FIELD_BYTES_MAX * 2 + TAG_BYTES],
        |parcel| parcel.enc.push(0),
        |parcel| parcel.wrapped.truncate(47),
        |parcel| parcel.statement = vec![b'A'; STATEMENT_BYTES_MAX + 1],
    ];
    for change in changes {
        let mut parcel = good.clone();
        change(&mut parcel);
        assert_eq!(parcel.verify(&key), Err(StatementError::Size));
    }
    let mut many = good.clone();
    many.labels = vec![many.labels[0]; FIELDS_MAX + 1];
    many.fields = vec![many.fields[0].clone(); FIELDS_MAX + 1];
    assert_eq!(many.verify(&key), Err(StatementError::Size));
    assert_eq!(
        [
            0,
            256,
            257,
            1024,
            4096,
            4097,
            16_384,
            16_385,
            FIELD_BYTES_MAX
        ]
        .map(size_class),
        [
            256,
            256,
            1024,
            1024,
            4096,
            16_384,
            16_384,
            32_768,
            FIELD_BYTES_MAX
        ]
        .map(Some)
    );
    assert_eq!(size_class(FIELD_BYTES_MAX + 1), None);
}

#[test]
fn the_labels_hash_is_that_of_their_jcs() {
    let items: Vec<LabelledDigest> = Label::all()
        .enumerate()
        .map(|(nth, label)| LabelledDigest {
            digest: [u8::try_from(nth).unwrap(); 32],
            label,
        })
        .collect();
    let json: Vec<serde_json::Value> = items
        .iter()
        .map(|item| {
            serde_json::json!({
                "d": b64u(&item.digest),
                "cat": item.label.category().name(),
                "form": item.label.form().name(),
            })
        })
        .collect();
    let jcs = serde_json_canonicalizer::to_vec(&json).unwrap();
    assert_eq!(labels_digest(&items), sha256(&jcs));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The class never shrinks, holds its content, and wastes a bounded part of it.
    #[test]
    fn size_classes_hold(bytes in 0usize..=FIELD_BYTES_MAX) {
        let class = size_class(bytes).unwrap();
        prop_assert!(class >= bytes);
        prop_assert_eq!(size_class(class), Some(class));
        prop_assert!(class <= bytes.max(64) * 4);
    }
}
