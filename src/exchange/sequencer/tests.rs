//! The sequencer against a serial model, with random changes that race (invariant 5).

use super::change::{Change, EntryDraft, Read};
use super::state::{Listener, State};
use super::{SubmitError, Waiting};
use crate::domain::id::AgencyId;
use crate::domain::time::{Period, Timestamp};
use crate::exchange::clock::{MockClock, Watched};
use crate::ledger::entry::{Entry, EntryBody};
use crate::ledger::hash::{self, Hash};
use crate::ledger::note::NoteSigner;
use crate::ledger::tree::Edge;
use crate::storage::engine::{Engine, Life, Table, Write};
use crate::storage::memory::{Fault, MemoryEngine};
use crate::storage::records::key;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

struct Deaf;

impl Listener for Deaf {
    fn committed(
        &self,
        _: &mut dyn Iterator<Item = (Table, &[u8])>,
        _: &mut dyn Iterator<Item = (&AgencyId, u64)>,
    ) {
    }
}

fn begin(engine: &Arc<MemoryEngine>) -> State {
    let start = Timestamp::from_seconds(1_780_278_000).expect("a time");
    let clock = Arc::new(Watched::new(Arc::new(MockClock::at(start))));
    let signer = NoteSigner::ed25519("log.example", &[3; 32]).expect("a signer");
    State::recover(engine.clone(), signer, clock, Box::new(Deaf)).expect("a store")
}

fn put(at: u8, value: u8) -> Write {
    Write::Put {
        table: Table::Offer,
        key: vec![at],
        value: vec![value],
        life: Life::Record,
    }
}

/// One change as drawn: what it reads (and whether it looks before the batch or far earlier), what it writes.
#[derive(Debug, Clone)]
struct Drawn {
    reads: Vec<u8>,
    writes: Vec<(u8, Option<u8>)>,
    stale_view: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let reads = prop::collection::vec(0u8..6, 0..4);
    let writes = prop::collection::vec((0u8..6, prop::option::of(any::<u8>())), 0..4);
    (reads, writes, prop::bool::weighted(0.2)).prop_map(|(reads, writes, stale_view)| Drawn {
        reads,
        writes,
        stale_view,
    })
}

fn versions(engine: &MemoryEngine) -> HashMap<u8, u64> {
    let rows = engine.scan(Table::Offer, b"", None, 99).expect("rows");
    rows.into_iter()
        .map(|(key, it)| (key[0], it.version))
        .collect()
}

type Answered = oneshot::Receiver<Result<super::Committed, SubmitError>>;

fn submit(change: Change) -> (Waiting, Answered) {
    let (answer, answered) = oneshot::channel();
    (Waiting { change, answer }, answered)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn exactly_those_stand_whose_reads_nobody_changed(
        batches in prop::collection::vec(prop::collection::vec(drawn(), 1..8), 1..8)
    ) {
        let engine = Arc::new(MemoryEngine::new());
        let mut state = begin(&engine);
        let mut model: HashMap<u8, u8> = HashMap::new();
        let first_view = (engine.head().batches, versions(&engine));
        let mut leaves = Vec::new();
        for batch in batches {
            let view = (engine.head().batches, versions(&engine));
            let mut dirty: HashMap<u8, ()> = HashMap::new();
            let (mut waiting, mut expected) = (Vec::new(), Vec::new());
            for one in &batch {
                let (since, seen) = if one.stale_view { &first_view } else { &view };
                let read = |&at: &u8| Read {
                    table: Table::Offer,
                    key: vec![at],
                    version: seen.get(&at).copied().unwrap_or(0),
                };
                let now = |at: &u8| view.1.get(at).copied().unwrap_or(0);
                let fresh = one.reads.iter().all(|at| read(at).version == now(at));
                let stands = fresh && !one.reads.iter().any(|at| dirty.contains_key(at));
                if stands {
                    for (at, value) in &one.writes {
                        dirty.insert(*at, ());
                        match value {
                            Some(value) => model.insert(*at, *value),
                            None => model.remove(at),
                        };
                    }
                }
                expected.push(stands);
                let write = |(at, value): &(u8, Option<u8>)| match value {
                    Some(value) => put(*at, *value),
                    None => Write::Delete { table: Table::Offer, key: vec![*at] },
                };
                let (one, answered) = submit(Change {
                    since: *since,
                    reads: one.reads.iter().map(read).collect(),
                    entries: vec![EntryDraft::tick()],
                    writes: one.writes.iter().map(write).collect(),
                    ..Change::default()
                });
                waiting.push((one, answered));
            }
            let (ones, answers): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
            prop_assert!(state.process(ones));
            for (mut answered, stands) in answers.into_iter().zip(expected) {
                let answer = answered.try_recv().expect("answered");
                prop_assert_eq!(answer.is_ok(), stands);
                if let Ok(committed) = answer {
                    prop_assert_eq!(committed.first, leaves.len() as u64);
                    let receipts = committed.receipts(&[0]).expect("a receipt");
                    leaves.push(hash::leaf(receipts[0].entry()));
                }
            }
            let rows = engine.scan(Table::Offer, b"", None, 99).expect("rows");
            let stored: HashMap<u8, u8> = rows.iter().map(|(key, it)| (key[0], it.value[0])).collect();
            prop_assert_eq!(&stored, &model);
        }
        let mut edge = Edge::new();
        for leaf in leaves {
            let _ = edge.append(leaf);
        }
        prop_assert_eq!(edge.root(), Hash::from_bytes(engine.head().root));
    }
}

