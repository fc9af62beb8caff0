//! Codes of slips, against a source that registers what is not its own.

use super::town::{Town, fresh, id};
use crate::domain::id::CaseHandle;
use crate::domain::vocabulary::Stage;
use crate::exchange::Refusal;
use std::time::Duration;

const VALUE: [u8; 32] = [5; 32];

#[tokio::test]
async fn nobody_hides_a_persons_case_behind_others_of_the_same_code() {
    let mut town = Town::begin().await;
    let offer = town.refer(&["north"]).await.remove(0);
    let (real, ngo, caseworker) = (town.case, id("ngo"), town.caseworker());
    let mut answers = Vec::new();
    for number in 0..6 {
        // The real one first; the others have smaller keys.
        if number > 0 {
            let mut handle = [0; 16];
            handle[15] = number;
            town.case = CaseHandle::from_random(handle);
            town.record_basis("north", 100 + number).await;
        }
        let registered = town
            .exchange
            .register_code(&caseworker, &ngo, fresh(), town.case, VALUE)
            .await;
        answers.push(registered.err());
    }
    let few = [
        None,
        None,
        None,
        None,
        Some(Refusal::TooMany),
        Some(Refusal::TooMany),
    ];
    assert_eq!(answers, few);
    // A lost slip is replaced by one with the same code, as often as need be.
    let again = town
        .exchange
        .register_code(&caseworker, &ngo, fresh(), real, VALUE);
    let _ = again.await.expect("registered");
    let medic = town.intake("clinic");
    town.exchange
        .withdraw_by_code(&medic, &id("clinic"), VALUE)
        .await
        .expect("stopped");
    let north = town.intake("north");
    let opened = town.exchange.open_parcel(&north, &offer, Stage::Triage);
    assert_eq!(opened.await.err(), Some(Refusal::NotFound));
}

#[tokio::test]
async fn what_was_signed_before_the_person_stopped_the_case_is_no_answer_to_it() {
    let mut town = Town::begin().await;
    let offer = town.refer(&["north"]).await.remove(0);
    let (ngo, clinic, caseworker) = (id("ngo"), id("clinic"), town.caseworker());
    let registered = town
        .exchange
        .register_code(&caseworker, &ngo, fresh(), town.case, VALUE);
    let _ = registered.await.expect("registered");
    // Signed, and not yet sent: the next of the chain, and one of its own.
    let held_back = [town.basis("north", 1, 2), town.basis("clinic", 50, 1)];
    town.clock.pass(Duration::from_secs(60));
    let medic = town.intake("clinic");
    let stopped = town.exchange.withdraw_by_code(&medic, &clinic, VALUE);
    stopped.await.expect("stopped");
    let record = async |statement| {
        let exchange = &town.exchange;
        let recorded = exchange.record_basis(&caseworker, &ngo, fresh(), statement);
        recorded.await.map(|_| ())
    };
    for statement in held_back {
        assert_eq!(record(statement).await, Err(Refusal::BasisPaused));
    }
    let north = town.intake("north");
    let opened = town.exchange.open_parcel(&north, &offer, Stage::Triage);
    assert_eq!(opened.await.err(), Some(Refusal::NotFound));
    // What they say now counts.
    town.clock.pass(Duration::from_secs(60));
    assert_eq!(record(town.basis("north", 1, 2)).await, Ok(()));
    let opened = town.exchange.open_parcel(&north, &offer, Stage::Triage);
    let _ = opened.await.expect("opened");
}
