//! Turns, reminders and escalations that no router may record, act by act.

use super::*;
use crate::domain::vocabulary::{DeclineReason, Decliner};
use crate::ledger::decision::CaseOf;

const MINUTE: Duration = Duration::from_secs(60);

/// An offer that waits for its turn.
fn queued(town: &mut Town) -> OfferId {
    let deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    let (offer, _) = town.offered(deposit);
    let (_, given) = town.log.pop().unwrap();
    let given = given.unwrap();
    let mut opening = Opening::parse(&given.nonce, &given.decision).unwrap();
    if let Decision::Offered { decide_by, .. } = &mut opening.decision {
        *decide_by = 0;
    }
    town.push(Town::by("ngo"), opening.decision);
    offer
}

/// A turn that begins `due` and lasts so many minutes.
fn turn(town: &mut Town, by: Actor, offer: OfferId, due: Timestamp, minutes: u32) -> u64 {
    let decision = Decision::OfferTurn {
        offer: offer.to_string(),
        decide_by: due.plus(MINUTE * minutes).millis(),
        due: due.millis(),
    };
    town.push(by, decision)
}

fn declined(town: &mut Town, offer: OfferId) -> u64 {
    let decision = Decision::OfferMoved {
        offer: offer.to_string(),
        to: OfferState::Declined.to_string(),
        reason: Some(DeclineReason::NoCapacity.to_string()),
        decliner: Some(Decliner::Agency.to_string()),
        outcome: None,
        staff: "s2".into(),
    };
    town.push(Town::by("shelter"), decision)
}

fn escalated(town: &mut Town, by: Actor, due: Timestamp) -> u64 {
    let decision = Decision::Escalated {
        source: "ngo".into(),
        referral: town.referral.to_string(),
        line: None,
        due: due.millis(),
    };
    town.push(by, decision)
}

fn ended(town: &mut Town) -> u64 {
    let decision = Decision::ReferralClosed {
        referral: town.referral.to_string(),
        reason: "HELPED_OTHERWISE".into(),
        staff: "s1".into(),
    };
    town.push(Town::by("ngo"), decision)
}

#[test]
fn a_turn_out_of_turn_or_too_long_is_found() {
    // R7: IMMEDIATE gives half an hour.
    let mut town = Town::new();
    town.record_basis();
    let offer = queued(&mut town);
    let now = town.now;
    let by_agency = turn(&mut town, Town::by("ngo"), offer, now, 30);
    let too_long = turn(&mut town, Actor::Router, offer, now, 31);
    let later = town.now.plus(MINUTE);
    let ahead = turn(&mut town, Actor::Router, offer, later, 30);
    let empty = turn(&mut town, Actor::Router, offer, now, 0);
    turn(&mut town, Actor::Router, offer, now, 30);
    let twice = turn(&mut town, Actor::Router, offer, now, 30);
    let opened = town.open(offer, Stage::Triage);
    assert_eq!(opened, twice + 1, "asked once, it may look");
    finds(
        &town,
        &[
            (by_agency, Problem::Actor),
            (too_long, Problem::Turn),
            (ahead, Problem::Turn),
            (empty, Problem::Turn),
            (twice, Problem::Turn),
        ],
    );
}

#[test]
fn a_candidate_that_waits_opens_nothing() {
    let mut town = Town::new();
    town.record_basis();
    let offer = queued(&mut town);
    let early = town.open(offer, Stage::Triage);
    finds(&town, &[(early, Problem::NotCovered(Refusal::Stage))]);
}

#[test]
fn a_turn_after_an_acceptance_or_the_sources_end_is_found() {
    let mut town = Town::new();
    town.record_basis();
    let first = town.offer(TRIAGE);
    let next = queued(&mut town);
    town.moved(first, OfferState::Accepted);
    let now = town.now;
    let late = turn(&mut town, Actor::Router, next, now, 30);
    finds(&town, &[(late, Problem::Turn)]);
    let mut town = Town::new();
    town.record_basis();
    let offer = queued(&mut town);
    ended(&mut town);
    let now = town.now;
    let late = turn(&mut town, Actor::Router, offer, now, 30);
    finds(&town, &[(late, Problem::Turn)]);
}

