use super::rights::{Right, Rights};
use super::*;
use crate::audit::fixture::{TRIAGE, Town};
use crate::domain::vocabulary::{ActClass, OfferState, Stage};
use crate::ledger::question::About;

fn read(town: &Town) -> Vec<Act> {
    let log = town.log.iter().zip(0u64..);
    log.map(|((entry, opening), index)| Act::read(index, entry, opening.as_ref()).unwrap())
        .collect()
}

fn answers(town: &Town, question: Question) -> Vec<(u64, &'static str)> {
    let mut asking = Asking::new(question);
    let acts = read(town);
    acts.iter().for_each(|act| asking.foresee(act));
    acts.iter()
        .filter(|act| asking.answers(act))
        .map(|act| (act.index, act.event()))
        .collect()
}

#[test]
fn a_question_about_an_offer_finds_who_opened_it_and_by_which_right() {
    let mut town = Town::new();
    town.record_basis();
    let deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    let (offer, offered) = town.offered(deposit);
    let opened = town.open(offer, Stage::Triage);
    town.next_person();
    let deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    town.offered(deposit);
    let question = Question {
        about: Some(About::Offer(offer)),
        ..Question::default()
    };
    let found = answers(&town, question);
    assert_eq!(found, [(offered, "offered"), (opened, "opened")]);

    let mut rights = Rights::default();
    let acts = read(&town);
    acts.iter().for_each(|act| rights.learn(act));
    let right = acts.iter().filter_map(|act| rights.of(act)).next();
    let Some(Right::Basis { kind, purpose, .. }) = right else {
        panic!("{right:?}");
    };
    assert_eq!(kind.as_deref(), Some("CONSENT"));
    assert_eq!(purpose.as_deref(), Some("SAFE_ACCOMMODATION"));
}

#[test]
fn a_case_is_its_bases_and_offers_and_nobody_elses() {
    let mut town = Town::new();
    let basis = town.record_basis();
    let deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    let (offer, offered) = town.offered(deposit);
    let moved = town.moved(offer, OfferState::Received);
    town.next_person();
    let deposit = town.parcel(Stage::Triage, TRIAGE, "ngo");
    let (other, _) = town.offered(deposit);
    let of = |offer| Question {
        about: Some(About::CaseOf(offer)),
        ..Question::default()
    };
    let indexes: Vec<u64> = answers(&town, of(offer))
        .iter()
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(indexes, [basis, offered, moved]);
    assert!(!answers(&town, of(other)).iter().any(|(at, _)| *at == moved));
}

#[test]
fn classes_pick_disclosures() {
    let town = Town::ordinary();
    let question = Question {
        classes: vec![ActClass::Disclosures],
        ..Question::default()
    };
    let found = answers(&town, question);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|(_, event)| *event == "opened"));
}

#[test]
fn an_opening_that_is_not_the_entrys_is_not_read() {
    let mut town = Town::ordinary();
    let index = town
        .log
        .iter()
        .position(|(_, opening)| opening.is_some())
        .unwrap();
    let (entry, opening) = &mut town.log[index];
    opening.as_mut().unwrap().nonce[0] ^= 1;
    let read = Act::read(index as u64, entry, opening.as_ref());
    assert_eq!(read, Err(Problem::WrongOpening));
}
