//! Break-glass and the duty to notify, over real connections (R18, invariant 16).

use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::source::BasisDraft;
use safeconduct::domain::basis::Basis;
use safeconduct::domain::directory::AgencyFacts;
use safeconduct::domain::vocabulary::{
    AccessReason, AccessState, AlertKind, Asked, BasisKind, GivenBy, OfferState, Purpose,
    ReportsTo, StaffRole, Stage, Urgency,
};
use safeconduct::envelope::basis_statement::BasisStatement;
use safeconduct::proto::v1;
use tonic::Code;

use crate::harness::scene::{
    allow, basis_for, closed, consent, facts, labels, new_case, one_bed, tonight,
};
use crate::harness::{assert_replays, own, run};

const WANTED: &[&str] = &["HEALTH/FUNCTIONAL", "CARE_NEEDS/DETAIL"];
const TOLD: &[&str] = &["HEALTH/FUNCTIONAL"];

fn reason(error: &ClientError) -> Option<Reason> {
    error.reason()
}

#[test]
fn the_glass_is_broken_by_three_agencies_and_seen_by_oversight() {
    run(async {
        let own = own(
            &["alpha", "house1", "house2", "moi", "moi-atu", "ombud"],
            "warn",
        )
        .await;
        let world = &own.world;
        let bed = one_bed(&world.source("alpha"), "house1").await;
        let house = world.intake("house1");
        let duty = world.desk("alpha", StaffRole::DutyOfficer);
        let why = AccessReason::MedicalEmergency;

        // What no row names is refused before anybody is woken, with the labels that are too much.
        let more = house.request_access(bed.offer, why, labels(&["PUNISHABLE_ACTS/WHOLE"]));
        assert_eq!(
            reason(&more.await.unwrap_err()),
            Some(Reason::ProtocolRefused)
        );
        assert!(duty.alerts().await.unwrap().is_empty());
        // Who holds no offer hears the same as for one that does not exist.
        let house2 = world.intake("house2");
        let guess = house2.request_access(bed.offer, why, labels(WANTED));
        assert_eq!(reason(&guess.await.unwrap_err()), Some(Reason::NotFound));

        let asked = house
            .request_access(bed.offer, why, labels(WANTED))
            .await
            .unwrap();
        assert_eq!(asked.state, AccessState::Requested);
        let ombud = world.desk("ombud", StaffRole::Supervisor);
        for desk in [&duty, &ombud] {
            let alerts = desk.alerts().await.unwrap();
            assert_eq!(alerts[0].kind, AlertKind::BreakGlass);
            assert_eq!(alerts[0].by.as_ref().unwrap().as_str(), "house1");
        }
        let officer = world.desk("moi-atu", StaffRole::DutyOfficer);
        assert!(officer.alerts().await.unwrap().is_empty());
        assert!(officer.accesses().await.unwrap().is_empty());

        let inside = world.desk("house1", StaffRole::DutyOfficer);
        let own_yes = inside.approve_access(asked.id);
        assert_eq!(
            reason(&own_yes.await.unwrap_err()),
            Some(Reason::NeedsOutsider)
        );
        let elsewhere = world.desk("house2", StaffRole::DutyOfficer);
        let other = elsewhere.approve_access(asked.id);
        assert_eq!(reason(&other.await.unwrap_err()), Some(Reason::NotFound));
        duty.approve_access(asked.id).await.unwrap();

        let seen = duty.access(asked.id).await.unwrap();
        assert_eq!(
            (seen.state, seen.offer),
            (AccessState::Approved, Some(bed.offer))
        );
        // The desk itself keeps to what was asked, and to whom the person excluded.
        let excluded = ["house1".parse().unwrap()];
        let kept = duty.release_access(&seen, facts(TOLD), &excluded).await;
        assert!(matches!(kept, Err(ClientError::Excluded)));
        let kept = duty
            .release_access(&seen, facts(&["THREAT/DETAIL"]), &[])
            .await;
        assert!(matches!(kept, Err(ClientError::BreakGlass(_))));
        duty.release_access(&seen, facts(TOLD), &[]).await.unwrap();

        let opened = house.open_access(&asked).await.unwrap();
        assert!(!opened.fields.is_empty());
        assert!(
            opened
                .fields
                .iter()
                .all(|field| closed(TOLD).contains(field.field.label))
        );
        let seen = ombud.access(asked.id).await.unwrap();
        assert_eq!((seen.state, seen.openings), (AccessState::Released, 1));
        assert_eq!(seen.offer, None, "oversight is shown no offer");
        // A review comes when the window is over.
        let finding = safeconduct::domain::vocabulary::AccessFinding::Justified;
        let early = ombud.review_access(asked.id, finding).await.unwrap_err();
        assert_eq!(reason(&early), Some(Reason::State));
        assert_replays(world);
    });
}

