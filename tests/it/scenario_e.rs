//! Scenario E: consent taken back, and a stolen card (R3, R16, R19, invariant 13).

use prost::Message as _;
use safeconduct::client::error::Reason;
use safeconduct::client::source::{Answers, Revision, SentReferral};
use safeconduct::domain::basis::Basis;
use safeconduct::domain::id::OfferId;
use safeconduct::domain::vocabulary::{
    AlertKind, Asked, Category, ErasureAnswer, OfferNotice, OfferState, Purpose, StaffRole, Stage,
    Urgency,
};
use safeconduct::proto::v1;

use crate::harness::cast::town_at;
use crate::harness::eyes::{Eyes, Heard};
use crate::harness::person::{HOUSE_ACCEPTED, HOUSE_TRIAGE, Person, Told, read};
use crate::harness::run;
use crate::harness::scene::{allow, closed};
use crate::harness::simulated::Simulated;

/// Everybody who is not in the scenario's table.
const NOBODY: &[&str] = &[
    "house2",
    "house3",
    "camp",
    "medic",
    "csw",
    "ident",
    "moi",
    "moi-atu",
    "moi-border-sid",
    "moi-asylum",
    "dpo-moi",
    "duty",
];

const CANARIES: &[&str] = &["penicillin gives her a rash", "no, it was ibuprofen"];

const HEALTH: &[&str] = &["LANGUAGE/WHOLE", "CARE_NEEDS/ACUITY"];
const LEGAL: &[&str] = &["LANGUAGE/WHOLE"];

/// Layla, 29; what she must not be given is wrong at first.
fn layla(measure: &str) -> v1::Record {
    v1::Record {
        language: Some(v1::LanguageFacts {
            languages: vec!["ar".into()],
            ..Default::default()
        }),
        age: Some(v1::AgeFacts {
            claimed: Some(29),
            ..Default::default()
        }),
        care: Some(v1::CareFacts {
            acuity: v1::Acuity::Soon.into(),
            ..Default::default()
        }),
        health: Some(v1::HealthFacts {
            measures: vec![measure.into()],
            ..Default::default()
        }),
        ..Default::default()
    }
}

struct Asked1 {
    basis: Basis,
    sent: SentReferral,
    offer: OfferId,
}

async fn in_care(
    own: &Simulated,
    person: &Person,
    to: &str,
    purpose: Purpose,
    triage: &[&str],
    later: &[&str],
) -> Asked1 {
    let bundle = [triage, later].concat();
    let basis = person.agrees(to, purpose, &bundle, &[]).await;
    let told = [Told {
        basis: &basis,
        alias: "L.",
        triage,
    }];
    let sent = person.asks(purpose, Urgency::Emergency, &told).await;
    let offer = sent.offers[0].1;
    let desk = own.world.intake(to);
    desk.accept(offer, None).await.unwrap();
    let [told] = told;
    person.tells(offer, &told, Stage::Accepted, later).await;
    read(&own.world, to, offer, Stage::Accepted).await;
    desk.check_in(offer).await.unwrap();
    Asked1 { basis, sent, offer }
}

/// An offer as its recipient gets it, byte by byte.
async fn bytes(own: &Simulated, agency: &str, offer: OfferId) -> Vec<u8> {
    let get = v1::GetOfferRequest {
        name: format!("agencies/{agency}/offers/{offer}"),
    };
    let wire = own.world.wire(agency, StaffRole::Intake);
    wire.raw("OfferService/GetOffer", get.encode_to_vec())
        .await
        .unwrap()
}

#[test]
fn what_was_wrong_is_corrected_at_everybody_who_read_it_and_confirmed_by_one_tap() {
    run(async {
        let own = town_at(15, 0).await;
        let mut nobody = NOBODY.to_vec();
        nobody.extend(["law", "clinic", "beta"]);
        let eyes = Eyes::of(&own.world, &nobody).await;
        let mut person = Person::new(&own.world.source("alpha"), layla(CANARIES[0]));
        let source = person.source.clone();
        let bed = Purpose::SafeAccommodation;
        let at_house1 = in_care(&own, &person, "house1", bed, HOUSE_TRIAGE, HOUSE_ACCEPTED).await;
        // 3. The allergy was another: who read the old must confirm the new.
        person.record = layla(CANARIES[1]);
        let fields = person.cut("L.", HOUSE_ACCEPTED);
        let revision = Revision {
            basis: &at_house1.basis,
            stages: vec![(Stage::Accepted, fields)],
        };
        let referral = at_house1.sent.referral;
        let amended = source
            .amend_everywhere(referral, bed, Category::Health, &[revision])
            .await
            .unwrap();
        assert_eq!(amended.len(), 1);
        amended[0].outcome.as_ref().unwrap();
        let house1 = own.world.intake("house1");
        let view = house1.offer(at_house1.offer).await.unwrap();
        assert_eq!(view.corrected, [Stage::Accepted]);
        assert!(view.notices.contains(&OfferNotice::Corrected), "{view:?}");
        let seen = read(&own.world, "house1", at_house1.offer, Stage::Accepted).await;
        assert!(seen["health.measures"].contains("ibuprofen"), "{seen:?}");
        house1
            .confirm_amendment(at_house1.offer, Stage::Accepted)
            .await
            .unwrap();
        let told = source.referral(referral).await.unwrap();
        assert_eq!(told.offers[0].corrections, [(Stage::Accepted, true)]);
        let heard = Heard::of(&at_house1.sent, &at_house1.basis);
        own.ends(&eyes, &heard, CANARIES).await;
    });
}

