use std::collections::HashMap;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use super::*;
use crate::storage::embedded::io::is_blank;

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    FailBefore,
    FailAfter,
}

/// A machine that stops at its `nth` operation, and then loses what was not synced: all of it, or every other sector.
pub(super) struct Machine {
    nth: u64,
    deed: Deed,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    operations: u64,
    is_down: bool,
    /// What lay where unsynced bytes were written, in the order of the writes.
    unsynced: HashMap<PathBuf, Vec<(u64, Vec<u8>)>>,
}

impl Machine {
    pub(super) fn new(nth: u64, deed: Deed) -> Arc<Machine> {
        Arc::new(Machine {
            nth,
            deed,
            state: Mutex::default(),
        })
    }

    pub(super) fn operations(&self) -> u64 {
        self.state.lock().unwrap().operations
    }

    /// Takes back what was never synced: all sectors, or those that `lost` picks.
    pub(super) fn lose(&self, lost: impl Fn(u64) -> bool) {
        let state = self.state.lock().unwrap();
        for (path, writes) in &state.unsynced {
            let Ok(file) = fs::File::options().write(true).open(path) else {
                continue;
            };
            for (offset, old) in writes.iter().rev() {
                for (at, byte) in (*offset..).zip(old) {
                    if lost(at / 512) {
                        file.write_all_at(&[*byte], at).unwrap();
                    }
                }
            }
        }
    }
}

fn down() -> io::Error {
    io::Error::other("the machine is down")
}

impl Faults for Machine {
    fn before(&self, operation: Operation<'_>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.is_down {
            return Err(down());
        }
        state.operations += 1;
        if state.operations == self.nth && self.deed == Deed::FailBefore {
            state.is_down = true;
            return Err(down());
        }
        if let Operation::Write {
            path,
            offset,
            bytes,
        } = operation
        {
            let file = fs::File::open(path)?;
            let mut old = vec![0; bytes.len()];
            let mut read = 0;
            while read < old.len() {
                match file.read_at(&mut old[read..], offset + read as u64)? {
                    0 => break,
                    n => read += n,
                }
            }
            state
                .unsynced
                .entry(path.to_owned())
                .or_default()
                .push((offset, old));
        }
        Ok(())
    }

    fn after(&self, operation: Operation<'_>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if let Operation::Sync(path) = operation {
            state.unsynced.remove(path);
        }
        if state.operations == self.nth && self.deed == Deed::FailAfter && !state.is_down {
            state.is_down = true;
            return Err(down());
        }
        Ok(())
    }
}

/// Commits until something fails; the batches acknowledged, and whether one was under way.
fn run(folder: &Path, faults: Arc<Machine>, from: u64, to: u64) -> (u64, bool) {
    let options = Options {
        faults: Some(faults),
        ..small()
    };
    let Ok(engine) = EmbeddedEngine::open(folder, options) else {
        return (from - 1, false);
    };
    for n in from..=to {
        match engine.commit(&batch(n)) {
            Ok(head) => assert_eq!(head.batches, n),
            Err(StorageError::Failed(_)) => {
                // Invariant 3: nothing is acknowledged after a failure.
                let again = engine.commit(&batch(n));
                assert!(matches!(again, Err(StorageError::Failed(_))));
                return (n - 1, true);
            }
            Err(error) => panic!("{error}"),
        }
    }
    (to, false)
}

#[test]
fn a_fault_before_and_after_each_operation_loses_nothing_acknowledged() {
    // Invariants 1, 2, 3, 24.
    const BEFORE: u64 = 18;
    const BATCHES: u64 = 28;
    let original = scratch();
    drop(filled(original.path(), BEFORE));
    let models: Vec<Model> = (0..=BATCHES)
        .scan(Model::default(), |model, n| {
            if n > 0 {
                model.apply(&batch(n));
            }
            Some(model.clone())
        })
        .collect();
    let place = scratch();
    let calm = Machine::new(u64::MAX, Deed::FailBefore);
    let folder = place.path().join("calm");
    copy(original.path(), &folder);
    assert_eq!(
        run(&folder, calm.clone(), BEFORE + 1, BATCHES),
        (BATCHES, false)
    );
    let operations = calm.operations();
    assert!(operations > 50);
    // A segment's end and a chunk's are among them.
    assert!(!is_blank(
        &fs::read(folder.join("journal/0000000002.segment")).unwrap()[128..]
    ));
    assert!(folder.join("keyring/00000003.a").exists());
    for nth in 1..=operations {
        for deed in [Deed::FailBefore, Deed::FailAfter] {
            let machine = Machine::new(nth, deed);
            let folder = place.path().join("store");
            let _ = fs::remove_dir_all(&folder);
            copy(original.path(), &folder);
            let (acknowledged, under_way) = run(&folder, machine.clone(), BEFORE + 1, BATCHES);
            // The process alone dies, or the machine does and unsynced sectors are lost: all, or some.
            match nth % 3 {
                0 => {}
                1 => machine.lose(|_| true),
                _ => machine.lose(|sector| sector % 2 == nth % 2),
            }
            if nth % 3 != 0 || nth % 2 == 0 {
                let _ = fs::remove_dir_all(folder.join("index"));
            }
            let engine = EmbeddedEngine::open(&folder, small())
                .unwrap_or_else(|error| panic!("operation {nth}, {deed:?}: {error}"));
            let mut allowed = vec![&models[acknowledged as usize]];
            if under_way {
                allowed.extend(models.get(acknowledged as usize + 1));
            }
            check_store(&engine, &allowed);
            engine.commit(&batch(engine.head().batches + 1)).unwrap();
        }
    }
}

