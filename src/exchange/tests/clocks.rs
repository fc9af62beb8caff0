//! Clocks, turns and escalation: time is the test's.

use super::town::{Town, dawn, fresh, id};
use crate::audit::finding::Severity;
use crate::domain::id::OfferId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    AgencyKind, AlertKind, CloseReason, DeclineReason, Decliner, OfferState as O, Outcome,
    Question, ReferralState as R, StaffRole, Stage, Urgency,
};
use crate::envelope::act::ActBody;
use crate::exchange::alert::AlertView;
use crate::exchange::event::EventKind;
use crate::exchange::offer::Offer;
use crate::exchange::referral::{NewReferral, Referral};
use crate::exchange::{OfferName, Page, ReferralName, Refusal};
use crate::identity::caller::Caller;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn page() -> Page {
    Page {
        size: 50,
        token: String::new(),
    }
}

fn ask(town: &Town, urgency: Urgency, place_by: Option<Timestamp>) -> NewReferral {
    NewReferral {
        urgency,
        place_by,
        ..town.ask(Vec::new())
    }
}

fn offer_of(agency: &str, offer: OfferId) -> OfferName {
    OfferName {
        agency: id(agency),
        offer,
    }
}

/// A town with two more shelters and an ombudsperson.
async fn town() -> Town {
    let mut town = Town::begin().await;
    for shelter in ["east", "west"] {
        town.join(shelter, AgencyKind::Shelter).await;
    }
    town.join("ombudsperson", AgencyKind::Ombudsperson).await;
    town
}

impl Town {
    /// Lets time pass minute by minute, the clocks running.
    async fn live(&self, minutes: u32) {
        for _ in 0..minutes {
            self.clock.pass(MINUTE);
            self.exchange.run_due().await.expect("clocks run");
        }
    }

    async fn view(&self, name: &ReferralName) -> Referral {
        let seen = self.exchange.referral(&self.caseworker(), name).await;
        seen.expect("seen")
    }

    async fn states(&self, name: &ReferralName) -> (R, Vec<O>) {
        let view = self.view(name).await;
        (
            view.state,
            view.offers.iter().map(|offer| offer.state).collect(),
        )
    }

    async fn alerts_of(&self, caller: &Caller) -> Vec<AlertView> {
        let agency = caller.agency().clone();
        let listed = self.exchange.alerts(caller, &agency, page()).await;
        listed.expect("listed").items
    }

    async fn inbox(&self, agency: &str) -> Vec<Offer> {
        let listed = self
            .exchange
            .offers(&self.intake(agency), &id(agency), page())
            .await;
        listed.expect("listed").items
    }

    async fn decline(&self, agency: &str, offer: OfferId) -> Result<(), Refusal> {
        let (reason, decliner) = (DeclineReason::NoCapacity, Decliner::Agency);
        let name = offer_of(agency, offer);
        let done = self
            .exchange
            .decline_offer(&self.intake(agency), &name, fresh(), reason, decliner)
            .await;
        done.map(|_| ())
    }

    /// Every act in the ledger is lawful, the auditor says.
    fn replays(&self) {
        let violations: Vec<_> = self
            .replayed()
            .into_iter()
            .filter(|finding| finding.problem.severity() == Severity::Violation)
            .collect();
        assert!(violations.is_empty(), "{violations:?}");
    }

    /// The duty line is at the clinic.
    async fn with_duty_line(&self) {
        let toml = crate::domain::protocol::SHIPPED.replace("version = 1", "version = 2");
        let toml = format!("{toml}\n[duty]\nline = \"clinic\"\n");
        let _ = self
            .enact(ActBody::PublishProtocol { version: 2, toml })
            .await;
    }
}

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
        ["offer_moved", "offer_turn", "tick", "tick", "tick"]
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
        ["offer_moved", "offers_closed", "tick", "tick", "tick"]
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
    decline(&town.intake("north").as_staff("staff-2"))
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

mod silence {
    use super::*;
    use proptest::prelude::*;

    /// What may happen to a referral of three candidates.
    #[derive(Debug, Clone, Copy)]
    enum Op {
        Pass(u32),
        Acknowledge(usize),
        Ask(usize),
        Answer(usize),
        Waitlist(usize),
        Decline(usize),
        Accept(usize),
        TurnAway(usize),
        Withdraw(usize),
        Add,
        Restart,
    }

