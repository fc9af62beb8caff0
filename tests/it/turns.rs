//! Candidates in turn, second persons and alerts, over the wire.

use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::source::{Candidate, SentReferral};
use safeconduct::domain::vocabulary::{
    AlertKind, CloseReason, DeclineReason, Decliner, OfferState, Question, ReferralState,
    StaffRole, Stage,
};
use safeconduct::ledger::decision::Decision;

use crate::harness::scene::{BED, TRIAGE, bed_basis, facts, new_case, one_bed, tonight};
use crate::harness::{World, run, world};

fn reason(error: ClientError) -> Reason {
    match error {
        ClientError::Refused(refused) => refused.reason,
        other => panic!("{other}"),
    }
}

/// Asks these, best first, one at a time.
async fn one_by_one(world: &World, houses: &[&str]) -> SentReferral {
    let source = world.source("alpha");
    let case = new_case();
    let mut bases = Vec::new();
    for house in houses {
        bases.push(bed_basis(&source, case, house).await);
    }
    let candidates: Vec<Candidate<'_>> = bases
        .iter()
        .map(|basis| Candidate {
            basis,
            parcels: vec![(Stage::Triage, facts(TRIAGE))],
        })
        .collect();
    let ask = tonight(&source, case, BED);
    let prepared = source.prepare_referral(&ask, &candidates).unwrap();
    let leaves = source.now().plus(std::time::Duration::from_secs(3 * 3600));
    let prepared = prepared.asking_at_most(1).placed_by(leaves);
    source.send_referral(&prepared).await.unwrap()
}

/// R3, R7: the next in line sees nothing; a decline gives it its turn at once.
#[test]
fn the_next_in_line_is_asked_when_the_one_before_declines() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let sent = one_by_one(world, &["house1", "house2", "house3"]).await;
        let (first, second) = (sent.offers[0].1, sent.offers[1].1);
        let (house1, house2) = (world.intake("house1"), world.intake("house2"));
        let view = source.referral(sent.referral).await.unwrap();
        assert_eq!(view.offers[1].state, OfferState::Queued);
        let refused = house2.offer(second).await.unwrap_err();
        assert_eq!(reason(refused), Reason::NotFound);
        let refused = house2.accept(second, None).await.unwrap_err();
        assert_eq!(reason(refused), Reason::NotFound);
        let listed = house2.offers().await.unwrap();
        assert!(listed.iter().all(|offer| offer.id != second));

        house1
            .decline(first, DeclineReason::NoCapacity, Decliner::Agency)
            .await
            .unwrap();
        let asked = house2.offer(second).await.unwrap();
        assert_eq!(asked.state, OfferState::Offered);
        house2.accept(second, None).await.unwrap();
        let view = source.referral(sent.referral).await.unwrap();
        let states: Vec<OfferState> = view.offers.iter().map(|offer| offer.state).collect();
        let expected = [
            OfferState::Declined,
            OfferState::Accepted,
            OfferState::Closed,
        ];
        assert_eq!(
            (view.state, states.as_slice()),
            (ReferralState::Placed, &expected[..])
        );
    });
}

#[test]
fn a_question_is_answered_and_other_needs_a_second_person() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let bed = one_bed(&source, "house2").await;
        let house2 = world.intake("house2");
        house2.acknowledge(bed.offer).await.unwrap();
        let questions = [Question::NeedsGroup, Question::NeedsArrivalTime];
        house2
            .request_information(bed.offer, &questions)
            .await
            .unwrap();
        let view = source.referral(bed.sent.referral).await.unwrap();
        assert_eq!(view.offers[0].state, OfferState::InformationRequested);
        assert_eq!(view.offers[0].questions, questions);
        source.answer_information(bed.offer).await.unwrap();
        let view = house2.offer(bed.offer).await.unwrap();
        assert_eq!(view.state, OfferState::Received);

        let (other, by) = (DeclineReason::Other, Decliner::Agency);
        let proposed = house2.decline(bed.offer, other, by).await.unwrap();
        let decision = proposed.decision.unwrap();
        assert!(matches!(decision, Decision::DeclineProposed { .. }));
        let again = house2.decline(bed.offer, other, by).await.unwrap_err();
        assert_eq!(reason(again), Reason::NeedsSecondPerson);
        let second = world.desk("house2", StaffRole::Supervisor);
        second.decline(bed.offer, other, by).await.unwrap();
        let view = house2.offer(bed.offer).await.unwrap();
        assert_eq!(view.state, OfferState::Declined);
    });
}

/// R12, R17: the source is alerted to a referral without a place, oversight to a reason that nobody may be told.
#[test]
fn what_finds_no_place_alerts_its_source_and_is_closed_with_a_reason() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let bed = one_bed(&source, "house3").await;
        let told = DeclineReason::RequiresFormalStatus;
        world
            .intake("house3")
            .decline(bed.offer, told, Decliner::Agency)
            .await
            .unwrap();
        let about = format!("agencies/alpha/referrals/{}", bed.sent.referral);
        let alerts = source.alerts().await.unwrap();
        let alert = alerts.iter().find(|alert| alert.about == about).unwrap();
        assert_eq!(
            (alert.kind, alert.acknowledged),
            (AlertKind::Unplaced, false)
        );
        source.acknowledge_alert(alert.id).await.unwrap();
        let again = source.acknowledge_alert(alert.id).await.unwrap_err();
        assert_eq!(reason(again), Reason::State);

        for viewer in ["ombud", "house3"] {
            let desk = world.desk(viewer, StaffRole::Supervisor);
            let alerts = desk.alerts().await.unwrap();
            let declined = alerts.iter().find(|alert| alert.code == told.name());
            let declined = declined.unwrap();
            assert_eq!(declined.kind, AlertKind::AlertingDecline);
            assert!(declined.about.is_empty());
            assert_eq!(declined.by.as_ref().map(|by| by.as_str()), Some("house3"));
        }

        let closed = source
            .close_referral(bed.sent.referral, CloseReason::HelpedOtherwise)
            .await;
        closed.unwrap();
        let view = source.referral(bed.sent.referral).await.unwrap();
        assert_eq!(view.state, ReferralState::Recalled);
        assert_eq!(view.offers[0].decline_reason, Some(told));
        let again = source.mark_entered_in_error(bed.sent.referral).await;
        again.unwrap();
        let view = source.referral(bed.sent.referral).await.unwrap();
        assert_eq!(view.state, ReferralState::EnteredInError);
    });
}
