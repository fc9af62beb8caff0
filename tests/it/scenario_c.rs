//! Scenario C: a family of four, two languages. They stay together, and part silently (R3, R8, R9, R11).

use std::time::Duration;

use prost::Message as _;
use safeconduct::client::agency::Desk;
use safeconduct::client::error::Reason;
use safeconduct::client::recipient::GroupPlaces;
use safeconduct::client::source::{AlsoAsked, Candidate, GroupAsk, Member as Person1, SentGroup};
use safeconduct::demo::people;
use safeconduct::domain::basis::{Basis, ForChild};
use safeconduct::domain::id::{OfferId, PoolId, RoomId};
use safeconduct::domain::label::LabelSet;
use safeconduct::domain::matching::{Member, Needs};
use safeconduct::domain::place::RoomSize;
use safeconduct::domain::vocabulary::{
    Asked, Assent, BasisKind, ChildTold, ChildView, GivenBy, InterpreterClass, OfferState,
    PlacementGender, Purpose, ReferralState, Sharing, StaffRole, Stage, Urgency,
};
use safeconduct::proto::v1;

use crate::harness::World;
use crate::harness::cast::town_at;
use crate::harness::eyes::{Eyes, Heard};
use crate::harness::person::{HOUSE_ACCEPTED, HOUSE_TRIAGE, Person, Told, rank, read};
use crate::harness::run;
use crate::harness::scene::{DAY, allow, closed, consent, labels};

/// Everybody who is not in the scenario's table.
const NOBODY: &[&str] = &[
    "beta",
    "camp",
    "clinic",
    "medic",
    "law",
    "ident",
    "moi",
    "moi-atu",
    "moi-border-sid",
    "moi-asylum",
    "dpo-moi",
    "duty",
];

const CANARIES: &[&str] = &["he sold the marriage for a debt", "her uncle in Graz"];

const CSW_TRIAGE: &[&str] = &["LANGUAGE/WHOLE", "AGE/BAND", "THREAT/CODED"];
const CSW_ACCEPTED: &[&str] = &["IDENTITY/ALIAS", "TRAFFICKING/WHOLE", "DO_NOT_MEET/WHOLE"];

