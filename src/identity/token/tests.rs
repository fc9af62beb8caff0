use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{StaffToken, TokenCache, TokenError, bearer, verify};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::StaffRole;
use crate::identity::certificate::CertifiedAgency;
use crate::identity::mint::{StaffKeyPair, TokenMinter};
use crate::identity::staff_key::{StaffKey, StaffKeys};
use crate::identity::testing::{TRUST_DOMAIN, authority, certified, now, seconds};

/// An agency with a certificate and a staff key, and an attacker who has the key's public half.
struct Town {
    peer: CertifiedAgency,
    other_certificate: CertifiedAgency,
    other_agency: CertifiedAgency,
    pkcs8: Vec<u8>,
    keys: StaffKeys,
    public: StaffKey,
}

impl Town {
    fn new() -> Self {
        let mut authority = authority();
        let pair = StaffKeyPair::generate().unwrap();
        let public = pair.public().clone();
        Self {
            peer: certified(&mut authority, "ngo-a", 1),
            other_certificate: certified(&mut authority, "ngo-a", 2),
            other_agency: certified(&mut authority, "ngo-b", 3),
            pkcs8: pair.to_pkcs8().unwrap().to_vec(),
            keys: StaffKeys::new(1, [public.clone()]),
            public,
        }
    }

    fn header(&self) -> Value {
        json!({"alg": "ES256", "kid": self.public.kid(), "typ": "at+jwt"})
    }

    fn claims(&self) -> Value {
        let start = now().seconds();
        json!({
            "iss": "ngo-a", "sub": "worker-7", "aud": TRUST_DOMAIN, "role": "CASEWORKER",
            "iat": start, "nbf": start, "exp": start + 600,
            "cnf": {"x5t#S256": BASE64URL_NOPAD.encode(self.peer.fingerprint())},
        })
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.pkcs8).unwrap();
        let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    fn token(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let (mut header, mut claims) = (self.header(), self.claims());
        change(&mut header, &mut claims);
        self.sign(&header.to_string(), &claims.to_string())
    }

    fn check(&self, token: &str) -> Result<StaffToken, TokenError> {
        self.check_at(token, now())
    }

    fn check_at(&self, token: &str, at: Timestamp) -> Result<StaffToken, TokenError> {
        let cache = TokenCache::new();
        verify(token, &self.peer, &self.keys, TRUST_DOMAIN, at, &cache)
    }
}

fn encode(text: &str) -> String {
    BASE64URL_NOPAD.encode(text.as_bytes())
}

#[test]
fn a_minted_token_says_who_works_in_which_role() {
    let town = Town::new();
    let minter = TokenMinter::new(
        town.peer.agency().clone(),
        TRUST_DOMAIN.to_owned(),
        *town.peer.fingerprint(),
        StaffKeyPair::from_pkcs8(&town.pkcs8).unwrap(),
    );
    let staff = "worker-7".parse().unwrap();
    let token = minter.mint(&staff, StaffRole::Supervisor, now(), seconds(9999));
    let token = town.check(&token.unwrap()).unwrap();
    assert_eq!(
        (token.staff(), token.role()),
        (&staff, StaffRole::Supervisor)
    );
    assert_eq!(token.expires(), now().plus(seconds(600)));
}

#[test]
fn the_test_tokens_are_good_before_they_are_made_bad() {
    let town = Town::new();
    assert!(town.check(&town.token(|_, _| ())).is_ok());
}

