//! What the router cannot see, the recipient does: and the source hears of it (R4, invariant 21).

use std::time::Duration;

use prost::Message as _;
use safeconduct::client::error::ClientError;
use safeconduct::domain::id::OfferId;
use safeconduct::domain::label::Label;
use safeconduct::domain::vocabulary::{StaffRole, Stage};
use safeconduct::envelope::disclosure::Field;
use safeconduct::envelope::keys::AgencySigner;
use safeconduct::envelope::open::OpenError;
use safeconduct::proto::v1;
use serde_json::json;
use tokio::time::timeout;

use crate::harness::forge::{self, Draft, Forged};
use crate::harness::scene::{BED, TRIAGE, bed_basis, facts, labels, new_case, open};
use crate::harness::{World, run, world};

/// How long a doorbell may take.
const RING_MAX: Duration = Duration::from_secs(10);

/// One offer to house1 of this parcel: what the recipient finds, and whether the source hears an alarm.
async fn found(
    world: &World,
    forged: impl FnOnce(&Draft, &dyn AgencySigner) -> Forged,
) -> OpenError {
    let source = world.source("alpha");
    let basis = bed_basis(&source, new_case(), "house1").await;
    let draft = Draft::new("house1", basis.chain, BED, Stage::Triage, facts(TRIAGE));
    let forged = forged(&draft, source.agency().keys().signer());
    let offers = [("house1", vec![forged.deposit()])];
    let request = forge::referral(&source, basis.case, BED, &offers);
    let wire = world.wire("alpha", StaffRole::Caseworker);

    let watch = v1::WatchRequest {
        parent: "agencies/alpha".into(),
        resume_token: String::new(),
    };
    let mut doorbells = wire.stream("EventService/Watch", &watch).await.unwrap();
    doorbells.message().await.unwrap();
    let made: v1::CreateReferralResponse = wire
        .ask("ReferralService/CreateReferral", &request)
        .await
        .unwrap();
    let name = made.offers[0].clone();
    let offer: OfferId = name.rsplit('/').next().unwrap().parse().unwrap();
    let error = open(&world.intake("house1"), offer, Stage::Triage)
        .await
        .unwrap_err();
    let ClientError::Parcel(error) = error else {
        panic!("{error:?}");
    };
    let alarm = timeout(RING_MAX, async {
        loop {
            let bell = doorbells
                .message()
                .await
                .unwrap()
                .expect("the stream goes on");
            let bell = v1::WatchResponse::decode(bell.as_slice()).unwrap();
            if bell.resource == name && bell.kind() == v1::EventKind::Alarm {
                return;
            }
        }
    });
    alarm.await.expect("the source hears the alarm");
    error
}

#[test]
fn ciphertexts_swapped_between_two_parcels_are_an_alarm() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let error = found(world, |draft, signer| {
            let mut first = forge::seal(&source, draft.clone(), signer);
            let second = forge::seal(&source, draft.clone(), signer);
            let size = first.parcel.fields[0].len();
            let same = second
                .parcel
                .fields
                .iter()
                .find(|field| field.len() == size);
            first.parcel.fields[0].clone_from(same.expect("most fields are of one size class"));
            first
        });
        assert_eq!(error.await, OpenError::Tampered);
    });
}

#[test]
fn ciphertexts_swapped_within_a_parcel_are_an_alarm() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let error = found(world, |draft, signer| {
            let mut forged = forge::seal(&source, draft.clone(), signer);
            let fields = &mut forged.parcel.fields;
            let pair = (1..fields.len()).find_map(|at| {
                (0..at)
                    .find(|&one| fields[one].len() == fields[at].len())
                    .map(|one| (one, at))
            });
            let (one, other) = pair.expect("most fields are of one size class");
            fields.swap(one, other);
            forged
        });
        assert_eq!(error.await, OpenError::Tampered);
    });
}

