use super::*;
use crate::domain::directory::Interpreter;
use crate::envelope::fixture::{DAY, agency, now, sealing_key, signer};
use crate::envelope::keys::{CertifiedSigner, KeyPairSigner, Signer as _};

fn facts() -> AgencyFacts {
    AgencyFacts {
        reports_to: vec!["POLICE".parse().unwrap()],
        requires: vec![],
        purposes: vec!["SAFE_ACCOMMODATION".parse().unwrap()],
        settings: vec!["WOMEN_ONLY".parse().unwrap()],
        languages: vec!["sr".parse().unwrap()],
        interpreters: vec![Interpreter {
            language: "ar".parse().unwrap(),
            gender: "WOMAN".parse().unwrap(),
        }],
        genders: vec!["WOMAN".parse().unwrap()],
        age_from: 0,
        age_to: 99,
        boys_up_to: Some(12),
        accessibility: vec![],
        areas: vec!["BELGRADE".parse().unwrap()],
        open: crate::domain::hours::OpeningHours::new(
            vec![
                crate::domain::hours::Span::new(
                    vec!["SA".parse().unwrap(), "SU".parse().unwrap()],
                    "20:00".parse().unwrap(),
                    "06:00".parse().unwrap(),
                )
                .unwrap(),
            ],
            "+01:00".parse().unwrap(),
            "EU".parse().unwrap(),
            "Europe/Belgrade".to_owned(),
        )
        .unwrap(),
        hours: "always".to_owned(),
        intake_phone: "+000".to_owned(),
    }
}

fn draft() -> KeyBundleDraft {
    let (staff, _) = KeyPairSigner::generate().unwrap();
    KeyBundleDraft {
        agency: agency("house1"),
        seq: 1,
        prev: None,
        issued: now(),
        expires: now().plus(DAY * 35),
        sealing_keys: vec![sealing_key(&[1; 32]), sealing_key(&[2; 32])],
        staff_keys: vec![staff.verifying_key().clone()],
        facts: facts(),
    }
}

#[test]
fn a_bundle_comes_back_as_it_was_signed() {
    let signer = signer();
    let draft = draft();
    let token = draft.sign(&signer).unwrap();
    let bundle = KeyBundle::parse(&token).unwrap();
    assert_eq!(*bundle.content(), draft);
    assert_eq!(bundle.chain(), signer.certificate_chain());
    assert_eq!(
        bundle.signing_key().fingerprint,
        signer.certificate_fingerprint()
    );
    let kid = draft.sealing_keys[0].kid();
    assert_eq!(bundle.sealing_key(kid), Some(&draft.sealing_keys[0]));
    let staff = &draft.staff_keys[0];
    assert_eq!(bundle.staff_key(&staff.point_kid()), Some(staff));
    assert!(bundle.current_sealing_key(now()).is_some());
    assert!(bundle.current_sealing_key(now().plus(DAY * 60)).is_none());
    assert!(bundle.stands(now(), Duration::ZERO));
    assert!(!bundle.stands(now().plus(DAY * 35), Duration::ZERO));
    assert!(token.len() < 60_000);
}

#[test]
fn a_bundle_follows_the_one_before_it_byte_for_byte() {
    let signer = signer();
    let first_token = draft().sign(&signer).unwrap();
    let first = KeyBundle::parse(&first_token).unwrap();
    let next = |change: fn(&mut KeyBundleDraft)| {
        let mut next = draft();
        next.seq = 2;
        next.prev = Some(sha256(&first_token));
        change(&mut next);
        KeyBundle::parse(&next.sign(&signer).unwrap()).unwrap()
    };
    assert!(first.follows(None).is_ok());
    assert!(next(|_| {}).follows(Some(&first)).is_ok());
    let sequence = Err(StatementError::Sequence);
    assert_eq!(next(|_| {}).follows(None), sequence);
    assert_eq!(next(|next| next.seq = 3).follows(Some(&first)), sequence);
    assert_eq!(
        next(|next| next.prev = Some([0; 32])).follows(Some(&first)),
        sequence
    );
    assert_eq!(first.follows(Some(&first)), sequence);
    let other = next(|next| next.agency = agency("house2"));
    assert_eq!(other.follows(Some(&first)), Err(StatementError::Issuer));
    let mut unlinked = draft();
    unlinked.seq = 2;
    assert_eq!(unlinked.sign(&signer), sequence.map(|()| Vec::new()));
}