/// One of the family: age, language, and for whom a place must be meant.
fn member(age: u32, language: &str, gender: v1::PlacementPreference) -> v1::Record {
    v1::Record {
        language: Some(v1::LanguageFacts {
            languages: vec![language.into()],
            interpreter_gender: if gender == v1::PlacementPreference::Woman {
                v1::StaffGender::Woman.into()
            } else {
                v1::StaffGender::Man.into()
            },
            ..Default::default()
        }),
        placement: Some(v1::PlacementFacts {
            settings: vec!["FAMILY_ROOM".into()],
            placement_gender: gender.into(),
            keep_together: Some(true),
            ..Default::default()
        }),
        age: Some(v1::AgeFacts {
            claimed: Some(age),
            ..Default::default()
        }),
        threat: Some(v1::ThreatFacts {
            level: v1::ThreatLevel::PossibleNearby.into(),
            detail: CANARIES[1].into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Karim, Laila, Omid, Zahra: each a case of their own.
fn family(source: &Desk) -> [Person; 4] {
    use v1::PlacementPreference::{Man, Woman};
    let of = |record| Person::new(source, record);
    [
        of(member(41, "ps", Man)),
        of(member(36, "fa", Woman)),
        of(member(15, "ps", Man)),
        of(member(9, "fa", Woman)),
    ]
}

const fn is_child(at: usize) -> bool {
    at >= 2
}

/// A child is safeguarded: told first, and their view goes along.
async fn safeguards(person: &Person, to: &str, purpose: Purpose, all: LabelSet) -> Basis {
    let mut draft = consent(&person.source, person.case, to, purpose, LabelSet::EMPTY);
    draft.kind = BasisKind::ChildSafeguarding;
    draft.allows = vec![allow(&person.source, purpose, all, Asked::Bundle)];
    draft.given_by = GivenBy::NotApplicable;
    draft.child_told = ChildTold::Yes;
    draft.for_child = ForChild {
        guardian: None,
        view: ChildView::Expressed,
        assent: Assent::NotApplicable,
    };
    person.source.record_basis(draft).await.unwrap()
}

async fn bed_basis(person: &Person, at: usize, house: &str) -> Basis {
    if is_child(at) {
        let all = closed(&[HOUSE_TRIAGE, HOUSE_ACCEPTED].concat());
        safeguards(person, house, Purpose::SafeAccommodation, all).await
    } else {
        person.agrees_to_bed(house).await
    }
}

/// Asks one house for several people together.
async fn asks_together(
    source: &Desk,
    people: &[(usize, &Person)],
    house: &str,
) -> (Vec<Basis>, SentGroup) {
    let mut bases = Vec::new();
    for (at, person) in people {
        bases.push(bed_basis(person, *at, house).await);
    }
    let members: Vec<Person1<'_>> = people
        .iter()
        .zip(&bases)
        .map(|((_, person), basis)| Person1 {
            case: person.case,
            candidates: vec![Candidate {
                basis,
                parcels: vec![(Stage::Triage, person.cut("", HOUSE_TRIAGE))],
            }],
        })
        .collect();
    let ask = GroupAsk {
        purpose: Purpose::SafeAccommodation,
        urgency: Urgency::Normal,
        decide_by: source.now().plus(3 * DAY),
        keep_together: true,
    };
    let sent = source.create_group(&ask, &members).await.unwrap();
    (bases, sent)
}

fn pool() -> PoolId {
    "rooms".parse().unwrap()
}

fn room(id: &str) -> RoomId {
    id.parse().unwrap()
}

/// Ten places: four family rooms, and a men's corridor.
async fn rooms_of(house2: &Desk) {
    let rooms = [
        ("men", 2),
        ("family-1", 1),
        ("family-2", 1),
        ("family-3", 4),
        ("family-4", 2),
    ];
    let sizes = rooms.map(|(id, places)| RoomSize {
        room: room(id),
        places,
        closed: 0,
    });
    house2
        .set_rooms(&pool(), Sharing::OnePartyPerRoom, &sizes)
        .await
        .unwrap();
}

/// house1 does not fit the group, and says why; house2 does.
fn the_desk_matches_the_group(source: &Desk) {
    let of = |age, gender| Member {
        age_from: age,
        age_to: age,
        gender,
    };
    let needs = Needs {
        purpose: Purpose::SafeAccommodation,
        group: vec![
            of(41, PlacementGender::Man),
            of(36, PlacementGender::Woman),
            of(15, PlacementGender::Man),
            of(9, PlacementGender::Woman),
        ],
        settings: vec!["FAMILY_ROOM".parse().unwrap()],
        languages: vec!["ps".parse().unwrap(), "fa".parse().unwrap()],
        interpreter_gender: None,
        accessibility: Vec::new(),
        areas: Vec::new(),
        now: source.now(),
        place_by: None,
        leaves_soon: true,
        excluded: Vec::new(),
        refused_reports: Vec::new(),
        refused_requirements: Vec::new(),
    };
    let ranking = rank(source, &needs);
    let fit: Vec<&str> = ranking.fit.iter().map(|one| one.agency.as_str()).collect();
    assert_eq!(fit, ["house2"], "{:?}", ranking.unfit);
    let house1 = ranking
        .unfit
        .iter()
        .find(|one| one.agency.as_str() == "house1")
        .unwrap();
    assert!(
        house1.why.iter().any(|why| why.contains("boys up to 12")),
        "{:?}",
        house1.why
    );
}

/// A child interprets no consent (R8): what it would cover is refused.
async fn no_child_interprets(laila: &Person) {
    let all = closed(&[HOUSE_TRIAGE, HOUSE_ACCEPTED].concat());
    let (source, purpose) = (&laila.source, Purpose::SafeAccommodation);
    let mut draft = consent(source, laila.case, "house2", purpose, all);
    draft.interpreter = InterpreterClass::Child;
    let refused = source.record_basis(draft).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::BasisBounds));
}

/// What house2 and alpha see of one member, byte by byte.
async fn seen(world: &World, offer: OfferId, referral: &str) -> Vec<Vec<u8>> {
    let get = v1::GetOfferRequest {
        name: format!("agencies/house2/offers/{offer}"),
    };
    let own = v1::GetReferralRequest {
        name: format!("agencies/alpha/referrals/{referral}"),
    };
    let house2 = world.wire("house2", StaffRole::Intake);
    let alpha = world.wire("alpha", StaffRole::Caseworker);
    vec![
        house2
            .raw("OfferService/GetOffer", get.encode_to_vec())
            .await
            .unwrap(),
        alpha
            .raw("ReferralService/GetReferral", own.encode_to_vec())
            .await
            .unwrap(),
    ]
}

#[test]
fn a_family_stays_together_until_one_of_them_parts_and_the_others_see_nothing_of_it() {
    run(async {
        let mut own = town_at(9, 0).await;
        let source = own.world.source("alpha");
        let house2 = own.world.intake("house2");
        rooms_of(&house2).await;
        let eyes = Eyes::of(&own.world, NOBODY).await;
        the_desk_matches_the_group(&source);
        let people = family(&source);
        no_child_interprets(&people[1]).await;
        let all: Vec<(usize, &Person)> = people.iter().enumerate().collect();
        let (bases, sent) = asks_together(&source, &all, "house2").await;
        let offers: Vec<OfferId> = sent.members.iter().map(|member| member.1[0].1).collect();
        let karim = house2.offer(offers[0]).await.unwrap();
        let group = karim.group.expect("they came together");
        assert_ne!(group, sent.group, "R3: the group's id is this house's own");
        let together: Vec<String> = {
            let mut bands = Vec::new();
            for &offer in &offers {
                let seen = read(&own.world, "house2", offer, Stage::Triage).await;
                bands.push(seen["age.band"].clone());
            }
            bands
        };
        assert_eq!(
            together,
            ["\"ADULT\"", "\"ADULT\"", "\"ADOLESCENT\"", "\"CHILD\""]
        );
        for &offer in &offers {
            house2.acknowledge(offer).await.unwrap();
        }

        // Day 2, alone, with her own interpreter.
        own.pass(Duration::from_secs(26 * 60 * 60)).await;
        let held = house2
            .hold_group(group, &GroupPlaces::from_pool(pool()))
            .await
            .unwrap();
        assert_eq!(held.offers.len(), 4);
        let his = sent.members[0].0.to_string();
        let before = seen(&own.world, offers[0], &his).await;
        let stop = AlsoAsked {
            erase: false,
            leave: true,
        };
        for basis in &bases[1..] {
            source.withdraw_basis(basis, stop).await.unwrap();
        }
        assert_eq!(seen(&own.world, offers[0], &his).await, before);
        for &offer in &offers[1..] {
            let view = house2.offer(offer).await.unwrap();
            assert_eq!(view.state, OfferState::Closed);
        }

        // She and Zahra elsewhere, Omid where there are others of his age; child protection hears of both children.
        let away: Vec<Person> = people[1..]
            .iter()
            .map(|person| {
                let mut record = person.record.clone();
                record.do_not_meet = Some(v1::DoNotMeetFacts {
                    descriptions: vec![format!("Karim, 41: {}", CANARIES[0])],
                });
                record.trafficking = Some(v1::TraffickingFacts {
                    status: v1::TraffickingStatus::AtRisk.into(),
                    exploitation: vec![v1::Exploitation::ForcedMarriage.into()],
                    ..Default::default()
                });
                Person {
                    record,
                    ..person.clone()
                }
            })
            .collect();
        let [laila, omid, zahra] = &away[..] else {
            panic!("three part");
        };
        let (hers, moved) = asks_together(&source, &[(1, laila), (3, zahra)], "house1").await;
        let house1 = own.world.intake("house1");
        let new: Vec<OfferId> = moved.members.iter().map(|member| member.1[0].1).collect();
        assert!(!new.iter().any(|offer| offers.contains(offer)));
        let arrived = house1.offer(new[0]).await.unwrap().group.unwrap();
        assert_ne!(arrived, group);
        house1.accept_group(arrived, None).await.unwrap();
        for (offer, basis, person, alias) in [
            (new[0], &hers[0], laila, "Nur"),
            (new[1], &hers[1], zahra, "Mina"),
        ] {
            let told = Told {
                basis,
                alias,
                triage: HOUSE_TRIAGE,
            };
            person
                .tells(
                    offer,
                    &told,
                    Stage::Accepted,
                    &["IDENTITY/ALIAS", "DO_NOT_MEET/WHOLE"],
                )
                .await;
            let read = read(&own.world, "house1", offer, Stage::Accepted).await;
            assert!(read["do_not_meet.descriptions"].contains("Karim"));
        }
        let basis = bed_basis(omid, 2, "house3").await;
        let told = Told {
            basis: &basis,
            alias: "Ali",
            triage: HOUSE_TRIAGE,
        };
        let his_new = omid
            .asks(Purpose::SafeAccommodation, Urgency::Emergency, &[told])
            .await;
        let house3 = own.world.intake("house3");
        house3.accept(his_new.offers[0].1, None).await.unwrap();
        for (child, alias) in [(omid, "Ali"), (zahra, "Roya")] {
            let all = labels(&[CSW_TRIAGE, CSW_ACCEPTED].concat()).closed();
            let basis = safeguards(child, "csw", Purpose::ChildProtection, all).await;
            let told = [Told {
                basis: &basis,
                alias,
                triage: CSW_TRIAGE,
            }];
            let sent = child
                .asks(Purpose::ChildProtection, Urgency::Emergency, &told)
                .await;
            let offer = sent.offers[0].1;
            own.world.intake("csw").accept(offer, None).await.unwrap();
            let [told] = told;
            child
                .tells(offer, &told, Stage::Accepted, CSW_ACCEPTED)
                .await;
            let read = read(&own.world, "csw", offer, Stage::Accepted).await;
            assert_eq!(read["trafficking.exploitation"], "[\"FORCED_MARRIAGE\"]");
            assert!(read["do_not_meet.descriptions"].contains("Karim"));
        }

        // His own stands as it was, in every byte, and goes on alone.
        assert_eq!(seen(&own.world, offers[0], &his).await, before);
        let accepted = house2.accept_group(group, None).await.unwrap();
        assert_eq!(accepted.offers, [offers[0]]);
        let view = source.referral(sent.members[0].0).await.unwrap();
        assert_eq!(view.state, ReferralState::Placed);
        let heard = Heard {
            offer: new[0].to_string(),
            basis: hers[0].chain.to_string(),
            case: laila.case.to_string(),
            ..Heard::nothing()
        };
        own.ends(&eyes, &heard, CANARIES).await;
    });
}

#[test]
fn a_man_and_a_family_want_the_same_room_and_one_party_gets_all_of_it() {
    run(async {
        let own = town_at(9, 0).await;
        let source = own.world.source("alpha");
        let house2 = own.world.intake("house2");
        rooms_of(&house2).await;
        let people = family(&source);
        let all: Vec<(usize, &Person)> = people.iter().enumerate().collect();
        let (_, sent) = asks_together(&source, &all, "house2").await;
        let karim = house2.offer(sent.members[0].1[0].1).await.unwrap();
        let group = karim.group.unwrap();
        let man = Person::new(&own.world.source("beta"), people::farid());
        let basis = man.agrees_to_bed("house2").await;
        let told = Told {
            basis: &basis,
            alias: "Omar",
            triage: HOUSE_TRIAGE,
        };
        let his = man
            .asks(Purpose::SafeAccommodation, Urgency::Emergency, &[told])
            .await;
        let (places, family3) = (GroupPlaces::from_pool(pool()), room("family-3"));
        let (pool, other) = (pool(), own.world.desk("house2", StaffRole::Supervisor));
        let (theirs, his) = tokio::join!(
            house2.accept_group(group, Some(&places)),
            other.accept_in(his.offers[0].1, Some(&family3), Some((&pool, 1))),
        );
        assert!(theirs.is_ok() != his.is_ok(), "{theirs:?} {his:?}");
        let lost = theirs.err().or(his.err()).unwrap();
        assert_eq!(lost.reason(), Some(Reason::NoPlaces));
        let rooms = house2.pools().await.unwrap().remove(0).rooms;
        let taken = rooms.iter().find(|one| one.size.room == family3).unwrap();
        assert!(taken.in_use == 4 || taken.in_use == 1, "all or none");
        own.assert_audits().await;
    });
}
