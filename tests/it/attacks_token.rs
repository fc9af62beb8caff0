//! Who is not believed to be a member of staff (invariant 18).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use safeconduct::domain::vocabulary::StaffRole;
use safeconduct::envelope::keys::{KeyPairSigner, Signer as _};
use serde_json::{Value, json};
use tonic::Code;

use crate::harness::jose::Token;
use crate::harness::wire::{Refused, Wire};
use crate::harness::{World, run, world};

const CHECKPOINT: &str = "AuditService/GetCheckpoint";

fn right(world: &World) -> Token {
    Token::right(&world.source("alpha"))
}

fn wire(world: &World) -> Wire {
    world.wire("alpha", StaffRole::Caseworker)
}

async fn refusal(wire: &Wire) -> Refused {
    let status = wire.raw(CHECKPOINT, Vec::new()).await.unwrap_err();
    Refused::read(&status)
}

/// Every way to be wrong gets the one answer that the absence of a token gets, byte for byte.
async fn not_believed(what: &str, token: &str) {
    let world = world().await;
    let wire = wire(world);
    let nothing = refusal(&wire.with_authorization(None)).await;
    let nothing = nothing.is(Code::Unauthenticated, "AUTHENTICATION_FAILED");
    let refused = wire.with_token(token).raw(CHECKPOINT, Vec::new()).await;
    let status = refused
        .err()
        .unwrap_or_else(|| panic!("{what} was believed"));
    assert_eq!(Refused::read(&status), nothing, "{what}");
}

#[test]
fn a_token_that_is_right_in_every_part_is_believed() {
    run(async {
        let world = world().await;
        let token = right(world).signed();
        let wire = wire(world).with_token(&token);
        wire.raw(CHECKPOINT, Vec::new()).await.unwrap();
    });
}

#[test]
fn only_es256_by_the_agencys_key_is_a_signature() {
    run(async {
        let world = world().await;
        let none = right(world).header("alg", json!("none"));
        not_believed("alg none, unsigned", &none.unsigned()).await;
        not_believed("alg none, signed", &none.signed()).await;
        not_believed("ES256, unsigned", &right(world).unsigned()).await;
        let hs256 = right(world).header("alg", json!("HS256"));
        let public = hs256.key.verifying_key().clone();
        for (what, secret) in [
            ("the point", public.sec1().to_vec()),
            ("the DER key", public.spki()),
            ("the kid", public.point_kid().into_bytes()),
        ] {
            not_believed(&format!("HS256 by {what}"), &hs256.hmac(&secret)).await;
        }
        let foreign = Token {
            key: stranger(),
            ..right(world)
        };
        not_believed("another key under the agency's kid", &foreign.signed()).await;
        let mut cut = right(world).signed();
        cut.pop();
        not_believed("a cut signature", &cut).await;
    });
}

#[test]
fn a_key_that_the_agency_did_not_publish_signs_nothing() {
    run(async {
        let world = world().await;
        let stranger = stranger();
        let kid = stranger.verifying_key().point_kid();
        let token = Token {
            key: stranger,
            ..right(world)
        };
        let unknown = token.header("kid", json!(kid));
        not_believed("an unknown kid", &unknown.signed()).await;
        not_believed("no kid", &right(world).header("kid", Value::Null).signed()).await;
        let (x, y) = coordinates(&unknown.key);
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
        let brought = unknown.header("jwk", jwk);
        not_believed("a key in the header", &brought.signed()).await;
    });
}

#[test]
fn every_claim_must_be_there_and_of_its_type() {
    run(async {
        let world = world().await;
        for claim in ["exp", "nbf", "iat", "iss", "sub", "aud", "role", "cnf"] {
            let token = right(world).claim(claim, Value::Null);
            not_believed(&format!("no {claim}"), &token.signed()).await;
        }
        let exp = right(world).claims["exp"].clone();
        for (claim, value) in [
            ("exp", json!(exp.to_string())),
            ("exp", json!(-1)),
            ("exp", json!(1e300)),
            ("iat", json!("now")),
            ("aud", json!(["safeconduct.example", "elsewhere.example"])),
            ("sub", json!("")),
            ("sub", json!("x".repeat(65))),
            ("role", json!("OMNIPOTENT")),
            ("cnf", json!({})),
            ("cnf", json!({"jkt": "x"})),
        ] {
            let token = right(world).claim(claim, value.clone());
            not_believed(&format!("{claim} {value}"), &token.signed()).await;
        }
    });
}

