use super::super::tests::finds;
use crate::audit::finding::Problem;
use crate::audit::fixture::{TRIAGE, Town, agency};
use crate::domain::id::{GroupId, OfferId};
use crate::domain::vocabulary::OfferState;
use crate::ledger::decision::Decision;

const GROUP: [u8; 16] = [5; 16];

fn family(town: &mut Town, together: bool) -> (Vec<OfferId>, u64) {
    let offers: Vec<OfferId> = (0..3)
        .map(|_| {
            town.next_person();
            town.offer(TRIAGE)
        })
        .collect();
    let index = grouped(town, "ngo", &offers, together);
    (offers, index)
}

fn grouped(town: &mut Town, by: &str, offers: &[OfferId], together: bool) -> u64 {
    let decision = Decision::Grouped {
        group: GroupId::from_random(GROUP).to_string(),
        recipient: agency("shelter").to_string(),
        offers: offers.iter().map(ToString::to_string).collect(),
        together,
        staff: "s1".into(),
    };
    town.push(Town::by(by), decision)
}

fn whole(town: &mut Town, by: &str, offers: &[OfferId]) -> u64 {
    let decision = Decision::GroupMoved {
        group: GroupId::from_random(GROUP).to_string(),
        to: OfferState::Accepted.to_string(),
        offers: offers.iter().map(ToString::to_string).collect(),
        staff: "s2".into(),
    };
    town.push(Town::by(by), decision)
}

fn closed(town: &mut Town, offer: OfferId) {
    let offer = offer.to_string();
    town.push(Town::by("ngo"), Decision::OfferClosed { offer });
}

#[test]
fn a_family_accepted_whole_and_one_who_left_before_are_no_finding() {
    let mut town = Town::new();
    let (offers, _) = family(&mut town, true);
    closed(&mut town, offers[1]);
    let rest = [offers[0], offers[2]];
    whole(&mut town, "shelter", &rest);
    for offer in rest {
        town.moved(offer, OfferState::Accepted);
    }
    finds(&town, &[]);
}

#[test]
fn one_accepted_without_the_others_is_found() {
    let mut town = Town::new();
    let (offers, _) = family(&mut town, true);
    let alone = town.moved(offers[0], OfferState::Accepted);
    // Nobody is left to be parted from the last.
    let second = town.moved(offers[1], OfferState::Accepted);
    town.moved(offers[2], OfferState::Accepted);
    finds(&town, &[(alone, Problem::Group), (second, Problem::Group)]);
    let mut town = Town::new();
    let (offers, _) = family(&mut town, false);
    town.moved(offers[0], OfferState::Accepted);
    finds(&town, &[]);
}

#[test]
fn a_decision_on_part_of_a_group_or_by_another_is_found() {
    let mut town = Town::new();
    let (offers, _) = family(&mut town, true);
    let part = whole(&mut town, "shelter", &offers[..2]);
    let other = whole(&mut town, "ngo", &offers);
    finds(&town, &[(part, Problem::Group), (other, Problem::Actor)]);
}

#[test]
fn a_group_of_one_case_or_made_by_another_is_found() {
    let mut town = Town::new();
    town.next_person();
    let same = [town.offer(TRIAGE), town.offer(TRIAGE)];
    let twice = grouped(&mut town, "ngo", &same, true);
    let (offers, _) = family(&mut town, true);
    let again = grouped(&mut town, "ngo", &offers, true);
    let foreign = grouped(&mut town, "shelter", &offers, true);
    let expected = [
        (twice, Problem::Group),
        (again, Problem::Group),
        (foreign, Problem::Actor),
    ];
    finds(&town, &expected);
}