#[test]
fn an_unfinished_erasure_is_finished_before_serving() {
    let folder = scratch();
    let (engine, mut model) = filled(folder.path(), 3);
    drop(engine);
    let erase = writes(vec![Write::Erase {
        table: TABLE,
        key: model.rows.keys().next().unwrap().clone(),
    }]);
    model.apply(&erase);
    // Trust, frame, its sync, then the first overwriting of a key: stop there.
    for nth in 1.. {
        let place = scratch();
        copy(folder.path(), place.path());
        let machine = Machine::new(nth, Deed::FailBefore);
        let options = Options {
            faults: Some(machine.clone()),
            ..small()
        };
        let Ok(engine) = EmbeddedEngine::open(place.path(), options) else {
            continue;
        };
        let erased = engine.commit(&erase);
        drop(engine);
        machine.lose(|_| true);
        let engine = EmbeddedEngine::open(place.path(), small()).unwrap();
        if engine.head().batches == 4 {
            check_store(&engine, &[&model]);
            let slots = 1..engine.shared.writer().meta.next_slot;
            let ready = slots.filter(|slot| {
                matches!(
                    engine.shared.keyring.read(*slot).unwrap(),
                    keyring::Slot::Ready(_)
                )
            });
            let live = model.rows.keys().filter_map(|key| {
                engine
                    .shared
                    .find(&[&[TABLE as u8], &key[..]].concat())
                    .unwrap()
            });
            let mut live: Vec<u64> = live
                .map(|location| location.slot)
                .filter(|slot| *slot != 0)
                .collect();
            live.sort_unstable();
            live.dedup();
            assert_eq!(ready.collect::<Vec<_>>(), live);
        }
        if erased.is_ok() {
            break;
        }
    }
}

/// A disk that is full: files can be written, none can be made.
struct FullDisk;

impl Faults for FullDisk {
    fn before(&self, operation: Operation<'_>) -> io::Result<()> {
        match operation {
            Operation::Create(path) if !path.ends_with("index.trust.new") => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn after(&self, _: Operation<'_>) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_refuses_before_writing_and_still_erases() {
    // Invariant 28.
    let folder = scratch();
    let (engine, _) = filled(folder.path(), 1);
    let content = writes(vec![put(TABLE, b"person", b"content", Life::Content)]);
    engine.commit(&content).unwrap();
    drop(engine);
    let full = Options {
        faults: Some(Arc::new(FullDisk)),
        ..small()
    };
    let engine = EmbeddedEngine::open(folder.path(), full).unwrap();
    let large = writes(vec![put(Table::Offer, b"o", &[1; 3_000], Life::Record)]);
    let refused = (0..100).find_map(|_| engine.commit(&large).err());
    assert!(matches!(refused, Some(StorageError::Refused(_))));
    let before = engine.head();
    assert!(matches!(
        engine.commit(&large),
        Err(StorageError::Refused(_))
    ));
    assert_eq!(engine.head(), before);
    let erase = writes(vec![Write::Erase {
        table: TABLE,
        key: b"person".to_vec(),
    }]);
    let erase = Batch {
        urgent: true,
        ..erase
    };
    engine.commit(&erase).unwrap();
    assert_eq!(engine.get(TABLE, b"person").unwrap(), None);
    drop(engine);
    // Space again: it goes on.
    let engine = EmbeddedEngine::open(folder.path(), small()).unwrap();
    engine.commit(&large).unwrap();
}