#[test]
fn keys_and_times_out_of_bounds_are_refused() {
    let signer = signer();
    type Change = (StatementError, fn(&mut KeyBundleDraft));
    let changes: [Change; 5] = [
        (StatementError::Time, |draft| {
            draft.expires = now().plus(DAY * 36)
        }),
        (StatementError::Time, |draft| draft.expires = now()),
        (StatementError::Key, |draft| {
            draft.sealing_keys.push(draft.sealing_keys[0].clone())
        }),
        (StatementError::Key, |draft| {
            draft.staff_keys.push(draft.staff_keys[0].clone())
        }),
        (StatementError::Size, |draft| {
            draft.sealing_keys = vec![draft.sealing_keys[0].clone(); 9]
        }),
    ];
    for (error, change) in changes {
        let mut draft = draft();
        change(&mut draft);
        assert_eq!(draft.sign(&signer), Err(error));
    }
    let validity = Period {
        from: now(),
        until: now().plus(DAY),
    };
    assert_eq!(
        SealingPublicKey::new(vec![0; 32], validity),
        Err(StatementError::Key)
    );
    let endless = Period {
        from: now(),
        until: now().plus(DAY * 66),
    };
    let key = sealing_key(&[1; 32]).bytes().to_vec();
    assert_eq!(
        SealingPublicKey::new(key, endless),
        Err(StatementError::Time)
    );
}

#[test]
fn a_key_id_that_is_not_its_keys_digest_is_refused() {
    let signer = signer();
    let token = draft().sign(&signer).unwrap();
    let parsed = KeyBundle::parse(&token).unwrap();
    let header = Header {
        typ: TYP.to_owned(),
        key: KeyReference::Chain(signer.certificate_chain().to_vec()),
    };
    let payload = Unverified::parse(&token)
        .unwrap()
        .verify(&parsed.key, TYP)
        .unwrap()
        .payload;
    let good: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let forged = |path: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        *claims.pointer_mut(path).unwrap() = value;
        KeyBundle::parse(&jws::sign(&header, &claims, &signer).unwrap()).unwrap_err()
    };
    let zero = serde_json::json!(b64u(&[0; 32]));
    assert_eq!(forged("/enc/0/kid", zero.clone()), StatementError::Key);
    assert_eq!(forged("/jwks/0/kid", zero.clone()), StatementError::Key);
    assert_eq!(forged("/jwks/0/x", zero), StatementError::Key);
    assert_eq!(forged("/jwks/0/kty", "oct".into()), StatementError::Key);
    assert_eq!(forged("/enc/0/suite", 2.into()), StatementError::Key);
    assert_eq!(
        forged("/facts/purposes/0", "ANYTHING".into()),
        StatementError::Claim
    );
    assert_eq!(forged("/facts/age_from", 120.into()), StatementError::Claim);
    assert_eq!(forged("/prev", "AA".into()), StatementError::Sequence);
    assert_eq!(forged("/iss", "HOUSE".into()), StatementError::Claim);
}

#[test]
fn a_bundle_signed_by_another_key_than_its_certificates_is_refused() {
    let (mine, other) = (signer(), signer());
    let token = draft().sign(&mine).unwrap();
    let swapped = CertifiedSigner::certificate_chain(&other).to_vec();
    let header = Header {
        typ: TYP.to_owned(),
        key: KeyReference::Chain(swapped),
    };
    let payload = Unverified::parse(&token).unwrap();
    let payload = payload.verify(mine.verifying_key(), TYP).unwrap().payload;
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let forged = jws::sign(&header, &claims, &mine).unwrap();
    assert_eq!(
        KeyBundle::parse(&forged),
        Err(StatementError::Jws(JwsError::Signature))
    );
}
