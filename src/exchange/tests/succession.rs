//! A restored log under a new name: nothing is disclosed before its source has resubmitted.

use super::town::{ORIGIN, Town, fresh, id, settings};
use crate::audit::finding::{Problem, Severity};
use crate::audit::replay::Replay;
use crate::domain::vocabulary::Stage;
use crate::exchange::succession::Succession;
use crate::exchange::{Exchange, Refusal, Settings, StartError};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::entry::{Entry, Opening};
use crate::ledger::hash::Hash;
use crate::ledger::note::{NoteSigner, NoteVerifier};
use crate::storage::engine::{Engine, Table};
use crate::storage::records::log::OpeningRecord;
use crate::storage::records::{Record as _, key};
use std::sync::Arc;

const RENAMED: &str = "2.safeconduct.example";

fn renamed(town: &Town) -> Settings {
    Settings {
        signer: NoteSigner::ed25519(RENAMED, &[8; 32]).expect("a signer"),
        ..settings(&town.clock)
    }
}

/// The town as after a restore that lost five entries; gives the index of the succession.
fn succeed(town: &mut Town) -> u64 {
    let engine: Arc<dyn Engine> = town.engine.clone();
    let succession = Succession {
        of_key: town.exchange.verifier_key().to_owned(),
        witnessed: Some(Checkpoint {
            origin: ORIGIN.to_owned(),
            size: engine.head().size + 5,
            root: Hash::from_bytes([3; 32]),
        }),
    };
    town.engine.restart();
    let mut same = settings(&town.clock);
    let unnamed = Exchange::succeed(&engine, &mut same, &succession);
    assert!(matches!(unnamed, Err(StartError::Invalid(_))));
    let index = Exchange::succeed(&engine, &mut renamed(town), &succession).expect("succeeded");
    let old = Exchange::open(engine.clone(), settings(&town.clock));
    assert!(matches!(old, Err(StartError::OtherLog)));
    town.exchange = Exchange::open(engine, renamed(town)).expect("a store");
    index
}

/// What a replay finds that is told no opening of the entries that `hidden` picks.
fn replayed(town: &Town, hidden: impl Fn(&str) -> bool) -> Vec<Problem> {
    let mut replay = Replay::new();
    let mut found = Vec::new();
    for index in 0..town.engine.head().size {
        let row = key::index(index);
        let entry = town.engine.get(Table::Entry, &row).expect("readable");
        let entry = Entry::parse(&entry.expect("there").value).expect("an entry");
        let opening = town.engine.get(Table::Opening, &row).expect("readable");
        let opening = opening.filter(|_| !hidden(entry.body.event()));
        let opening = opening.map(|stored| {
            let record = OpeningRecord::from_stored(&stored).expect("a record");
            Opening::parse(&record.nonce, &record.decision).expect("an opening")
        });
        found.extend(replay.feed(Some(&entry), opening.as_ref()));
    }
    assert_eq!(replay.log_origin(), RENAMED);
    found.into_iter().map(|finding| finding.problem).collect()
}

#[tokio::test]
async fn nothing_of_a_source_is_disclosed_before_it_has_resubmitted() {
    // Invariants 13, 31.
    let mut town = Town::begin().await;
    let offers = town.refer(&["north", "south"]).await;
    let [north, south] = offers.as_slice() else {
        panic!("two offers");
    };
    let (worker, ngo) = (town.caseworker(), id("ngo"));
    let none = town.exchange.confirm_succession(&worker, &ngo, fresh());
    assert_eq!(none.await.err(), Some(Refusal::NoSuccession));

    let index = succeed(&mut town);
    assert_eq!(town.events(index), ["succeeded"]);
    let note = town.exchange.checkpoint().await.expect("signed");
    let verifier = NoteVerifier::parse(town.exchange.verifier_key()).expect("a key");
    assert_eq!(verifier.verify(&note).expect("signed").size, index + 1);

    let intake = town.intake("north");
    let open = || town.exchange.open_parcel(&intake, north, Stage::Triage);
    assert_eq!(open().await.err(), Some(Refusal::SuccessionPending));
    // Another's word is not the source's.
    let house = id("north");
    let other = town.exchange.confirm_succession(&intake, &house, fresh());
    let _ = other.await.expect("confirmed for itself");
    assert_eq!(open().await.err(), Some(Refusal::SuccessionPending));
    // What it signed since the backup comes back: a withdrawal.
    town.withdraw("south", 2).await;
    let own = town.exchange.confirm_succession(&worker, &ngo, fresh());
    let _ = own.await.expect("confirmed");
    let again = town.exchange.confirm_succession(&worker, &ngo, fresh());
    assert_eq!(again.await.err(), Some(Refusal::NoSuccession));

    let _ = open().await.expect("opened");
    let intake = town.intake("south");
    let withdrawn = town.exchange.open_parcel(&intake, south, Stage::Triage);
    assert_eq!(withdrawn.await.err(), Some(Refusal::NotFound));

    let found = replayed(&town, |_| false);
    assert!(
        matches!(found.as_slice(), [Problem::Succeeded(5)]),
        "{found:?}"
    );
    assert_eq!(found[0].severity(), Severity::Notice);
    let found = replayed(&town, |event| event == "succession_confirmed");
    assert!(
        found.iter().any(|it| matches!(it, Problem::NotResubmitted)),
        "{found:?}"
    );
}
