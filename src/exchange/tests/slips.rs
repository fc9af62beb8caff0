//! Codes of slips, against a source that registers what is not its own.

use super::town::{Town, fresh, id};
use crate::domain::id::CaseHandle;
use crate::domain::vocabulary::Stage;
use crate::exchange::Refusal;

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
