use super::super::{HOLD_MAX, ROOMS_MAX};
use super::*;
use crate::domain::id::GroupId;
use proptest::prelude::*;
use std::collections::HashMap;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + minutes * 60).expect("in range")
}

fn offer(id: u8) -> OfferId {
    OfferId::from_random([id; 16])
}

/// Offers 0 to 3 are one family, the others strangers.
fn party(id: u8) -> Party {
    if id < 4 {
        Party::from(GroupId::from_random([99; 16]))
    } else {
        offer(id).into()
    }
}

fn sizes(places: &[u32]) -> Vec<RoomSize> {
    let rooms = places.iter().enumerate().map(|(at, &places)| RoomSize {
        room: format!("r{at}").parse().expect("a room id"),
        places,
        closed: 0,
    });
    rooms.collect()
}

fn house(sharing: Sharing, rooms: &[u32], total: u32) -> Beds {
    let mut beds = Beds::default();
    let total = if rooms.is_empty() {
        total
    } else {
        rooms.iter().sum()
    };
    beds.resize((total, 0), sharing, sizes(rooms))
        .expect("a house");
    beds
}

#[derive(Debug, Clone)]
enum Op {
    Hold(u8, Option<u8>, u32),
    Take(u8, Option<u8>, u32),
    TakeHeld(u8),
    Release(u8),
    NobodyCame(u8),
    Arrive(u8),
    Leave(u8),
    Finish(Option<u8>, u32),
    Pass(i64),
}

fn any_op() -> impl Strategy<Value = Op> {
    let who = || 0..8u8;
    let room = || prop::option::of(0..4u8);
    prop_oneof![
        3 => (who(), room(), 0..4u32).prop_map(|(who, room, n)| Op::Hold(who, room, n)),
        3 => (who(), room(), 0..4u32).prop_map(|(who, room, n)| Op::Take(who, room, n)),
        2 => who().prop_map(Op::TakeHeld),
        1 => who().prop_map(Op::Release),
        1 => who().prop_map(Op::NobodyCame),
        2 => who().prop_map(Op::Arrive),
        2 => who().prop_map(Op::Leave),
        2 => (room(), 0..4u32).prop_map(|(room, n)| Op::Finish(room, n)),
        2 => (1..150i64).prop_map(Op::Pass),
    ]
}

/// What one offer has, as a careful clerk with a list of beds would know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Has {
    Held(u32, Timestamp),
    Taken(u32),
    Occupied(u32),
}

#[derive(Debug, Default)]
struct Clerk {
    has: HashMap<u8, Has>,
    preparing: u32,
    now: i64,
}

impl Clerk {
    fn sum(&self, of: impl Fn(&Has) -> u32) -> u32 {
        self.has.values().map(of).sum()
    }

    fn counts(&self) -> [u32; 4] {
        [
            self.sum(|has| if let Has::Held(n, _) = has { *n } else { 0 }),
            self.sum(|has| if let Has::Taken(n) = has { *n } else { 0 }),
            self.sum(|has| if let Has::Occupied(n) = has { *n } else { 0 }),
            self.preparing,
        ]
    }

