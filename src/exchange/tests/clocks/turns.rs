//! Whose turn it is, and when it ends.

use super::*;

/// R7: the person who leaves at six. URGENT from 22:30, the first candidate until 04:30 with a reminder at 04:00, the
/// next until 05:30, and then the source is told while the person is still there.
#[tokio::test]
async fn who_leaves_at_six_is_told_at_half_past_five() {
    let town = town().await;
    town.clock.pass(Duration::from_secs((20 * 60 + 50) * 60));
    let evening = dawn().plus(Duration::from_secs((20 * 60 + 50) * 60));
    let at = |minutes: u64| evening.plus(MINUTE * u32::try_from(minutes).expect("few"));
    let place_by = Some(at(450));
    let asked = ask(&town, Urgency::Urgent, place_by);
    let (name, offers) = town.refer_in_turn(asked, &["north", "south"]).await;
    assert_eq!(
        town.states(&name).await,
        (R::Open, vec![O::Offered, O::Queued])
    );
    assert_eq!(town.inbox("north").await[0].decide_by, at(360));
    let mut north = town
        .exchange
        .watch(&town.intake("north"), &id("north"), "")
        .await
        .expect("a stream");

    town.live(120).await;
    let bell = north.next().await.expect("reminded");
    assert_eq!((bell.kind, bell.time), (EventKind::Reminder, at(120)));
    let alerts = town.alerts_of(&town.caseworker()).await;
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].kind, AlertKind::NotAcknowledged);
    let _ = town
        .exchange
        .acknowledge_offer(
            &town.intake("north"),
            &offer_of("north", offers[0]),
            fresh(),
        )
        .await
        .expect("acknowledged");
    town.live(210).await;
    let bell = north.next().await.expect("reminded");
    assert_eq!((bell.kind, bell.time), (EventKind::Reminder, at(330)));
    town.live(29).await;
    assert_eq!(
        town.states(&name).await,
        (R::Open, vec![O::Received, O::Queued])
    );
    assert!(town.inbox("south").await.is_empty());
    town.live(1).await;
    assert_eq!(
        town.states(&name).await,
        (R::Open, vec![O::Lapsed, O::Offered])
    );
    assert_eq!(town.inbox("south").await[0].decide_by, at(420));
    town.live(59).await;
    assert_eq!(town.states(&name).await.0, R::Open);
    town.live(1).await;
    assert_eq!(
        town.states(&name).await,
        (R::Unplaced, vec![O::Lapsed, O::Lapsed])
    );
    assert_eq!(town.view(&name).await.unplaced, Some(at(420)));
    let alerts = town.alerts_of(&town.caseworker()).await;
    let last = alerts.last().expect("an alert");
    assert_eq!((last.kind, last.raised), (AlertKind::Unplaced, at(420)));
    assert_eq!(last.about, name.to_string());
    town.replays();
}

/// R3: who waits for its turn, or whose turn never came, sees and can do nothing.
#[tokio::test]
async fn a_candidate_next_in_line_sees_nothing_until_its_turn() {
    let town = town().await;
    let asked = ask(&town, Urgency::Normal, None);
    let (name, offers) = town.refer_in_turn(asked, &["north", "south", "east"]).await;
    let (exchange, south) = (&town.exchange, town.intake("south"));
    let hidden = offer_of("south", offers[1]);
    let nothing = async |town: &Town| {
        assert!(town.inbox("south").await.is_empty());
        let seen = exchange.offer(&south, &hidden).await;
        assert_eq!(seen.err(), Some(Refusal::NotFound));
        let opened = exchange.open_parcel(&south, &hidden, Stage::Triage).await;
        assert_eq!(opened.err(), Some(Refusal::NotFound));
        let accepted = exchange.accept_offer(&south, &hidden, fresh(), None).await;
        assert_eq!(accepted.err(), Some(Refusal::NotFound));
        let held = exchange.acknowledge_offer(&south, &hidden, fresh()).await;
        assert_eq!(held.err(), Some(Refusal::NotFound));
    };
    nothing(&town).await;
    let before = town.engine.head().size;
    town.decline("north", offers[0]).await.expect("declined");
    // The one that says no reads off its receipt as much whether or not somebody is asked next.
    let events = town.events(before);
    assert_eq!(
        events,
        [
            "offer_moved",
            "offer_turn",
            "tick",
            "tick",
            "tick",
            "erased"
        ]
    );
    assert_eq!(town.inbox("south").await.len(), 1);
    let opened = exchange.open_parcel(&south, &hidden, Stage::Triage).await;
    assert!(opened.is_ok());
    let before = town.engine.head().size;
    let _ = exchange
        .accept_offer(&south, &hidden, fresh(), None)
        .await
        .expect("accepted");
    let events = town.events(before);
    assert_eq!(
        events,
        [
            "offer_moved",
            "offers_closed",
            "tick",
            "tick",
            "tick",
            "tick",
            "erased"
        ]
    );
    let states = vec![O::Declined, O::Accepted, O::Closed];
    assert_eq!(town.states(&name).await, (R::Placed, states));
    assert!(town.inbox("east").await.is_empty());
    let seen = exchange
        .offer(&town.intake("east"), &offer_of("east", offers[2]))
        .await;
    assert_eq!(seen.err(), Some(Refusal::NotFound));
    town.replays();
}