#[test]
fn a_flipped_bit_of_a_ciphertext_is_an_alarm() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let error = found(world, |draft, signer| {
            let mut forged = forge::seal(&source, draft.clone(), signer);
            forged.parcel.fields[2][17] ^= 0x40;
            forged
        });
        assert_eq!(error.await, OpenError::Tampered);
    });
}

/// The lie is signed, consistent and within the basis: only the value gives it away.
#[test]
fn a_field_that_tells_another_kind_of_thing_than_its_label_says_is_an_alarm() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        for field in [
            // Nationality as language.
            ("nationality.citizenship", json!(["XX"])),
            // A punishable act under a list where it would be harmless, by value.
            (
                "trafficking.exploitation@PUNISHABLE_ACTS",
                json!(["FORCED_CRIMINALITY"]),
            ),
            // An account in words as a language.
            ("statement.text", json!("what nobody agreed to")),
        ] {
            let error = found(world, |draft, signer| {
                let (path, value) = field.clone();
                let label: Label = "LANGUAGE/WHOLE".parse().unwrap();
                let lie = Field {
                    path: path.into(),
                    label,
                    value,
                };
                let mut draft = draft.clone();
                draft.fields.push((lie, label));
                forge::seal(&source, draft, signer)
            });
            assert_eq!(error.await, OpenError::Mislabelled, "{}", field.0);
        }
    });
}

#[test]
fn a_label_outside_that_is_not_the_one_inside_is_an_alarm() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let error = found(world, |draft, signer| {
            let mut draft = draft.clone();
            let inside = facts(&["NATIONALITY/WHOLE"]).remove(0);
            draft
                .fields
                .push((inside, "LANGUAGE/WHOLE".parse().unwrap()));
            forge::seal(&source, draft, signer)
        });
        assert_eq!(error.await, OpenError::Mislabelled);
    });
}

/// Forced criminality never travels as trafficking, whatever list it stands in.
#[test]
fn a_punishable_value_is_cut_out_of_the_list_it_stands_in() {
    let trafficking = facts(&["TRAFFICKING/WHOLE"]);
    let told = |word: &str| {
        let mut values = trafficking.iter().map(|field| field.value.to_string());
        values.any(|value| value.contains(word))
    };
    assert!(told("FORCED_LABOUR"));
    assert!(!told("FORCED_CRIMINALITY") && !told("SURVIVAL_SEX"));
    let punishable = facts(&["PUNISHABLE_ACTS/WHOLE"]);
    let paths: Vec<&str> = punishable.iter().map(|field| field.path.as_str()).collect();
    assert!(
        paths.contains(&"trafficking.exploitation@PUNISHABLE_ACTS"),
        "{paths:?}"
    );
    assert_eq!(labels(&["PUNISHABLE_ACTS/WHOLE"]).iter().count(), 1);
}

/// The same parcel id under two statements: a source, or somebody with its key, that tells two stories.
#[test]
fn one_parcel_id_under_two_statements_is_an_alarm() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let house1 = world.intake("house1");
        let bed = crate::harness::scene::one_bed(&source, "house1").await;
        let first = open(&house1, bed.offer, Stage::Triage).await.unwrap();
        assert!(
            open(&house1, bed.offer, Stage::Triage).await.is_ok(),
            "a retry is lawful"
        );

        let view = house1.offer(bed.offer).await.unwrap();
        let parcel = house1.fetch(bed.offer, Stage::Triage).await.unwrap();
        let key = house1.agency().directory().unwrap();
        let key = key.signing_key(source.agency().id()).unwrap();
        let mut claims = parcel.verify(&key).unwrap().claims().clone();
        claims.forward.recipients.push("house2".parse().unwrap());
        claims.forward.hops = 1;
        let mut second = parcel.clone();
        second.statement = claims.sign(source.agency().keys().signer()).unwrap();
        let error = house1
            .check(&second, &key, &view, Stage::Triage)
            .unwrap_err();
        assert_eq!(error, OpenError::Replayed);
        assert!(error.alarm().is_some());
        assert!(!first.fields.is_empty());
    });
}
