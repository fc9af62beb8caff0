//! The closed loop from the wrong side: what a member with valid papers gets out of clocks, cards, handovers and
//! emergencies that it should not (R3, R16, R18; invariants 13, 16 and 22).

use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::source::{AlsoAsked, Candidate};
use safeconduct::domain::directory::AgencyFacts;
use safeconduct::domain::vocabulary::{
    AccessReason, AlertKind, ErasureAnswer, OfferNotice, Purpose, StaffRole, Stage, TransferAnswer,
    TransferState,
};
use safeconduct::proto::v1;

use crate::harness::scene::{
    BED, TRIAGE, basis_for, bed_basis, closed, consent, facts, labels, new_case, one_bed, tonight,
};
use crate::harness::simulated::{Simulated, simulated};
use crate::harness::{assert_replays, own, run, world};

fn reason<T>(result: Result<T, ClientError>) -> Option<Reason> {
    result.err().and_then(|error| error.reason())
}

/// Entries of the log, as everybody may see.
async fn size(town: &Simulated) -> u64 {
    let wire = town.world.wire("camp", StaffRole::Intake);
    let request = v1::GetCheckpointRequest {};
    let reply: v1::GetCheckpointResponse = wire
        .ask("AuditService/GetCheckpoint", &request)
        .await
        .unwrap();
    reply.checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_house_that_is_shown_a_card_of_the_police_is_not_named_to_them() {
    run(async {
        let mut own = simulated(&["alpha", "house1", "camp", "moi", "ombud"]).await;
        let (moi, house1) = (own.world.source("moi"), own.world.intake("house1"));
        let camp = own.world.intake("camp");
        let case = new_case();
        bed_basis(&moi, case, "camp").await;
        let code = moi.new_code();
        moi.register_code(case, &code).await.unwrap();
        own.minutes(1).await;

        let before = size(&own).await;
        let asked = house1.request_resume(&code, &[BED]).await.unwrap();
        own.minutes(10).await;
        let right = size(&own).await;
        assert!(moi.alerts().await.unwrap().is_empty());
        let seen = moi.resume_request(asked).await;
        assert_eq!(reason(seen), Some(Reason::NotFound));
        let seen = house1.resume_request(asked).await.unwrap();
        assert!(!seen.answered && seen.asked.is_none());
        // To the house it is as any other code.
        let wrong = house1.new_code();
        house1.request_resume(&wrong, &[BED]).await.unwrap();
        own.minutes(10).await;
        assert_eq!(right - before, size(&own).await - right);

        // Whom the police may know, they hear of.
        camp.request_resume(&code, &[BED]).await.unwrap();
        own.minutes(2).await;
        let alerts = moi.alerts().await.unwrap();
        assert_eq!(alerts.len(), 1);
        assert_eq!(alerts[0].kind, AlertKind::ResumeRequested);
        assert_eq!(alerts[0].by.as_ref().unwrap().as_str(), "camp");
        // The person stops the case from the house all the same, and nobody is told where.
        house1.withdraw_by_code(&code).await.unwrap();
        own.minutes(2).await;
        let alerts = moi.alerts().await.unwrap();
        assert_eq!(alerts[1].kind, AlertKind::ByCard);
        assert_eq!(alerts[1].by, None);
        own.assert_audits().await;
    });
}

#[test]
fn nobody_is_handed_over_on_what_was_said_before_the_card() {
    run(async {
        let own = simulated(&["alpha", "house1", "medic", "ombud"]).await;
        let (source, house1) = (own.world.source("alpha"), own.world.intake("house1"));
        let medic = own.world.intake("medic");
        let language = closed(&["LANGUAGE/WHOLE"]);
        let mut beds = Vec::new();
        for _ in 0..2 {
            let bed = one_bed(&source, "house1").await;
            house1.accept(bed.offer, None).await.unwrap();
            let draft = consent(
                &source,
                bed.case,
                "house1",
                Purpose::OnwardReferral,
                language,
            );
            let agreed = source.record_basis(draft).await.unwrap();
            let code = source.new_code();
            source.register_code(bed.case, &code).await.unwrap();
            beds.push((bed, agreed, code));
        }
        let (proposed, agreed, _) = &beds[0];
        source
            .propose_transfer(proposed.offer, agreed)
            .await
            .unwrap();
        for (_, _, code) in &beds {
            medic.withdraw_by_code(code).await.unwrap();
        }
        let late = house1
            .answer_transfer(proposed.offer, TransferAnswer::Accept)
            .await;
        assert_eq!(reason(late), Some(Reason::State));
        let (second, agreed, _) = &beds[1];
        let late = source.propose_transfer(second.offer, agreed).await;
        assert_eq!(reason(late), Some(Reason::BasisNotAllowed));
        let seen = house1.offer(proposed.offer).await.unwrap();
        assert_eq!(seen.transfer, Some(TransferState::Proposed));
        assert_eq!(seen.responsible.as_str(), "alpha");
        own.assert_audits().await;
    });
}

#[test]
fn who_read_a_message_and_opened_no_parcel_is_asked_to_erase_too() {
    run(async {
        let world = world().await;
        let (source, house1) = (world.source("alpha"), world.intake("house1"));
        let bed = one_bed(&source, "house1").await;
        let unread = one_bed(&source, "house1").await;
        for bed in [&bed, &unread] {
            source
                .post_message(bed.offer, &bed.basis, BED, Stage::Triage, facts(TRIAGE))
                .await
                .unwrap();
        }
        let seen = house1.messages(bed.offer).await.unwrap();
        house1.open_message(bed.offer, BED, &seen[0]).await.unwrap();
        let erase = AlsoAsked {
            erase: true,
            leave: false,
        };
        for bed in [&bed, &unread] {
            source.withdraw_basis(&bed.basis, erase).await.unwrap();
        }
        let view = house1.offer(bed.offer).await.unwrap();
        assert!(view.notices.contains(&OfferNotice::PleaseErase));
        house1
            .confirm_erasure(bed.offer, ErasureAnswer::Erased)
            .await
            .unwrap();
        let view = house1.offer(unread.offer).await.unwrap();
        assert!(!view.notices.contains(&OfferNotice::PleaseErase));
        assert_replays(world);
    });
}

#[test]
fn the_number_of_a_house_is_not_shown_to_who_may_not_know_it() {
    run(async {
        let own = own(&["house1", "moi", "moi-atu", "ombud"], "warn").await;
        let world = &own.world;
        let keys = world.desk("house1", StaffRole::Administrator);
        let number = "+381 11 5550 0123";
        let stated = AgencyFacts {
            intake_phone: number.into(),
            ..AgencyFacts::unstated()
        };
        keys.publish_keys(stated).await.unwrap();
        let house = world.source("house1");
        house.mirror().await.unwrap();
        let told = &["LANGUAGE/WHOLE"];
        let case = new_case();
        let purpose = Purpose::CrimeReport;
        let basis = basis_for(&house, case, "moi-atu", purpose, closed(told)).await;
        let candidate = Candidate {
            basis: &basis,
            parcels: vec![(Stage::Triage, facts(told))],
        };
        let ask = tonight(&house, case, purpose);
        let sent = house.create_referral(&ask, &[candidate]).await.unwrap();
        let officer = world.intake("moi-atu");
        let asked = officer
            .request_access(sent.offers[0].1, AccessReason::LifeInDanger, labels(told))
            .await
            .unwrap();
        assert_eq!(asked.duty_phone, "", "a number leads to the house");
        let own_duty = world.desk("house1", StaffRole::DutyOfficer);
        let seen = own_duty.access(asked.id).await.unwrap();
        assert_eq!(seen.duty_phone, number);
        let ombud = world.desk("ombud", StaffRole::Supervisor);
        let seen = ombud.access(asked.id).await.unwrap();
        assert_eq!(seen.duty_phone, number, "oversight may know every house");
        assert_replays(world);
    });
}
