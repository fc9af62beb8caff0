use super::*;
use crate::storage::embedded::keyring::Slot;

/// Finds `needle` in any file of the store.
fn holds(folder: &Path, needle: &[u8]) -> bool {
    files(folder).iter().any(|path| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

fn secret(engine: &EmbeddedEngine, slot: u64) -> Option<Vec<u8>> {
    match engine.shared.keyring.read(slot).unwrap() {
        Slot::Ready(key) => Some(key.to_vec()),
        Slot::Erased | Slot::Damaged => None,
    }
}

#[test]
fn erased_content_has_no_key_left_in_any_file() {
    // Invariant 24.
    let folder = scratch();
    let engine = EmbeddedEngine::create(folder.path(), small()).unwrap();
    let forget = [
        Write::Erase {
            table: TABLE,
            key: b"k".to_vec(),
        },
        Write::Delete {
            table: TABLE,
            key: b"k".to_vec(),
        },
        put(TABLE, b"k", b"something else", Life::Content),
        put(TABLE, b"k", b"something plain", Life::Record),
    ];
    for write in forget {
        let value = b"plaintext of a parcel, never on disk";
        engine
            .commit(&writes(vec![put(TABLE, b"k", value, Life::Content)]))
            .unwrap();
        let slot = engine
            .shared
            .find(&[TABLE as u8, b'k'])
            .unwrap()
            .unwrap()
            .slot;
        let key = secret(&engine, slot).unwrap();
        assert!(holds(folder.path(), &key) && !holds(folder.path(), value));
        engine.commit(&writes(vec![write])).unwrap();
        assert!(!holds(folder.path(), &key));
        assert!(secret(&engine, slot).is_none());
    }
    // Record values were the last written; they are plain by contract.
    assert!(holds(folder.path(), b"something plain"));
}

/// Invariant 24: whoever took a copy of the folder before, but for the keyring, and whoever takes
/// one after, has nothing.
/// Not even with the content key that was in the keyring: it is found in no copy.
#[test]
fn what_was_erased_is_in_no_copied_backup() {
    let folder = scratch();
    let engine = EmbeddedEngine::create(folder.path(), small()).unwrap();
    let value = b"a sealed parcel, as it was deposited";
    engine
        .commit(&writes(vec![put(TABLE, b"k", value, Life::Content)]))
        .unwrap();
    let place = engine.shared.find(&[TABLE as u8, b'k']).unwrap().unwrap();
    let key = secret(&engine, place.slot).unwrap();
    let (before, after) = (scratch(), scratch());
    copy(folder.path(), before.path());
    for keyring in files(before.path()) {
        if keyring
            .strip_prefix(before.path())
            .unwrap()
            .starts_with("keyring")
        {
            fs::remove_file(keyring).unwrap();
        }
    }
    let erase = Write::Erase {
        table: TABLE,
        key: b"k".to_vec(),
    };
    engine.commit(&writes(vec![erase])).unwrap();
    copy(folder.path(), after.path());
    assert!(!files(after.path()).is_empty());
    for copied in [before.path(), after.path(), folder.path()] {
        assert!(!holds(copied, &key) && !holds(copied, value));
    }
}

#[test]
fn decisions_of_a_month_end_together_and_alone() {
    let folder = scratch();
    let engine = EmbeddedEngine::create(folder.path(), small()).unwrap();
    let decide = |key: &[u8]| writes(vec![put(Table::Opening, key, b"old", Life::Decision)]);
    engine.commit(&decide(b"a")).unwrap();
    engine.commit(&decide(b"b")).unwrap();
    let first = engine
        .shared
        .find(&[Table::Opening as u8, b'a'])
        .unwrap()
        .unwrap()
        .slot;
    let second = engine
        .shared
        .find(&[Table::Opening as u8, b'b'])
        .unwrap()
        .unwrap()
        .slot;
    assert_eq!(first, second);
    drop(engine);
    let later = || Options {
        month: || 24_311,
        ..small()
    };
    let engine = EmbeddedEngine::open(folder.path(), later()).unwrap();
    engine.commit(&decide(b"c")).unwrap();
    assert_eq!(engine.expire_decisions(24_311).unwrap(), 1);
    assert_eq!(engine.expire_decisions(24_311).unwrap(), 0);
    drop(engine);
    let engine = EmbeddedEngine::open(
        folder.path(),
        Options {
            rebuild: true,
            ..later()
        },
    )
    .unwrap();
    assert_eq!(engine.get(Table::Opening, b"a").unwrap(), None);
    let rows = engine.scan(Table::Opening, b"", None, 1).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].0, b"c");
    assert_eq!(engine.last(Table::Opening, b"").unwrap().unwrap().0, b"c");
}

#[test]
fn a_restored_keyring_does_not_bring_erased_content_back() {
    let folder = scratch();
    let engine = EmbeddedEngine::create(folder.path(), small()).unwrap();
    engine
        .commit(&writes(vec![put(TABLE, b"k", b"gone", Life::Content)]))
        .unwrap();
    let slot = engine
        .shared
        .find(&[TABLE as u8, b'k'])
        .unwrap()
        .unwrap()
        .slot;
    let backup = scratch();
    copy(&folder.path().join("keyring"), backup.path());
    let erase = Write::Erase {
        table: TABLE,
        key: b"k".to_vec(),
    };
    engine.commit(&writes(vec![erase])).unwrap();
    drop(engine);
    copy(backup.path(), &folder.path().join("keyring"));
    let restored = Options {
        rebuild: true,
        ..small()
    };
    let engine = EmbeddedEngine::open(folder.path(), restored).unwrap();
    assert!(secret(&engine, slot).is_none());
}
