//! Many at once: who comes first wins, and nobody wins twice.

use super::town::{Town, fresh, id};
use crate::domain::vocabulary::{OfferState, Stage};
use crate::exchange::{OfferName, PoolName, Refusal};
use crate::storage::engine::{Engine, Table};
use crate::storage::memory::Fault;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_opening_follows_a_withdrawal() {
    let town = Arc::new(Town::begin().await);
    let offers = town.refer(&["north"]).await;
    let before = town.engine.head().size;
    let mut openers = Vec::new();
    for _ in 0..24 {
        let (town, offer) = (Arc::clone(&town), offers[0].clone());
        openers.push(tokio::spawn(async move {
            let north = town.intake("north");
            let mut opened = 0;
            for _ in 0..8 {
                match town
                    .exchange
                    .open_parcel(&north, &offer, Stage::Triage)
                    .await
                {
                    Ok(_) => opened += 1,
                    Err(refusal) => assert_eq!(refusal, Refusal::NotFound),
                }
            }
            opened
        }));
    }
    town.withdraw("north", 1).await;
    let mut opened = 0;
    for opener in openers {
        opened += opener.await.expect("no panic");
    }
    let events = town.events(before);
    let withdrawn = events.iter().position(|event| *event == "basis_withdrawn");
    let withdrawn = withdrawn.expect("recorded");
    let is_opening = |event: &&&str| **event == "opened";
    let before_it = events.iter().take(withdrawn).filter(is_opening).count();
    assert_eq!(
        before_it, opened,
        "each disclosure has its entry before the withdrawal"
    );
    assert_eq!(events.iter().skip(withdrawn).filter(is_opening).count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_three_that_accept_at_once_one_does() {
    let town = Arc::new(Town::begin().await);
    let mut offers = Vec::new();
    for round in 0..4 {
        let asked = if round == 0 {
            town.refer(&["north", "south"]).await
        } else {
            let ask = town.ask(vec![town.triage("north", 1), town.triage("south", 2)]);
            let ngo = town.caseworker();
            let source = id("ngo");
            let made = town.exchange.create_referral(&ngo, &source, fresh(), ask);
            let made = made.await.expect("created").offers;
            let named = made.iter().zip(["north", "south"]);
            named
                .map(|(offer, agency)| OfferName {
                    agency: id(agency),
                    offer: offer.offer,
                })
                .collect()
        };
        offers.push(asked);
    }
    for asked in offers {
        let accept = |name: OfferName| {
            let town = Arc::clone(&town);
            tokio::spawn(async move {
                let who = town.intake(name.agency.as_str());
                town.exchange.accept_offer(&who, &name, fresh(), None).await
            })
        };
        let all: Vec<_> = asked.iter().cloned().map(accept).collect();
        let mut won = 0;
        for one in all {
            match one.await.expect("no panic") {
                Ok(_) => won += 1,
                Err(refusal) => assert_eq!(refusal, Refusal::State(OfferState::Closed)),
            }
        }
        assert_eq!(won, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_place_is_taken_once() {
    let town = Arc::new(Town::begin().await);
    let first = town.refer(&["north"]).await;
    let ask = town.ask(vec![town.triage("north", 1)]);
    let ngo = town.caseworker();
    let source = id("ngo");
    let second = town.exchange.create_referral(&ngo, &source, fresh(), ask);
    let second = OfferName {
        agency: id("north"),
        offer: second.await.expect("created").offers[0].offer,
    };
    let pool = PoolName {
        agency: id("north"),
        pool: "beds".parse().expect("a pool id"),
    };
    let north = town.intake("north");
    let _ = town
        .exchange
        .update_pool(&north, &pool, fresh(), (1, 0))
        .await
        .expect("a pool");
    let take = |name: OfferName| {
        let (town, pool) = (Arc::clone(&town), pool.clone());
        tokio::spawn(async move {
            let north = town.intake("north");
            let places = Some((pool, 1).into());
            town.exchange
                .accept_offer(&north, &name, fresh(), places)
                .await
        })
    };
    let both = [take(first[0].clone()), take(second)];
    let mut outcomes = Vec::new();
    for one in both {
        outcomes.push(one.await.expect("no panic").err());
    }
    outcomes.sort_by_key(Option::is_some);
    assert_eq!(outcomes, [None, Some(Refusal::NoPlaces)]);
    let small = town
        .exchange
        .update_pool(&north, &pool, fresh(), (0, 0))
        .await;
    assert_eq!(small.err(), Some(Refusal::NoPlaces));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_who_hangs_up_in_a_withdrawal_leaves_nothing_to_accept_and_nothing_to_read() {
    let town = Arc::new(Town::begin().await);
    let first = town.refer(&["north"]).await;
    let again = town.ask(vec![town.triage("north", 1)]);
    let again = town
        .exchange
        .create_referral(&town.caseworker(), &id("ngo"), fresh(), again)
        .await
        .expect("created");
    let content = |town: &Town| town.engine.scan(Table::ParcelContent, b"", None, 9);
    assert_eq!(content(&town).expect("rows").len(), 2);
    // The second commit, which cleans up behind the withdrawal, hangs until the caller is gone.
    town.engine.inject(Fault::Block, 2);
    let withdrawing = tokio::spawn({
        let town = Arc::clone(&town);
        async move { town.withdraw("north", 1).await }
    });
    while !town.engine.is_blocked() {
        tokio::task::yield_now().await;
    }
    withdrawing.abort();
    let _ = withdrawing.await;
    town.engine.release();
    let _ = town.exchange.tick().await;
    assert_eq!(content(&town).expect("rows").len(), 1, "cut off half-way");

    let left: Vec<_> = [first[0].offer, again.offers[0].offer]
        .map(|offer| OfferName {
            agency: id("north"),
            offer,
        })
        .into();
    let north = town.intake("north");
    for offer in &left {
        let accepted = (town.exchange).accept_offer(&north, offer, fresh(), None);
        let refused = accepted.await.err();
        assert_eq!(refused, Some(Refusal::State(OfferState::Closed)));
    }
    let house = tokio::spawn(Arc::clone(&town.exchange).keep_house());
    let kept = async {
        while !content(&town).expect("rows").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let kept = tokio::time::timeout(Duration::from_secs(20), kept).await;
    house.abort();
    assert!(kept.is_ok(), "housekeeping finishes what was cut off");
}

/// Invariant 6, also for copies that are under way side by side: the second is not refused for what the first did.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_sent_twice_at_once_has_one_effect_and_one_answer() {
    let town = Arc::new(Town::begin().await);
    for chain in 1..=60 {
        let (statement, requested) = (town.basis("north", chain, 1), fresh());
        let record = || {
            let (town, statement) = (Arc::clone(&town), statement.clone());
            tokio::spawn(async move {
                let (ngo, source) = (town.caseworker(), id("ngo"));
                let recorded = town
                    .exchange
                    .record_basis(&ngo, &source, requested, statement);
                let (name, receipt) = recorded.await.expect("recorded, once");
                (name.to_string(), receipt.index())
            })
        };
        let both = [record(), record(), record()];
        let mut answers = Vec::new();
        for one in both {
            answers.push(one.await.expect("no panic"));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1);
    }
    let recorded = town.events(0);
    let recorded = recorded.iter().filter(|event| **event == "basis_recorded");
    assert_eq!(recorded.count(), 60);
}
