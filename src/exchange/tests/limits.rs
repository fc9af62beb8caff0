//! Limits that one party meets do not stop another.

use super::town::{Town, fresh, id, request};
use crate::domain::id::CaseHandle;
use crate::domain::message::MESSAGES_PER_SIDE_MAX;
use crate::domain::vocabulary::MessageCode;
use crate::exchange::message::Said;
use crate::exchange::slip::REGISTERED_PER_HOUR_MAX;
use crate::exchange::{OfferName, Refusal};
use std::time::Duration;

#[tokio::test]
async fn a_party_that_has_said_its_all_does_not_silence_the_other() {
    let town = Town::begin().await;
    let offer = town.refer(&["north"]).await.remove(0);
    let of_source = OfferName {
        agency: id("ngo"),
        offer: offer.offer,
    };
    let (exchange, north, ngo) = (&town.exchange, town.intake("north"), town.caseworker());
    let code = || Said::Code(MessageCode::Noted);
    for number in 1..=MESSAGES_PER_SIDE_MAX {
        let posted = exchange.post_message(&north, &offer, fresh(), code()).await;
        assert_eq!(posted.expect("posted").0, number);
    }
    let more = exchange.post_message(&north, &offer, fresh(), code()).await;
    assert_eq!(more.err(), Some(Refusal::TooMany));
    let answer = exchange
        .post_message(&ngo, &of_source, fresh(), code())
        .await;
    assert_eq!(answer.expect("posted").0, MESSAGES_PER_SIDE_MAX + 1);
    assert!(town.replayed().is_empty());
}

#[tokio::test]
async fn a_source_registers_so_many_codes_an_hour_and_the_same_request_again_is_no_other() {
    let town = Town::begin().await;
    town.record_basis("north", 1).await;
    let (exchange, ngo, caseworker) = (&town.exchange, id("ngo"), town.caseworker());
    let register = async |number: u32| {
        let mut value = [7; 32];
        value[..4].copy_from_slice(&number.to_be_bytes());
        let requested = request(800_000 + number, 0);
        let registered = exchange.register_code(&caseworker, &ngo, requested, town.case, value);
        registered.await.map(|receipt| receipt.index())
    };
    let first = register(0).await;
    for number in 1..REGISTERED_PER_HOUR_MAX {
        assert!(register(number).await.is_ok());
    }
    let more = register(REGISTERED_PER_HOUR_MAX).await;
    assert_eq!(more, Err(Refusal::TooOften));
    assert_eq!(register(0).await, first, "invariant 6");
    // Others are not kept from stopping a case meanwhile.
    let (medic, clinic) = (town.intake("clinic"), id("clinic"));
    let entered = exchange.withdraw_by_code(&medic, &clinic, [1; 32]);
    assert_eq!(entered.await, Ok(()));
    town.clock.pass(Duration::from_secs(3600));
    assert!(register(REGISTERED_PER_HOUR_MAX).await.is_ok());
    let strange = CaseHandle::from_random([99; 16]);
    let strange = exchange.register_code(&caseworker, &ngo, fresh(), strange, [2; 32]);
    assert_eq!(strange.await.err(), Some(Refusal::NotFound));
    assert!(town.replayed().is_empty());
}
