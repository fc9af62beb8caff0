//! The life of a referral through the public API (R7, R15, R17; invariants 5 and 7).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use safeconduct::client::agent::{LaterParcels, Plan, SourceAgent};
use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::recipient::PoolView;
use safeconduct::domain::id::{OfferId, PoolId};
use safeconduct::domain::vocabulary::{
    DeclineReason, Decliner, OfferState, Outcome, ReferralState, StaffRole, Stage,
};
use tokio::sync::{Barrier, mpsc};
use tokio::time::timeout;

use crate::harness::scene::{
    ACCEPTED, BED, TRIAGE, ask_for_bed, bed_basis, facts, new_case, one_bed, open,
};
use crate::harness::{World, run, world};

/// How long the agent may take to hear and deposit.
const AGENT_MAX: Duration = Duration::from_secs(10);

const HOUSES: [&str; 3] = ["house1", "house2", "house3"];

fn reason<T>(result: Result<T, ClientError>) -> Option<Reason> {
    result.err().and_then(|error| error.reason())
}

async fn pool(world: &World, house: &str, name: &str, total: u32) -> PoolId {
    let pool: PoolId = name.parse().unwrap();
    world
        .intake(house)
        .update_pool(&pool, total, 0)
        .await
        .unwrap();
    pool
}

async fn places(world: &World, house: &str, name: &str) -> PoolView {
    let pools = world.intake(house).pools().await.unwrap();
    pools
        .into_iter()
        .find(|pool| pool.pool.as_str() == name)
        .unwrap()
}

#[test]
fn a_referral_goes_from_a_bell_to_an_outcome() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let house1 = world.intake("house1");
        let pool = pool(world, "house1", "life", 6).await;
        let case = new_case();
        let mut bases = Vec::new();
        for house in HOUSES {
            bases.push(bed_basis(&source, case, house).await);
        }
        let sent = ask_for_bed(&source, case, &bases).await;
        let offer = sent.offers[0].1;

        let agent = SourceAgent::new(world.desk("alpha", StaffRole::Process));
        let recipients = bases.iter().map(|basis| {
            let stages = vec![(Stage::Accepted, facts(ACCEPTED))];
            let basis = basis.clone();
            (basis.recipient.clone(), LaterParcels { basis, stages })
        });
        agent.plan(Plan {
            referral: sent.referral,
            purpose: BED,
            recipients: recipients.collect::<HashMap<_, _>>(),
        });
        let (tell, mut told) = mpsc::unbounded_channel();
        let working = tokio::spawn(async move {
            agent
                .run(move |one| {
                    let _ = tell.send(one);
                })
                .await
        });

        let triage = open(&house1, offer, Stage::Triage).await.unwrap();
        assert_eq!(triage.fields.len(), facts(TRIAGE).len());
        house1.acknowledge(offer).await.unwrap();
        house1.hold(offer, &pool, 2).await.unwrap();
        assert_eq!(places(world, "house1", "life").await.held, 2);
        house1.accept(offer, None).await.unwrap();
        let held = places(world, "house1", "life").await;
        assert_eq!((held.held, held.taken, held.available), (0, 2, 4));

        let deposited = timeout(AGENT_MAX, told.recv())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!((deposited.offer, deposited.stage), (offer, Stage::Accepted));
        let accepted = open(&house1, offer, Stage::Accepted).await.unwrap();
        assert_eq!(accepted.fields.len(), facts(ACCEPTED).len());

        for (recipient, other) in &sent.offers[1..] {
            let view = world
                .intake(recipient.as_str())
                .offer(*other)
                .await
                .unwrap();
            assert_eq!(view.state, OfferState::Closed);
            assert!(view.openable.is_empty());
        }
        house1.check_in(offer).await.unwrap();
        assert_eq!(places(world, "house1", "life").await.occupied, 2);
        house1
            .complete(offer, Outcome::ServiceProvided)
            .await
            .unwrap();
        let after = places(world, "house1", "life").await;
        let counted = (after.occupied, after.preparing, after.available);
        assert_eq!(counted, (0, 2, 4), "prepared before they are free");

        let view = source.referral(sent.referral).await.unwrap();
        assert_eq!(view.state, ReferralState::Completed);
        assert_eq!(view.offers[0].outcome, Some(Outcome::ServiceProvided));
        assert_eq!(view.offers[0].opened, [Stage::Triage, Stage::Accepted]);
        working.abort();
    });
}

