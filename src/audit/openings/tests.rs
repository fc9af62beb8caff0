use super::super::finding::Finding;
use super::super::fixture::{Memory, Town};
use super::super::{Audit, Level};
use super::*;

fn findings(log: &Memory) -> Vec<Finding> {
    let mut audit = Audit::new(Level::Openings, None);
    for (entry, opening) in &log.log {
        let _ = audit.feed(entry, opening.as_ref());
    }
    audit.finish(&log.checkpoint()).findings
}

#[test]
fn every_commitment_opens() {
    assert_eq!(findings(&Town::ordinary().source()), []);
}

#[test]
fn a_missing_opening_is_found_and_a_tombstone_excuses_it() {
    let mut town = Town::ordinary();
    town.log[7].1 = None;
    assert_eq!(findings(&town.source()), [Problem::NoOpening.at(7)]);
    let buried = EntryBody::Erased {
        of: Erased::Decision,
        indexes: vec![7],
    };
    town.push_body(Actor::Router, buried);
    assert_eq!(findings(&town.source()), [Problem::ErasedUnreplayed.at(7)]);
}

#[test]
fn unlawful_tombstones_are_found() {
    let mut town = Town::ordinary();
    town.log[7].1 = None;
    let by_agency = town.push_body(
        Town::by("ngo"),
        EntryBody::Erased {
            of: Erased::Decision,
            indexes: vec![7],
        },
    );
    let of_later = town.push_body(
        Actor::Router,
        EntryBody::Erased {
            of: Erased::Decision,
            indexes: vec![10_000],
        },
    );
    let of_given = town.push_body(
        Actor::Router,
        EntryBody::Erased {
            of: Erased::Decision,
            indexes: vec![8],
        },
    );
    assert_eq!(
        findings(&town.source()),
        [
            Problem::NoOpening.at(7),
            Problem::Tombstone.at(by_agency),
            Problem::Tombstone.at(of_later),
            Problem::StillThere(8).at(of_given),
        ]
    );
}

#[test]
fn openings_that_do_not_fit_are_found() {
    let town = Town::ordinary();
    let spoil = |change: fn(&mut SealedOpening)| {
        let mut log = town.source();
        change(log.log[8].1.as_mut().unwrap());
        findings(&log)
    };
    let wrong = [Problem::WrongOpening.at(8)];
    assert_eq!(spoil(|given| given.nonce[0] ^= 1), wrong);
    assert_eq!(spoil(|given| given.nonce.truncate(31)), wrong);
    assert_eq!(spoil(|given| given.decision[5] ^= 1), wrong);
    assert_eq!(spoil(|given| given.index += 1), wrong);
    let mut log = town.source();
    log.log[7].1.clone_from(&town.log[8].1);
    assert_eq!(findings(&log), [Problem::WrongOpening.at(7)]);
    // The last entry is a tick.
    let mut log = town.source();
    log.log.last_mut().unwrap().1.clone_from(&town.log[8].1);
    assert_eq!(findings(&log), [Problem::NothingToOpen.at(town.next() - 1)]);
}

#[test]
fn an_opening_of_another_event_than_the_entry_says_is_found() {
    let mut town = Town::new();
    let opening = Opening {
        nonce: [1; 32],
        decision: crate::ledger::decision::Decision::DeniedCounted { count: 3 },
    };
    let body = EntryBody::Committed {
        event: "opened",
        commitment: opening.commitment(),
    };
    let index = town.push_body(Actor::Router, body);
    town.log.last_mut().unwrap().1 = Some(SealedOpening {
        index,
        nonce: opening.nonce.to_vec(),
        decision: opening.decision_bytes(),
    });
    assert_eq!(findings(&town.source()), [Problem::WrongEvent.at(index)]);
}