#[test]
fn a_token_counts_for_its_own_time_router_and_agency() {
    run(async {
        let world = world().await;
        let now = world.source("alpha").now().seconds();
        for (what, token) in [
            ("expired", right(world).claim("exp", json!(now - 60))),
            ("not yet", right(world).claim("nbf", json!(now + 120))),
            ("issued later", right(world).claim("iat", json!(now + 120))),
            (
                "eleven minutes",
                right(world).claim("exp", json!(now + 660)),
            ),
            ("a year", right(world).claim("exp", json!(now + 31_536_000))),
            (
                "another router",
                right(world).claim("aud", json!("elsewhere.example")),
            ),
            ("another issuer", right(world).claim("iss", json!("beta"))),
        ] {
            not_believed(what, &token.signed()).await;
        }
        let beta = Token::right(&world.source("beta"));
        not_believed("another agency's token", &beta.signed()).await;
        // beta signs what alpha would: the key is looked up under the certificate's agency.
        let pretending = Token {
            key: beta.key,
            ..right(world)
        };
        not_believed("another agency's key", &pretending.signed()).await;
        let theirs = Token::right(&world.source("beta")).claims["cnf"].clone();
        let bound = right(world).claim("cnf", theirs);
        not_believed("bound to another certificate", &bound.signed()).await;
    });
}

#[test]
fn a_header_says_exactly_what_it_must() {
    run(async {
        let world = world().await;
        for (member, value) in [
            ("typ", json!("JWT")),
            ("typ", json!("act+jwt")),
            ("typ", Value::Null),
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("b64", json!(false)),
            ("x5u", json!("https://elsewhere.example/key")),
            ("jku", json!("https://elsewhere.example/keys")),
        ] {
            let token = right(world).header(member, value.clone()).signed();
            // What is only to be ignored may be there; what changes the meaning may not.
            if matches!(member, "x5u" | "jku") {
                let reply = wire(world)
                    .with_token(&token)
                    .raw(CHECKPOINT, Vec::new())
                    .await;
                if let Err(status) = reply {
                    Refused::read(&status).is(Code::Unauthenticated, "AUTHENTICATION_FAILED");
                }
            } else {
                not_believed(&format!("{member} {value}"), &token).await;
            }
        }
    });
}

#[test]
fn what_is_no_bearer_token_is_none() {
    run(async {
        let world = world().await;
        let wire = wire(world);
        let right = right(world).signed();
        let nothing = refusal(&wire.with_authorization(None)).await;
        for header in [
            format!("Basic {right}"),
            right.clone(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            "Bearer ..".to_owned(),
            format!("Bearer {right}.{right}"),
            format!("Bearer {right}="),
            format!("Bearer {}", "x".repeat(9000)),
        ] {
            let refused = refusal(&wire.with_authorization(Some(&header))).await;
            assert_eq!(refused, nothing);
        }
    });
}

#[test]
fn a_role_that_may_not_is_told_so_in_one_text() {
    run(async {
        let world = world().await;
        let offers = safeconduct::proto::v1::ListOffersRequest {
            parent: "agencies/alpha".into(),
            ..Default::default()
        };
        let auditor = world.wire("alpha", StaffRole::Auditor);
        let role = auditor.refused("OfferService/ListOffers", &offers).await;
        let role = role.is(Code::PermissionDenied, "NOT_PERMITTED");
        let operator = world.wire("operator", StaffRole::Administrator);
        let kind = operator.refused("OfferService/ListOffers", &offers).await;
        let foreign = world.wire("beta", StaffRole::Caseworker);
        let name = foreign.refused("OfferService/ListOffers", &offers).await;
        assert_eq!(role, kind);
        assert_eq!(role, name);
    });
}

fn stranger() -> KeyPairSigner {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    KeyPairSigner::from_pkcs8(pkcs8.as_ref()).unwrap()
}

fn coordinates(key: &KeyPairSigner) -> (String, String) {
    let point = key.verifying_key().sec1();
    let encode = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
    (encode(&point[1..33]), encode(&point[33..]))
}
