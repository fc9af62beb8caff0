use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::storage::conformance::{Subject, check, put, writes};
use crate::storage::engine::{Life, Write};

mod backup;
mod crash;
mod damage;
mod erasure;

/// A folder in memory where there is one: these tests say themselves what a sync means.
pub(super) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Small files, so that a test makes many stores quickly; segments roll often.
pub(super) fn small() -> Options {
    Options {
        first_segment_bytes: 24 << 10,
        segment_bytes: 48 << 10,
        chunk_slots: 8,
        keep_free_bytes: 0,
        index_cache_bytes: 1 << 20,
        seal_after: None,
        month: || 24_310,
        ..Options::default()
    }
}

/// Large enough for every batch of the suite.
fn medium() -> Options {
    Options {
        first_segment_bytes: 256 << 10,
        segment_bytes: 2 << 20,
        ..small()
    }
}

struct Embedded {
    folders: Vec<TempDir>,
    opened: u32,
}

impl Subject for Embedded {
    type Engine = EmbeddedEngine;
    fn make(&mut self) -> EmbeddedEngine {
        let folder = scratch();
        let engine = EmbeddedEngine::create(folder.path(), medium()).unwrap();
        self.folders.push(folder);
        engine
    }
    fn reopen(&mut self, engine: EmbeddedEngine) -> EmbeddedEngine {
        drop(engine);
        self.opened += 1;
        let folder = self.folders.last().unwrap().path();
        if self.opened.is_multiple_of(2) {
            fs::remove_dir_all(folder.join("index")).unwrap();
        }
        let engine = EmbeddedEngine::open(folder, medium()).unwrap();
        assert_eq!(engine.opening().rebuilt, self.opened.is_multiple_of(2));
        engine
    }
}

#[test]
fn the_embedded_engine_keeps_the_contract() {
    check(&mut Embedded {
        folders: Vec::new(),
        opened: 0,
    });
}

/// What must be in a store: the model of every test here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) batches: u64,
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) rows: BTreeMap<Vec<u8>, (u64, Vec<u8>)>,
}

impl Model {
    pub(super) fn apply(&mut self, batch: &Batch) {
        self.batches += 1;
        self.entries.extend(batch.entries.iter().cloned());
        for write in &batch.writes {
            match write {
                Write::Put { key, value, .. } => {
                    self.rows.insert(key.clone(), (self.batches, value.clone()));
                }
                Write::Delete { key, .. } | Write::Erase { key, .. } => {
                    self.rows.remove(key);
                }
            }
        }
    }
}

/// Table of all rows of these tests.
pub(super) const TABLE: Table = Table::ParcelContent;

/// The `n`th batch: deterministic, of every kind of write, of varied size, over few keys.
pub(super) fn batch(n: u64) -> Batch {
    let key = |k: u64| vec![b'k', (k % 7) as u8];
    let lives = [Life::Content, Life::Record, Life::Decision];
    let life = lives[(n % 3) as usize];
    let mut changes = vec![put(
        TABLE,
        &key(n),
        &vec![n as u8 | 1; (n * 211 % 1_500) as usize],
        life,
    )];
    changes.push(put(
        TABLE,
        &key(n + 3),
        format!("value {n}").as_bytes(),
        Life::Content,
    ));
    match n % 4 {
        1 => changes.push(Write::Erase {
            table: TABLE,
            key: key(n + 1),
        }),
        3 => changes.push(Write::Delete {
            table: TABLE,
            key: key(n + 2),
        }),
        _ => {}
    }
    Batch {
        urgent: false,
        entries: (0..n % 3)
            .map(|e| format!("entry {n} {e}").into_bytes())
            .collect(),
        writes: changes,
        root: [n as u8; 32],
        previous_checkpoint: format!("checkpoint before {n}").into_bytes(),
    }
}

/// The one oracle: the store holds exactly one of `models`, whole, by every way of reading it.
pub(super) fn check_store(engine: &EmbeddedEngine, models: &[&Model]) {
    let head = engine.head();
    let model = models.iter().find(|model| model.batches == head.batches);
    let model =
        model.unwrap_or_else(|| panic!("batch {} is not among those allowed", head.batches));
    assert_eq!(head.size, model.entries.len() as u64);
    let rows = |table| engine.scan(table, b"", None, usize::MAX).unwrap();
    let found: BTreeMap<_, _> = rows(TABLE)
        .into_iter()
        .map(|(key, row)| (key, (row.version, row.value)))
        .collect();
    assert_eq!(found, model.rows);
    let entries: Vec<_> = rows(Table::Entry)
        .into_iter()
        .map(|(_, row)| row.value)
        .collect();
    assert_eq!(entries, model.entries);
    for (key, (version, value)) in &model.rows {
        let stored = Stored {
            version: *version,
            value: value.clone(),
        };
        assert_eq!(engine.get(TABLE, key).unwrap(), Some(stored));
    }
    let last = engine.last(TABLE, b"").unwrap().map(|(key, _)| key);
    assert_eq!(last.as_ref(), model.rows.keys().next_back());
}

/// A store with `n` batches in it, and its model. Stopped cleanly unless the engine is kept.
pub(super) fn filled(folder: &Path, n: u64) -> (EmbeddedEngine, Model) {
    let engine = EmbeddedEngine::create(folder, small()).unwrap();
    let mut model = Model::default();
    for n in 1..=n {
        engine.commit(&batch(n)).unwrap();
        model.apply(&batch(n));
    }
    (engine, model)
}

/// Every file under `folder`.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

/// A copy of a store, as a stop of the machine would leave it when all is on disk.
pub(super) fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, &target).unwrap();
    }
}

#[test]
fn many_batches_roll_over_many_segments_and_survive_reopening() {
    let folder = scratch();
    let (engine, mut model) = filled(folder.path(), 150);
    check_store(&engine, &[&model]);
    drop(engine);
    assert!(folder.path().join("journal/0000000003.segment").exists());
    let trust = trust::of_index(folder.path(), &folder.path().join("index"));
    assert_eq!(trust, trust::Trust::Whole);
    let engine = EmbeddedEngine::open(folder.path(), small()).unwrap();
    assert_eq!(engine.opening(), Opening::default());
    check_store(&engine, &[&model]);
    engine.commit(&batch(151)).unwrap();
    model.apply(&batch(151));
    drop(engine);
    let progress = Options {
        rebuild: true,
        progress: Some(Arc::new(|_| ())),
        ..small()
    };
    let engine = EmbeddedEngine::open(folder.path(), progress).unwrap();
    assert_eq!(
        engine.opening(),
        Opening {
            rebuilt: true,
            replayed: 151,
            cut: None
        }
    );
    check_store(&engine, &[&model]);
}

#[test]
fn one_process_has_a_store() {
    let folder = scratch();
    let (_engine, _) = filled(folder.path(), 1);
    let second = EmbeddedEngine::open(folder.path(), small());
    assert!(matches!(second, Err(OpenError::Locked)));
}

#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = scratch();
    let store = folder.path().join("store");
    let (engine, _) = filled(&store, 3);
    drop(engine);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for part in ["", "journal", "keyring", "index"] {
        assert_eq!(mode(&store.join(part)), 0o700);
    }
    // sled makes its own files; their folder is closed.
    for path in files(&store)
        .iter()
        .filter(|path| !path.starts_with(store.join("index")))
    {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
}

#[test]
fn the_present_month_is_a_civil_month() {
    let month = present_month();
    assert!((2_025 * 12..2_200 * 12).contains(&month));
}