#[test]
fn no_signature_another_algorithm_and_another_key_are_refused() {
    let town = Town::new();
    for alg in ["none", "None", "HS256", "ES384", "EdDSA", "RS256"] {
        let token = town.token(|header, _| header["alg"] = json!(alg));
        assert_eq!(town.check(&token), Err(TokenError::Header), "{alg}");
    }
    let good = town.token(|_, _| ());
    let (message, _) = good.rsplit_once('.').unwrap();
    assert!(town.check(&format!("{message}.")).is_err());
    assert_eq!(town.check(message), Err(TokenError::Malformed));

    // HS256 with the public key as the secret, under either name of the algorithm.
    for alg in ["HS256", "ES256"] {
        let mut header = town.header();
        header["alg"] = json!(alg);
        let message = format!(
            "{}.{}",
            encode(&header.to_string()),
            encode(&town.claims().to_string())
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, town.public.point());
        let tag = hmac::sign(&key, message.as_bytes());
        let forged = format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()));
        assert!(town.check(&forged).is_err(), "{alg}");
    }

    let mut thief = Town::new();
    thief.keys = town.keys.clone();
    thief.public = town.public.clone();
    thief.peer = town.peer.clone();
    let forged = thief.token(|_, _| ());
    assert_eq!(town.check(&forged), Err(TokenError::Signature));
    let unknown = town.token(|header, _| header["kid"] = json!(Town::new().public.kid()));
    assert_eq!(town.check(&unknown), Err(TokenError::UnknownKey));
}

#[test]
fn a_header_that_brings_a_key_or_makes_demands_is_refused() {
    let town = Town::new();
    let (x, y) = town.public.coordinates();
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("jku", json!("https://example.org/keys")),
        ("jwk", json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})),
        ("x5u", json!("https://example.org/cert")),
        ("x5c", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("typ", json!("JWT")),
        ("typ", json!("AT+JWT")),
        ("typ", json!("parcel+sd-jwt")),
        ("kid", json!(7)),
    ] {
        let token = town.token(|header, _| header[name] = value.clone());
        assert_eq!(
            town.check(&token),
            Err(TokenError::Header),
            "{name} {value}"
        );
    }
    for missing in ["alg", "typ", "kid"] {
        let token = town.token(|header, _| {
            header.as_object_mut().unwrap().remove(missing);
        });
        assert_eq!(town.check(&token), Err(TokenError::Header), "{missing}");
    }
    let twice = format!(
        r#"{{"alg":"none","alg":"ES256","kid":"{}","typ":"at+jwt"}}"#,
        town.public.kid()
    );
    let token = town.sign(&twice, &town.claims().to_string());
    assert_eq!(town.check(&token), Err(TokenError::Header));
}

#[test]
fn every_claim_is_required_and_of_its_type() {
    let town = Town::new();
    for name in ["iss", "sub", "aud", "iat", "nbf", "exp", "role", "cnf"] {
        let token = town.token(|_, claims| {
            claims.as_object_mut().unwrap().remove(name);
        });
        assert_eq!(
            town.check(&token),
            Err(TokenError::Claims),
            "without {name}"
        );
        for wrong in [
            json!(null),
            json!([]),
            json!({}),
            json!(-1),
            json!(1.5),
            json!(true),
        ] {
            let token = town.token(|_, claims| claims[name] = wrong.clone());
            assert_eq!(
                town.check(&token),
                Err(TokenError::Claims),
                "{name} {wrong}"
            );
        }
    }
    let end = (now().seconds() + 600).to_string();
    for (name, value) in [
        ("exp", json!(end)),
        ("nbf", json!("0")),
        ("aud", json!([TRUST_DOMAIN])),
        ("iss", json!(["ngo-a"])),
        ("role", json!("KING")),
        ("sub", json!("two words")),
        ("admin", json!(true)),
    ] {
        let token = town.token(|_, claims| claims[name] = value.clone());
        assert_eq!(
            town.check(&token),
            Err(TokenError::Claims),
            "{name} {value}"
        );
    }
    let claims = town.claims().to_string();
    let twice = format!(
        "{},\"role\":\"ADMINISTRATOR\"}}",
        &claims[..claims.len() - 1]
    );
    let token = town.sign(&town.header().to_string(), &twice);
    assert_eq!(town.check(&token), Err(TokenError::Claims));
}

