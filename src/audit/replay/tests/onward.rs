//! What goes onward unlawfully is named.

use super::*;
use crate::domain::id::OfferId;

fn transfer(town: &mut Town, offer: OfferId) -> u64 {
    let (chain, staff) = (town.chain.to_string(), "s1".to_owned());
    let offer = offer.to_string();
    let proposed = Decision::TransferProposed {
        offer,
        chain,
        staff,
    };
    town.push(Town::by("ngo"), proposed)
}

fn answer(town: &mut Town, offer: OfferId, by: &str) -> u64 {
    let answered = Decision::TransferAnswered {
        offer: offer.to_string(),
        answer: "ACCEPT".into(),
        staff: "s2".into(),
    };
    town.push(Town::by(by), answered)
}

#[test]
fn a_handover_that_the_person_did_not_agree_to_is_found() {
    let mut town = Town::new();
    town.record_basis();
    let offer = town.offer(TRIAGE);
    let unproposed = answer(&mut town, offer, "shelter");
    let early = transfer(&mut town, offer);
    town.moved(offer, OfferState::Accepted);
    let strange = answer(&mut town, offer, "ngo");
    // The basis is for a bed: it says nothing of being helped onward by others.
    let accepted = answer(&mut town, offer, "shelter");
    let again = transfer(&mut town, offer);
    finds(
        &town,
        &[
            (unproposed, Problem::Transfer),
            (early, Problem::Transfer),
            (strange, Problem::Actor),
            (accepted, Problem::Transfer),
            (again, Problem::Transfer),
        ],
    );
}

#[test]
fn a_parent_in_an_ask_of_ones_own_is_found() {
    let mut town = Town::new();
    town.record_basis();
    town.parent = Some([3; 32]);
    let deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    let (_, index) = town.offered(deposit);
    finds(&town, &[(index, Problem::Forward)]);
}

#[test]
fn who_did_not_receive_an_offer_passes_nothing_on() {
    // Invariant 14: the source of an offer cannot be the one who passes it on.
    let mut town = Town::new();
    town.record_basis();
    let received = town.offer(TRIAGE);
    town.open(received, Stage::Triage);
    let deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    let (_, index) = town.offered_on(deposit, Some(received));
    finds(&town, &[(index, Problem::Forward)]);
}
