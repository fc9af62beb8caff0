//! Scenario F: turned away for her passport, with no line (R7, R12, R15, R17).

use safeconduct::client::agency::Desk;
use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::recipient::PoolView;
use safeconduct::client::source::{AlsoAsked, SentReferral};
use safeconduct::domain::id::OfferId;
use safeconduct::domain::vocabulary::{
    AlertKind, DeclineReason, Decliner, OfferState, Purpose, ReferralState, StaffRole, Stage,
    Urgency,
};
use safeconduct::proto::v1;

use crate::harness::cast::town_at;
use crate::harness::eyes::{Eyes, Heard};
use crate::harness::person::{HOUSE_TRIAGE, Person, Told, read};
use crate::harness::run;
use crate::harness::simulated::{DUTY, Simulated};

/// Everybody who is not in the scenario's table.
const NOBODY: &[&str] = &[
    "house3",
    "medic",
    "law",
    "csw",
    "ident",
    "moi",
    "moi-atu",
    "moi-border-sid",
    "moi-asylum",
    "dpo-moi",
    "dpo-alpha",
];

const CANARIES: &[&str] = &["sleeps outside the fence", "passport from Yaounde"];

/// Blessing, 33, French, fever; where she comes from is nobody's business who decides.
fn blessing() -> v1::Record {
    v1::Record {
        language: Some(v1::LanguageFacts {
            languages: vec!["fr".into()],
            interpreter_gender: v1::StaffGender::Woman.into(),
            ..Default::default()
        }),
        placement: Some(v1::PlacementFacts {
            settings: vec!["ROOM".into()],
            placement_gender: v1::PlacementPreference::Woman.into(),
            tonight: Some(true),
            ..Default::default()
        }),
        age: Some(v1::AgeFacts {
            claimed: Some(33),
            ..Default::default()
        }),
        care: Some(v1::CareFacts {
            acuity: v1::Acuity::Tonight.into(),
            needs: vec![v1::CareNeed::DoctorTonight.into()],
            detail: CANARIES[0].into(),
            ..Default::default()
        }),
        nationality: Some(v1::NationalityFacts {
            citizenship: vec!["CM".into()],
        }),
        health: Some(v1::HealthFacts {
            measures: vec!["fever since two days; drinks, does not eat".into()],
            detail: CANARIES[1].into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

async fn pool(house: &Desk) -> PoolView {
    house.pools().await.unwrap().remove(0)
}

/// Sealed while there is no line; sent when there is one, twice, and there is one referral (invariant 6).
async fn a_double_tap(own: &mut Simulated, person: &Person) -> SentReferral {
    let camp = person.agrees_to_bed("camp").await;
    let house1 = person.agrees_to_bed("house1").await;
    let told = [(&camp, "Ama"), (&house1, "Grace")].map(|(basis, alias)| Told {
        basis,
        alias,
        triage: HOUSE_TRIAGE,
    });
    let at = own.next(1, 35);
    let prepared = person
        .prepares(Purpose::SafeAccommodation, Urgency::Immediate, &told)
        .placed_by(at);
    own.until(0, 20).await;
    let first = person.source.send_referral(&prepared).await.unwrap();
    let again = person.source.send_referral(&prepared).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(person.source.referrals().await.unwrap().len(), 1);
    first
}

/// The camp may say why, and each true reason that nobody may be declined for is heard by oversight (R12).
async fn the_camp_declines(own: &Simulated, offer: OfferId) {
    let camp = own.world.intake("camp");
    let triage = read(&own.world, "camp", offer, Stage::Triage).await;
    assert_eq!(triage["care.needs"], "[\"DOCTOR_TONIGHT\"]");
    assert_eq!(triage["language.languages"], "[\"fr\"]");
    assert!(!triage.keys().any(|path| path.starts_with("nationality")));
    // OTHER takes two.
    for (attempt, expected) in [(0, None), (1, Some(Reason::NeedsSecondPerson))] {
        let answer = camp
            .decline(offer, DeclineReason::Other, Decliner::Agency)
            .await;
        assert_eq!(
            answer.err().and_then(|error| error.reason()),
            expected,
            "{attempt}"
        );
    }
    assert_eq!(
        camp.offer(offer).await.unwrap().state,
        OfferState::Offered,
        "one person alone declines nobody for OTHER"
    );
    camp.decline(offer, DeclineReason::RequiresNationality, Decliner::Agency)
        .await
        .unwrap();
    for agency in ["ombud", "camp"] {
        let desk = own.world.desk(agency, StaffRole::Supervisor);
        let alerts = desk.alerts().await.unwrap();
        let told: Vec<_> = alerts
            .iter()
            .filter(|alert| alert.kind == AlertKind::AlertingDecline)
            .collect();
        assert_eq!(told.len(), 1, "{agency}");
        assert!(
            told[0].code.contains("REQUIRES_NATIONALITY"),
            "{:?}",
            told[0]
        );
        assert!(told[0].raised.is_some());
        // Which agency and why; not whom, and not who asked.
        assert!(!told[0].about.contains("referrals"), "{:?}", told[0]);
        assert_ne!(
            told[0].by.as_ref().map(ToString::to_string),
            Some("beta".into())
        );
    }
}

#[test]
fn of_two_who_want_the_last_place_one_gets_it_and_the_other_does_not_end_in_silence() {
    run(async {
        let mut own = town_at(23, 30).await;
        let house1 = own.world.intake("house1");
        let house2 = own.world.intake("house2");
        let clinic = own.world.intake("clinic");
        let beds = "beds".parse().unwrap();
        house1.update_pool(&beds, 1, 0).await.unwrap();
        let eyes = Eyes::of(&own.world, NOBODY).await;

        let blessing = Person::new(&own.world.source("beta"), blessing());
        let hers = a_double_tap(&mut own, &blessing).await;
        let [(_, at_camp), (_, hers_at_house1)] = hers.offers[..] else {
            panic!("two are asked");
        };
        // The doctor is an ask of its own.
        let doctor = blessing
            .agrees(
                "clinic",
                Purpose::MedicalCare,
                &[
                    "LANGUAGE/WHOLE",
                    "CARE_NEEDS/ACUITY",
                    "IDENTITY/ALIAS",
                    "HEALTH/FUNCTIONAL",
                ],
                &[],
            )
            .await;
        let told = Told {
            basis: &doctor,
            alias: "B.",
            triage: &["LANGUAGE/WHOLE", "CARE_NEEDS/ACUITY"],
        };
        let at_clinic = blessing
            .asks(Purpose::MedicalCare, Urgency::Immediate, &[told])
            .await;
        let at_clinic = at_clinic.offers[0].1;
        let triage = read(&own.world, "clinic", at_clinic, Stage::Triage).await;
        let paths: Vec<&str> = triage.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            [
                "care.acuity",
                "language.interpreter_gender",
                "language.languages"
            ]
        );
        clinic.accept(at_clinic, None).await.unwrap();

        // A second woman, of alpha's: house1 first, house2 next in line.
        let other = Person::new(
            &own.world.source("alpha"),
            safeconduct::demo::people::samira(),
        );
        let bases = [
            other.agrees_to_bed("house1").await,
            other.agrees_to_bed("house2").await,
        ];
        let told: Vec<Told<'_>> = bases
            .iter()
            .map(|basis| Told {
                basis,
                alias: "Rima",
                triage: HOUSE_TRIAGE,
            })
            .collect();
        let place_by = own.next(1, 35);
        let prepared = other
            .prepares(Purpose::SafeAccommodation, Urgency::Immediate, &told)
            .placed_by(place_by)
            .asking_at_most(1);
        let alphas = other.source.send_referral(&prepared).await.unwrap();
        let [(_, alphas_at_house1), (_, alphas_at_house2)] = alphas.offers[..] else {
            panic!("two are asked");
        };
        // Next in line is not there yet.
        let early = house2.offer(alphas_at_house2).await.unwrap_err();
        assert_eq!(early.reason(), Some(Reason::NotFound));

        own.minutes(5).await;
        the_camp_declines(&own, at_camp).await;

        // Two intake workers, one place: exactly one is given (R15).
        let desk = own.world.desk("house1", StaffRole::Supervisor);
        let (first, second) = tokio::join!(
            house1.accept(hers_at_house1, Some((&beds, 1))),
            desk.accept(alphas_at_house1, Some((&beds, 1))),
        );
        assert!(first.is_ok() != second.is_ok(), "exactly one");
        let lost = first.as_ref().err().or(second.as_ref().err());
        assert_eq!(lost.and_then(ClientError::reason), Some(Reason::NoPlaces));
        assert_eq!(pool(&house1).await.taken, 1);
        let (waits, loser, sent, supervisor) = if first.is_ok() {
            (alphas_at_house1, &other, &alphas, "alpha")
        } else {
            (hers_at_house1, &blessing, &hers, "beta")
        };
        house1.acknowledge(waits).await.unwrap();
        house1.waitlist(waits).await.unwrap();
        if supervisor == "alpha" {
            // The next house is asked at the same moment.
            let view = house2.offer(alphas_at_house2).await.unwrap();
            assert_eq!(view.state, OfferState::Offered);
            house2
                .decline(
                    alphas_at_house2,
                    DeclineReason::NoCapacity,
                    Decliner::Agency,
                )
                .await
                .unwrap();
        }
        let winner = if first.is_ok() { &blessing } else { &other };
        let won = if first.is_ok() { &hers } else { &alphas };
        let view = winner.source.referral(won.referral).await.unwrap();
        assert_eq!(view.state, ReferralState::Placed);

        // No place by half past one: the source's supervisor is told, then the duty line.
        own.until(1, 31).await;
        let desk = own.world.desk(supervisor, StaffRole::Supervisor);
        let name = format!("agencies/{supervisor}/referrals/{}", loser_name(sent));
        let unplaced = |alerts: Vec<safeconduct::client::alert::AlertView>| {
            let told = alerts.into_iter();
            told.filter(|alert| alert.kind == AlertKind::Unplaced)
                .collect::<Vec<_>>()
        };
        let told = unplaced(desk.alerts().await.unwrap());
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].about, name);
        own.until(1, 50).await;
        let duty = own.world.desk(DUTY, StaffRole::DutyOfficer);
        let rung = unplaced(duty.alerts().await.unwrap());
        assert_eq!(rung.len(), 1);
        assert_eq!(rung[0].about, "");
        assert_eq!(
            rung[0].by.as_ref().map(ToString::to_string),
            Some(supervisor.to_owned())
        );
        // Each answer as it came.
        let view = loser.source.referral(sent.referral).await.unwrap();
        assert!(view.offers.iter().all(|offer| {
            offer.decline_reason.is_some() || offer.state == OfferState::Waitlisted
        }));
        let heard = Heard::of(sent, &bases[0]);
        own.ends(&eyes, &heard, CANARIES).await;
    });
}

fn loser_name(sent: &SentReferral) -> String {
    sent.referral.to_string()
}

#[test]
fn what_was_sealed_without_a_line_is_not_sent_once_she_has_taken_it_back() {
    run(async {
        let mut own = town_at(23, 30).await;
        let person = Person::new(&own.world.source("beta"), blessing());
        let basis = person.agrees_to_bed("house1").await;
        let told = Told {
            basis: &basis,
            alias: "Grace",
            triage: HOUSE_TRIAGE,
        };
        let prepared = person.prepares(Purpose::SafeAccommodation, Urgency::Immediate, &[told]);
        own.minutes(50).await;
        let also = AlsoAsked {
            erase: false,
            leave: false,
        };
        person.source.withdraw_basis(&basis, also).await.unwrap();
        let refused = person.source.send_referral(&prepared).await.unwrap_err();
        assert!(
            matches!(
                refused.reason(),
                Some(Reason::BasisWithdrawn | Reason::BasisNotInForce)
            ),
            "{refused}"
        );
        own.assert_audits().await;
    });
}