#[test]
fn a_change_is_committed_only_within_its_validity_and_time_never_goes_back() {
    let engine = Arc::new(MemoryEngine::new());
    let mut state = begin(&engine);
    let at = Timestamp::from_seconds(1_780_278_000).expect("a time");
    let mut within = |from: Timestamp, until: Timestamp| {
        let (one, mut answered) = submit(Change {
            validity: Some(Period { from, until }),
            entries: vec![EntryDraft::tick()],
            ..Change::default()
        });
        assert!(state.process(vec![one]));
        answered.try_recv().expect("answered").map(|it| it.at)
    };
    let second = Duration::from_secs(1);
    assert_eq!(within(at, at).err(), Some(SubmitError::Expired));
    let later = within(at.plus(second), at.plus(second * 2));
    assert_eq!(later.err(), Some(SubmitError::Expired));
    assert_eq!(within(at, at.plus(second)), Ok(at));
}

#[test]
fn a_change_that_erases_more_than_one_tombstone_can_name_leaves_several() {
    let engine = Arc::new(MemoryEngine::new());
    let mut state = begin(&engine);
    let first = 1 << 52;
    let erased: Vec<u64> = (first..first + 7_001).collect();
    let (one, mut answered) = submit(Change {
        entries: vec![EntryDraft::tick()],
        erased: erased.clone().into(),
        ..Change::default()
    });
    assert!(state.process(vec![one]));
    let _ = answered.try_recv().expect("answered").expect("committed");
    let named = (1..engine.head().size).flat_map(|index| {
        let entry = engine.get(Table::Entry, &key::index(index));
        let entry = entry.expect("readable").expect("written").value;
        match Entry::parse(&entry).expect("an entry").body {
            EntryBody::Erased { indexes, .. } => indexes,
            _ => Vec::new(),
        }
    });
    assert_eq!(named.collect::<Vec<_>>(), erased);
}

#[test]
fn a_restart_continues_the_same_tree_past_full_tiles() {
    let engine = Arc::new(MemoryEngine::new());
    let mut state = begin(&engine);
    let many = |state: &mut State, count: usize| {
        let ticks = Change {
            entries: (0..count).map(|_| EntryDraft::tick()).collect(),
            ..Change::default()
        };
        let (one, mut answered) = submit(ticks);
        assert!(state.process(vec![one]));
        answered.try_recv().expect("answered").expect("committed")
    };
    let _ = many(&mut state, 300);
    let tile = engine.get(Table::Tile, &key::tile(0, 0)).expect("readable");
    assert_eq!(tile.expect("written").value.len(), 256 * 32);
    let mut state = begin(&engine);
    let committed = many(&mut state, 300);
    assert_eq!(committed.first, 300);
    let _ = committed.receipts(&[0, 299]).expect("proofs");
    assert_eq!(begin(&engine).published().borrow().edge.size(), 600);
}

#[test]
fn a_failed_commit_acknowledges_nobody_and_ends_the_sequencer() {
    let engine = Arc::new(MemoryEngine::new());
    let mut state = begin(&engine);
    engine.inject(Fault::Fail, 1);
    let changes = || {
        submit(Change {
            entries: vec![EntryDraft::tick()],
            ..Change::default()
        })
    };
    let (ones, answers): (Vec<_>, Vec<_>) = (0..3).map(|_| changes()).unzip();
    assert!(!state.process(ones));
    for mut answered in answers {
        let answer = answered.try_recv().expect("answered");
        assert_eq!(answer.err(), Some(SubmitError::Unavailable));
    }
}
