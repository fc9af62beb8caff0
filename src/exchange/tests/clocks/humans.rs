//! Acts that need, or alert, another human.

use super::*;

#[tokio::test]
async fn declining_for_another_reason_takes_two_persons() {
    let town = town().await;
    let asked = ask(&town, Urgency::Normal, None);
    let (name, offers) = town.refer_in_turn(asked, &["north", "south"]).await;
    let (exchange, north) = (&town.exchange, offer_of("north", offers[0]));
    let decline = async |caller: &Caller| {
        let (reason, decliner) = (DeclineReason::Other, Decliner::Agency);
        let declined = exchange.decline_offer(caller, &north, fresh(), reason, decliner);
        declined.await.map(|_| ())
    };
    let first = town.intake("north");
    decline(&first).await.expect("proposed");
    assert_eq!(town.states(&name).await.1, [O::Offered, O::Queued]);
    assert!(town.inbox("north").await[0].decline_proposed);
    assert_eq!(decline(&first).await, Err(Refusal::NeedsSecondPerson));
    decline(&town.intake("north").with_staff("staff-2"))
        .await
        .expect("declined");
    assert_eq!(town.states(&name).await.1, [O::Declined, O::Offered]);
    town.replays();
}

/// R12: a forbidden reason is told truly, and heard by oversight and the agency's own supervisor.
#[tokio::test]
async fn a_forbidden_reason_alerts_oversight_and_the_agency_itself() {
    let town = town().await;
    let asked = ask(&town, Urgency::Normal, None);
    let (_, offers) = town.refer_in_turn(asked, &["north"]).await;
    let reason = DeclineReason::RequiresNationality;
    let (intake, name) = (town.intake("north"), offer_of("north", offers[0]));
    let _ = town
        .exchange
        .decline_offer(&intake, &name, fresh(), reason, Decliner::Agency)
        .await
        .expect("declined");
    let ombudsperson = town.staff("ombudsperson", StaffRole::Supervisor);
    for viewer in [&ombudsperson, &town.staff("north", StaffRole::Supervisor)] {
        let told = town.alerts_of(viewer).await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].kind, AlertKind::AlertingDecline);
        assert_eq!(
            (&told[0].by, told[0].code.as_str()),
            (&Some(id("north")), reason.name())
        );
        assert!(told[0].about.is_empty());
    }
    town.replays();
}

#[tokio::test]
async fn a_missing_child_is_told_to_child_protection_at_once() {
    let mut town = town().await;
    town.join("csw", AgencyKind::ChildProtection).await;
    let asked = ask(&town, Urgency::Normal, None);
    let (_, offers) = town.refer_in_turn(asked, &["north"]).await;
    let (intake, name) = (town.intake("north"), offer_of("north", offers[0]));
    let _ = town
        .exchange
        .accept_offer(&intake, &name, fresh(), None)
        .await
        .expect("accepted");
    let _ = town
        .exchange
        .complete_offer(&intake, &name, fresh(), Outcome::ChildMissing)
        .await
        .expect("completed");
    let csw = town.staff("csw", StaffRole::DutyOfficer);
    let ombudsperson = town.staff("ombudsperson", StaffRole::Supervisor);
    for viewer in [&csw, &ombudsperson, &town.caseworker()] {
        let told = town.alerts_of(viewer).await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].kind, AlertKind::ChildMissing);
        assert_eq!(told[0].by, Some(id("north")));
    }
    town.replays();
}

#[tokio::test]
async fn who_is_turned_away_at_the_door_is_asked_for_again() {
    let town = town().await;
    let asked = ask(&town, Urgency::Immediate, None);
    let (name, offers) = town.refer_in_turn(asked, &["north"]).await;
    let (intake, north) = (town.intake("north"), offer_of("north", offers[0]));
    let exchange = &town.exchange;
    let _ = exchange
        .accept_offer(&intake, &north, fresh(), None)
        .await
        .expect("accepted");
    let outcome = Outcome::TurnedAwayAtDoor;
    let _ = exchange
        .complete_offer(&intake, &north, fresh(), outcome)
        .await
        .expect("completed");
    assert_eq!(town.states(&name).await.0, R::Unplaced);
    let told = town.alerts_of(&town.caseworker()).await;
    assert_eq!(told.last().expect("an alert").kind, AlertKind::TurnedAway);
    town.record_basis("south", 9).await;
    let added = exchange
        .add_offer(&town.caseworker(), &name, fresh(), town.triage("south", 9))
        .await;
    let south = offer_of("south", added.expect("added").0.offer);
    let _ = exchange
        .accept_offer(&town.intake("south"), &south, fresh(), None)
        .await
        .expect("accepted");
    assert_eq!(town.states(&name).await.0, R::Placed);
    town.replays();
}

#[tokio::test]
async fn a_question_is_asked_and_answered_while_the_clock_goes_on() {
    let town = town().await;
    let asked = ask(&town, Urgency::Normal, None);
    let (name, offers) = town.refer_in_turn(asked, &["north"]).await;
    let (intake, north) = (town.intake("north"), offer_of("north", offers[0]));
    let exchange = &town.exchange;
    let questions = vec![Question::NeedsGroup, Question::NeedsAge];
    let early = exchange
        .request_information(&intake, &north, fresh(), questions.clone())
        .await;
    assert_eq!(early.err(), Some(Refusal::State(O::Offered)));
    let _ = exchange
        .acknowledge_offer(&intake, &north, fresh())
        .await
        .expect("acknowledged");
    let _ = exchange
        .request_information(&intake, &north, fresh(), questions.clone())
        .await
        .expect("asked");
    assert_eq!(town.view(&name).await.offers[0].questions, questions);
    let of_source = offer_of("ngo", offers[0]);
    let by_recipient = exchange.answer_information(&intake, &of_source, fresh());
    assert_eq!(by_recipient.await.err(), Some(Refusal::NotPermitted));
    let ngo = town.caseworker();
    let _ = exchange
        .answer_information(&ngo, &of_source, fresh())
        .await
        .expect("answered");
    assert_eq!(town.states(&name).await.1, [O::Received]);
    town.replays();
}

#[tokio::test]
async fn what_was_entered_in_error_closes_and_a_placement_cannot_be() {
    let town = town().await;
    let ngo = town.caseworker();
    let asked = ask(&town, Urgency::Normal, None);
    let (name, offers) = town.refer_in_turn(asked, &["north", "south"]).await;
    let _ = town
        .exchange
        .mark_entered_in_error(&ngo, &name, fresh())
        .await
        .expect("marked");
    assert_eq!(
        town.states(&name).await,
        (R::EnteredInError, vec![O::Closed, O::Closed])
    );
    let twice = town
        .exchange
        .mark_entered_in_error(&ngo, &name, fresh())
        .await;
    assert_eq!(twice.err(), Some(Refusal::ReferralState));
    assert_eq!(
        town.decline("north", offers[0]).await,
        Err(Refusal::State(O::Closed))
    );
    town.live(1).await;
    assert!(town.alerts_of(&ngo).await.is_empty());
    town.replays();
}
