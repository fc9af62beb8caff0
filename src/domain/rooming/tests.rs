use super::*;
use proptest::prelude::*;

fn guest(age_from: u8, age_to: u8, gender: PlacementGender, party: u32) -> Guest {
    Guest {
        age_from,
        age_to,
        doubt: false,
        gender,
        party,
    }
}

use PlacementGender::{Man, Woman};

fn room(id: &str, free: u32, guests: Vec<Guest>) -> Occupancy {
    Occupancy {
        room: id.parse().expect("a room id"),
        free,
        guests,
    }
}

fn names(rooms: &[RoomId]) -> Vec<&str> {
    rooms.iter().map(RoomId::as_str).collect()
}

#[test]
fn a_child_is_placed_with_no_adult_but_its_own() {
    let (mother, child) = (guest(34, 34, Woman, 1), guest(6, 6, Woman, 1));
    let stranger = guest(40, 40, Woman, 2);
    assert!(mother.may_share_with(&child));
    assert!(mother.may_share_with(&stranger));
    assert!(!stranger.may_share_with(&child));
    let rooms = [
        room("full", 3, vec![stranger]),
        room("empty", 3, Vec::new()),
    ];
    assert_eq!(
        names(&suitable_rooms(&rooms, &[mother, child], 2)),
        ["empty"]
    );
}

#[test]
fn whoever_may_be_a_child_or_an_adult_is_apart_from_both() {
    // R11: in doubt safeguarded as a child, apart from adults and from small children.
    let young = Guest {
        doubt: true,
        ..guest(18, 20, Man, 1)
    };
    assert!(young.is_treated_as_child());
    for other in [guest(30, 30, Man, 2), guest(8, 8, Man, 3)] {
        assert!(!young.may_share_with(&other));
        assert!(!other.may_share_with(&young));
    }
    let also = Guest { party: 4, ..young };
    assert!(!young.may_share_with(&also), "one of them may be an adult");
    let claimed = guest(16, 19, Man, 5);
    assert!(claimed.is_treated_as_child());
    assert!(!claimed.may_share_with(&guest(17, 17, Man, 6)));
}

#[test]
fn adolescents_are_apart_from_small_children_of_others() {
    let (boy, small) = (guest(15, 15, Man, 1), guest(9, 9, Man, 2));
    assert!(!boy.may_share_with(&small));
    assert!(boy.may_share_with(&Guest { party: 1, ..small }));
    assert!(boy.may_share_with(&guest(14, 14, Man, 3)));
    assert!(small.may_share_with(&guest(7, 7, Man, 4)));
    // A band that reaches over the limit is judged by both ends.
    assert!(!guest(10, 13, Man, 5).may_share_with(&guest(10, 13, Man, 6)));
}

#[test]
fn strangers_are_placed_by_the_gender_of_the_placement_and_families_are_not() {
    let (man, woman) = (guest(30, 30, Man, 1), guest(30, 30, Woman, 2));
    assert!(!man.may_share_with(&woman));
    assert!(man.may_share_with(&Guest { party: 1, ..woman }));
    let rooms = [
        room("women", 2, vec![woman]),
        room("large", 4, Vec::new()),
        room("men", 1, vec![guest(50, 50, Man, 9)]),
        room("small", 1, Vec::new()),
    ];
    assert_eq!(
        names(&suitable_rooms(&rooms, &[man], 1)),
        ["men", "small", "large"]
    );
}

#[test]
fn a_family_goes_where_its_own_are() {
    let karim = guest(41, 41, Man, 1);
    let omid = guest(15, 15, Man, 1);
    let rooms = [room("r1", 1, Vec::new()), room("r3", 3, vec![karim])];
    assert_eq!(names(&suitable_rooms(&rooms, &[omid], 1)), ["r3", "r1"]);
    // Who travels with somebody unrelated does not make them a family.
    let child = guest(10, 10, Woman, 2);
    assert!(suitable_rooms(&rooms, &[karim, child], 2).is_empty());
    assert!(suitable_rooms(&rooms, &[], 1).is_empty());
}

fn any_guest() -> impl Strategy<Value = Guest> {
    let gender = prop_oneof![Just(Woman), Just(Man), Just(PlacementGender::Other)];
    (0..80u8, 0..5u8, any::<bool>(), gender, 0..4u32).prop_map(
        |(from, span, doubt, gender, party)| Guest {
            doubt,
            ..guest(from, from + span, gender, party)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// R11: in no suitable room does anybody treated as a child meet an adult of another party.
    #[test]
    fn no_child_ever_meets_a_strange_adult(
        guests in prop::collection::vec(any_guest(), 0..4),
        party in prop::collection::vec(any_guest(), 1..4),
    ) {
        let rooms = [room("r1", 9, guests.clone())];
        if suitable_rooms(&rooms, &party, 1).is_empty() {
            return Ok(());
        }
        for one in &party {
            for other in guests.iter().chain(&party).filter(|other| other.party != one.party) {
                prop_assert!(one.may_share_with(other) && other.may_share_with(one));
                prop_assert!(!(one.is_treated_as_child() && other.age_to >= 18));
                prop_assert!(one.gender == other.gender);
            }
        }
    }
}
