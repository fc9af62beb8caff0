//! Scenario E: consent taken back, and a stolen card (R3, R16, R19, invariant 13).

use safeconduct::client::source::{Revision, SentReferral};
use safeconduct::domain::basis::Basis;
use safeconduct::domain::id::OfferId;
use safeconduct::domain::vocabulary::{Category, OfferNotice, Purpose, Stage, Urgency};
use safeconduct::proto::v1;

use crate::harness::cast::town_at;
use crate::harness::eyes::{Eyes, Heard};
use crate::harness::person::{HOUSE_ACCEPTED, HOUSE_TRIAGE, Person, Told, read};
use crate::harness::run;
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
