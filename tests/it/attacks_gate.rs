//! A source that bypasses its own SDK meets the same gate at the router (invariants 12 and 15).

use safeconduct::client::agency::Desk;
use safeconduct::client::source::AlsoAsked;
use safeconduct::domain::basis::Basis;
use safeconduct::domain::id::BasisChainId;
use safeconduct::domain::vocabulary::{Asked, Purpose, StaffRole, Stage};
use safeconduct::envelope::disclosure::Field;
use safeconduct::envelope::keys::AgencySigner;
use safeconduct::proto::v1;
use tonic::Code;

use crate::harness::forge::{self, Draft, Forged};
use crate::harness::scene::{
    BED, TRIAGE, allow, basis_for, bed_basis, closed, consent, facts, new_case, whole_seconds,
};
use crate::harness::wire::Refused;
use crate::harness::{World, run, world};

const CREATE: &str = "ReferralService/CreateReferral";

fn signer(desk: &Desk) -> &dyn AgencySigner {
    desk.agency().keys().signer()
}

fn triage(desk: &Desk, recipient: &str, chain: BasisChainId, fields: Vec<Field>) -> Forged {
    let draft = Draft::new(recipient, chain, BED, Stage::Triage, fields);
    forge::seal(desk, draft, signer(desk))
}

/// Sends one offer of one parcel for `basis`'s case.
async fn send(world: &World, desk: &Desk, basis: &Basis, to: &str, parcel: &Forged) -> Refused {
    let request = forge::referral(desk, basis.case, BED, &[(to, vec![parcel.deposit()])]);
    let wire = world.wire(desk.agency().id().as_str(), StaffRole::Caseworker);
    wire.refused(CREATE, &request).await
}

async fn refused_with(labels: &[&str], reason: &str) {
    let world = world().await;
    let source = world.source("alpha");
    let basis = bed_basis(&source, new_case(), "house1").await;
    let parcel = triage(&source, "house1", basis.chain, facts(labels));
    let refused = send(world, &source, &basis, "house1", &parcel).await;
    refused.is(Code::FailedPrecondition, reason);
}

/// The control of every test here: the same hands, and nothing wrong.
#[test]
fn an_honest_parcel_made_by_hand_is_taken_and_opens() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let basis = bed_basis(&source, new_case(), "house1").await;
        let parcel = triage(&source, "house1", basis.chain, facts(TRIAGE));
        let offers = [("house1", vec![parcel.deposit()])];
        let request = forge::referral(&source, basis.case, BED, &offers);
        let wire = world.wire("alpha", StaffRole::Caseworker);
        let made: v1::CreateReferralResponse = wire.ask(CREATE, &request).await.unwrap();
        let offer = made.offers[0].rsplit('/').next().unwrap().parse().unwrap();
        let house1 = world.intake("house1");
        let opened = crate::harness::scene::open(&house1, offer, Stage::Triage)
            .await
            .unwrap();
        assert_eq!(opened.fields.len(), facts(TRIAGE).len());
    });
}

#[test]
fn labels_beyond_the_basis_are_refused() {
    run(refused_with(
        &["LANGUAGE/WHOLE", "THREAT/CODED"],
        "BASIS_NOT_COVERING",
    ));
}

#[test]
fn a_greater_form_than_the_basis_names_is_refused() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let case = new_case();
        let allowed = closed(&["AGE/CHILD_OR_ADULT"]);
        let basis = basis_for(&source, case, "house1", BED, allowed).await;
        let parcel = triage(&source, "house1", basis.chain, facts(&["AGE/BAND"]));
        let refused = send(world, &source, &basis, "house1", &parcel).await;
        refused.is(Code::FailedPrecondition, "BASIS_NOT_COVERING");
    });
}

#[test]
fn labels_beyond_the_protocol_are_refused_whatever_the_person_agreed_to() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        for (to, label) in [
            ("house1", "NATIONALITY/WHOLE"),
            ("house1", "TRAFFICKING/WHOLE"),
            ("house1", "LEGAL_STATUS/WHOLE"),
            ("house1", "IDENTITY/ALIAS"),
        ] {
            let basis = basis_for(&source, new_case(), to, BED, closed(&[label])).await;
            let parcel = triage(&source, to, basis.chain, facts(&[label]));
            let refused = send(world, &source, &basis, to, &parcel).await;
            refused.is(Code::FailedPrecondition, "PROTOCOL_REFUSED");
        }
    });
}

#[test]
fn another_purpose_than_agreed_is_refused() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let case = new_case();
        let purpose = Purpose::BasicAssistance;
        let basis = basis_for(&source, case, "house1", purpose, closed(TRIAGE)).await;
        let parcel = triage(&source, "house1", basis.chain, facts(TRIAGE));
        let refused = send(world, &source, &basis, "house1", &parcel).await;
        refused.is(Code::FailedPrecondition, "BASIS_NOT_ALLOWED");
    });
}

#[test]
fn a_parcels_purpose_is_its_referrals() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let basis = bed_basis(&source, new_case(), "house1").await;
        let purpose = Purpose::BasicAssistance;
        let draft = Draft::new("house1", basis.chain, purpose, Stage::Triage, facts(TRIAGE));
        let parcel = forge::seal(&source, draft, signer(&source));
        let refused = send(world, &source, &basis, "house1", &parcel).await;
        refused.is(Code::InvalidArgument, "STATEMENT_INVALID");
    });
}

