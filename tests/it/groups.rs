//! A family of four: one room or none, and a parting that nobody else can see (R9, R3, invariant 22).

use safeconduct::client::agency::Desk;
use safeconduct::client::error::Reason;
use safeconduct::client::recipient::{GroupPlaces, OfferView};
use safeconduct::client::source::{AlsoAsked, Candidate, GroupAsk, Member, SentGroup};
use safeconduct::domain::basis::Basis;
use safeconduct::domain::id::{CaseHandle, OfferId, PoolId, RoomId};
use safeconduct::domain::place::RoomSize;
use safeconduct::domain::rooming::Guest;
use safeconduct::domain::vocabulary::{
    DeclineReason, Decliner, OfferState, Outcome, PlacementGender, ReferralState, Sharing,
    StaffRole, Stage,
};
use safeconduct::proto::v1;

use crate::harness::normal::{Level, Reader};
use crate::harness::scene::{BED, TRIAGE, bed_basis, facts, new_case, one_bed, tonight};
use crate::harness::{World, assert_replays, own, run};

const HOUSES: [&str; 2] = ["house1", "house2"];

/// Karim, Laila, Omid and Zahra, in this order.
struct Family {
    bases: Vec<(CaseHandle, Vec<Basis>)>,
    sent: SentGroup,
}

impl Family {
    async fn asked_for(source: &Desk) -> Self {
        let mut bases = Vec::new();
        for case in [(); 4].map(|()| new_case()) {
            let mut each = Vec::new();
            for house in HOUSES {
                each.push(bed_basis(source, case, house).await);
            }
            bases.push((case, each));
        }
        let members: Vec<Member<'_>> = bases
            .iter()
            .map(|(case, bases)| Member {
                case: *case,
                candidates: bases
                    .iter()
                    .map(|basis| Candidate {
                        basis,
                        parcels: vec![(Stage::Triage, facts(TRIAGE))],
                    })
                    .collect(),
            })
            .collect();
        let ask = tonight(source, bases[0].0, BED);
        let ask = GroupAsk {
            purpose: ask.purpose,
            urgency: ask.urgency,
            decide_by: ask.decide_by,
            keep_together: true,
        };
        let sent = source.create_group(&ask, &members).await.unwrap();
        Self { bases, sent }
    }

    fn offer(&self, member: usize, house: &str) -> OfferId {
        let offers = &self.sent.members[member].1;
        let found = offers.iter().find(|(agency, _)| agency.as_str() == house);
        found.unwrap().1
    }

    /// Laila takes back what she said to house2; the children go with her.
    async fn part(&self, source: &Desk) {
        let stop = AlsoAsked {
            erase: false,
            leave: false,
        };
        source
            .withdraw_basis(&self.bases[1].1[1], stop)
            .await
            .unwrap();
        for (referral, _) in &self.sent.members[2..] {
            source.recall(*referral).await.unwrap();
        }
    }
}

/// What house2 and the source see of Karim, byte by byte.
async fn seen(world: &World, family: &Family) -> Vec<(&'static str, Vec<u8>)> {
    use prost::Message as _;
    let offer = family.offer(0, "house2");
    let referral = family.sent.members[0].0;
    let house2 = world.wire("house2", StaffRole::Intake);
    let alpha = world.wire("alpha", StaffRole::Caseworker);
    let get = v1::GetOfferRequest {
        name: format!("agencies/house2/offers/{offer}"),
    };
    let own = v1::GetReferralRequest {
        name: format!("agencies/alpha/referrals/{referral}"),
    };
    let (get, own) = (get.encode_to_vec(), own.encode_to_vec());
    let (at_house, at_source) = ("OfferService/GetOffer", "ReferralService/GetReferral");
    vec![
        (at_house, house2.raw(at_house, get).await.unwrap()),
        (at_source, alpha.raw(at_source, own).await.unwrap()),
    ]
}

