//! Parcels whose parts do not agree: the router needs no key to see it (invariant 21).

use safeconduct::client::agency::Desk;
use safeconduct::domain::basis::Basis;
use safeconduct::domain::id::BasisChainId;
use safeconduct::domain::vocabulary::{StaffRole, Stage};
use safeconduct::envelope::disclosure::Field;
use safeconduct::envelope::keys::AgencySigner;
use tonic::Code;

use crate::harness::forge::{self, Draft, Forged};
use crate::harness::scene::{BED, DAY, TRIAGE, bed_basis, facts, new_case};
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

/// What the statement does not say, one change at a time: the router needs no key to see it.
#[test]
fn nothing_of_a_parcel_can_be_changed_after_signing() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let case = new_case();
        let basis = bed_basis(&source, case, "house1").await;
        let make = || triage(&source, "house1", basis.chain, facts(TRIAGE));
        let other = make();
        type Change = Box<dyn Fn(&mut Forged)>;
        let changes: Vec<(&str, Change)> = vec![
            (
                "a label",
                Box::new(|forged| {
                    forged.parcel.labels[0].label = "MEETING_POINT/WHOLE".parse().unwrap();
                }),
            ),
            (
                "a digest",
                Box::new(|forged| forged.parcel.labels[0].digest[31] ^= 1),
            ),
            (
                "a field more",
                Box::new(|forged| {
                    let again = forged.parcel.fields[0].clone();
                    forged.parcel.fields.push(again);
                }),
            ),
            (
                "a field less",
                Box::new(|forged| drop(forged.parcel.fields.pop())),
            ),
            (
                "a label less",
                Box::new(|forged| forged.parcel.labels.truncate(1)),
            ),
            (
                "a pair less",
                Box::new(|forged| {
                    forged.parcel.labels.pop();
                    forged.parcel.fields.pop();
                }),
            ),
            (
                "the order",
                Box::new(|forged| forged.parcel.labels.reverse()),
            ),
            (
                "a field's size",
                Box::new(|forged| forged.parcel.fields[0].truncate(100)),
            ),
            ("the encapsulated key", {
                let other = other.clone();
                Box::new(move |forged| forged.parcel.enc.clone_from(&other.parcel.enc))
            }),
            ("the wrapped key", {
                let other = other.clone();
                Box::new(move |forged| forged.parcel.wrapped.clone_from(&other.parcel.wrapped))
            }),
            ("the statement", {
                let other = other.clone();
                Box::new(move |forged| forged.parcel.statement.clone_from(&other.parcel.statement))
            }),
            ("the salt", Box::new(|forged| forged.salt[0] ^= 1)),
            (
                "the chain",
                Box::new(|forged| {
                    forged.chain = BasisChainId::from_random([6; 16]);
                }),
            ),
        ];
        for (what, change) in changes {
            let mut forged = make();
            change(&mut forged);
            let refused = send(world, &source, &basis, "house1", &forged).await;
            assert_eq!(refused.code, Code::InvalidArgument, "{what}: {refused:?}");
            let reasons = ["STATEMENT_INVALID", "INVALID_FIELD"];
            assert!(
                reasons.contains(&refused.reason.as_str()),
                "{what}: {refused:?}"
            );
        }
    });
}

#[test]
fn a_statement_counts_for_its_own_source_recipient_and_stage() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let case = new_case();
        let basis = bed_basis(&source, case, "house1").await;
        let second = bed_basis(&source, case, "house2").await;

        let beta = world.source("beta");
        let draft = Draft::new("house1", basis.chain, BED, Stage::Triage, facts(TRIAGE));
        let foreign = forge::seal(&source, draft.clone(), signer(&beta));
        let refused = send(world, &source, &basis, "house1", &foreign).await;
        refused.is(Code::InvalidArgument, "SIGNATURE_INVALID");

        let theirs = forge::seal(&beta, draft, signer(&beta));
        let refused = send(world, &source, &basis, "house1", &theirs).await;
        refused.is(Code::InvalidArgument, "SIGNATURE_INVALID");

        let mut replayed = triage(&source, "house1", second.chain, facts(TRIAGE));
        let refused = send(world, &source, &second, "house2", &replayed).await;
        refused.is(Code::InvalidArgument, "STATEMENT_INVALID");
        replayed.parcel.statement.truncate(40);
        let refused = send(world, &source, &second, "house2", &replayed).await;
        assert_eq!(refused.code, Code::InvalidArgument);

        let bed = crate::harness::scene::one_bed(&source, "house1").await;
        let again = triage(&source, "house1", bed.basis.chain, facts(TRIAGE));
        let twice = forge::referral(
            &source,
            bed.case,
            BED,
            &[("house1", vec![again.deposit(), again.deposit()])],
        );
        let wire = world.wire("alpha", StaffRole::Caseworker);
        let refused = wire.refused(CREATE, &twice).await;
        assert_eq!(
            refused.code,
            Code::InvalidArgument,
            "two parcels of one stage: {refused:?}"
        );
    });
}

#[test]
fn a_parcel_that_outlives_its_bounds_is_refused() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let basis = bed_basis(&source, new_case(), "house1").await;
        type Change = fn(&mut safeconduct::envelope::statement::ParcelClaims);
        let changes: [(&str, Change); 4] = [
            ("31 days", |claims| {
                claims.expires = claims.issued.plus(31 * DAY)
            }),
            ("ended", |claims| {
                claims.issued = claims.issued.minus(3 * DAY);
                claims.expires = claims.issued.plus(DAY);
            }),
            ("from tomorrow", |claims| {
                claims.issued = claims.issued.plus(2 * DAY);
                claims.expires = claims.issued.plus(DAY);
            }),
            ("another key", |claims| claims.kid = "x".repeat(43)),
        ];
        for (what, change) in changes {
            let mut forged = triage(&source, "house1", basis.chain, facts(TRIAGE));
            let mut claims = forge::claims(&source, &forged);
            change(&mut claims);
            let Ok(statement) = claims.sign(signer(&source)) else {
                continue;
            };
            forged.parcel.statement = statement;
            let refused = send(world, &source, &basis, "house1", &forged).await;
            assert_eq!(refused.code, Code::InvalidArgument, "{what}: {refused:?}");
        }
    });
}