    /// Does it to the pool, and writes down what the pool agreed to.
    fn play(&mut self, beds: &mut Beds, op: &Op) {
        let room = |room: Option<u8>| room.map(|at| format!("r{at}").parse().expect("a room id"));
        match *op {
            Op::Hold(who, in_room, places) => {
                if matches!(self.has.get(&who), Some(Has::Taken(_) | Has::Occupied(_))) {
                    return;
                }
                let room: Option<RoomId> = room(in_room);
                let until = at(self.now).plus(HOLD_MAX);
                let claim = Claim {
                    offer: offer(who),
                    party: party(who),
                    room: room.as_ref(),
                    places,
                };
                if beds.hold(claim, until).is_ok() {
                    self.has.insert(who, Has::Held(places, until));
                }
            }
            Op::Take(who, in_room, places) => {
                if self.has.contains_key(&who) {
                    return;
                }
                let room: Option<RoomId> = room(in_room);
                let claim = Claim {
                    offer: offer(who),
                    party: party(who),
                    room: room.as_ref(),
                    places,
                };
                if beds.take(claim).is_ok() {
                    self.has.insert(who, Has::Taken(places));
                }
            }
            Op::TakeHeld(who) => {
                let places = beds.take_held(offer(who));
                match self.has.get(&who) {
                    Some(&Has::Held(held, _)) => {
                        assert_eq!(places, held);
                        self.has.insert(who, Has::Taken(held));
                    }
                    _ => assert_eq!(places, 0),
                }
            }
            Op::Release(who) => {
                let places = beds.release(offer(who));
                match self.has.get(&who) {
                    Some(&Has::Held(held, _)) => {
                        assert_eq!(places, held);
                        self.has.remove(&who);
                    }
                    _ => assert_eq!(places, 0),
                }
            }
            Op::NobodyCame(who) => {
                if let Some(&Has::Taken(places)) = self.has.get(&who) {
                    beds.release_taken(offer(who), places).expect("is taken");
                    self.has.remove(&who);
                }
            }
            Op::Arrive(who) => {
                if let Some(&Has::Taken(places)) = self.has.get(&who) {
                    beds.occupy(places).expect("is taken");
                    self.has.insert(who, Has::Occupied(places));
                }
            }
            Op::Leave(who) => {
                if let Some(&Has::Occupied(places)) = self.has.get(&who) {
                    beds.leave(offer(who), places).expect("is occupied");
                    self.has.remove(&who);
                    self.preparing += places;
                }
            }
            Op::Finish(in_room, places) => {
                let room: Option<RoomId> = room(in_room);
                if beds.finish(room.as_ref(), places).is_ok() {
                    self.preparing -= places;
                }
            }
            Op::Pass(minutes) => {
                self.now += minutes;
                let now = at(self.now);
                beds.expire(now);
                self.has
                    .retain(|_, has| !matches!(has, Has::Held(_, until) if *until <= now));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    /// Invariants 5, 7 and 32: never negative, never double, never stuck, whatever is done in whatever order.
    #[test]
    fn a_pool_agrees_with_a_list_of_beds_after_any_sequence(
        rooms in prop::collection::vec(1..5u32, 0..4),
        alone in any::<bool>(),
        total in 0..10u32,
        ops in prop::collection::vec(any_op(), 0..50),
    ) {
        let sharing = if alone { Sharing::OnePartyPerRoom } else { Sharing::Shared };
        let mut beds = house(sharing, &rooms, total);
        let mut clerk = Clerk::default();
        for op in &ops {
            clerk.play(&mut beds, op);
            let pool = beds.pool();
            let counts = [pool.held(), pool.taken(), pool.occupied(), pool.preparing()];
            prop_assert_eq!(counts, clerk.counts());
            let used: u32 = counts.iter().sum();
            prop_assert_eq!(used + pool.available(), pool.total());
            // What is stored can be read again, and says the same.
            let rooms = beds.rooms();
            let read = Rooms::restore(rooms.sharing(), rooms.rooms().to_vec(), rooms.stays().to_vec());
            let read = Beds::restore(*pool, beds.holds().to_vec(), read.expect("rooms agree"));
            prop_assert_eq!(read.as_ref(), Ok(&beds));
            if alone {
                for room in rooms.rooms() {
                    let within = rooms.stays().iter().filter(|stay| stay.room == room.size.room);
                    let parties: std::collections::HashSet<_> = within.map(|stay| stay.party).collect();
                    prop_assert!(parties.len() <= 1, "strangers in one room");
                }
            }
        }
        // Nothing is stuck: holds run out, and when everybody has left and every room is ready, all is free.
        clerk.play(&mut beds, &Op::Pass(1_000));
        for who in 0..8 {
            clerk.play(&mut beds, &Op::Arrive(who));
            clerk.play(&mut beds, &Op::Leave(who));
        }
        for (at, room) in beds.rooms().rooms().to_vec().iter().enumerate() {
            let at = u8::try_from(at).expect("few rooms");
            clerk.play(&mut beds, &Op::Finish(Some(at), room.preparing));
        }
        let left = clerk.preparing;
        clerk.play(&mut beds, &Op::Finish(None, left));
        prop_assert_eq!(beds.pool().available(), beds.pool().total());
        prop_assert!(beds.rooms().stays().is_empty());
    }
}

#[test]
fn too_many_rooms_are_refused() {
    let places = vec![1; ROOMS_MAX + 1];
    let mut beds = Beds::default();
    let total = u32::try_from(places.len()).expect("few");
    let made = beds.resize((total, 0), Sharing::Shared, sizes(&places));
    assert_eq!(made, Err(PlaceError::OutOfRange));
    assert_eq!(beds, Beds::default());
}