    fn any_op() -> impl Strategy<Value = Op> {
        let who = 0_usize..3;
        prop_oneof![
            4 => (1_u32..200).prop_map(Op::Pass),
            2 => who.clone().prop_map(Op::Acknowledge),
            1 => who.clone().prop_map(Op::Ask),
            1 => who.clone().prop_map(Op::Answer),
            2 => who.clone().prop_map(Op::Waitlist),
            2 => who.clone().prop_map(Op::Decline),
            1 => who.clone().prop_map(Op::Accept),
            1 => who.clone().prop_map(Op::TurnAway),
            1 => who.prop_map(Op::Withdraw),
            1 => Just(Op::Add),
            1 => Just(Op::Restart),
        ]
    }

    const WHO: [&str; 3] = ["north", "south", "east"];

    /// Acts as far as it may; refusals are part of life.
    async fn act(town: &mut Town, name: &ReferralName, offers: &[OfferId], op: Op) {
        let of = |at: usize| (town.intake(WHO[at]), offer_of(WHO[at], offers[at]));
        let exchange = town.exchange.clone();
        let _ = match op {
            Op::Pass(minutes) => {
                town.clock.pass(MINUTE * minutes);
                exchange.run_due().await.expect("clocks run");
                return;
            }
            Op::Restart => {
                town.restart();
                return;
            }
            Op::Withdraw(at) => {
                let chain = u8::try_from(at).expect("few") + 1;
                let basis = crate::exchange::BasisName {
                    agency: id("ngo"),
                    chain: crate::domain::id::BasisChainId::from_random([chain; 16]),
                };
                let statement = town.withdrawal(WHO[at], chain, 2);
                let caller = town.caseworker();
                exchange
                    .withdraw_basis(&caller, &basis, fresh(), statement)
                    .await
            }
            Op::Add => {
                let offer = town.triage("west", 4);
                let added = exchange.add_offer(&town.caseworker(), name, fresh(), offer);
                added.await.map(|(_, receipt)| receipt)
            }
            Op::Acknowledge(at) => {
                let (caller, offer) = of(at);
                exchange.acknowledge_offer(&caller, &offer, fresh()).await
            }
            Op::Ask(at) => {
                let (caller, offer) = of(at);
                let questions = vec![Question::NeedsAge];
                exchange
                    .request_information(&caller, &offer, fresh(), questions)
                    .await
            }
            Op::Answer(at) => {
                let offer = offer_of("ngo", offers[at]);
                exchange
                    .answer_information(&town.caseworker(), &offer, fresh())
                    .await
            }
            Op::Waitlist(at) => {
                let (caller, offer) = of(at);
                exchange.waitlist_offer(&caller, &offer, fresh()).await
            }
            Op::Decline(at) => {
                let (caller, offer) = of(at);
                let (reason, decliner) = (DeclineReason::NoCapacity, Decliner::Agency);
                exchange
                    .decline_offer(&caller, &offer, fresh(), reason, decliner)
                    .await
            }
            Op::Accept(at) => {
                let (caller, offer) = of(at);
                exchange.accept_offer(&caller, &offer, fresh(), None).await
            }
            Op::TurnAway(at) => {
                let (caller, offer) = of(at);
                let outcome = Outcome::TurnedAwayAtDoor;
                exchange
                    .complete_offer(&caller, &offer, fresh(), outcome)
                    .await
            }
        };
    }

    async fn ends_heard(urgency: Urgency, place_by: Option<u32>, parallel: u32, ops: &[Op]) {
        let mut town = town().await;
        town.with_duty_line().await;
        town.record_basis("west", 4).await;
        let asked = NewReferral {
            parallel: Some(parallel),
            ..ask(
                &town,
                urgency,
                place_by.map(|minutes| dawn().plus(MINUTE * minutes)),
            )
        };
        let (name, offers) = town.refer_in_turn(asked, &WHO).await;
        for &op in ops {
            act(&mut town, &name, &offers, op).await;
        }
        // Long enough for every clock that is left to run out.
        for _ in 0..6 {
            town.clock.pass(Duration::from_secs(73 * 3600));
            town.exchange.run_due().await.expect("clocks run");
        }
        let view = town.view(&name).await;
        let duty = town.staff("clinic", StaffRole::DutyOfficer);
        let escalated = !town.alerts_of(&duty).await.is_empty();
        let heard = match view.state {
            R::Placed | R::InProgress | R::Completed | R::Withdrawn => true,
            _ => escalated,
        };
        assert!(heard, "{:?} {:?}", view.state, view.offers);
        town.replays();
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..ProptestConfig::default() })]

        /// R17: a referral ends placed, ended by its source, or heard by a human.
        #[test]
        fn no_referral_ends_in_silence(
            urgency in prop::sample::select(Urgency::ALL),
            place_by in prop::option::of(10_u32..2_000),
            parallel in 0_u32..4,
            ops in prop::collection::vec(any_op(), 0..12),
        ) {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(ends_heard(urgency, place_by, parallel, &ops));
        }
    }
}
