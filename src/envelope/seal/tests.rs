use super::*;
use crate::domain::label::Label;
use crate::envelope::fixture::{
    DAY, Stream, agency, chain, field, fields, now, sealing_key, signer,
};

fn with(change: impl FnOnce(&mut ParcelDraft<'_>)) -> Result<Sealed, SealError> {
    let (source, recipient, key) = (agency("alpha"), agency("house1"), sealing_key(&[11; 32]));
    let mut draft = ParcelDraft {
        source: &source,
        recipient: &recipient,
        key: &key,
        purpose: Purpose::SafeAccommodation,
        stage: Stage::Triage,
        chain: chain(),
        now: now(),
        until: now().plus(DAY),
        forward: Forward::default(),
        supersedes: None,
        parent: None,
        fields: fields(),
        carried: Vec::new(),
    };
    change(&mut draft);
    seal(draft, &signer(), &mut Stream::new("seal"))
}

#[test]
fn what_cannot_be_sealed_is_refused_before_anything_is() {
    assert_eq!(
        with(|draft| draft.fields.clear()).unwrap_err(),
        SealError::Size
    );
    let twice = with(|draft| draft.fields.push(draft.fields[0].clone()));
    assert_eq!(twice.unwrap_err(), SealError::Path);
    for path in [
        "iss",
        "_sd",
        "...",
        "age",
        "age.",
        "Age.band",
        "age.band@",
        "age.band@x",
        "",
    ] {
        let error = with(|draft| draft.fields[0].path = path.to_owned()).unwrap_err();
        assert_eq!(error, SealError::Path, "{path}");
    }
    let long = "x".repeat(200 * 1024);
    let error = with(|draft| draft.fields[0].value = long.clone().into()).unwrap_err();
    assert_eq!(error, SealError::Size);
    assert_eq!(
        with(|draft| draft.until = now()).unwrap_err(),
        SealError::Ended
    );
    assert_eq!(
        with(|draft| draft.now = now().plus(DAY * 60)).unwrap_err(),
        SealError::Ended
    );
    let many = |count: usize| {
        with(|draft| {
            let label = "AGE/BAND".parse::<Label>().unwrap().to_string();
            draft.fields = (0..count)
                .map(|nth| field(&format!("age.f{nth}"), &label, 1.into()))
                .collect();
        })
    };
    assert_eq!(many(129).unwrap_err(), SealError::Size);
    assert_eq!(many(128).unwrap().parcel.fields.len(), 128);
}

#[test]
fn a_parcel_ends_before_its_key_and_within_thirty_days() {
    let endless = with(|draft| draft.until = now().plus(DAY * 300)).unwrap();
    let json = endless
        .parcel
        .statement
        .split(|&byte| byte == b'.')
        .nth(1)
        .unwrap()
        .to_vec();
    let json = data_encoding::BASE64URL_NOPAD.decode(&json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let lasts = json["exp"].as_i64().unwrap() - json["iat"].as_i64().unwrap();
    assert_eq!(lasts, 30 * 24 * 60 * 60);
    assert_eq!(json["iat"].as_i64().unwrap() % 900, 0);
}

#[test]
fn a_forward_carries_disclosures_unchanged() {
    let disclosure = Disclosure::new(&[1; 16], fields().remove(0)).unwrap();
    let sealed = with(|draft| {
        draft.carried = vec![disclosure.clone()];
        draft.fields.remove(0);
        draft.parent = Some([9; 32]);
    })
    .unwrap();
    assert!(sealed.parcel.labels.contains(&disclosure.labelled_digest()));
}
