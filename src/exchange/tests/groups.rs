//! Families: taken whole or not at all, and parted without a word to anybody else (R9).

use super::town::{Town, dawn, fresh, id, request};
use crate::domain::id::CaseHandle;
use crate::domain::place::RoomSize;
use crate::domain::vocabulary::{DeclineReason, Decliner, OfferState, ReferralState, Sharing};
use crate::exchange::group::{GroupPlaces, MemberPlaces};
use crate::exchange::place::PoolSize;
use crate::exchange::referral::grouping::{CreatedGroup, NewGroup, NewMember};
use crate::exchange::{GroupName, OfferName, PoolName, Refusal};
use std::time::Duration;

mod at_once;
mod two_persons;

/// Karim, Laila, Omid and Zahra.
const FAMILY: [u8; 4] = [1, 2, 3, 4];

fn case(member: u8) -> CaseHandle {
    CaseHandle::from_random([100 + member; 16])
}

fn chain(recipient: &str, member: u8) -> u8 {
    member + if recipient == "north" { 10 } else { 20 }
}

/// A family, asked for at `recipients`, everybody on a basis of their own.
async fn family(town: &mut Town, recipients: &[&str], together: bool) -> CreatedGroup {
    for member in FAMILY {
        town.case = case(member);
        for recipient in recipients {
            town.record_basis(recipient, chain(recipient, member)).await;
        }
    }
    let asked = new_family(town, recipients, together);
    (town.exchange)
        .create_group(&town.caseworker(), &id("ngo"), fresh(), asked)
        .await
        .expect("created")
}

fn new_family(town: &Town, recipients: &[&str], together: bool) -> NewGroup {
    let ask = town.ask(Vec::new());
    let offers = |member: u8| {
        let offer = |recipient: &&str| town.triage(recipient, chain(recipient, member));
        recipients.iter().map(offer).collect()
    };
    NewGroup {
        purpose: ask.purpose,
        urgency: ask.urgency,
        decide_by: None,
        together,
        members: FAMILY
            .map(|member| NewMember {
                case: case(member),
                offers: offers(member),
            })
            .to_vec(),
    }
}

/// A recipient's names of the family's offers, and of their group.
async fn at(town: &Town, group: &CreatedGroup, agency: &str) -> (Vec<OfferName>, GroupName) {
    let who = town.intake(agency);
    let mut offers = Vec::new();
    let mut found = None;
    for member in &group.members {
        for name in &member.offers {
            let name = OfferName {
                agency: id(agency),
                offer: name.offer,
            };
            if let Ok(offer) = town.exchange.offer(&who, &name).await {
                offers.push(name);
                found = offer.group;
            }
        }
    }
    (offers, found.expect("a group"))
}

fn beds(agency: &str) -> PoolName {
    PoolName {
        agency: id(agency),
        pool: "beds".parse().expect("a pool id"),
    }
}

fn places(agency: &str) -> GroupPlaces {
    GroupPlaces {
        pool: beds(agency),
        room: None,
        members: Vec::new(),
    }
}

async fn pool(town: &Town, agency: &str, size: impl Into<PoolSize>) {
    let who = town.intake(agency);
    let _ = (town.exchange)
        .update_pool(&who, &beds(agency), fresh(), size)
        .await
        .expect("a pool");
}

fn rooms(sizes: &[(&str, u32)]) -> PoolSize {
    PoolSize {
        total: sizes.iter().map(|(_, places)| places).sum(),
        closed: 0,
        sharing: Sharing::OnePartyPerRoom,
        rooms: sizes
            .iter()
            .map(|(room, places)| RoomSize {
                room: room.parse().expect("a room id"),
                places: *places,
                closed: 0,
            })
            .collect(),
    }
}

/// Held, taken and free places.
async fn counts(town: &Town, agency: &str) -> (u32, u32, u32) {
    let pools = (town.exchange)
        .pools(&town.intake(agency), &id(agency))
        .await;
    let pool = *pools.expect("pools")[0].1.pool();
    (pool.held(), pool.taken(), pool.available())
}

