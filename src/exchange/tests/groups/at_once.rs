//! Two answers to one family at once: one counts, and whoever comes second hears that, never half of what the first
//! did.

use super::*;
use crate::domain::vocabulary::Outcome;
use crate::exchange::group::MovedGroup;
use std::sync::Arc;
use tokio::sync::Barrier;

/// Rounds of one run; `SAFECONDUCT_ROUNDS` sets another number.
const ROUNDS: u32 = 30;

/// The ways in which two answers meet.
#[derive(Debug, Clone, Copy)]
enum Meet {
    /// One request, sent twice.
    Copies,
    /// Two persons accept.
    Acceptances,
    /// One accepts, another declines.
    YesAndNo,
}

type Answer = Result<MovedGroup, Refusal>;

fn indexes(moved: &MovedGroup) -> Vec<u64> {
    let receipts = moved.receipts.iter();
    receipts.map(|receipt| receipt.index()).collect()
}

/// Both answers, the second as much later as it takes to be polled `later` times.
async fn answers(town: &Arc<Town>, north: &GroupName, meet: Meet, later: u32) -> [Answer; 2] {
    let start = Arc::new(Barrier::new(2));
    let requested = fresh();
    let both = [0, 1].map(|which| {
        let (town, north, start) = (Arc::clone(town), north.clone(), Arc::clone(&start));
        tokio::spawn(async move {
            let (exchange, mut who) = (&town.exchange, town.intake("north"));
            let mut requested = requested;
            if which == 1 && !matches!(meet, Meet::Copies) {
                (who, requested) = (who.with_staff("staff-2"), fresh());
            }
            start.wait().await;
            if which == 1 {
                for _ in 0..later {
                    tokio::task::yield_now().await;
                }
            }
            if which == 1 && matches!(meet, Meet::YesAndNo) {
                let (reason, decliner) = (DeclineReason::NoCapacity, Decliner::Agency);
                let declined = exchange.decline_group(&who, &north, requested, reason, decliner);
                return declined.await;
            }
            let places = Some(places("north"));
            exchange.accept_group(&who, &north, requested, places).await
        })
    });
    let [first, second] = both;
    [
        first.await.expect("no panic"),
        second.await.expect("no panic"),
    ]
}

/// Invariants 5 to 7, with four places for a family of four: a copy is answered as its twin, another answer is refused
/// for what has been decided, and neither for places that the first one took.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_answers_to_one_family_at_once_one_counts() {
    let rounds = std::env::var("SAFECONDUCT_ROUNDS").ok();
    let rounds = rounds.and_then(|rounds| rounds.parse().ok());
    let rounds = rounds.unwrap_or(ROUNDS);
    let mut town = Town::begin().await;
    let first = family(&mut town, &["north"], true).await;
    pool(&town, "north", (4, 0)).await;
    let town = Arc::new(town);
    let mut next = Some(first);
    let mut seconds_won = 0;
    for round in 0..rounds {
        let asked = match next.take() {
            Some(first) => first,
            None => {
                let again = new_family(&town, &["north"], true);
                let made = (town.exchange)
                    .create_group(&town.caseworker(), &id("ngo"), fresh(), again)
                    .await;
                made.expect("created")
            }
        };
        let (offers, north) = at(&town, &asked, "north").await;
        let meet = [Meet::Copies, Meet::Acceptances, Meet::YesAndNo][round as usize % 3];
        let told = answers(&town, &north, meet, round.wrapping_mul(2_654_435_761) % 97).await;
        let who = town.intake("north");
        let state = town.exchange.offer(&who, &offers[0]);
        let state = state.await.expect("seen").state;
        match (&told, meet) {
            ([Ok(one), Ok(other)], Meet::Copies) => {
                assert_eq!(indexes(one), indexes(other), "{round}");
            }
            ([Ok(_), Err(refused)], Meet::Acceptances | Meet::YesAndNo) => {
                assert_eq!(*refused, Refusal::State(OfferState::Accepted), "{round}");
            }
            ([Err(refused), Ok(_)], Meet::Acceptances | Meet::YesAndNo) => {
                assert_eq!(*refused, Refusal::State(state), "{round}");
                seconds_won += 1;
            }
            _ => panic!("{round}, {meet:?}: {told:?}"),
        }
        let accepted = state == OfferState::Accepted;
        assert!(accepted || matches!(meet, Meet::YesAndNo));
        let taken = if accepted { 4 } else { 0 };
        assert_eq!(
            counts(&town, "north").await,
            (0, taken, 4 - taken),
            "{round}"
        );
        for name in offers.iter().filter(|_| accepted) {
            let left = Outcome::PersonLeft;
            let done = (town.exchange).complete_offer(&who, name, fresh(), left);
            let _ = done.await.expect("completed");
        }
    }
    println!("{rounds} rounds, the second won {seconds_won} of those with one winner");
    assert_eq!(town.replayed(), []);
}
