//! Consent is a process: it narrows, ends, and is never more than it was asked for (R16, invariants 12 and 13).

use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::source::{AlsoAsked, BasisDraft};
use safeconduct::domain::basis::Basis;
use safeconduct::domain::vocabulary::{
    Asked, BasisKind, ChildTold, GivenBy, InterpreterClass, OfferState, Purpose, StaffRole, Stage,
};
use safeconduct::envelope::basis_statement::BasisStatement;
use safeconduct::proto::v1;
use tonic::Code;

use crate::harness::scene::{
    ACCEPTED, BED, DAY, TRIAGE, allow, bed_basis, closed, consent, facts, new_case, one_bed, open,
};
use crate::harness::{run, world};

const STOP: AlsoAsked = AlsoAsked {
    erase: false,
    leave: false,
};

fn reason<T>(result: Result<T, ClientError>) -> Option<Reason> {
    result.err().and_then(|error| error.reason())
}

#[test]
fn a_withdrawn_consent_stops_the_next_opening() {
    run(async {
        let world = world().await;
        let (source, house1) = (world.source("alpha"), world.intake("house1"));
        let bed = one_bed(&source, "house1").await;
        open(&house1, bed.offer, Stage::Triage).await.unwrap();
        source.withdraw_basis(&bed.basis, STOP).await.unwrap();
        let view = house1.offer(bed.offer).await.unwrap();
        assert_eq!(view.state, OfferState::Closed);
        let again = house1.open(&view, Stage::Triage).await;
        assert_eq!(reason(again), Some(Reason::NotFound));
    });
}

#[test]
fn nothing_follows_a_withdrawal_in_its_chain() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let basis = bed_basis(&source, new_case(), "house1").await;
        source.withdraw_basis(&basis, STOP).await.unwrap();
        let withdrawn = Basis {
            seq: basis.seq + 1,
            ..basis.clone()
        };
        let wider = vec![allow(&source, BED, closed(TRIAGE), Asked::Specific)];
        let revived = source.supersede_basis(&withdrawn, wider, [3; 32]).await;
        assert_eq!(reason(revived), Some(Reason::BasisWithdrawn));
        let twice = source.withdraw_basis(&withdrawn, STOP).await;
        assert_eq!(reason(twice), Some(Reason::BasisWithdrawn));
    });
}

#[test]
fn a_withdrawal_ends_no_placement_and_touches_no_other_recipient() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let (house1, medic) = (world.intake("house1"), world.intake("medic"));
        let bed = one_bed(&source, "house1").await;
        let care = &["LANGUAGE/WHOLE", "CARE_NEEDS/ACUITY"];
        let purpose = Purpose::MedicalCare;
        let basis =
            crate::harness::scene::basis_for(&source, bed.case, "medic", purpose, closed(care));
        let medics = basis.await;
        let sent = source
            .create_referral(
                &crate::harness::scene::tonight(&source, bed.case, purpose),
                &[safeconduct::client::source::Candidate {
                    basis: &medics,
                    parcels: vec![(Stage::Triage, facts(care))],
                }],
            )
            .await
            .unwrap();
        house1.accept(bed.offer, None).await.unwrap();
        house1.check_in(bed.offer).await.unwrap();

        source.withdraw_basis(&bed.basis, STOP).await.unwrap();
        let view = house1.offer(bed.offer).await.unwrap();
        assert_eq!(view.state, OfferState::InProgress, "she keeps her bed");
        let more = source
            .deposit(bed.offer, &bed.basis, BED, Stage::Accepted, facts(ACCEPTED))
            .await;
        assert!(reason(more).is_some(), "nothing more is disclosed");
        let opened = open(&medic, sent.offers[0].1, Stage::Triage).await.unwrap();
        assert_eq!(opened.fields.len(), facts(care).len());
    });
}

#[test]
fn offers_that_were_not_accepted_close_with_the_withdrawal_and_no_reason_is_told() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let bed = one_bed(&source, "house1").await;
        let recalled = one_bed(&source, "house1").await;
        let also = AlsoAsked {
            erase: true,
            leave: true,
        };
        source.withdraw_basis(&bed.basis, also).await.unwrap();
        source.recall(recalled.sent.referral).await.unwrap();
        let wire = world.wire("house1", StaffRole::Intake);
        let mut views = Vec::new();
        for offer in [bed.offer, recalled.offer] {
            let name = format!("agencies/house1/offers/{offer}");
            let request = v1::GetOfferRequest { name };
            let reply: v1::GetOfferResponse =
                wire.ask("OfferService/GetOffer", &request).await.unwrap();
            let mut view = reply.offer.unwrap();
            view.name = String::new();
            view.decide_by = None;
            views.push(view);
        }
        assert_eq!(views[0], views[1], "withdrawn and recalled look the same");
    });
}