#[test]
fn a_clock_that_runs_past_when_the_person_leaves_is_found() {
    // R7: cut by when they must be placed.
    let mut town = Town::new();
    town.record_basis();
    town.place_by = Some(town.now.plus(MINUTE * 20));
    let deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    let (_, past) = town.offered(deposit);
    let next = queued(&mut town);
    let now = town.now;
    let turned = turn(&mut town, Actor::Router, next, now, 25);
    turn(&mut town, Actor::Router, next, now, 15);
    finds(&town, &[(past, Problem::Turn), (turned, Problem::Turn)]);
}

#[test]
fn reminders_of_nothing_are_found() {
    let mut town = Town::new();
    town.record_basis();
    let offer = town.offer(TRIAGE);
    let remind = |town: &mut Town, by: Actor, due: Timestamp| {
        let decision = Decision::OfferReminded {
            offer: offer.to_string(),
            due: due.millis(),
        };
        town.push(by, decision)
    };
    let now = town.now;
    remind(&mut town, Actor::Router, now);
    let stranger = remind(&mut town, Town::by("shelter"), now);
    let ahead = remind(&mut town, Actor::Router, now.plus(MINUTE));
    town.moved(offer, OfferState::Accepted);
    let answered = remind(&mut town, Actor::Router, now);
    finds(
        &town,
        &[
            (stranger, Problem::Actor),
            (ahead, Problem::Turn),
            (answered, Problem::Turn),
        ],
    );
}

#[test]
fn an_escalation_while_somebody_is_still_to_answer_is_found() {
    // R17: past the source only when nobody is left.
    let mut town = Town::new();
    town.record_basis();
    let first = town.offer(TRIAGE);
    let now = town.now;
    let asked = escalated(&mut town, Actor::Router, now);
    declined(&mut town, first);
    let now = town.now;
    let stranger = escalated(&mut town, Town::by("ngo"), now);
    let ahead = escalated(&mut town, Actor::Router, now.plus(MINUTE));
    escalated(&mut town, Actor::Router, now);
    let next = queued(&mut town);
    let now = town.now;
    let waits = escalated(&mut town, Actor::Router, now);
    turn(&mut town, Actor::Router, next, now, 30);
    town.moved(next, OfferState::Accepted);
    let now = town.now;
    let placed = escalated(&mut town, Actor::Router, now);
    finds(
        &town,
        &[
            (asked, Problem::Escalation),
            (stranger, Problem::Actor),
            (ahead, Problem::Escalation),
            (waits, Problem::Escalation),
            (placed, Problem::Escalation),
        ],
    );
    let mut town = Town::new();
    town.record_basis();
    let offer = town.offer(TRIAGE);
    declined(&mut town, offer);
    ended(&mut town);
    let now = town.now;
    let over = escalated(&mut town, Actor::Router, now);
    finds(&town, &[(over, Problem::Escalation)]);
}

/// The person's card is registered, and a shelter enters it.
fn stop(town: &mut Town) {
    let registered = Decision::CodeRegistered {
        case: town.case.to_string(),
        staff: "s1".into(),
    };
    town.push(Town::by("ngo"), registered);
    let entered = Decision::CodeEntered {
        cases: vec![CaseOf {
            source: "ngo".into(),
            case: town.case.to_string(),
        }],
        staff: "s2".into(),
    };
    town.push(Town::by("shelter"), entered);
}

#[test]
fn a_basis_signed_before_the_card_was_shown_is_no_answer_to_it() {
    // R5.
    let mut town = Town::new();
    town.record_basis();
    let statement = town.basis(TRIAGE);
    town.now = town.now.plus(Duration::from_secs(300));
    stop(&mut town);
    let held_back = Decision::BasisRecorded {
        statement,
        staff: "s1".into(),
    };
    let late = town.push(Town::by("ngo"), held_back);
    town.record_basis();
    finds(&town, &[(late, Problem::BasisBeforeStop)]);
}

#[test]
fn a_glass_broken_after_the_card_was_shown_is_found_until_they_agree_again() {
    // Invariant 13, R5: the router refuses it, and so does replay.
    let mut town = Town::new();
    town.record_basis();
    let offer = town.offer(TRIAGE);
    stop(&mut town);
    let until = town.now.millis() + 1_000;
    let asked = requested(&mut town, offer, until);
    town.record_basis();
    let until = town.now.millis() + 1_000;
    requested(&mut town, offer, until);
    let refused = crate::domain::break_glass::Refusal::TakenBack;
    finds(&town, &[(asked, Problem::Access(refused))]);
}