#[tokio::test]
async fn a_family_is_taken_whole_and_every_other_candidate_closes() {
    let mut town = Town::begin().await;
    let group = family(&mut town, &["north", "south"], true).await;
    assert_eq!((group.members.len(), group.receipts.len()), (4, 8));
    let (offers, north) = at(&town, &group, "north").await;
    let (others, south) = at(&town, &group, "south").await;
    // R3: the two recipients' ids have nothing in common, nor has the source's.
    assert_ne!(north.group, south.group);
    assert_ne!(north.group, group.name.group);
    pool(&town, "north", (4, 0)).await;
    pool(&town, "south", rooms(&[("r1", 3), ("r2", 4)])).await;
    let exchange = &town.exchange;
    let (at_north, at_south) = (town.intake("north"), town.intake("south"));
    let held = exchange.hold_group(&at_north, &north, fresh(), places("north"));
    assert_eq!(held.await.expect("held").offers, offers);
    assert_eq!(counts(&town, "north").await, (4, 0, 0));

    let accepted = exchange.accept_group(&at_south, &south, fresh(), Some(places("south")));
    let accepted = accepted.await.expect("accepted");
    assert_eq!(accepted.offers, others);
    assert_eq!(accepted.receipts.len(), 4);
    // One act, and every one of the holds elsewhere is gone.
    assert_eq!(counts(&town, "north").await, (0, 0, 4));
    assert_eq!(counts(&town, "south").await, (0, 4, 3));
    for name in &others {
        let offer = exchange.offer(&at_south, name).await.expect("seen");
        assert_eq!(offer.state, OfferState::Accepted);
        assert_eq!(offer.room.expect("a room").as_str(), "r2");
    }
    for name in &offers {
        let offer = exchange.offer(&at_north, name).await.expect("seen");
        assert_eq!(offer.state, OfferState::Closed);
    }
    let late = exchange
        .accept_group(&at_north, &north, fresh(), None)
        .await;
    assert_eq!(late.err(), Some(Refusal::State(OfferState::Closed)));
    for member in &group.members {
        let referral = exchange.referral(&town.caseworker(), &member.name).await;
        let referral = referral.expect("seen");
        assert_eq!(referral.state, ReferralState::Placed);
        assert_eq!(referral.group, Some(group.name.clone()));
    }
}

#[tokio::test]
async fn places_for_all_or_for_none() {
    let mut town = Town::begin().await;
    let group = family(&mut town, &["north"], true).await;
    let (offers, north) = at(&town, &group, "north").await;
    pool(&town, "north", rooms(&[("r1", 2), ("r2", 2), ("r3", 2)])).await;
    let exchange = &town.exchange;
    let who = town.intake("north");
    // Six are free, and no room takes four.
    let none = exchange.hold_group(&who, &north, fresh(), places("north"));
    assert_eq!(none.await.err(), Some(Refusal::NoPlaces));
    assert_eq!(counts(&town, "north").await, (0, 0, 6));
    // The house knows best: the parents in one room, the children in the next.
    let member = |at: usize, room: &str, places| MemberPlaces {
        offer: offers[at].offer,
        places,
        room: Some(room.parse().expect("a room id")),
    };
    let apart = GroupPlaces {
        members: vec![member(2, "r3", 1), member(3, "r3", 1)],
        ..places("north")
    };
    let stranger = GroupPlaces {
        members: vec![MemberPlaces {
            offer: crate::domain::id::OfferId::from_random([77; 16]),
            places: 1,
            room: None,
        }],
        ..places("north")
    };
    let wrong = exchange.accept_group(&who, &north, fresh(), Some(stranger));
    let refused = Refusal::InvalidField("members.offer");
    assert_eq!(wrong.await.err(), Some(refused));
    let greedy = GroupPlaces {
        members: vec![MemberPlaces {
            offer: offers[0].offer,
            places: 62,
            room: None,
        }],
        ..places("north")
    };
    let wrong = exchange.accept_group(&who, &north, fresh(), Some(greedy));
    let refused = Refusal::InvalidField("members.places");
    assert_eq!(wrong.await.err(), Some(refused));
    let requested = request(700_001, 1);
    let done = exchange.accept_group(&who, &north, requested, Some(apart.clone()));
    let done = done.await.expect("accepted");
    assert_eq!(counts(&town, "north").await, (0, 4, 2));
    let again = exchange.accept_group(&who, &north, requested, Some(apart));
    let again = again.await.expect("the same");
    assert_eq!(done.offers, again.offers);
    let indexes = |of: &crate::exchange::group::MovedGroup| -> Vec<u64> {
        of.receipts.iter().map(|receipt| receipt.index()).collect()
    };
    assert_eq!(indexes(&done), indexes(&again));
    let room = async |at: usize| {
        let offer = exchange.offer(&who, &offers[at]).await.expect("seen");
        offer.room.expect("a room").to_string()
    };
    assert_eq!((room(0).await, room(2).await), ("r1".into(), "r3".into()));
}

