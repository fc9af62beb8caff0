//! No referral ends in silence, whatever happens to it.

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
            let caller = town.caseworker();
            let added = exchange.add_offer(&caller, name, fresh(), offer);
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