#[test]
fn every_true_reason_to_decline_is_taken() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let house1 = world.intake("house1");
        for reason in [
            DeclineReason::RequiresPoliceReport,
            DeclineReason::NoCapacity,
        ] {
            let bed = one_bed(&source, "house1").await;
            house1
                .decline(bed.offer, reason, Decliner::Agency)
                .await
                .unwrap();
            let view = source.referral(bed.sent.referral).await.unwrap();
            assert_eq!(view.offers[0].state, OfferState::Declined);
            assert_eq!(view.offers[0].decline_reason, Some(reason));
            assert_eq!(view.state, ReferralState::Unplaced);
        }
    });
}

#[test]
fn a_declined_referral_may_ask_one_more() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let case = new_case();
        let mut bases = Vec::new();
        for house in ["house1", "house2", "house3"] {
            bases.push(bed_basis(&source, case, house).await);
        }
        let sent = ask_for_bed(&source, case, &bases[..2]).await;
        let first = sent.offers[0].1;
        let house1 = world.intake("house1");
        house1
            .decline(first, DeclineReason::RequiresPoliceReport, Decliner::Agency)
            .await
            .unwrap();
        let candidate = safeconduct::client::source::Candidate {
            basis: &bases[2],
            parcels: vec![(Stage::Triage, facts(TRIAGE))],
        };
        let third = source
            .add_offer(sent.referral, BED, &candidate)
            .await
            .unwrap();
        world.intake("house3").accept(third, None).await.unwrap();
        let view = source.referral(sent.referral).await.unwrap();
        let states: Vec<OfferState> = view.offers.iter().map(|offer| offer.state).collect();
        let expected = [
            OfferState::Declined,
            OfferState::Closed,
            OfferState::Accepted,
        ];
        assert_eq!(states, expected);
        assert_eq!(view.state, ReferralState::Placed);
    });
}

#[test]
fn a_waitlisted_offer_may_still_be_accepted() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let house1 = world.intake("house1");
        let bed = one_bed(&source, "house1").await;
        house1.acknowledge(bed.offer).await.unwrap();
        house1.waitlist(bed.offer).await.unwrap();
        house1.accept(bed.offer, None).await.unwrap();
        let view = house1.offer(bed.offer).await.unwrap();
        assert_eq!(view.state, OfferState::Accepted);
    });
}

#[test]
fn an_ended_offer_takes_no_further_act() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let house1 = world.intake("house1");
        let bed = one_bed(&source, "house1").await;
        let late = house1.check_in(bed.offer).await;
        assert_eq!(
            reason(late),
            Some(Reason::State),
            "nobody arrives before the yes"
        );
        house1
            .decline(bed.offer, DeclineReason::NoCapacity, Decliner::Agency)
            .await
            .unwrap();
        assert_eq!(
            reason(house1.accept(bed.offer, None).await),
            Some(Reason::State)
        );
        assert_eq!(
            reason(house1.acknowledge(bed.offer).await),
            Some(Reason::State)
        );
        assert_eq!(
            reason(house1.waitlist(bed.offer).await),
            Some(Reason::State)
        );
        let complete = house1.complete(bed.offer, Outcome::ServiceProvided).await;
        assert_eq!(reason(complete), Some(Reason::State));
    });
}

#[test]
fn a_recalled_referral_closes_what_was_not_accepted() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let case = new_case();
        let mut bases = Vec::new();
        for house in ["house1", "house2"] {
            bases.push(bed_basis(&source, case, house).await);
        }
        let sent = ask_for_bed(&source, case, &bases).await;
        let pool = pool(world, "house1", "recall", 3).await;
        let house1 = world.intake("house1");
        house1.hold(sent.offers[0].1, &pool, 2).await.unwrap();
        let closed = source.recall(sent.referral).await.unwrap();
        assert_eq!(closed.len(), 2);
        let view = source.referral(sent.referral).await.unwrap();
        assert_eq!(view.state, ReferralState::Recalled);
        let free = places(world, "house1", "recall").await;
        assert_eq!(
            (free.held, free.available),
            (0, 3),
            "what was held is free again"
        );
        assert_eq!(
            reason(house1.accept(sent.offers[0].1, None).await),
            Some(Reason::State)
        );
    });
}

/// Rounds of three houses that say yes at the same moment.
const ROUNDS: usize = 30;

