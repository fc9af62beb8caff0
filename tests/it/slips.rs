//! The card: whoever has it can stop the case anywhere, and nobody learns from the answer whether it is right.

use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::slip::ResumeAsked;
use safeconduct::domain::vocabulary::{
    AlertKind, Asked, OfferNotice, OfferState, ResumeAnswer, StaffRole, Stage,
};
use safeconduct::proto::v1;
use tonic::Code;

use crate::harness::run;
use crate::harness::scene::{
    ACCEPTED, BED, DAY, TRIAGE, allow, bed_basis, closed, facts, new_case, one_bed, open,
};
use crate::harness::simulated::{Simulated, simulated};
use crate::harness::wire::Refused;

const TOWN: &[&str] = &["alpha", "house1", "house2", "medic", "moi", "ombud"];

fn reason<T>(result: Result<T, ClientError>) -> Option<Reason> {
    result.err().and_then(|error| error.reason())
}

/// Entries of the log, as everybody may see.
async fn size(town: &Simulated) -> u64 {
    let wire = town.world.wire("medic", StaffRole::Intake);
    let request = v1::GetCheckpointRequest {};
    let reply: v1::GetCheckpointResponse = wire
        .ask("AuditService/GetCheckpoint", &request)
        .await
        .unwrap();
    reply.checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_right_code_stops_the_case_rings_its_source_and_ends_no_placement() {
    run(async {
        let mut own = simulated(TOWN).await;
        let (source, house1) = (own.world.source("alpha"), own.world.intake("house1"));
        let medic = own.world.intake("medic");
        let bed = one_bed(&source, "house1").await;
        let other = one_bed(&source, "house1").await;
        let code = source.new_code();
        source.register_code(bed.case, &code).await.unwrap();
        house1.accept(bed.offer, None).await.unwrap();

        medic.withdraw_by_code(&code).await.unwrap();
        let stopped = open(&house1, bed.offer, Stage::Triage).await;
        assert_eq!(reason(stopped), Some(Reason::NotFound));
        let deposit = source
            .deposit(bed.offer, &bed.basis, BED, Stage::Accepted, facts(ACCEPTED))
            .await;
        assert_eq!(reason(deposit), Some(Reason::BasisPaused));
        open(&house1, other.offer, Stage::Triage).await.unwrap();

        own.minutes(2).await;
        let alerts = source.alerts().await.unwrap();
        let by_card: Vec<_> = (alerts.iter())
            .filter(|alert| alert.kind == AlertKind::ByCard)
            .collect();
        assert_eq!(by_card.len(), 1);
        assert_eq!(
            by_card[0].about,
            format!("agencies/alpha/cases/{}", bed.case)
        );
        assert_eq!(by_card[0].by, None, "not where the card was shown");
        let view = house1.offer(bed.offer).await.unwrap();
        assert_eq!(view.state, OfferState::Accepted, "the bed is not touched");
        assert_eq!(view.notices, [OfferNotice::Paused]);

        // The source has spoken with her; what she says now goes on.
        let allowed = closed(&[TRIAGE, ACCEPTED].concat());
        let again = vec![allow(&source, BED, allowed, Asked::Specific)];
        let basis = source
            .supersede_basis(&bed.basis, again, [4; 32])
            .await
            .unwrap();
        source
            .deposit(bed.offer, &basis, BED, Stage::Accepted, facts(ACCEPTED))
            .await
            .unwrap();
        open(&house1, bed.offer, Stage::Accepted).await.unwrap();
        own.minutes(2).await;
        assert!(house1.offer(bed.offer).await.unwrap().notices.is_empty());
        own.assert_audits().await;
    });
}

#[test]
fn right_and_wrong_codes_look_alike_to_who_enters_them() {
    run(async {
        let mut own = simulated(TOWN).await;
        let (source, medic) = (own.world.source("alpha"), own.world.intake("medic"));
        let case = new_case();
        bed_basis(&source, case, "house1").await;
        let (right, wrong) = (source.new_code(), source.new_code());
        source.register_code(case, &right).await.unwrap();
        own.minutes(1).await;
        let mut grown = Vec::new();
        for code in [&right, &wrong] {
            let before = size(&own).await;
            medic.withdraw_by_code(code).await.unwrap();
            own.minutes(10).await;
            let entered = size(&own).await;
            let resume = medic.request_resume(code, &[BED]).await.unwrap();
            own.minutes(10).await;
            grown.push((entered - before, size(&own).await - entered));
            let seen = medic.resume_request(resume).await.unwrap();
            assert!(!seen.answered && seen.asked.is_none());
        }
        assert_eq!(grown[0], grown[1], "the log grows by as much");
        own.assert_audits().await;
    });
}

#[test]
fn another_agency_asks_to_go_on_and_learns_that_there_is_an_answer_and_not_which() {
    run(async {
        let mut own = simulated(TOWN).await;
        let (source, house2) = (own.world.source("alpha"), own.world.intake("house2"));
        let bed = one_bed(&source, "house1").await;
        let code = source.new_code();
        source.register_code(bed.case, &code).await.unwrap();
        let resume = house2.request_resume(&code, &[BED]).await.unwrap();
        own.minutes(2).await;
        let alerts = source.alerts().await.unwrap();
        let asked = |alert: &&safeconduct::client::alert::AlertView| {
            alert.kind == AlertKind::ResumeRequested
        };
        let alert = alerts.iter().find(asked).expect("the source is alerted");
        assert_eq!(alert.about, format!("agencies/alpha/resumes/{resume}"));
        let seen = source.resume_request(resume).await.unwrap();
        let expected = ResumeAsked {
            by: "house2".parse().unwrap(),
            case: bed.case,
            purposes: vec![BED],
            answer: None,
        };
        assert_eq!(seen.asked, Some(expected));
        let answers = house2.answer_resume(resume, ResumeAnswer::Agreed).await;
        assert!(reason(answers).is_some(), "not its own to answer");
        source
            .answer_resume(resume, ResumeAnswer::Declined)
            .await
            .unwrap();
        let twice = source.answer_resume(resume, ResumeAnswer::Agreed).await;
        assert_eq!(reason(twice), Some(Reason::State));
        let seen = house2.resume_request(resume).await.unwrap();
        assert!(seen.answered && seen.asked.is_none());
        own.pass(31 * DAY).await;
        for desk in [&source, &house2] {
            let gone = desk.resume_request(resume).await;
            assert_eq!(reason(gone), Some(Reason::NotFound));
        }
        own.assert_audits().await;
    });
}

#[test]
fn a_slip_that_was_lost_stops_nothing_once_there_is_another() {
    run(async {
        let mut own = simulated(TOWN).await;
        let (source, medic) = (own.world.source("alpha"), own.world.intake("medic"));
        let house1 = own.world.intake("house1");
        let bed = one_bed(&source, "house1").await;
        let (lost, new) = (source.new_code(), source.new_code());
        source.register_code(bed.case, &lost).await.unwrap();
        source.register_code(bed.case, &new).await.unwrap();
        medic.withdraw_by_code(&lost).await.unwrap();
        own.minutes(2).await;
        open(&house1, bed.offer, Stage::Triage).await.unwrap();
        medic.withdraw_by_code(&new).await.unwrap();
        let stopped = open(&house1, bed.offer, Stage::Triage).await;
        assert_eq!(reason(stopped), Some(Reason::NotFound));
        own.assert_audits().await;
    });
}

#[test]
fn the_police_has_no_screen_for_codes_and_nobody_may_try_many() {
    run(async {
        let own = simulated(TOWN).await;
        let request = |agency: &str| v1::WithdrawByCodeRequest {
            parent: format!("agencies/{agency}"),
            value: vec![3; 32],
        };
        let police = own.world.wire("moi", StaffRole::Supervisor);
        let refused = police
            .refused("SlipService/WithdrawByCode", &request("moi"))
            .await;
        refused.is(Code::PermissionDenied, "NOT_PERMITTED");
        let medic = own.world.wire("medic", StaffRole::Intake);
        let mut answers = Vec::new();
        for _ in 0..21 {
            let body = prost::Message::encode_to_vec(&request("medic"));
            answers.push(medic.raw("SlipService/WithdrawByCode", body).await);
        }
        let last = answers.pop().unwrap().unwrap_err();
        Refused::read(&last).is(Code::ResourceExhausted, "TOO_OFTEN");
        assert!(answers.into_iter().all(|answer| answer.unwrap().is_empty()));
        // A code of its own case counts as any other; other agencies are not concerned.
        let source = own.world.source("alpha");
        bed_basis(&source, new_case(), "house1").await;
        source.withdraw_by_code(&source.new_code()).await.unwrap();
        own.assert_audits().await;
    });
}
