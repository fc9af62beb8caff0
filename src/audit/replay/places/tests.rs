use super::super::tests::finds;
use crate::audit::finding::Problem;
use crate::audit::fixture::{TRIAGE, Town};
use crate::domain::id::OfferId;
use crate::domain::vocabulary::{OfferState, Outcome};
use crate::ledger::decision::{Decision, RoomSet};
use crate::ledger::entry::Actor;
use std::time::Duration;

fn pool(town: &mut Town, total: u32, rooms: &[(&str, u32)]) -> u64 {
    let rooms: Vec<RoomSet> = rooms
        .iter()
        .map(|(room, places)| RoomSet {
            room: (*room).into(),
            places: *places,
            closed: 0,
        })
        .collect();
    let decision = Decision::PoolUpdated {
        pool: "beds".into(),
        total,
        closed: 0,
        sharing: (!rooms.is_empty()).then(|| "ONE_PARTY_PER_ROOM".into()),
        rooms,
        staff: "s2".into(),
    };
    town.push(Town::by("shelter"), decision)
}

fn held(town: &mut Town, offer: OfferId, places: u32, minutes: u64) -> u64 {
    let until = town.now.plus(Duration::from_secs(minutes * 60)).millis();
    let decision = Decision::PlacesHeld {
        offer: offer.to_string(),
        pool: "beds".into(),
        room: None,
        places,
        until,
        staff: "s2".into(),
    };
    town.push(Town::by("shelter"), decision)
}

fn taken(town: &mut Town, offer: OfferId, room: Option<&str>, places: u32) -> u64 {
    let decision = Decision::PlacesTaken {
        offer: offer.to_string(),
        pool: "beds".into(),
        room: room.map(str::to_owned),
        places,
        staff: "s2".into(),
    };
    town.push(Town::by("shelter"), decision)
}

fn checked_out(town: &mut Town, offer: OfferId, places: u32) -> u64 {
    let decision = Decision::CheckedOut {
        offer: offer.to_string(),
        pool: "beds".into(),
        places,
        staff: "s2".into(),
    };
    town.push(Town::by("shelter"), decision)
}

fn prepared(town: &mut Town, places: u32) -> u64 {
    let decision = Decision::PlacesPrepared {
        pool: "beds".into(),
        room: None,
        places,
        staff: "s2".into(),
    };
    town.push(Town::by("shelter"), decision)
}

fn completed(town: &mut Town, offer: OfferId) -> u64 {
    let decision = Decision::OfferMoved {
        offer: offer.to_string(),
        to: OfferState::Completed.to_string(),
        reason: None,
        decliner: None,
        outcome: Some(Outcome::ServiceProvided.to_string()),
        staff: "s2".into(),
    };
    town.push(Town::by("shelter"), decision)
}

fn ended(town: &mut Town, offer: OfferId) -> u64 {
    let offer = offer.to_string();
    town.push(Actor::Router, Decision::HoldEnded { offer })
}

fn person(town: &mut Town) -> OfferId {
    town.next_person();
    town.offer(TRIAGE)
}

#[test]
fn a_place_held_taken_left_and_prepared_is_counted_without_a_finding() {
    let mut town = Town::new();
    pool(&mut town, 1, &[]);
    let first = person(&mut town);
    held(&mut town, first, 1, 20);
    town.moved(first, OfferState::Accepted);
    taken(&mut town, first, None, 1);
    town.moved(first, OfferState::InProgress);
    checked_out(&mut town, first, 1);
    prepared(&mut town, 1);
    completed(&mut town, first);
    // A hold that ran out leaves the place to the next.
    let second = person(&mut town);
    held(&mut town, second, 1, 1);
    town.now = town.now.plus(Duration::from_secs(61));
    ended(&mut town, second);
    let third = person(&mut town);
    town.moved(third, OfferState::Accepted);
    taken(&mut town, third, None, 1);
    town.moved(third, OfferState::InProgress);
    completed(&mut town, third);
    prepared(&mut town, 1);
    finds(&town, &[]);
}

#[test]
fn a_place_taken_twice_is_found() {
    // Invariant 7.
    let mut town = Town::new();
    pool(&mut town, 1, &[]);
    let (first, second) = (person(&mut town), person(&mut town));
    held(&mut town, first, 1, 20);
    town.moved(second, OfferState::Accepted);
    let of_a_hold = taken(&mut town, second, None, 1);
    town.moved(first, OfferState::Accepted);
    taken(&mut town, first, None, 1);
    let again = taken(&mut town, first, None, 1);
    let nowhere = pool(&mut town, 0, &[]);
    let expected = [of_a_hold, again, nowhere].map(|index| (index, Problem::Places));
    finds(&town, &expected);
}

#[test]
fn what_was_not_there_cannot_be_left_prepared_or_end() {
    let mut town = Town::new();
    pool(&mut town, 3, &[]);
    let (first, second) = (person(&mut town), person(&mut town));
    let unprepared = prepared(&mut town, 1);
    held(&mut town, first, 1, 20);
    let early = ended(&mut town, first);
    let long = held(&mut town, second, 1, 121);
    town.moved(first, OfferState::Accepted);
    let free = taken(&mut town, second, None, 1);
    taken(&mut town, first, None, 1);
    let not_in = checked_out(&mut town, first, 1);
    town.moved(first, OfferState::InProgress);
    let many = checked_out(&mut town, first, 2);
    let expected = [
        (unprepared, Problem::Places),
        (early, Problem::Places),
        (long, Problem::Places),
        (free, Problem::Move),
        (not_in, Problem::Move),
        (many, Problem::Places),
    ];
    finds(&town, &expected);
}

#[test]
fn strangers_in_one_room_are_found() {
    let mut town = Town::new();
    pool(&mut town, 4, &[("r1", 2), ("r2", 2)]);
    let (first, second) = (person(&mut town), person(&mut town));
    town.moved(first, OfferState::Accepted);
    taken(&mut town, first, Some("r1"), 1);
    town.moved(second, OfferState::Accepted);
    let mixed = taken(&mut town, second, Some("r1"), 1);
    taken(&mut town, second, Some("r2"), 1);
    finds(&town, &[(mixed, Problem::Places)]);
}