/// Invariant 7: at most one acceptance a referral.
#[test]
fn the_first_of_three_acceptances_wins() {
    run(async {
        let world = world().await;
        let source = world.source("alpha");
        let mut winners = [0; HOUSES.len()];
        for _ in 0..ROUNDS {
            let case = new_case();
            let mut bases = Vec::new();
            for house in HOUSES {
                bases.push(bed_basis(&source, case, house).await);
            }
            let sent = ask_for_bed(&source, case, &bases).await;
            let start = Arc::new(Barrier::new(HOUSES.len()));
            let asked: Vec<OfferId> = sent.offers.iter().map(|(_, offer)| *offer).collect();
            let answers = HOUSES.iter().zip(asked).map(|(house, offer)| {
                let (desk, start) = (world.intake(house), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    desk.accept(offer, None).await
                })
            });
            let mut won = Vec::new();
            for (at, answer) in answers.collect::<Vec<_>>().into_iter().enumerate() {
                match answer.await.unwrap() {
                    Ok(_) => won.push(at),
                    Err(error) => assert_eq!(error.reason(), Some(Reason::State)),
                }
            }
            let [winner] = won.as_slice() else {
                panic!("{won:?} all won");
            };
            winners[*winner] += 1;
            let view = source.referral(sent.referral).await.unwrap();
            let accepted = view
                .offers
                .iter()
                .filter(|offer| offer.state == OfferState::Accepted);
            assert_eq!(accepted.count(), 1);
            assert_eq!(view.state, ReferralState::Placed);
        }
        assert_eq!(winners.iter().sum::<usize>(), ROUNDS);
    });
}

/// Invariant 5: whichever the ledger has first, both sides see the same.
#[test]
fn an_acceptance_and_a_recall_agree_on_which_came_first() {
    run(async {
        let world = world().await;
        let (source, house1) = (world.source("alpha"), world.intake("house1"));
        for _ in 0..20 {
            let bed = one_bed(&source, "house1").await;
            let (accepted, _) = tokio::join!(
                house1.accept(bed.offer, None),
                source.recall(bed.sent.referral)
            );
            let expected = match accepted {
                Ok(_) => OfferState::Accepted,
                Err(error) => {
                    assert_eq!(error.reason(), Some(Reason::State));
                    OfferState::Closed
                }
            };
            let theirs = house1.offer(bed.offer).await.unwrap().state;
            let ours = source.referral(bed.sent.referral).await.unwrap();
            assert_eq!((theirs, ours.offers[0].state), (expected, expected));
        }
    });
}

/// Invariant 7: two people, one bed.
#[test]
fn one_place_is_taken_once() {
    run(async {
        let world = world().await;
        let (alpha, beta) = (world.source("alpha"), world.source("beta"));
        for round in 0..10 {
            let name = format!("single-{round}");
            let pool = pool(world, "house2", &name, 1).await;
            let (first, second) = tokio::join!(one_bed(&alpha, "house2"), one_bed(&beta, "house2"));
            let accept = |offer| {
                let (desk, pool) = (world.intake("house2"), pool.clone());
                tokio::spawn(async move { desk.accept(offer, Some((&pool, 1))).await })
            };
            let answers = [accept(first.offer), accept(second.offer)];
            let mut won = 0;
            for answer in answers {
                match answer.await.unwrap() {
                    Ok(_) => won += 1,
                    Err(error) => assert_eq!(error.reason(), Some(Reason::NoPlaces)),
                }
            }
            assert_eq!(won, 1);
            let pool = places(world, "house2", &name).await;
            assert_eq!((pool.taken, pool.available), (1, 0));
        }
    });
}

#[test]
fn more_places_than_there_are_cannot_be_held_and_used_ones_cannot_be_removed() {
    run(async {
        let world = world().await;
        let house1 = world.intake("house1");
        let pool = pool(world, "house1", "few", 2).await;
        let bed = one_bed(&world.source("alpha"), "house1").await;
        assert_eq!(
            reason(house1.hold(bed.offer, &pool, 3).await),
            Some(Reason::NoPlaces)
        );
        house1.hold(bed.offer, &pool, 2).await.unwrap();
        let smaller = house1.update_pool(&pool, 1, 0).await;
        assert!(reason(smaller).is_some());
        let view = places(world, "house1", "few").await;
        assert_eq!((view.total, view.held, view.available), (2, 2, 0));
    });
}