/// The protocol of a country in which a clinic must report an injury by violence.
fn with_duty() -> String {
    let shipped = include_str!("../../deploy/protocol.toml");
    let row = r#"
[[allow]]
name = "duty-injury"
why = "The law has a clinic report an injury by violence; it does not have it say whose."
basis = ["LEGAL_DUTY"]
recipients = ["POLICE"]
purposes = ["CRIME_REPORT"]
stage = "TRIAGE"
labels = ["AGE/CHILD_OR_ADULT", "HARM"]
"#;
    shipped.replace("\nversion = 1\n", "\nversion = 2\n") + row
}

fn duty(draft: BasisDraft) -> BasisDraft {
    BasisDraft {
        kind: BasisKind::LegalDuty,
        given_by: GivenBy::NotApplicable,
        ..draft
    }
}

#[test]
fn a_duty_to_notify_rests_on_what_its_source_published_and_never_says_who() {
    run(async {
        let own = own(&["medic", "house1", "moi", "moi-atu", "ombud"], "warn").await;
        let world = &own.world;
        let operator = world.desk("operator", StaffRole::Administrator);
        let toml = with_duty();
        operator
            .publish_protocol(2, &toml, own.town.signers())
            .await
            .unwrap();
        let facts_of_medic = AgencyFacts {
            reports_to: vec![ReportsTo::Police],
            ..AgencyFacts::unstated()
        };
        let keys = world.desk("medic", StaffRole::Administrator);
        keys.publish_keys(facts_of_medic).await.unwrap();
        let (medic, house) = (world.source("medic"), world.source("house1"));
        for desk in [&medic, &house, &world.source("moi-atu")] {
            desk.mirror().await.unwrap();
        }
        let report = ["AGE/CHILD_OR_ADULT", "HARM/WHOLE"];
        let draft = |desk, named: &[&str]| {
            let case = new_case();
            duty(consent(
                desk,
                case,
                "moi-atu",
                Purpose::CrimeReport,
                closed(named),
            ))
        };

        // Never who: the kind of ground cannot carry it, whatever a protocol says.
        let who = medic
            .record_basis(draft(&medic, &["IDENTITY/ALIAS"]))
            .await
            .unwrap_err();
        assert_eq!(reason(&who), Some(Reason::BasisBounds));
        // Not without a published duty: not in the SDK, and not past it.
        let none = house.record_basis(draft(&house, &report)).await;
        assert!(matches!(none, Err(ClientError::NoDuty)));
        let case = new_case();
        let agreed = basis_for(
            &house,
            case,
            "moi-atu",
            Purpose::CrimeReport,
            closed(&report),
        )
        .await;
        let forged = BasisStatement {
            basis: Basis {
                kind: BasisKind::LegalDuty,
                seq: 2,
                ..agreed
            },
            issued: house.now(),
            evidence: [1; 32],
        };
        let request = v1::RecordBasisRequest {
            parent: "agencies/house1".into(),
            request_id: safeconduct::client::session::request_id(),
            statement: forged.sign(house.agency().keys().signer()).unwrap(),
        };
        let wire = world.wire("house1", StaffRole::Caseworker);
        let refused = wire.refused("BasisService/RecordBasis", &request).await;
        let _ = refused.is(Code::InvalidArgument, "NO_DUTY");

        let mut drafted = draft(&medic, &report);
        drafted.allows = vec![allow(
            &medic,
            Purpose::CrimeReport,
            closed(&report),
            Asked::Bundle,
        )];
        let basis = medic.record_basis(drafted).await.unwrap();
        let candidate = safeconduct::client::source::Candidate {
            basis: &basis,
            parcels: vec![(Stage::Triage, facts(&report))],
        };
        let mut ask = tonight(&medic, basis.case, Purpose::CrimeReport);
        ask.urgency = Urgency::Emergency;
        let sent = medic.create_referral(&ask, &[candidate]).await.unwrap();
        let officer = world.intake("moi-atu");
        let opened = crate::harness::scene::open(&officer, sent.offers[0].1, Stage::Triage).await;
        let opened = opened.unwrap();
        assert!(
            opened
                .fields
                .iter()
                .all(|field| labels(&report).contains(field.field.label))
        );
        officer.acknowledge(sent.offers[0].1).await.unwrap();

        // In the source's own lists: the notification, and on which ground it rests.
        let referral = medic.referral(sent.referral).await.unwrap();
        assert_eq!(referral.offers[0].state, OfferState::Received);
        assert_eq!(referral.offers[0].opened, [Stage::Triage]);
        let bases = medic.bases(Some(basis.case)).await.unwrap();
        assert_eq!(bases[0].basis.as_ref().unwrap().kind, BasisKind::LegalDuty);
        assert_replays(world);
    });
}
