//! The engine's contract as tests, run on every engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::engine::{Batch, Engine, Life, StorageError, Stored, Table, Write};
use super::limits::EMPTY_ROOT;
use super::memory::MemoryEngine;

/// An engine under test.
pub(crate) trait Subject {
    type Engine: Engine;
    fn make(&mut self) -> Self::Engine;
    /// Stops it and starts it again; an engine that cannot gives it back as it is.
    fn reopen(&mut self, engine: Self::Engine) -> Self::Engine;
}

struct Memory;

impl Subject for Memory {
    type Engine = MemoryEngine;
    fn make(&mut self) -> MemoryEngine {
        MemoryEngine::new()
    }
    fn reopen(&mut self, engine: MemoryEngine) -> MemoryEngine {
        engine
    }
}

#[test]
fn the_memory_engine_keeps_the_contract() {
    check(&mut Memory);
}

pub(crate) fn put(table: Table, key: &[u8], value: &[u8], life: Life) -> Write {
    Write::Put {
        table,
        key: key.to_vec(),
        value: value.to_vec(),
        life,
    }
}

pub(crate) fn writes(writes: Vec<Write>) -> Batch {
    Batch {
        writes,
        ..Batch::default()
    }
}

/// Runs the whole suite.
pub(crate) fn check<S: Subject>(subject: &mut S) {
    a_new_store_is_empty(&subject.make());
    for step in [
        batches_count_and_entries_get_indexes,
        scans_are_ordered_and_bounded,
    ] {
        let engine = subject.make();
        let again = step(engine, subject);
        drop(again);
    }
    let engine = subject.make();
    every_life_reads_back_until_erased(engine, subject);
    a_batch_past_a_limit_changes_nothing(&subject.make());
    a_reader_sees_all_of_a_batch_or_nothing(subject.make());
}

fn a_new_store_is_empty(engine: &impl Engine) {
    let head = engine.head();
    assert_eq!((head.batches, head.size, head.root), (0, 0, EMPTY_ROOT));
    assert_eq!(engine.get(Table::Offer, b"x").unwrap(), None);
    assert_eq!(engine.last(Table::Offer, b"").unwrap(), None);
    assert!(engine.scan(Table::Offer, b"", None, 10).unwrap().is_empty());
}

fn batches_count_and_entries_get_indexes<S: Subject>(
    engine: S::Engine,
    subject: &mut S,
) -> S::Engine {
    let first = Batch {
        urgent: false,
        entries: vec![b"zero".to_vec(), b"one".to_vec()],
        writes: vec![put(Table::Offer, b"a", b"1", Life::Record)],
        root: [1; 32],
        previous_checkpoint: Vec::new(),
    };
    let head = engine.commit(&first).unwrap();
    assert_eq!((head.batches, head.size, head.root), (1, 2, [1; 32]));
    let second = Batch {
        urgent: false,
        entries: vec![b"two".to_vec()],
        writes: vec![
            put(Table::Offer, b"a", b"lost", Life::Record),
            put(Table::Offer, b"a", b"2", Life::Record),
            Write::Delete {
                table: Table::Offer,
                key: b"absent".to_vec(),
            },
            Write::Erase {
                table: Table::ParcelContent,
                key: b"absent".to_vec(),
            },
        ],
        root: [2; 32],
        previous_checkpoint: b"checkpoint".to_vec(),
    };
    engine.commit(&second).unwrap();
    let engine = subject.reopen(engine);
    assert_eq!(
        (
            engine.head().batches,
            engine.head().size,
            engine.head().root
        ),
        (2, 3, [2; 32])
    );
    let stored = |version, value: &[u8]| {
        Some(Stored {
            version,
            value: value.to_vec(),
        })
    };
    assert_eq!(engine.get(Table::Offer, b"a").unwrap(), stored(2, b"2"));
    assert_eq!(
        engine.get(Table::Entry, &1u64.to_be_bytes()).unwrap(),
        stored(1, b"one")
    );
    assert_eq!(
        engine.get(Table::Entry, &2u64.to_be_bytes()).unwrap(),
        stored(2, b"two")
    );
    let (key, last) = engine.last(Table::Entry, b"").unwrap().unwrap();
    assert_eq!(
        (key, last.value),
        (2u64.to_be_bytes().to_vec(), b"two".to_vec())
    );
    engine
        .commit(&writes(vec![Write::Delete {
            table: Table::Offer,
            key: b"a".to_vec(),
        }]))
        .unwrap();
    let engine = subject.reopen(engine);
    assert_eq!(engine.get(Table::Offer, b"a").unwrap(), None);
    engine
}