#[test]
fn a_basis_for_one_recipient_carries_nothing_to_another() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let basis = bed_basis(&source, new_case(), "house1").await;
        let parcel = triage(&source, "house2", basis.chain, facts(TRIAGE));
        let refused = send(world, &source, &basis, "house2", &parcel).await;
        refused.is(Code::FailedPrecondition, "BASIS_NOT_ALLOWED");
        let chainless = triage(
            &source,
            "house2",
            BasisChainId::from_random([8; 16]),
            facts(TRIAGE),
        );
        let refused = send(world, &source, &basis, "house2", &chainless).await;
        refused.is(Code::FailedPrecondition, "BASIS_NOT_ALLOWED");
    });
}

#[test]
fn a_basis_that_has_ended_or_not_begun_carries_nothing() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let case = new_case();
        let mut draft = consent(&source, case, "house1", BED, closed(TRIAGE));
        let now = source.now();
        let until = whole_seconds(now.plus(std::time::Duration::from_secs(2)));
        draft.allows[0].until = until;
        let basis = source.record_basis(draft).await.unwrap();
        let parcel = triage(&source, "house1", basis.chain, facts(TRIAGE));
        while source.now() <= until {
            tokio::task::yield_now().await;
        }
        let refused = send(world, &source, &basis, "house1", &parcel).await;
        refused.is(Code::FailedPrecondition, "BASIS_NOT_IN_FORCE");
    });
}

#[test]
fn only_the_head_of_a_chain_counts() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let basis = bed_basis(&source, new_case(), "house1").await;
        let parcel = triage(&source, "house1", basis.chain, facts(TRIAGE));
        let less = closed(&["LANGUAGE/WHOLE"]);
        let allows = vec![allow(&source, BED, less, Asked::Specific)];
        source
            .supersede_basis(&basis, allows, [2; 32])
            .await
            .unwrap();
        let refused = send(world, &source, &basis, "house1", &parcel).await;
        refused.is(Code::FailedPrecondition, "BASIS_NOT_COVERING");
    });
}

#[test]
fn a_withdrawn_basis_carries_nothing() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let basis = bed_basis(&source, new_case(), "house1").await;
        let parcel = triage(&source, "house1", basis.chain, facts(TRIAGE));
        let also = AlsoAsked {
            erase: true,
            leave: false,
        };
        source.withdraw_basis(&basis, also).await.unwrap();
        let refused = send(world, &source, &basis, "house1", &parcel).await;
        assert_eq!(refused.code, Code::FailedPrecondition);
        let reasons = ["BASIS_NOT_IN_FORCE", "BASIS_WITHDRAWN"];
        assert!(reasons.contains(&refused.reason.as_str()), "{refused:?}");
    });
}

#[test]
fn a_basis_of_one_case_carries_nothing_of_another() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let basis = bed_basis(&source, new_case(), "house1").await;
        let parcel = triage(&source, "house1", basis.chain, facts(TRIAGE));
        let other = Basis {
            case: new_case(),
            ..basis
        };
        let refused = send(world, &source, &other, "house1", &parcel).await;
        refused.is(Code::FailedPrecondition, "BASIS_NOT_ALLOWED");
    });
}

/// And the answer does not tell that the chain exists.
#[test]
fn a_basis_of_another_source_is_as_one_that_does_not_exist() {
    run(async {
        let world = world().await;
        let alphas = bed_basis(&world.source("alpha"), new_case(), "house1").await;
        let beta = world.source("beta");
        let parcel = triage(&beta, "house1", alphas.chain, facts(TRIAGE));
        let foreign = send(world, &beta, &alphas, "house1", &parcel).await;
        let foreign = foreign.is(Code::FailedPrecondition, "BASIS_NOT_ALLOWED");
        let parcel = triage(
            &beta,
            "house1",
            BasisChainId::from_random([7; 16]),
            facts(TRIAGE),
        );
        let absent = send(world, &beta, &alphas, "house1", &parcel).await;
        assert_eq!(absent, foreign);
    });
}

#[test]
fn later_deposits_meet_the_same_gate() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let bed = crate::harness::scene::one_bed(&source, "house1").await;
        let wire = world.wire("alpha", StaffRole::Process);
        let deposit = |parcel: &Forged| v1::DepositParcelRequest {
            offer: format!("agencies/alpha/offers/{}", bed.offer),
            request_id: safeconduct::client::session::request_id(),
            deposit: Some(parcel.deposit()),
        };
        let draft = |stage, fields| Draft::new("house1", bed.basis.chain, BED, stage, fields);
        for (stage, labels, reason) in [
            (Stage::Accepted, "THREAT/DETAIL", "BASIS_NOT_COVERING"),
            (Stage::Triage, "GENDER/WHOLE", "PROTOCOL_REFUSED"),
        ] {
            let parcel = forge::seal(&source, draft(stage, facts(&[labels])), signer(&source));
            let refused = wire
                .refused("ReferralService/DepositParcel", &deposit(&parcel))
                .await;
            refused.is(Code::FailedPrecondition, reason);
        }
        let other = bed_basis(&source, bed.case, "house2").await;
        let elsewhere = Draft::new(
            "house2",
            other.chain,
            BED,
            Stage::Accepted,
            facts(&["GENDER/WHOLE"]),
        );
        let parcel = forge::seal(&source, elsewhere, signer(&source));
        let refused = wire
            .refused("ReferralService/DepositParcel", &deposit(&parcel))
            .await;
        assert!(
            matches!(
                refused.code,
                Code::InvalidArgument | Code::FailedPrecondition
            ),
            "{refused:?}"
        );
    });
}