#[tokio::test]
async fn a_withdrawal_gives_the_turn_to_the_next_and_who_cannot_be_asked_is_skipped() {
    let town = town().await;
    let asked = ask(&town, Urgency::Normal, None);
    let all = ["north", "south", "east", "west"];
    let (name, offers) = town.refer_in_turn(asked, &all).await;
    // The basis for south is withdrawn while it waits; east is suspended.
    town.withdraw("south", 2).await;
    town.suspend("east").await;
    assert_eq!(
        town.states(&name).await,
        (R::Open, vec![O::Offered, O::Closed, O::Queued, O::Queued])
    );
    town.withdraw("north", 1).await;
    assert_eq!(
        town.states(&name).await,
        (R::Open, vec![O::Closed, O::Closed, O::Closed, O::Offered])
    );
    assert!(town.inbox("east").await.is_empty() && town.inbox("south").await.is_empty());
    town.decline("west", offers[3]).await.expect("declined");
    assert_eq!(town.states(&name).await.0, R::Unplaced);
    town.replays();
}

#[tokio::test]
async fn a_waiting_list_gives_its_turn_away_at_once_in_an_emergency_and_in_time_otherwise() {
    let town = town().await;
    let asked = NewReferral {
        parallel: Some(1),
        ..ask(&town, Urgency::Emergency, None)
    };
    let (name, offers) = town.refer_in_turn(asked, &["north", "south"]).await;
    let north = offer_of("north", offers[0]);
    let intake = town.intake("north");
    let _ = town
        .exchange
        .acknowledge_offer(&intake, &north, fresh())
        .await
        .expect("acknowledged");
    let _ = town
        .exchange
        .waitlist_offer(&intake, &north, fresh())
        .await
        .expect("waitlisted");
    assert_eq!(
        town.states(&name).await,
        (R::Open, vec![O::Waitlisted, O::Offered])
    );
    town.decline("south", offers[1]).await.expect("declined");
    assert_eq!(
        town.states(&name).await,
        (R::Unplaced, vec![O::Waitlisted, O::Declined])
    );
    // A place that becomes free after all is a place.
    let _ = town
        .exchange
        .accept_offer(&intake, &north, fresh(), None)
        .await
        .expect("accepted");
    assert_eq!(town.states(&name).await.0, R::Placed);
    town.live(31).await;
    assert!(town.alerts_of(&town.caseworker()).await.len() == 1);
    town.replays();
}

#[tokio::test]
async fn a_list_of_an_urgent_referral_keeps_its_turn_until_its_time() {
    let town = town().await;
    let asked = ask(&town, Urgency::Urgent, None);
    let (name, offers) = town.refer_in_turn(asked, &["north", "south"]).await;
    let (north, intake) = (offer_of("north", offers[0]), town.intake("north"));
    let exchange = &town.exchange;
    let _ = exchange
        .acknowledge_offer(&intake, &north, fresh())
        .await
        .expect("acknowledged");
    let _ = exchange
        .waitlist_offer(&intake, &north, fresh())
        .await
        .expect("waitlisted");
    assert_eq!(
        town.states(&name).await,
        (R::Open, vec![O::Waitlisted, O::Queued])
    );
    town.clock.pass(Duration::from_secs(24 * 3600));
    exchange.run_due().await.expect("clocks run");
    assert_eq!(
        town.states(&name).await,
        (R::Open, vec![O::Waitlisted, O::Offered])
    );
    let late = exchange
        .request_information(&intake, &north, fresh(), vec![Question::NeedsAge])
        .await;
    assert_eq!(late.err(), Some(Refusal::State(O::Waitlisted)));
    town.replays();
}

