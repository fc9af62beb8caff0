//! What floods of refused, unknown and busy callers leave in the log.

use super::town::Town;
use crate::exchange::denial::DENIALS_PER_HOUR_MAX;
use crate::exchange::flood::{Allowance, Costly, Unknown};
use crate::storage::engine::Engine;

#[tokio::test]
async fn ten_thousand_failures_are_one_counted_entry_and_none_when_there_were_none() {
    let town = Town::begin().await;
    let before = town.engine.head().size;
    for n in 0..10_000 {
        let why = [Unknown::Handshake, Unknown::Token][n % 2];
        town.exchange.count_failure(why);
    }
    assert_eq!(town.engine.head().size, before, "nobody unknown writes");
    town.exchange.record_failures().await.expect("recorded");
    assert_eq!(town.events(before), ["authentication_failed"]);
    town.exchange
        .record_failures()
        .await
        .expect("nothing to do");
    assert_eq!(town.engine.head().size, before + 1);
    assert_eq!(town.replayed(), []);
}

#[tokio::test]
async fn denials_and_rates_bound_what_one_member_can_write() {
    let town = Town::begin().await;
    let before = town.engine.head().size;
    let north = super::town::id("north");
    for _ in 0..DENIALS_PER_HOUR_MAX + 100 {
        let denied = town.exchange.deny(&north, None, "OpenParcel", "NOT_FOUND");
        denied.await.expect("recorded or counted");
    }
    let cap = u64::from(DENIALS_PER_HOUR_MAX);
    assert_eq!(town.engine.head().size, before + cap);
    town.exchange
        .record_counted_denials()
        .await
        .expect("recorded");
    assert_eq!(town.engine.head().size, before + cap + 1);
    town.exchange.allow(Allowance {
        alarms: 2,
        ..Allowance::default()
    });
    let admitted = (0..10).filter(|_| town.exchange.admit(&north, Costly::Alarm));
    assert_eq!(admitted.count(), 2);
    let south = super::town::id("south");
    assert!(town.exchange.admit(&south, Costly::Alarm), "R3");
    assert_eq!(town.replayed(), []);
}
