use super::*;
use crate::domain::id::{BasisChainId, CaseHandle};
use crate::envelope::error::StatementError;
use crate::envelope::fixture::{agency, now, signer, signing_key};
use crate::envelope::keys::{AgencySigner as _, CertifiedSigner, KeyPairSigner};
use crate::envelope::withdrawal::{TYP, Withdrawal};
use proptest::prelude::*;

fn forge(header: &str, claims: &str, signer: &dyn Signer) -> Vec<u8> {
    let input = format!("{}.{}", b64u(header.as_bytes()), b64u(claims.as_bytes()));
    let signature = signer.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", b64u(&signature)).into_bytes()
}

fn verify(token: &[u8], signer: &dyn Signer) -> Result<Verified, JwsError> {
    Unverified::parse(token)?.verify(signer.verifying_key(), "act+jwt")
}

#[test]
fn only_es256_under_a_header_known_by_heart_is_taken() {
    let (signer, _) = KeyPairSigner::generate().unwrap();
    let good = r#"{"alg":"ES256","kid":"k","typ":"act+jwt"}"#;
    assert!(verify(&forge(good, "{}", &signer), &signer).is_ok());
    for (header, error) in [
        (
            r#"{"alg":"none","kid":"k","typ":"act+jwt"}"#,
            JwsError::Algorithm,
        ),
        (
            r#"{"alg":"HS256","kid":"k","typ":"act+jwt"}"#,
            JwsError::Algorithm,
        ),
        (r#"{"alg":"ES256","kid":"k","typ":"JWT"}"#, JwsError::Type),
        (
            r#"{"alg":"ES256","crit":["x"],"kid":"k","typ":"act+jwt"}"#,
            JwsError::Header,
        ),
        (
            r#"{"alg":"ES256","jku":"https://x","kid":"k","typ":"act+jwt"}"#,
            JwsError::Header,
        ),
        (
            r#"{"alg":"ES256","alg":"none","kid":"k","typ":"act+jwt"}"#,
            JwsError::Header,
        ),
        (r#"{"alg":"ES256","typ":"act+jwt"}"#, JwsError::Header),
        (
            r#"{"alg":"ES256","kid":"","typ":"act+jwt"}"#,
            JwsError::Header,
        ),
        (
            r#"{"alg":"ES256","kid":"k","typ":"act+jwt","x5c":["AA=="]}"#,
            JwsError::Header,
        ),
        (r#"["ES256","k","act+jwt",null,null]"#, JwsError::Header),
        (
            r#"{"alg":"ES256","typ":"act+jwt","x5t#S256":"AA"}"#,
            JwsError::Header,
        ),
        ("", JwsError::Header),
    ] {
        assert_eq!(
            verify(&forge(header, "{}", &signer), &signer).unwrap_err(),
            error,
            "{header}"
        );
    }
}

#[test]
fn another_spelling_of_the_same_bytes_is_refused() {
    let (signer, _) = KeyPairSigner::generate().unwrap();
    let token = forge(
        r#"{"alg":"ES256","kid":"k","typ":"act+jwt"}"#,
        "{\"a\":1}",
        &signer,
    );
    let text = String::from_utf8(token).unwrap();
    let variants = [
        format!("{text}="),
        format!("{text}."),
        format!(".{text}"),
        format!("{text} "),
        text.replacen('.', "", 1),
        text.replacen('.', "=.", 1),
        text.replace('_', "/").replace('-', "+") + "\n",
    ];
    for variant in variants {
        assert!(verify(variant.as_bytes(), &signer).is_err());
    }
    // The last character of a 64-byte signature carries four unused bits.
    let mut bytes = text.into_bytes();
    let last = bytes.last_mut().unwrap();
    *last = if *last == b'A' { b'B' } else { *last + 1 };
    assert!(verify(&bytes, &signer).is_err());
    assert_eq!(
        Unverified::parse(&vec![b'A'; JWS_BYTES_MAX + 1]).unwrap_err(),
        JwsError::TooLong
    );
}

#[test]
fn claims_are_taken_only_as_agreed() {
    let alpha = signer();
    let key = signing_key("alpha", &alpha);
    let withdrawal = Withdrawal {
        chain: BasisChainId::from_random([1; 16]),
        source: agency("alpha"),
        recipient: agency("clinic"),
        case: CaseHandle::from_random([2; 16]),
        seq: 2,
        issued: now(),
        erase: true,
        leave: false,
    };
    let token = withdrawal.sign(&alpha).unwrap();
    assert_eq!(Withdrawal::parse(&token, &key), Ok(withdrawal.clone()));
    let header = format!(
        r#"{{"alg":"ES256","typ":"{TYP}","x5t#S256":"{}"}}"#,
        b64u(&key.fingerprint)
    );
    let payload = Unverified::parse(&token)
        .unwrap()
        .verify(&key.key, TYP)
        .unwrap()
        .payload;
    let payload = String::from_utf8(payload).unwrap();
    assert!(Withdrawal::parse(&forge(&header, &payload, &alpha), &key).is_ok());
    for (from, to) in [
        (r#""seq":2"#, r#""seq":2,"extra":1"#),
        (r#""seq":2"#, r#""seq":2,"seq":3"#),
        (r#""seq":2"#, r#""seq":"2""#),
        (r#""seq":2"#, r#""seq":1"#),
        (r#""seq":2"#, r#""seq":-1"#),
        (r#""iat":"#, r#""iat":0.5,"x":"#),
        (r#""erase":true,"#, ""),
        (r#""iss":"alpha""#, r#""iss":"beta""#),
        (r#""aud":"clinic""#, r#""aud":"Clinic""#),
    ] {
        let changed = payload.replacen(from, to, 1);
        assert_ne!(changed, payload);
        assert!(
            Withdrawal::parse(&forge(&header, &changed, &alpha), &key).is_err(),
            "{to}"
        );
    }
    // Invariant 18: another agency's key, even for the same claims, is another issuer's.
    let beta = signer();
    let beta_key = signing_key("beta", &beta);
    assert_eq!(
        Withdrawal::parse(&token, &beta_key),
        Err(StatementError::Issuer)
    );
    let own = withdrawal.sign(&beta).unwrap();
    assert_eq!(
        Withdrawal::parse(&own, &beta_key),
        Err(StatementError::Issuer)
    );
}

#[test]
fn every_change_of_one_byte_is_refused() {
    let (signer, _) = KeyPairSigner::generate().unwrap();
    let token = forge(
        r#"{"alg":"ES256","kid":"k","typ":"act+jwt"}"#,
        "{\"a\":1}",
        &signer,
    );
    for at in 0..token.len() {
        for flip in [1, 0x20] {
            let mut changed = token.clone();
            changed[at] ^= flip;
            assert!(verify(&changed, &signer).is_err(), "byte {at}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Invariant 26.
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = Unverified::parse(&bytes);
        let dotted: Vec<u8> = bytes.iter().map(|byte| b"AQgw.-_{"[usize::from(byte % 8)]).collect();
        let _ = Unverified::parse(&dotted);
    }

    /// Invariant 26, behind the signature: what a member signs is not to be trusted with a panic either.
    #[test]
    fn no_signed_claims_panic(claims in json(), typ in 0usize..5) {
        use crate::envelope::{act, basis_statement, bundle, statement};
        static ALPHA: std::sync::LazyLock<CertifiedSigner> = std::sync::LazyLock::new(signer);
        let key = signing_key("alpha", &ALPHA);
        let typ = [TYP, basis_statement::TYP, statement::TYP, act::ACT_TYP, bundle::TYP][typ];
        let header = match typ {
            bundle::TYP => KeyReference::Chain(ALPHA.certificate_chain().to_vec()),
            act::ACT_TYP => KeyReference::Kid(key.key.spki_kid()),
            _ => KeyReference::Fingerprint(key.fingerprint),
        };
        let header = Header { typ: typ.to_owned(), key: header };
        let token = sign(&header, &claims, &*ALPHA).unwrap();
        prop_assert!(Withdrawal::parse(&token, &key).is_err());
        prop_assert!(basis_statement::BasisStatement::parse(&token, &key).is_err());
        prop_assert!(statement::ParcelStatement::parse(&token, &key).is_err());
        prop_assert!(act::Act::parse(&token, &key.key).is_err());
        prop_assert!(bundle::KeyBundle::parse(&token).is_err());
    }
}

/// Objects with our members' names and any small values.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let names = [
        "iss", "aud", "jti", "iat", "exp", "seq", "prev", "enc", "jwks", "facts", "id", "case",
        "from", "allows", "fwd", "_sd", "labels", "basis", "hpke", "kid", "suite", "purpose",
        "stage", "act",
    ];
    let leaf = prop_oneof![
        any::<i64>().prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        "[a-zA-Z0-9/_-]{0,44}".prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
        Just(serde_json::json!([])),
        Just(serde_json::json!([{}])),
    ];
    proptest::collection::btree_map(proptest::sample::select(names.to_vec()), leaf, 0..24)
        .prop_map(|map| serde_json::to_value(map).unwrap())
}
