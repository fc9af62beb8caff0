//! Scenario D: to Croatia tomorrow, and back again (R7, R17, R20, R21).

use safeconduct::client::carried::{CarriedDraft, open_carried};
use safeconduct::client::error::Reason;
use safeconduct::client::random::SystemRandom;
use safeconduct::client::watch::Doorbell;
use safeconduct::domain::vocabulary::{
    AlertKind, CloseReason, OfferState, Outcome, Purpose, ReferralState, ResumeAnswer, StaffRole,
    Stage, Urgency,
};
use safeconduct::envelope::carried::ReleaseRequest;
use safeconduct::envelope::hpke::SealingSeed;
use safeconduct::proto::v1;

use crate::harness::cast::town_at;
use crate::harness::eyes::{Eyes, Heard};
use crate::harness::person::{Person, Told, assert_seen, read};
use crate::harness::run;
use crate::harness::scene::DAY;

/// Everybody who is not in the scenario's table.
const NOBODY: &[&str] = &[
    "house1",
    "house2",
    "house3",
    "camp",
    "law",
    "csw",
    "ident",
    "moi",
    "moi-atu",
    "moi-border-sid",
    "moi-asylum",
    "dpo-moi",
    "duty",
];

const CANARIES: &[&str] = &[
    "the bakery at the corner",
    "he keeps my passport in the oven room",
];

const CLINIC: &[&str] = &["LANGUAGE/WHOLE", "AGE/BAND", "CARE_NEEDS/ACUITY"];