fn read(replies: &[(&'static str, Vec<u8>)]) -> Vec<String> {
    let mut reader = Reader::new(Level::Ids);
    let texts = replies
        .iter()
        .map(|(method, bytes)| reader.reply(method, bytes));
    texts.collect()
}

fn beds() -> PoolId {
    "rooms".parse().unwrap()
}

fn room(id: &str) -> RoomId {
    id.parse().unwrap()
}

fn sizes() -> Vec<RoomSize> {
    [("men", 2), ("family-3", 4), ("family-4", 4)]
        .map(|(id, places)| RoomSize {
            room: room(id),
            places,
            closed: 0,
        })
        .to_vec()
}

#[test]
fn a_family_gets_one_room_and_parts_without_a_word_to_anybody() {
    run(async {
        let own = own(&["alpha", "house1", "house2", "ombud"], "warn").await;
        let world = &own.world;
        let source = world.source("alpha");
        let (house1, house2) = (world.intake("house1"), world.intake("house2"));
        let pool = house2
            .set_rooms(&beds(), Sharing::OnePartyPerRoom, &sizes())
            .await
            .unwrap();
        assert_eq!((pool.total, pool.rooms.len()), (10, 3));
        // Two families in the same night: nothing ever happens to the second.
        let family = Family::asked_for(&source).await;
        let twin = Family::asked_for(&source).await;

        let karim = house2.offer(family.offer(0, "house2")).await.unwrap();
        let group = karim.group.expect("a group");
        assert!(karim.keep_together);
        let elsewhere = house1.offer(family.offer(0, "house1")).await.unwrap();
        assert_ne!(
            elsewhere.group, karim.group,
            "R3: another id at each recipient"
        );
        assert_ne!(family.sent.group, group);
        assert_eq!(house2.group(group).await.unwrap().len(), 4);

        let held = house2
            .hold_group(group, &GroupPlaces::from_pool(beds()))
            .await
            .unwrap();
        assert_eq!(held.offers.len(), 4);
        let twins = house2.offer(twin.offer(0, "house2")).await.unwrap();
        house2
            .hold_group(twins.group.unwrap(), &GroupPlaces::from_pool(beds()))
            .await
            .unwrap();
        // A man comes: places are free in none of the families' rooms, and his own is the men's.
        let man = one_bed(&source, "house2").await;
        let places = Some((&beds(), 1)).map(|(pool, count)| (pool.clone(), count));
        let into = |room| {
            let (house2, pool) = (house2.clone(), places.clone().unwrap().0);
            async move {
                house2
                    .accept_in(man.offer, Some(&room), Some((&pool, 1)))
                    .await
            }
        };
        let error = into(room("family-3")).await.unwrap_err();
        assert_eq!(error.reason(), Some(Reason::NoPlaces));
        let guest = Guest {
            age_from: 30,
            age_to: 30,
            doubt: false,
            gender: PlacementGender::Man,
            party: 1,
        };
        let pools = house2.pools().await.unwrap();
        let suited = house2.suitable_rooms(&pools[0], &Default::default(), &[guest], 1);
        assert_eq!(suited, [room("men")]);
        into(suited[0].clone()).await.unwrap();

        let alone = house2.accept(karim.id, None).await.unwrap_err();
        assert_eq!(alone.reason(), Some(Reason::Group));

        let before = seen(world, &family).await;
        let theirs = seen(world, &twin).await;
        // Within one world: not a byte. Between two: nothing but ids and times.
        family.part(&source).await;
        assert_eq!(seen(world, &family).await, before);
        assert_eq!(seen(world, &twin).await, theirs);
        let rooms = |text: Vec<String>| text.join("").replace("family-4", "family-3");
        assert_eq!(rooms(read(&before)), rooms(read(&theirs)));

        let laila = house2.offer(family.offer(1, "house2")).await.unwrap();
        assert_eq!((laila.state, laila.places), (OfferState::Closed, 0));
        let laila = house1.offer(family.offer(1, "house1")).await.unwrap();
        assert_eq!(laila.state, OfferState::Offered);

        let accepted = house2.accept_group(group, None).await.unwrap();
        assert_eq!(accepted.offers, [karim.id]);
        let karim = house2.offer(karim.id).await.unwrap();
        assert_eq!((karim.room, karim.places), (Some(room("family-3")), 1));
        let view = source.referral(family.sent.members[0].0).await.unwrap();
        assert_eq!(view.state, ReferralState::Placed);
        assert_eq!(view.group, Some(family.sent.group));
        let elsewhere = house1.offer(family.offer(0, "house1")).await.unwrap();
        assert_eq!(elsewhere.state, OfferState::Closed);

        house2.check_in(karim.id).await.unwrap();
        house2.check_out(karim.id).await.unwrap();
        house2
            .finish_preparing(&beds(), Some(&room("family-3")), 1)
            .await
            .unwrap();
        let outcome = Outcome::ServiceProvided;
        house2.complete(karim.id, outcome).await.unwrap();
        let pools = house2.pools().await.unwrap();
        let free = &pools[0].rooms[1];
        assert_eq!((free.in_use, free.preparing), (0, 0));
        assert_replays(world);
    });
}

#[test]
fn nobodys_yes_covers_another_member_of_the_family() {
    run(async {
        let own = own(&["alpha", "house1", "ombud"], "warn").await;
        let source = own.world.source("alpha");
        let cases = [new_case(), new_case()];
        let karims = bed_basis(&source, cases[0], "house1").await;
        let members = cases.map(|case| Member {
            case,
            candidates: vec![Candidate {
                basis: &karims,
                parcels: vec![(Stage::Triage, facts(TRIAGE))],
            }],
        });
        let ask = tonight(&source, cases[0], BED);
        let ask = GroupAsk {
            purpose: ask.purpose,
            urgency: ask.urgency,
            decide_by: ask.decide_by,
            keep_together: true,
        };
        let refused = source.create_group(&ask, &members).await.unwrap_err();
        assert_eq!(refused.reason(), Some(Reason::BasisNotAllowed));
        let inbox = own.world.intake("house1").offers().await.unwrap();
        assert!(inbox.is_empty(), "all or nothing");
        assert_replays(&own.world);
    });
}

/// A reason that no word says needs two persons, for a family as for one.
#[test]
fn a_family_is_declined_with_other_by_two_persons_of_the_house() {
    run(async {
        let own = own(&["alpha", "house1", "house2", "ombud"], "warn").await;
        let source = own.world.source("alpha");
        let family = Family::asked_for(&source).await;
        let house1 = own.world.intake("house1");
        let karim = house1.offer(family.offer(0, "house1")).await.unwrap();
        let group = karim.group.expect("a group");
        let (other, by) = (DeclineReason::Other, Decliner::Agency);
        let proposed = house1.decline_group(group, other, by).await.unwrap();
        assert!(proposed.awaits_second && proposed.offers.len() == 4);
        let again = house1.decline_group(group, other, by).await.unwrap_err();
        assert_eq!(again.reason(), Some(Reason::NeedsSecondPerson));
        let members = house1.group(group).await.unwrap();
        let waits = |offer: &OfferView| offer.state.is_undecided();
        assert!(members.iter().all(waits));
        let second = own.world.desk("house1", StaffRole::Supervisor);
        let declined = second.decline_group(group, other, by).await.unwrap();
        assert!(!declined.awaits_second && declined.offers == proposed.offers);
        for member in house1.group(group).await.unwrap() {
            assert_eq!(member.state, OfferState::Declined);
        }
        assert_replays(&own.world);
    });
}
