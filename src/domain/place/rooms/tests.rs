use super::super::{Beds, Claim};
use super::*;
use crate::domain::time::Timestamp;

fn room(id: &str) -> RoomId {
    id.parse().expect("a room id")
}

fn size(id: &str, places: u32) -> RoomSize {
    RoomSize {
        room: room(id),
        places,
        closed: 0,
    }
}

fn offer(id: u8) -> OfferId {
    OfferId::from_random([id; 16])
}

fn family(id: u8) -> Party {
    Party::from(GroupId::from_random([id; 16]))
}

fn house(sharing: Sharing) -> Beds {
    let mut beds = Beds::default();
    let rooms = vec![size("r1", 2), size("r2", 4)];
    beds.resize((6, 0), sharing, rooms).expect("two rooms");
    beds
}

fn claim(id: u8, party: Party, places: u32) -> Claim<'static> {
    Claim {
        offer: offer(id),
        party,
        room: None,
        places,
    }
}

fn later() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000).expect("in range")
}

#[test]
fn two_parties_are_never_in_one_room_though_it_has_places() {
    let mut beds = house(Sharing::OnePartyPerRoom);
    let first = beds.take(claim(1, offer(1).into(), 1));
    assert_eq!(first, Ok(Some(room("r1"))));
    let second = beds.take(claim(2, offer(2).into(), 1));
    assert_eq!(second, Ok(Some(room("r2"))));
    // Four places are free, and none of them is a stranger's.
    assert_eq!(beds.pool().available(), 4);
    let third = beds.take(claim(3, offer(3).into(), 1));
    assert_eq!(third, Err(PlaceError::NoPlaces));
    let named = Claim {
        room: Some(&room("r2")),
        ..claim(3, offer(3).into(), 1)
    };
    assert_eq!(beds.take(named), Err(PlaceError::NoPlaces));
    let absent = Claim {
        room: Some(&room("r9")),
        ..claim(3, offer(3).into(), 1)
    };
    assert_eq!(beds.take(absent), Err(PlaceError::NoSuchRoom));
}

#[test]
fn a_family_shares_a_room_and_a_stranger_waits_until_all_of_it_has_left() {
    let mut beds = house(Sharing::OnePartyPerRoom);
    for id in 1..=4 {
        let r2 = room("r2");
        let one = Claim {
            room: Some(&r2),
            ..claim(id, family(9), 1)
        };
        assert_eq!(beds.take(one), Ok(Some(room("r2"))));
    }
    beds.occupy(4).expect("they arrive");
    for id in 1..=3 {
        beds.leave(offer(id), 1).expect("one leaves");
        beds.finish(Some(&room("r2")), 1).expect("is prepared");
        let r2 = room("r2");
        let stranger = Claim {
            room: Some(&r2),
            ..claim(20, offer(20).into(), 1)
        };
        assert_eq!(beds.take(stranger), Err(PlaceError::NoPlaces));
    }
    beds.leave(offer(4), 1).expect("the last leaves");
    let big = claim(20, offer(20).into(), 4);
    assert_eq!(
        beds.take(big),
        Err(PlaceError::NoPlaces),
        "not prepared yet"
    );
    assert_eq!(beds.finish(None, 1), Err(PlaceError::NoSuchRoom));
    beds.finish(Some(&room("r2")), 1).expect("is prepared");
    assert_eq!(beds.take(big), Ok(Some(room("r2"))));
}

#[test]
fn a_shared_pool_fills_its_rooms_in_the_houses_order() {
    let mut beds = house(Sharing::Shared);
    let rooms: Vec<_> = (1..=4)
        .map(|id| beds.hold(claim(id, offer(id).into(), 1), later()))
        .map(|held| held.expect("a place").expect("a room"))
        .collect();
    assert_eq!(rooms, ["r1", "r1", "r2", "r2"].map(room));
}

#[test]
fn rooms_change_only_around_those_who_are_in_them() {
    let mut beds = house(Sharing::Shared);
    for id in 1..=2 {
        beds.take(claim(id, offer(id).into(), 1)).expect("a place");
    }
    let rooms = || vec![size("r1", 2), size("r2", 4)];
    // Two parties are in r1 already.
    let strict = beds.resize((6, 0), Sharing::OnePartyPerRoom, rooms());
    assert_eq!(strict, Err(PlaceError::TooSmall));
    let none = beds.resize((6, 0), Sharing::Shared, Vec::new());
    assert_eq!(none, Err(PlaceError::TooSmall));
    let other = beds.resize((4, 0), Sharing::Shared, vec![size("r2", 4)]);
    assert_eq!(other, Err(PlaceError::TooSmall));
    let sums = beds.resize((7, 0), Sharing::Shared, rooms());
    assert_eq!(sums, Err(PlaceError::TooSmall));
    let twice = beds.resize((4, 0), Sharing::Shared, vec![size("r1", 2), size("r1", 2)]);
    assert_eq!(twice, Err(PlaceError::OutOfRange));
    let fewer = beds.resize((2, 0), Sharing::Shared, vec![size("r1", 2)]);
    assert_eq!(fewer, Ok(()));
    assert_eq!(beds.pool().available(), 0);
}

#[test]
fn a_pool_that_only_counts_gets_rooms_while_nobody_is_in_it() {
    let mut beds = Beds::default();
    beds.resize((2, 0), Sharing::Shared, Vec::new())
        .expect("counts");
    assert_eq!(beds.take(claim(1, offer(1).into(), 1)), Ok(None));
    let rooms = || vec![size("r1", 2)];
    let now = beds.resize((2, 0), Sharing::Shared, rooms());
    assert_eq!(now, Err(PlaceError::TooSmall));
    beds.release_taken(offer(1), 1).expect("nobody came");
    assert_eq!(beds.resize((2, 0), Sharing::Shared, rooms()), Ok(()));
}
