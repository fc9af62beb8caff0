use super::*;

/// Opens a store that something was done to: refused by name, or exactly as one of the models.
fn refused_or_right(folder: &Path, models: &[&Model], what: &str) -> bool {
    match EmbeddedEngine::open(folder, small()) {
        Err(OpenError::Corrupt(_) | OpenError::Foreign | OpenError::Newer { .. }) => false,
        Err(error) => panic!("{what}: {error}"),
        Ok(engine) => {
            let rows = engine.scan(TABLE, b"", None, usize::MAX);
            let entries = engine.scan(Table::Entry, b"", None, usize::MAX);
            if matches!(&rows, Err(StorageError::Corrupt(_)))
                || matches!(&entries, Err(StorageError::Corrupt(_)))
            {
                return false;
            }
            check_store(&engine, models);
            true
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_is_refused_or_harmless() {
    // Invariant 11: a bit in each page of every file, and a few more in the pages that hold frames.
    let original = scratch();
    let (engine, model) = filled(original.path(), 40);
    drop(engine);
    let place = scratch();
    let mut refused = 0;
    for path in files(original.path()) {
        let length = fs::metadata(&path).unwrap().len() as usize;
        let name = path.strip_prefix(original.path()).unwrap().to_owned();
        let step = if name.starts_with("journal") {
            1_500
        } else {
            4_096
        };
        // sled's file is mostly heap space that nothing refers to; the index is rebuilt either way.
        let step = if name.starts_with("index") {
            length.div_ceil(6).max(1)
        } else {
            step
        };
        for at in (0..length).step_by(step) {
            let at = (at + at / step * 37 + 5).min(length - 1);
            let folder = place.path().join("store");
            let _ = fs::remove_dir_all(&folder);
            copy(original.path(), &folder);
            let mut bytes = fs::read(&path).unwrap();
            bytes[at] ^= 1 << (at % 8);
            fs::write(folder.join(&name), bytes).unwrap();
            let what = format!("{} at {at}", name.display());
            refused += usize::from(!refused_or_right(&folder, &[&model], &what));
        }
    }
    assert!(refused > 5, "flips in frames are noticed");
}

#[test]
fn a_torn_last_frame_of_any_length_is_cut_and_nothing_else() {
    // Invariant 1. The last frame replaced by every beginning of itself.
    let original = scratch();
    let (engine, before) = filled(original.path(), 5);
    let begin = engine.shared.writer().journal.position.offset as usize;
    engine.commit(&batch(6)).unwrap();
    let end = engine.shared.writer().journal.position.offset as usize;
    engine.settle();
    // Copied while open: unsealed, as a kill leaves it.
    let image = scratch();
    copy(original.path(), image.path());
    drop(engine);
    fs::remove_dir_all(image.path().join("index")).unwrap();
    let mut after = before.clone();
    after.apply(&batch(6));

    let segment = image.path().join("journal/0000000001.segment");
    let whole = fs::read(&segment).unwrap();
    // Every length by the journal's own reading; by the whole store at some.
    let payload = u32::from_be_bytes(whole[begin + 24..begin + 28].try_into().unwrap()) as usize;
    let frame_end = begin + 128 + payload + 32;
    assert!(frame_end <= end && whole[frame_end..end].iter().all(|byte| *byte == 0));
    for length in 0..=frame_end - begin {
        // A beginning that lacks only zeros is whole.
        let lacks = whole[begin + length..frame_end]
            .iter()
            .any(|byte| *byte != 0);
        let mut torn = whole.clone();
        torn[begin + length..end].fill(0);
        fs::write(&segment, &torn).unwrap();
        let tail = journal_tail(image.path()).unwrap();
        assert_eq!(
            tail.position.batches,
            if lacks { 5 } else { 6 },
            "length {length}"
        );
        assert_eq!(tail.torn.is_some(), lacks && length > 0);
        if length % 97 == 0 {
            let _ = fs::remove_dir_all(image.path().join("index"));
            let engine = EmbeddedEngine::open(image.path(), small()).unwrap();
            check_store(&engine, &[if lacks { &before } else { &after }]);
            engine.commit(&batch(6)).unwrap();
            if lacks {
                check_store(&engine, &[&after]);
            }
        }
    }
}

#[test]
fn sectors_of_a_last_frame_may_be_missing_in_any_order() {
    let original = scratch();
    let engine = EmbeddedEngine::create(original.path(), small()).unwrap();
    engine.commit(&batch(1)).unwrap();
    let begin = engine.shared.writer().journal.position.offset as usize;
    let large = writes(vec![put(TABLE, b"k", &[7; 4_000], Life::Content)]);
    engine.commit(&large).unwrap();
    let image = scratch();
    copy(original.path(), image.path());
    drop(engine);
    let segment = image.path().join("journal/0000000001.segment");
    let whole = fs::read(&segment).unwrap();
    let sectors: Vec<usize> = (begin / 512..(begin + 4_200) / 512).collect();
    for pattern in 1..1_u32 << sectors.len() {
        let mut torn = whole.clone();
        for (bit, sector) in sectors.iter().enumerate() {
            if pattern & (1 << bit) != 0 {
                torn[begin.max(sector * 512)..(sector + 1) * 512].fill(0);
            }
        }
        fs::write(&segment, &torn).unwrap();
        assert_eq!(journal_tail(image.path()).unwrap().position.batches, 1);
    }
    // A bit flipped in a frame that was fully written is not a torn write.
    for at in (begin..begin + 4_100).step_by(111) {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        fs::write(&segment, &flipped).unwrap();
        assert!(journal_tail(image.path()).is_err(), "offset {at}");
    }
}

fn journal_tail(folder: &Path) -> Result<recovery::Tail, OpenError> {
    let text = fs::read_to_string(folder.join("store")).unwrap();
    let id = text.lines().nth(2).unwrap().strip_prefix("id ").unwrap();
    let store: [u8; 16] = data_encoding::HEXLOWER
        .decode(id.as_bytes())
        .unwrap()
        .try_into()
        .unwrap();
    let segments = segment::Segments::open(&folder.join("journal"), &store)?;
    let genesis = recovery::Position::genesis(&store);
    recovery::replay(&segments, &store, genesis, &mut |_, _, _| Ok(()))
}

#[test]
fn a_missing_shortened_or_swapped_file_is_named() {
    // Invariant 29.
    let original = scratch();
    let (engine, model) = filled(original.path(), 100);
    drop(engine);
    let foreign = scratch();
    drop(filled(foreign.path(), 100));
    let place = scratch();
    let folder = place.path().join("store");
    let all = files(original.path());
    let chunks = all
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "a"));
    let last_chunk = chunks.max().unwrap().clone();
    for path in all {
        let name = path.strip_prefix(original.path()).unwrap();
        for deed in ["delete", "shorten", "swap"] {
            let _ = fs::remove_dir_all(&folder);
            copy(original.path(), &folder);
            let target = folder.join(name);
            match deed {
                "delete" => fs::remove_file(&target).unwrap(),
                "shorten" => {
                    let file = fs::File::options().write(true).open(&target).unwrap();
                    file.set_len(fs::metadata(&path).unwrap().len() / 2)
                        .unwrap();
                }
                _ if !foreign.path().join(name).exists() => continue,
                _ => drop(fs::copy(foreign.path().join(name), &target).unwrap()),
            }
            let is_right = refused_or_right(&folder, &[&model], &format!("{deed} {name:?}"));
            let is_spare = name.starts_with("index")
                || name.ends_with("lock")
                || name.ends_with("index.trust")
                // A segment made ahead of need, and never used, is made again.
                || (deed == "delete" && is_unused_last(&path));
            // Likewise the last chunk of keys, which may or may not have been reached.
            if path == last_chunk && deed == "delete" {
                continue;
            }
            assert_eq!(is_right, is_spare, "{deed} {}", name.display());
        }
    }
}

fn is_unused_last(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "segment")
        && fs::read(path).unwrap()[128..].iter().all(|byte| *byte == 0)
}