/// Yusuf, 22, Arabic, epilepsy, wounds from work.
fn yusuf() -> v1::Record {
    v1::Record {
        language: Some(v1::LanguageFacts {
            languages: vec!["ar".into()],
            ..Default::default()
        }),
        age: Some(v1::AgeFacts {
            claimed: Some(22),
            ..Default::default()
        }),
        care: Some(v1::CareFacts {
            acuity: v1::Acuity::Tonight.into(),
            needs: vec![v1::CareNeed::MedicationTonight.into()],
            detail: CANARIES[0].into(),
            ..Default::default()
        }),
        health: Some(v1::HealthFacts {
            measures: vec!["one tablet, morning and evening".into()],
            conditions: vec!["epilepsy".into()],
            ..Default::default()
        }),
        harm: Some(v1::HarmFacts {
            kinds: vec![v1::HarmKind::PhysicalInjury.into()],
            by: vec![v1::HarmSource::Employer.into()],
            detail: CANARIES[1].into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Reads the doctor's bell up to now: whether it was reminded.
async fn next_reminder(bells: &mut safeconduct::client::watch::Doorbells) {
    let ring = async {
        loop {
            if let Doorbell::Ring { kind, .. } = bells.next().await.unwrap()
                && kind == v1::EventKind::Reminder
            {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), ring)
        .await
        .expect("the clinic is reminded");
}

#[test]
fn a_silent_clinic_costs_him_no_minute_that_he_does_not_have() {
    run(async {
        let mut own = town_at(22, 30).await;
        let eyes = Eyes::of(&own.world, NOBODY).await;
        let person = Person::new(&own.world.source("alpha"), yusuf());
        let bundle = [CLINIC, &["IDENTITY/ALIAS", "HEALTH/CLINICAL"]].concat();
        let bases = [
            person
                .agrees("clinic", Purpose::MedicalCare, &bundle, &[])
                .await,
            person
                .agrees("medic", Purpose::MedicalCare, &bundle, &[])
                .await,
        ];
        let told: Vec<Told<'_>> = bases
            .iter()
            .map(|basis| Told {
                basis,
                alias: "Y.",
                triage: CLINIC,
            })
            .collect();
        let clinic = own.world.intake("clinic");
        let mut bells = clinic.watch(String::new());
        assert_eq!(bells.next().await.unwrap(), Doorbell::Missed);
        let leaves_by = own.next(6, 0);
        let prepared = person
            .prepares(Purpose::MedicalCare, Urgency::Urgent, &told)
            .placed_by(leaves_by);
        let sent = person.source.send_referral(&prepared).await.unwrap();
        let [(_, at_clinic), (_, at_medic)] = sent.offers[..] else {
            panic!("two are named");
        };
        let triage = read(&own.world, "clinic", at_clinic, Stage::Triage).await;
        assert_seen(
            &triage,
            &[
                ("age.band", "\"ADULT\""),
                ("care.acuity", "\"TONIGHT\""),
                ("language.languages", "[\"ar\"]"),
            ],
        );
        let view = clinic.offer(at_clinic).await.unwrap();
        assert_eq!(view.decide_by, Some(own.next(4, 30)));
        clinic.acknowledge(at_clinic).await.unwrap();

        // Cut by leaves-by: reminded at four, the next at half past, told at half past five.
        let medic = own.world.intake("medic");
        own.until(4, 1).await;
        next_reminder(&mut bells).await;
        own.until(4, 29).await;
        let early = medic.offer(at_medic).await.unwrap_err();
        assert_eq!(early.reason(), Some(Reason::NotFound));
        own.until(4, 31).await;
        let view = person.source.referral(sent.referral).await.unwrap();
        assert_eq!(view.offers[0].state, OfferState::Lapsed);
        assert_eq!(view.offers[1].state, OfferState::Offered);
        let view = medic.offer(at_medic).await.unwrap();
        assert_eq!(view.decide_by, Some(own.next(5, 30)));
        own.until(5, 31).await;
        let view = person.source.referral(sent.referral).await.unwrap();
        assert_eq!(view.state, ReferralState::Unplaced);
        let alerts = own.world.desk("alpha", StaffRole::Supervisor);
        let alerts = alerts.alerts().await.unwrap();
        let unplaced: Vec<_> = alerts
            .iter()
            .filter(|alert| alert.kind == AlertKind::Unplaced)
            .collect();
        assert_eq!(unplaced.len(), 1);
        assert_eq!(
            unplaced[0].raised,
            Some(own.town.now().minus(crate::harness::simulated::MINUTE))
        );
        // He is still there, hears it, and goes: nobody need be rung about it.
        person
            .source
            .close_referral(sent.referral, CloseReason::PersonLeft)
            .await
            .unwrap();
        own.pass(3 * DAY).await;
        let heard = Heard::of(&sent, &bases[0]);
        own.ends(&eyes, &heard, CANARIES).await;
    });
}

/// At once, in the same conversation: a sealed file and a code for whoever helps him in Zagreb, who is no member (R21).
#[test]
fn what_he_carries_is_nothing_to_whoever_takes_it_and_opens_for_whom_alpha_has_heard() {
    run(async {
        let own = town_at(22, 30).await;
        let mut nobody = NOBODY.to_vec();
        nobody.extend(["clinic", "medic", "beta"]);
        let eyes = Eyes::of(&own.world, &nobody).await;
        let person = Person::new(&own.world.source("alpha"), yusuf());
        let told = ["LANGUAGE/WHOLE", "IDENTITY/ALIAS", "HEALTH/CLINICAL"];
        let (bundle, asked) = (&told[..2], &told[2..]);
        let basis = person
            .agrees("out-hr-ngo", Purpose::MedicalCare, bundle, asked)
            .await;
        let draft = CarriedDraft {
            basis: &basis,
            purpose: Purpose::MedicalCare,
            answer_to: "duty desk, day and night".to_owned(),
            fields: person.cut("Y.", &told),
        };
        let carried = person.source.make_carried(draft).await.unwrap();
        // Whoever takes the paper.
        for readable in ["alpha", "epilepsy", "hr-ngo", "tablet"] {
            let found = carried.file.windows(readable.len());
            assert!(
                !found.into_iter().any(|run| run == readable.as_bytes()),
                "{readable}"
            );
        }
        let seed = SealingSeed::generate(&mut SystemRandom);
        let request = ReleaseRequest::new(&carried.file, &seed);
        let officer = own.world.desk("alpha", StaffRole::DutyOfficer);
        let release = officer
            .release_carried(&carried.kept, &request, &request.fingerprint())
            .await
            .unwrap();
        let pinned = (&own.world.trust.roots[..], own.world.trust.origin.as_str());
        let content = open_carried(&carried.file, &carried.code, &release, &seed, pinned).unwrap();
        assert_eq!(content.source.as_str(), "alpha");
        let conditions = content
            .fields
            .iter()
            .find(|one| one.path == "health.conditions");
        assert_eq!(conditions.unwrap().value[0], "epilepsy");
        assert!(
            !content
                .fields
                .iter()
                .any(|one| one.path.starts_with("harm"))
        );
        own.ends(&eyes, &Heard::nothing(), CANARIES).await;
    });
}

/// Three days later he is at Šid again. He is asked in Arabic whether beta may know; nothing is told twice (R20).
#[test]
fn pushed_back_he_gives_his_code_and_need_not_tell_it_all_again() {
    run(async {
        let mut own = town_at(8, 0).await;
        let mut nobody = NOBODY.to_vec();
        nobody.extend(["clinic", "medic"]);
        let eyes = Eyes::of(&own.world, &nobody).await;
        let person = Person::new(&own.world.source("alpha"), yusuf());
        let alpha = person.source.clone();
        person
            .agrees("out-hr-ngo", Purpose::MedicalCare, &["LANGUAGE/WHOLE"], &[])
            .await;
        let code = alpha.new_code();
        alpha.register_code(person.case, &code).await.unwrap();
        own.pass(3 * DAY).await;

        // A code that is wrong is answered like one that is right.
        let beta = own.world.intake("beta");
        let purposes = [Purpose::BasicAssistance];
        let wrong = beta
            .request_resume(&beta.new_code(), &purposes)
            .await
            .unwrap();
        let resume = beta.request_resume(&code, &purposes).await.unwrap();
        own.minutes(2).await;
        for asked in [wrong, resume] {
            let view = beta.resume_request(asked).await.unwrap();
            assert!(!view.answered && view.asked.is_none());
        }
        assert!(beta.offers().await.unwrap().is_empty());
        let alerts = own.world.desk("alpha", StaffRole::Supervisor);
        let alerts = alerts.alerts().await.unwrap();
        let rung = alerts
            .iter()
            .filter(|one| one.kind == AlertKind::ResumeRequested);
        let rung: Vec<_> = rung.collect();
        assert_eq!(rung.len(), 1);
        assert_eq!(rung[0].about, format!("agencies/alpha/resumes/{resume}"));
        let asked = alpha.resume_request(resume).await.unwrap().asked.unwrap();
        assert_eq!(asked.by.as_str(), "beta");
        assert_eq!(asked.case, person.case, "the same pseudonym");

        // He says yes, alone, in Arabic; beta gets what he agreed to.
        alpha
            .answer_resume(resume, ResumeAnswer::Agreed)
            .await
            .unwrap();
        let told = ["LANGUAGE/WHOLE", "AGE/BAND", "CARE_NEEDS/CODED"];
        let later = ["IDENTITY/ALIAS", "HEALTH/FUNCTIONAL"];
        let basis = person
            .agrees(
                "beta",
                Purpose::BasicAssistance,
                &[&told[..], &later].concat(),
                &[],
            )
            .await;
        let candidate = [Told {
            basis: &basis,
            alias: "Y.",
            triage: &told,
        }];
        let sent = person
            .asks(Purpose::BasicAssistance, Urgency::Emergency, &candidate)
            .await;
        let offer = sent.offers[0].1;
        beta.accept(offer, None).await.unwrap();
        let [candidate] = candidate;
        person
            .tells(offer, &candidate, Stage::Accepted, &later)
            .await;
        let seen = read(&own.world, "beta", offer, Stage::Accepted).await;
        assert_seen(
            &seen,
            &[
                ("health.measures", "[\"one tablet, morning and evening\"]"),
                ("identity.alias", "\"Y.\""),
            ],
        );
        beta.complete(offer, Outcome::ReturnedPushedBack)
            .await
            .unwrap();
        let view = alpha.referral(sent.referral).await.unwrap();
        assert_eq!(view.offers[0].outcome, Some(Outcome::ReturnedPushedBack));
        let heard = Heard::of(&sent, &basis);
        own.ends(&eyes, &heard, CANARIES).await;
    });
}