#[tokio::test]
async fn one_of_a_family_is_not_decided_on_alone_unless_the_person_says_no() {
    let mut town = Town::begin().await;
    let group = family(&mut town, &["north"], true).await;
    let (offers, _) = at(&town, &group, "north").await;
    let exchange = &town.exchange;
    let who = town.intake("north");
    let alone = exchange.accept_offer(&who, &offers[0], fresh(), None).await;
    assert_eq!(alone.err(), Some(Refusal::Group));
    let reason = DeclineReason::BoyOverAgeLimit;
    let agency = exchange.decline_offer(&who, &offers[2], fresh(), reason, Decliner::Agency);
    assert_eq!(agency.await.err(), Some(Refusal::Group));
    // Whoever does not want to stay with the others says so, and is asked no more.
    let reason = DeclineReason::PersonDeclinedOffer;
    for name in &offers[1..] {
        let person = exchange.decline_offer(&who, name, fresh(), reason, Decliner::Person);
        let _ = person.await.expect("declined");
    }
    let left = exchange.accept_offer(&who, &offers[0], fresh(), None).await;
    let _ = left.expect("nobody else is waiting");
}

#[tokio::test]
async fn those_who_need_not_stay_together_are_decided_on_one_by_one() {
    let mut town = Town::begin().await;
    let group = family(&mut town, &["north"], false).await;
    let (offers, north) = at(&town, &group, "north").await;
    pool(
        &town,
        "north",
        rooms(&[("r1", 4), ("r2", 1), ("r3", 1), ("r4", 1)]),
    )
    .await;
    let exchange = &town.exchange;
    let who = town.intake("north");
    let _ = exchange
        .accept_offer(&who, &offers[1], fresh(), Some((beds("north"), 1).into()))
        .await
        .expect("accepted");
    let rest = exchange.accept_group(&who, &north, fresh(), Some(places("north")));
    assert_eq!(rest.await.expect("accepted").offers.len(), 3);
    // They did not ask for a room together, so nobody was put into one.
    let pools = exchange.pools(&who, &id("north")).await.expect("pools");
    let in_use: Vec<u32> = {
        let rooms = pools[0].1.rooms();
        rooms
            .rooms()
            .iter()
            .map(|room| rooms.in_use(room))
            .collect()
    };
    assert_eq!(in_use, [1, 1, 1, 1]);
}