fn scans_are_ordered_and_bounded<S: Subject>(engine: S::Engine, subject: &mut S) -> S::Engine {
    let keys: [&[u8]; 6] = [b"p", b"p\x00", b"p1", b"p2", b"p\xff\xff", b"q"];
    for key in keys.iter().rev() {
        engine
            .commit(&writes(vec![put(Table::Inbox, key, key, Life::Record)]))
            .unwrap();
    }
    let others = [Table::Referral, Table::Outbox];
    let other = others
        .map(|table| put(table, b"p3", b"other", Life::Record))
        .to_vec();
    engine.commit(&writes(other)).unwrap();
    let engine = subject.reopen(engine);
    // One row old and deleted, one old and replaced, one new: whatever an engine has not moved yet must merge.
    let delete = Write::Delete {
        table: Table::Inbox,
        key: b"p1".to_vec(),
    };
    let changes = vec![
        delete,
        put(Table::Inbox, b"p2", b"new", Life::Record),
        put(Table::Inbox, b"p11", b"p11", Life::Record),
    ];
    engine.commit(&writes(changes)).unwrap();
    let scan = |prefix: &[u8], after: Option<&[u8]>, limit| -> Vec<Vec<u8>> {
        let rows = engine.scan(Table::Inbox, prefix, after, limit).unwrap();
        rows.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(
        scan(b"p", None, 10),
        [&b"p"[..], b"p\x00", b"p11", b"p2", b"p\xff\xff"]
    );
    assert_eq!(scan(b"p", None, 2), [&b"p"[..], b"p\x00"]);
    assert_eq!(scan(b"p", None, 0), Vec::<Vec<u8>>::new());
    assert_eq!(
        scan(b"p", Some(b"p1"), 10),
        [&b"p11"[..], b"p2", b"p\xff\xff"]
    );
    assert_eq!(scan(b"p", Some(b"a"), 1), [b"p"]);
    assert_eq!(scan(b"p", Some(b"q"), 10), Vec::<Vec<u8>>::new());
    assert_eq!(scan(b"p\xff", None, 10), [b"p\xff\xff"]);
    assert_eq!(
        engine.scan(Table::Inbox, b"p2", None, 1).unwrap()[0]
            .1
            .value,
        b"new"
    );
    let last = |prefix: &[u8]| {
        engine
            .last(Table::Inbox, prefix)
            .unwrap()
            .map(|(key, _)| key)
    };
    assert_eq!(last(b"p"), Some(b"p\xff\xff".to_vec()));
    assert_eq!(last(b"p1"), Some(b"p11".to_vec()));
    assert_eq!(last(b"r"), None);
    engine
}

fn every_life_reads_back_until_erased<S: Subject>(engine: S::Engine, subject: &mut S) {
    let table = Table::ParcelContent;
    for life in [Life::Record, Life::Decision, Life::Content] {
        let key = [life as u8];
        engine
            .commit(&writes(vec![put(table, &key, b"value", life)]))
            .unwrap();
        engine
            .commit(&writes(vec![put(Table::Offer, &key, &[0; 5_000], life)]))
            .unwrap();
    }
    let engine = subject.reopen(engine);
    for life in [Life::Record, Life::Decision, Life::Content] {
        assert_eq!(
            engine.get(table, &[life as u8]).unwrap().unwrap().value,
            b"value"
        );
        assert_eq!(
            engine
                .get(Table::Offer, &[life as u8])
                .unwrap()
                .unwrap()
                .value,
            [0; 5_000]
        );
        let erase = Write::Erase {
            table,
            key: vec![life as u8],
        };
        engine.commit(&writes(vec![erase.clone()])).unwrap();
        assert_eq!(engine.get(table, &[life as u8]).unwrap(), None);
        engine.commit(&writes(vec![erase])).unwrap();
    }
    assert_eq!(engine.scan(Table::Offer, b"", None, 9).unwrap().len(), 3);
    let again = vec![put(table, &[2], b"anew", Life::Content)];
    engine.commit(&writes(again)).unwrap();
    let engine = subject.reopen(engine);
    assert_eq!(engine.get(table, &[2]).unwrap().unwrap().value, b"anew");
    assert_eq!(engine.scan(table, b"", None, 9).unwrap().len(), 1);
}

fn a_batch_past_a_limit_changes_nothing(engine: &impl Engine) {
    let long = put(Table::Offer, &[0; 257], b"", Life::Record);
    let large = put(Table::Offer, b"k", &vec![0; 1_100_001], Life::Record);
    for bad in [long, large] {
        let batch = Batch {
            entries: vec![b"entry".to_vec()],
            writes: vec![put(Table::Offer, b"good", b"", Life::Record), bad],
            ..Batch::default()
        };
        assert!(matches!(
            engine.commit(&batch),
            Err(StorageError::Refused(_))
        ));
    }
    assert_eq!(engine.head().batches, 0);
    assert_eq!(engine.get(Table::Offer, b"good").unwrap(), None);
}

fn a_reader_sees_all_of_a_batch_or_nothing<E: Engine>(engine: E) {
    let engine = Arc::new(engine);
    let stop = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (engine, stop) = (engine.clone(), stop.clone());
        move || {
            let mut seen = 0;
            while !stop.load(Ordering::Relaxed) {
                let rows = engine.scan(Table::Pool, b"", None, 100).unwrap();
                let versions: Vec<u64> = rows.iter().map(|(_, stored)| stored.version).collect();
                assert!(rows.is_empty() || rows.len() == 4, "a batch is seen whole");
                assert!(versions.iter().all(|version| *version == versions[0]));
                let newest = versions.first().copied().unwrap_or(seen);
                assert!(newest >= seen, "a reader never goes back");
                seen = newest;
            }
        }
    });
    for round in 0..40_u8 {
        let life = if round % 2 == 0 {
            Life::Content
        } else {
            Life::Record
        };
        let rows = (0..4_u8)
            .map(|key| put(Table::Pool, &[key], &[round], life))
            .collect();
        engine.commit(&writes(rows)).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    reader.join().unwrap();
}