#[test]
fn another_agencys_token_and_another_certificates_are_refused() {
    let town = Town::new();
    let good = town.token(|_, _| ());
    let cache = TokenCache::new();
    let ask = |peer| verify(&good, peer, &town.keys, TRUST_DOMAIN, now(), &cache);
    // Cached for the right certificate, it is still nothing for another one.
    assert!(ask(&town.peer).is_ok());
    assert_eq!(ask(&town.other_certificate), Err(TokenError::Binding));
    assert_eq!(ask(&town.other_agency), Err(TokenError::Party));
    let elsewhere = verify(
        &good,
        &town.peer,
        &town.keys,
        "other.example",
        now(),
        &cache,
    );
    assert_eq!(elsewhere, Err(TokenError::Party));
    for bound in ["", "AAAA", "not base64"] {
        let token = town.token(|_, claims| claims["cnf"]["x5t#S256"] = json!(bound));
        assert!(town.check(&token).is_err(), "{bound}");
    }
}

#[test]
fn a_token_lives_ten_minutes_and_five_seconds_of_leeway() {
    let town = Town::new();
    let good = town.token(|_, _| ());
    let at = |offset: i64| Timestamp::from_millis(now().millis() + offset).unwrap();
    for (offset, ok) in [
        (-5_001, false),
        (-5_000, true),
        (604_999, true),
        (605_000, false),
    ] {
        let result = town.check_at(&good, at(offset));
        assert_eq!(result.is_ok(), ok, "{offset}: {result:?}");
    }
    let start = now().seconds();
    for (iat, nbf, exp) in [
        (start, start, start + 601),
        (start - 300, start, start + 400),
        (start, start - 300, start + 400),
        (start + 60, start, start + 100),
        (start, start, start),
        (start, start, start - 1),
    ] {
        let token = town.token(|_, claims| {
            claims["iat"] = json!(iat);
            claims["nbf"] = json!(nbf);
            claims["exp"] = json!(exp);
        });
        assert_eq!(
            town.check(&token),
            Err(TokenError::Time),
            "{iat} {nbf} {exp}"
        );
    }
}

#[test]
fn the_cache_forgets_nothing_too_late() {
    let town = Town::new();
    let good = town.token(|_, _| ());
    let cache = TokenCache::new();
    let ask = |keys: &StaffKeys, at| verify(&good, &town.peer, keys, TRUST_DOMAIN, at, &cache);
    assert!(ask(&town.keys, now()).is_ok());
    assert_eq!(cache.len(), 1);
    // A new bundle without the key.
    let rotated = StaffKeys::new(2, [StaffKeyPair::generate().unwrap().public().clone()]);
    assert_eq!(ask(&rotated, now()), Err(TokenError::UnknownKey));
    assert_eq!(
        ask(&town.keys, now().plus(seconds(700))),
        Err(TokenError::Time)
    );
    assert!(cache.is_empty());
    assert_eq!(town.check(&"a".repeat(5000)), Err(TokenError::Malformed));
    assert!(cache.is_empty());
}

#[test]
fn the_bearer_scheme_is_recognised_in_any_case_and_nothing_else() {
    assert_eq!(bearer("Bearer abc"), Some("abc"));
    assert_eq!(bearer("bearer abc"), Some("abc"));
    assert_eq!(bearer("Basic abc"), None);
    assert_eq!(bearer("abc"), None);
}

#[test]
fn a_jwk_is_taken_only_under_its_own_thumbprint() {
    let key = Town::new().public;
    let (x, y) = key.coordinates();
    assert_eq!(StaffKey::from_jwk(key.kid(), &x, &y), Ok(key.clone()));
    assert!(StaffKey::from_jwk("other", &x, &y).is_err());
    assert!(StaffKey::from_jwk(key.kid(), &y, &x).is_err());
    assert!(StaffKey::from_jwk(key.kid(), &x, "AAAA").is_err());
}

fn three_parts() -> impl Strategy<Value = String> {
    let part = "[A-Za-z0-9_-]{0,80}";
    [part, part, part].prop_map(|parts| parts.join("."))
}

proptest! {
    #[test]
    fn no_text_is_a_token_and_none_panics(text in prop_oneof!["\\PC{0,200}", three_parts()]) {
        thread_local!(static TOWN: Town = Town::new());
        prop_assert!(TOWN.with(|town| town.check(&text).is_err()));
    }
}