#[test]
fn what_is_narrowed_closes_and_opens_again_as_less() {
    run(async {
        let world = world().await;
        let (source, house1) = (world.source("alpha"), world.intake("house1"));
        let bed = one_bed(&source, "house1").await;
        let less = &["LANGUAGE/WHOLE", "AGE/CHILD_OR_ADULT"];
        let allows = vec![allow(&source, BED, closed(less), Asked::Specific)];
        let narrowed = source
            .supersede_basis(&bed.basis, allows, [4; 32])
            .await
            .unwrap();
        let old = open(&house1, bed.offer, Stage::Triage).await;
        assert_eq!(reason(old), Some(Reason::NotFound));
        source
            .deposit(bed.offer, &narrowed, BED, Stage::Triage, facts(less))
            .await
            .unwrap();
        let opened = open(&house1, bed.offer, Stage::Triage).await.unwrap();
        assert_eq!(opened.fields.len(), facts(less).len());
    });
}

#[test]
fn a_chain_goes_forward_one_by_one() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let basis = bed_basis(&source, new_case(), "house1").await;
        let allows = || vec![allow(&source, BED, closed(TRIAGE), Asked::Specific)];
        let skipped = Basis {
            seq: 5,
            ..basis.clone()
        };
        let skipped = source.supersede_basis(&skipped, allows(), [5; 32]).await;
        assert_eq!(reason(skipped), Some(Reason::BasisSequence));
        source
            .supersede_basis(&basis, allows(), [5; 32])
            .await
            .unwrap();
        let again = source.supersede_basis(&basis, allows(), [5; 32]).await;
        assert_eq!(reason(again), Some(Reason::BasisSequence));
        let elsewhere = Basis {
            seq: 2,
            recipient: "house2".parse().unwrap(),
            ..basis
        };
        let elsewhere = source.supersede_basis(&elsewhere, allows(), [5; 32]).await;
        assert!(reason(elsewhere).is_some(), "a chain keeps its recipient");
    });
}

#[test]
fn each_ground_keeps_within_its_bounds() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let crime = Purpose::CrimeReport;
        let to_police = || {
            consent(
                &source,
                new_case(),
                "moi-atu",
                crime,
                closed(&["LANGUAGE/WHOLE"]),
            )
        };
        let to_house = || consent(&source, new_case(), "house1", BED, closed(TRIAGE));
        let drafts: Vec<(&str, BasisDraft)> = vec![
            (
                "police through a companion",
                BasisDraft {
                    interpreter: InterpreterClass::Companion,
                    ..to_police()
                },
            ),
            (
                "police, not alone",
                BasisDraft {
                    asked_alone: false,
                    ..to_police()
                },
            ),
            (
                "a name through a child",
                BasisDraft {
                    interpreter: InterpreterClass::Child,
                    allows: vec![allow(
                        &source,
                        BED,
                        closed(&["IDENTITY/ALIAS"]),
                        Asked::Specific,
                    )],
                    ..to_house()
                },
            ),
            (
                "a child's duty to the police",
                BasisDraft {
                    kind: BasisKind::ChildSafeguarding,
                    given_by: GivenBy::NotApplicable,
                    child_told: ChildTold::Yes,
                    ..to_police()
                },
            ),
            (
                "a complaint to a shelter",
                BasisDraft {
                    kind: BasisKind::Complaint,
                    ..to_house()
                },
            ),
            (
                "an emergency for a shelter",
                BasisDraft {
                    kind: BasisKind::VitalInterest,
                    given_by: GivenBy::NotApplicable,
                    ..to_house()
                },
            ),
            (
                "consent by nobody",
                BasisDraft {
                    given_by: GivenBy::NotApplicable,
                    ..to_house()
                },
            ),
        ];
        for (what, draft) in drafts {
            let recorded = source.record_basis(draft).await;
            assert_eq!(reason(recorded), Some(Reason::BasisBounds), "{what}");
        }
        let mut years = to_house();
        years.allows[0].until = crate::harness::scene::whole_seconds(source.now().plus(400 * DAY));
        let recorded = source.record_basis(years).await;
        assert!(reason(recorded).is_some(), "longer than a year");
    });
}

#[test]
fn a_statement_is_its_sources_own() {
    run(async {
        let world = world().await;
        let (alpha, beta) = (world.source("alpha"), world.source("beta"));
        let basis = bed_basis(&alpha, new_case(), "house1").await;
        let next = BasisStatement {
            basis: Basis { seq: 2, ..basis },
            issued: alpha.now(),
            evidence: [7; 32],
        };
        let wire = world.wire("alpha", StaffRole::Caseworker);
        for signer in [beta.agency().keys().signer()] {
            let request = v1::RecordBasisRequest {
                parent: "agencies/alpha".into(),
                request_id: safeconduct::client::session::request_id(),
                statement: next.sign(signer).unwrap(),
            };
            let refused = wire.refused("BasisService/RecordBasis", &request).await;
            refused.is(Code::InvalidArgument, "SIGNATURE_INVALID");
        }
        let theirs = v1::RecordBasisRequest {
            parent: "agencies/beta".into(),
            request_id: safeconduct::client::session::request_id(),
            statement: next.sign(alpha.agency().keys().signer()).unwrap(),
        };
        let wire = world.wire("beta", StaffRole::Caseworker);
        let refused = wire.refused("BasisService/RecordBasis", &theirs).await;
        assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
    });
}