#[test]
fn what_she_takes_back_stops_there_and_a_stolen_card_touches_no_bed() {
    run(async {
        let mut own = town_at(15, 0).await;
        let eyes = Eyes::of(&own.world, NOBODY).await;
        let person = Person::new(&own.world.source("alpha"), layla(CANARIES[0]));
        let source = person.source.clone();
        let (bed, health, legal) = (
            Purpose::SafeAccommodation,
            Purpose::MedicalCare,
            Purpose::LegalAssistance,
        );
        let at_house1 = in_care(&own, &person, "house1", bed, HOUSE_TRIAGE, HOUSE_ACCEPTED).await;
        let later = ["IDENTITY/ALIAS", "HEALTH/FUNCTIONAL"];
        let at_clinic = in_care(&own, &person, "clinic", health, HEALTH, &later).await;
        let at_law = in_care(&own, &person, "law", legal, LEGAL, &["IDENTITY/ALIAS"]).await;
        let code = source.new_code();
        source.register_code(person.case, &code).await.unwrap();

        // (a) Three questions; she ticks the first two, for the clinic.
        let before = [
            bytes(&own, "house1", at_house1.offer).await,
            bytes(&own, "law", at_law.offer).await,
        ];
        let answers = Answers {
            stop: true,
            erase: true,
            leave: false,
        };
        source.withdraw(&at_clinic.basis, answers).await.unwrap();
        let clinic = own.world.intake("clinic");
        let view = clinic.offer(at_clinic.offer).await.unwrap();
        assert_eq!(view.state, OfferState::InProgress, "care goes on");
        assert_eq!(
            view.notices,
            [OfferNotice::ClosedBySource, OfferNotice::PleaseErase]
        );
        let again = clinic.open(&view, Stage::Accepted).await.unwrap_err();
        assert_eq!(again.reason(), Some(Reason::NotFound));
        clinic
            .confirm_erasure(at_clinic.offer, ErasureAnswer::KeptLegalDuty)
            .await
            .unwrap();
        let told = source.referral(at_clinic.sent.referral).await.unwrap();
        assert_eq!(told.offers[0].erasure, Some(ErasureAnswer::KeptLegalDuty));
        let after = [
            bytes(&own, "house1", at_house1.offer).await,
            bytes(&own, "law", at_law.offer).await,
        ];
        assert_eq!(before, after, "the others' screens do not change");

        // (b) He types the code, and many others, somewhere: one sentence for all.
        let house1 = own.world.intake("house1");
        let pools = house1.pools().await.unwrap();
        let stranger = own.world.intake("beta");
        stranger.withdraw_by_code(&code).await.unwrap();
        stranger
            .withdraw_by_code(&stranger.new_code())
            .await
            .unwrap();
        own.minutes(2).await;
        let alerts = own.world.desk("alpha", StaffRole::Supervisor);
        let alerts = alerts.alerts().await.unwrap();
        let by_card = alerts.iter().filter(|one| one.kind == AlertKind::ByCard);
        let by_card: Vec<_> = by_card.collect();
        assert_eq!(by_card.len(), 1);
        assert_eq!(by_card[0].by, None, "not where the card was shown");
        let view = house1.offer(at_house1.offer).await.unwrap();
        assert_eq!(view.state, OfferState::InProgress, "the bed is not touched");
        assert!(view.notices.contains(&OfferNotice::Paused));
        assert_eq!(house1.pools().await.unwrap(), pools);
        let told = Told {
            basis: &at_house1.basis,
            alias: "L.",
            triage: HOUSE_TRIAGE,
        };
        let fields = person.cut(told.alias, &["MEETING_POINT/WHOLE"]);
        let stopped = source
            .deposit(at_house1.offer, told.basis, bed, Stage::InCare, fields)
            .await;
        assert!(
            stopped.is_err(),
            "nothing new until alpha has spoken with her"
        );
        // alpha has spoken with her.
        let all = closed(&[HOUSE_TRIAGE, HOUSE_ACCEPTED].concat());
        let allows = vec![allow(&source, bed, all, Asked::Bundle)];
        source
            .supersede_basis(&at_house1.basis, allows, [7; 32])
            .await
            .unwrap();
        own.minutes(2).await;
        let view = house1.offer(at_house1.offer).await.unwrap();
        assert!(!view.notices.contains(&OfferNotice::Paused));
        let heard = Heard::of(&at_house1.sent, &at_house1.basis);
        own.ends(&eyes, &heard, CANARIES).await;
    });
}