#[tokio::test]
async fn whoever_leaves_changes_no_byte_of_the_others() {
    let mut town = Town::begin().await;
    let group = family(&mut town, &["north", "south"], true).await;
    let (offers, north) = at(&town, &group, "north").await;
    pool(&town, "north", (4, 0)).await;
    let who = town.intake("north");
    let held = (town.exchange).hold_group(&who, &north, fresh(), places("north"));
    let _ = held.await.expect("held");
    let karim = &group.members[0].name;
    let ngo = town.caseworker();
    let before = (
        town.exchange.offer(&who, &offers[0]).await,
        town.exchange.referral(&ngo, karim).await,
    );
    // Laila withdraws from north only; Omid and Zahra are recalled everywhere.
    town.case = case(2);
    town.withdraw("north", chain("north", 2)).await;
    for member in &group.members[2..] {
        let recalled = town.exchange.recall_referral(&ngo, &member.name, fresh());
        assert_eq!(recalled.await.expect("recalled").len(), 2);
    }
    let after = (
        town.exchange.offer(&who, &offers[0]).await,
        town.exchange.referral(&ngo, karim).await,
    );
    assert_eq!(before, after);
    assert_eq!(after.0.expect("seen").state, OfferState::Offered);
    assert_eq!(counts(&town, "north").await, (1, 0, 3));
    // North sees three of its own offers closed, and no more than that; south still has Laila.
    let accepted = town.exchange.accept_group(&who, &north, fresh(), None);
    assert_eq!(accepted.await.expect("accepted").offers, offers[..1]);
    let (_, south) = at(&town, &group, "south").await;
    let at_south = town.intake("south");
    let laila = town.exchange.accept_group(&at_south, &south, fresh(), None);
    assert_eq!(laila.await.expect("accepted").offers.len(), 1);
}

#[tokio::test]
async fn a_basis_of_one_case_covers_no_other_member() {
    // R16, invariant 12: each adult's yes is for themselves.
    let mut town = Town::begin().await;
    town.case = case(1);
    town.record_basis("north", chain("north", 1)).await;
    let mut asked = new_family(&town, &["north"], true);
    for member in &mut asked.members[1..] {
        member.offers = vec![town.triage("north", chain("north", 1))];
    }
    let refused = (town.exchange)
        .create_group(&town.caseworker(), &id("ngo"), fresh(), asked)
        .await;
    assert_eq!(refused.err(), Some(Refusal::BasisNotAllowed));
    let who = town.intake("north");
    let page = crate::exchange::Page {
        size: 9,
        token: String::new(),
    };
    let none = town.exchange.offers(&who, &id("north"), page).await;
    assert!(none.expect("a page").items.is_empty(), "all or nothing");
}

#[tokio::test]
async fn a_group_is_of_several_cases_at_the_same_recipients() {
    let mut town = Town::begin().await;
    let created = family(&mut town, &["north", "south"], true).await;
    assert_eq!(created.members.len(), 4);
    let ask = |change: fn(&mut NewGroup)| {
        let mut asked = new_family(&town, &["north", "south"], true);
        change(&mut asked);
        let ngo = town.caseworker();
        let exchange = town.exchange.clone();
        async move {
            let made = exchange
                .create_group(&ngo, &id("ngo"), fresh(), asked)
                .await;
            made.err()
        }
    };
    let field = |name| Some(Refusal::InvalidField(name));
    let alone = ask(|group| group.members.truncate(1));
    assert_eq!(alone.await, field("members"));
    let elsewhere = ask(|group| group.members[1].offers.truncate(1));
    assert_eq!(elsewhere.await, field("members.offers.recipient"));
    let twice = ask(|group| group.members[1].case = group.members[0].case);
    assert_eq!(twice.await, field("members.case_handle"));
    let absent = GroupName {
        agency: id("south"),
        group: created.name.group,
    };
    let south = town.intake("south");
    let guessed = town.exchange.accept_group(&south, &absent, fresh(), None);
    assert_eq!(guessed.await.err(), Some(Refusal::NotFound));
    let (_, theirs) = at(&town, &created, "north").await;
    let stolen = town.exchange.accept_group(&south, &theirs, fresh(), None);
    assert_eq!(stolen.await.err(), Some(Refusal::NotPermitted));
}