/// R17: unless the source acts, the duty line is rung, and hears nothing of the case.
#[tokio::test]
async fn silence_goes_past_the_source_to_the_duty_line() {
    let town = town().await;
    town.with_duty_line().await;
    let asked = ask(&town, Urgency::Immediate, None);
    let (name, _) = town.refer_in_turn(asked, &["north", "south"]).await;
    town.live(30).await;
    assert_eq!(town.states(&name).await.0, R::Unplaced);
    let duty = town.staff("clinic", StaffRole::DutyOfficer);
    assert!(town.alerts_of(&duty).await.is_empty());
    town.live(10).await;
    let told = town.alerts_of(&duty).await;
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].kind, &told[0].by),
        (AlertKind::Unplaced, &Some(id("ngo")))
    );
    assert_eq!(told[0].code, "SAFE_ACCOMMODATION/IMMEDIATE");
    assert!(told[0].about.is_empty());
    town.replays();
}

#[tokio::test]
async fn a_source_that_acts_is_not_gone_past() {
    let town = town().await;
    town.with_duty_line().await;
    let duty = town.staff("clinic", StaffRole::DutyOfficer);
    let ngo = town.caseworker();
    let asked = ask(&town, Urgency::Immediate, None);
    let (name, offers) = town.refer_in_turn(asked, &["north"]).await;
    town.decline("north", offers[0]).await.expect("declined");
    town.record_basis("south", 9).await;
    let added = town
        .exchange
        .add_offer(&ngo, &name, fresh(), town.triage("south", 9))
        .await;
    let added = added.expect("added").0.offer;
    assert_eq!(town.states(&name).await.0, R::Open);
    town.live(29).await;
    assert!(town.alerts_of(&duty).await.is_empty());
    town.decline("south", added).await.expect("declined");
    let alert = town.alerts_of(&ngo).await.pop().expect("an alert");
    let taken = town.exchange.acknowledge_alert(&ngo, &alert.name, fresh());
    let _ = taken.await.expect("taken");
    town.live(20).await;
    assert!(town.alerts_of(&duty).await.is_empty());
    let reason = CloseReason::HelpedOtherwise;
    let closed = town.exchange.close_referral(&ngo, &name, fresh(), reason);
    let _ = closed.await.expect("closed");
    let view = town.view(&name).await;
    assert_eq!((view.state, view.closed), (R::Recalled, Some(reason)));
    let reasons: Vec<_> = view.offers.iter().map(|offer| offer.reason).collect();
    assert_eq!(reasons, [Some(DeclineReason::NoCapacity); 2]);
    town.replays();
}

#[tokio::test]
async fn without_a_duty_line_the_source_is_alerted_again() {
    let town = town().await;
    let asked = ask(&town, Urgency::Immediate, None);
    let (_, offers) = town.refer_in_turn(asked, &["north"]).await;
    town.decline("north", offers[0]).await.expect("declined");
    town.live(11).await;
    let kinds: Vec<_> = town.alerts_of(&town.caseworker()).await;
    assert_eq!(kinds.len(), 2);
    town.replays();
}

/// Invariant 32: a router that was down catches up in order, to where it would have been.
#[tokio::test]
async fn a_router_that_was_down_catches_up_to_where_it_would_have_been() {
    let mut ends = Vec::new();
    for down in [false, true] {
        let mut town = town().await;
        town.with_duty_line().await;
        let place_by = Some(dawn().plus(Duration::from_secs(9 * 3600)));
        let asked = ask(&town, Urgency::Urgent, place_by);
        let all = ["north", "south", "east", "west"];
        let (name, _) = town.refer_in_turn(asked, &all).await;
        let before = town.engine.head().size;
        if down {
            town.clock.pass(Duration::from_secs(10 * 3600));
            town.restart();
            assert!(town.exchange.run_due().await.expect("clocks run") > 0);
        } else {
            town.live(600).await;
        }
        assert_eq!(town.exchange.run_due().await, Ok(0));
        let view = town.view(&name).await;
        let offers: Vec<_> = view
            .offers
            .iter()
            .map(|offer| (offer.state, offer.asked, offer.decide_by))
            .collect();
        let duty = town.staff("clinic", StaffRole::DutyOfficer);
        let told = town.alerts_of(&duty).await.len();
        town.replays();
        ends.push((view.state, view.unplaced, offers, told, town.events(before)));
    }
    assert_eq!(ends[0], ends[1]);
    assert_eq!((ends[0].0, ends[0].3), (R::Unplaced, 1));
}
