use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::crash::{Deed, Machine};
use super::*;
use crate::storage::embedded::backup;
use crate::storage::embedded::io::{Faults, Operation};

fn no_visit(_: backup::Step<'_>) -> Result<(), OpenError> {
    Ok(())
}

/// The store of a copy, opened.
fn restored(copy: &Path, keyring: &Path, place: &TempDir) -> EmbeddedEngine {
    let target = place.path().join("restored");
    let _ = fs::remove_dir_all(&target);
    backup::install(copy, keyring, &target, &small()).unwrap();
    let options = Options {
        rebuild: true,
        ..small()
    };
    EmbeddedEngine::open(&target, options).unwrap()
}

fn models(upto: u64) -> Vec<Model> {
    let all = (0..=upto).scan(Model::default(), |model, n| {
        if n > 0 {
            model.apply(&batch(n));
        }
        Some(model.clone())
    });
    all.collect()
}

#[test]
fn a_copy_of_a_store_in_use_is_that_store_at_one_moment() {
    // Invariants 1, 24, 31: whatever is written meanwhile, a copy is whole and verifies.
    let folder = scratch();
    let (engine, _) = filled(folder.path(), 40);
    let engine = Arc::new(engine);
    let stop = Arc::new(AtomicBool::new(false));
    let (writer, stopped) = (engine.clone(), stop.clone());
    let writing = std::thread::spawn(move || {
        let mut n = 40;
        while !stopped.load(Ordering::Relaxed) && n < 2_000 {
            n += 1;
            writer.commit(&batch(n)).unwrap();
        }
        n
    });
    let place = scratch();
    let mut taken = Vec::new();
    for round in 0..6 {
        let before = engine.head().batches;
        let to = place.path().join(format!("copy{round}"));
        let copied = backup::copy(folder.path(), &to, None, &small()).unwrap();
        assert!(copied.batches >= before, "what was acknowledged is in it");
        let head = backup::walk(&to, &to, &mut no_visit).unwrap();
        assert_eq!(head.batches, copied.batches);
        taken.push((to, copied.batches));
    }
    stop.store(true, Ordering::Relaxed);
    let models = models(writing.join().unwrap());
    for (to, batches) in taken {
        let engine = restored(&to, &to, &place);
        check_store(&engine, &[&models[batches as usize]]);
        // It goes on.
        engine.commit(&batch(batches + 1)).unwrap();
    }
}

/// While the second attachment is copied, the store writes until it needs keys that nobody has copied yet.
struct Busy {
    engine: EmbeddedEngine,
    attachments: PathBuf,
}

impl Faults for Busy {
    fn before(&self, _: Operation<'_>) -> io::Result<()> {
        Ok(())
    }