#[test]
fn an_empty_foreign_or_newer_folder_is_refused_by_name() {
    // Invariants 29 and 30.
    let folder = scratch();
    let open = |path: &Path| EmbeddedEngine::open(path, small()).unwrap_err();
    assert!(matches!(open(folder.path()), OpenError::Missing));
    assert!(matches!(
        open(&folder.path().join("absent")),
        OpenError::Missing
    ));
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    assert!(matches!(open(folder.path()), OpenError::Foreign));
    let created = EmbeddedEngine::create(folder.path(), small());
    assert!(matches!(created, Err(OpenError::NotEmpty)));
    fs::write(folder.path().join("store"), "another program\n").unwrap();
    assert!(matches!(open(folder.path()), OpenError::Foreign));
    fs::write(
        folder.path().join("store"),
        "safeconduct store\nformat 2\nid 00\n",
    )
    .unwrap();
    assert!(matches!(
        open(folder.path()),
        OpenError::Newer { found: 2, known: 1 }
    ));
    assert_eq!(files(folder.path()).len(), 2);
}

#[test]
fn an_index_that_knows_more_than_the_journal_refuses_it() {
    let folder = scratch();
    let (engine, _) = filled(folder.path(), 4);
    let older = scratch();
    copy(&folder.path().join("journal"), older.path());
    engine.commit(&batch(5)).unwrap();
    drop(engine);
    copy(older.path(), &folder.path().join("journal"));
    let opened = EmbeddedEngine::open(folder.path(), small());
    assert!(matches!(opened, Err(OpenError::Corrupt(what)) if what.contains("batch 5")));
}