#[tokio::test]
async fn a_hold_that_runs_out_is_written_down_and_rung() {
    // Invariant 32: no hold is stuck.
    let mut town = Town::begin().await;
    let group = family(&mut town, &["north"], true).await;
    let (offers, north) = at(&town, &group, "north").await;
    pool(&town, "north", (5, 0)).await;
    let exchange = town.exchange.clone();
    let who = town.intake("north");
    let held = exchange.hold_group(&who, &north, fresh(), places("north"));
    let until = held.await.expect("held").until;
    assert_eq!(until, dawn().plus(Duration::from_secs(2 * 3600)));
    town.clock.pass(Duration::from_secs(3600));
    let _ = exchange
        .hold_places(&who, &offers[0], fresh(), (beds("north"), 2))
        .await
        .expect("held anew");
    town.clock.pass(Duration::from_secs(3600 + 1));
    assert_eq!(counts(&town, "north").await, (2, 0, 3));
    let size = crate::storage::engine::Engine::head(&*town.engine).size;
    exchange.run_due().await.expect("done");
    let ended = town.events(size);
    let count = ended.iter().filter(|event| **event == "hold_ended").count();
    assert_eq!(count, 3, "{ended:?}");
    assert_eq!(counts(&town, "north").await, (2, 0, 3));
    // Some hold and some do not: nobody is taken without a place.
    let mixed = exchange.accept_group(&who, &north, fresh(), None).await;
    assert_eq!(mixed.err(), Some(Refusal::NoPlaces));
    let with = exchange.accept_group(&who, &north, fresh(), Some(places("north")));
    assert_eq!(with.await.expect("accepted").offers.len(), 4);
    assert_eq!(counts(&town, "north").await, (0, 5, 0));
}

#[tokio::test]
async fn places_left_are_prepared_before_they_are_free() {
    let town = Town::begin().await;
    let offers = town.refer(&["north"]).await;
    pool(&town, "north", rooms(&[("r1", 2)])).await;
    let exchange = &town.exchange;
    let who = town.intake("north");
    let early = exchange.check_out(&who, &offers[0], fresh()).await;
    assert_eq!(early.err(), Some(Refusal::State(OfferState::Offered)));
    let wanted = Some((beds("north"), 2).into());
    let accepted = exchange.accept_offer(&who, &offers[0], fresh(), wanted);
    let _ = accepted.await.expect("accepted");
    let _ = exchange
        .check_in(&who, &offers[0], fresh())
        .await
        .expect("in");
    let _ = exchange
        .check_out(&who, &offers[0], fresh())
        .await
        .expect("out");
    let offer = exchange.offer(&who, &offers[0]).await.expect("seen");
    assert_eq!((offer.state, offer.places), (OfferState::InProgress, 0));
    let twice = exchange.check_out(&who, &offers[0], fresh()).await;
    assert_eq!(twice.err(), Some(Refusal::NoPlaces));
    assert_eq!(counts(&town, "north").await, (0, 0, 0));
    let finish = async |room: Option<&str>, places| {
        let room = room.map(|room| room.parse().expect("a room id"));
        let pool = beds("north");
        exchange
            .finish_preparing(&who, &pool, fresh(), room, places)
            .await
    };
    let many = finish(Some("r1"), 3).await;
    assert_eq!(many.err(), Some(Refusal::NoPlaces));
    let nowhere = finish(None, 2).await;
    assert_eq!(nowhere.err(), Some(Refusal::InvalidField("room")));
    let _ = finish(Some("r1"), 2).await.expect("ready");
    assert_eq!(counts(&town, "north").await, (0, 0, 2));
    let outcome = crate::domain::vocabulary::Outcome::ServiceProvided;
    let done = exchange.complete_offer(&who, &offers[0], fresh(), outcome);
    let _ = done.await.expect("completing later is allowed");
    assert_eq!(counts(&town, "north").await, (0, 0, 2));
}