    fn after(&self, operation: Operation<'_>) -> io::Result<()> {
        match operation {
            Operation::Rename(_, to) if to.ends_with("attachments/first") => {
                fs::write(self.attachments.join("second"), b"content")
            }
            Operation::Rename(_, to) if to.ends_with("attachments/second") => {
                let chunks = self.engine.shared.keyring.last();
                while self.engine.shared.writer().meta.next_slot <= chunks + 1 {
                    let next = batch(self.engine.head().batches + 1);
                    self.engine.commit(&next).map_err(io::Error::other)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn a_copy_has_the_keys_of_all_its_frames_whenever_the_store_needs_new_ones() {
    // Invariant 24.
    let folder = scratch();
    let (engine, _) = filled(folder.path(), 4);
    let attachments = folder.path().join("attachments");
    fs::create_dir_all(&attachments).unwrap();
    fs::write(attachments.join("first"), b"content").unwrap();
    let before = engine.head().batches;
    let busy = Arc::new(Busy {
        engine,
        attachments,
    });
    let place = scratch();
    let to = place.path().join("copy");
    let options = Options {
        faults: Some(busy.clone()),
        ..small()
    };
    backup::copy(folder.path(), &to, None, &options).unwrap();
    assert!(busy.engine.head().batches > before, "it wrote meanwhile");
    backup::walk(&to, &to, &mut no_visit).unwrap();
}

/// While a backup is taken, an upload is finished of which it has copied the beginning.
struct Uploading {
    engine: EmbeddedEngine,
    file: PathBuf,
}

impl Faults for Uploading {
    fn before(&self, _: Operation<'_>) -> io::Result<()> {
        Ok(())
    }

    fn after(&self, operation: Operation<'_>) -> io::Result<()> {
        if let Operation::Rename(_, to) = operation
            && to.ends_with("attachments/upload")
            && fs::read(&self.file)? == b"the beginning"
        {
            fs::write(&self.file, b"the beginning and the end")?;
            let next = batch(self.engine.head().batches + 1);
            self.engine.commit(&next).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

#[test]
fn an_upload_that_is_finished_while_a_backup_is_taken_is_whole_in_it() {
    // Invariant 1: the frame that makes it an attachment is in the copy, so all of its file is.
    let folder = scratch();
    let (engine, _) = filled(folder.path(), 4);
    let attachments = folder.path().join("attachments");
    fs::create_dir_all(&attachments).unwrap();
    let file = attachments.join("upload");
    fs::write(&file, b"the beginning").unwrap();
    let uploading = Arc::new(Uploading { engine, file });
    let place = scratch();
    let to = place.path().join("copy");
    let options = Options {
        faults: Some(uploading.clone()),
        ..small()
    };
    let copied = backup::copy(folder.path(), &to, None, &options).unwrap();
    assert_eq!(copied.batches, uploading.engine.head().batches);
    assert_eq!(copied.attachments, 1);
    let copy = fs::read(to.join("attachments/upload")).unwrap();
    assert_eq!(copy, b"the beginning and the end");
}

#[test]
fn what_was_erased_stays_erased_with_an_older_keyring() {
    // Invariant 24: the journal of the backup knows of the erasure, the keyring's copy is from before it.
    let folder = scratch();
    let (engine, _) = filled(folder.path(), 2);
    let content = writes(vec![put(TABLE, b"person", b"content", Life::Content)]);
    engine.commit(&content).unwrap();
    let place = scratch();
    let (early, keys) = (place.path().join("early"), place.path().join("keys"));
    backup::copy(folder.path(), &early, Some(&keys), &small()).unwrap();
    assert!(!early.join("keyring/00000001.a").exists(), "kept apart");
    let erase = writes(vec![Write::Erase {
        table: TABLE,
        key: b"person".to_vec(),
    }]);
    engine.commit(&erase).unwrap();
    let (late, late_keys) = (place.path().join("late"), place.path().join("late-keys"));
    backup::copy(folder.path(), &late, Some(&late_keys), &small()).unwrap();
    let engine = restored(&late, &keys, &place);
    assert_eq!(engine.get(TABLE, b"person").unwrap(), None);
    let slots = 1..engine.shared.writer().meta.next_slot;
    let found = slots.filter(|slot| {
        matches!(
            engine.shared.keyring.read(*slot).unwrap(),
            keyring::Slot::Erased
        )
    });
    assert!(found.count() >= 1);
    // The other way round the content is whole: the journal does not know of the erasure, and its key is gone.
    let lost = backup::walk(&early, &late_keys, &mut no_visit);
    assert!(lost.is_ok(), "a key that is gone is no damage");
}

#[test]
fn a_fault_at_any_step_of_a_backup_or_a_restore_leaves_the_old_store_whole_and_no_half_one() {
    // Invariants 1, 11, 29: one oracle, for the store that is copied and for the one that is made.
    let folder = scratch();
    let (engine, model) = filled(folder.path(), 12);
    drop(engine);
    let place = scratch();
    let (to, target) = (place.path().join("copy"), place.path().join("made"));
    let act = |faults: Option<Arc<dyn Faults>>| {
        let options = Options { faults, ..small() };
        backup::copy(folder.path(), &to, None, &options)?;
        backup::install(&to, &to, &target, &options)
    };
    let calm = Machine::new(u64::MAX, Deed::FailBefore);
    act(Some(calm.clone())).unwrap();
    let operations = calm.operations();
    assert!(operations > 20);
    for nth in 1..=operations {
        for deed in [Deed::FailBefore, Deed::FailAfter] {
            for made in [&to, &target] {
                let _ = fs::remove_dir_all(made);
            }
            let machine = Machine::new(nth, deed);
            let done = act(Some(machine.clone()));
            match nth % 3 {
                0 => {}
                1 => machine.lose(|_| true),
                _ => machine.lose(|sector| sector % 2 == nth % 2),
            }
            assert!(done.is_err(), "operation {nth}, {deed:?}");
            // What is there opens as the whole store, or not at all.
            if let Ok(engine) = EmbeddedEngine::open(&target, small()) {
                check_store(&engine, &[&model]);
            }
            // And the same again, from the start, is done.
            for made in [&to, &target] {
                let _ = fs::remove_dir_all(made);
            }
        }
    }
    let engine = EmbeddedEngine::open(folder.path(), small()).unwrap();
    check_store(&engine, &[&model]);
    drop(engine);
    act(None).unwrap();
    check_store(&EmbeddedEngine::open(&target, small()).unwrap(), &[&model]);
}

#[test]
fn a_flipped_bit_in_a_backup_is_named_and_a_store_is_never_restored_over() {
    // Invariant 11.
    let folder = scratch();
    let (engine, _) = filled(folder.path(), 6);
    let place = scratch();
    let to = place.path().join("copy");
    backup::copy(folder.path(), &to, None, &small()).unwrap();
    let over = backup::install(&to, &to, folder.path(), &small());
    assert!(matches!(over, Err(OpenError::NotEmpty)));
    drop(engine);
    let file = to.join("journal/0000000001.segment");
    let bytes = fs::read(&file).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for at in (0..end).step_by(97) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(&file, &changed).unwrap();
        let walked = backup::walk(&to, &to, &mut no_visit);
        // What fills a frame up to its place is no part of it.
        assert!(walked.is_err() || bytes[at] == 0, "byte {at}");
    }
}
