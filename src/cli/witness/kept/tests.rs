use super::*;
use crate::ledger::hash::leaf;
use crate::ledger::note::{NoteSigner, NoteVerifier};
use crate::ledger::proof::consistency;
use crate::ledger::tree::{Edge, NoTiles};
use proptest::prelude::*;
use std::sync::Arc;
use tempfile::TempDir;

const ORIGIN: &str = "safeconduct.example";

fn signer() -> NoteSigner {
    NoteSigner::ed25519(ORIGIN, &[9; 32]).unwrap()
}

fn known() -> KnownLogs {
    let mut known = KnownLogs::default();
    known.add(NoteVerifier::parse(&signer().vkey()).unwrap());
    known
}

fn cosigner() -> Cosigner {
    Cosigner::ed25519("witness.example/w1", &[1; 32]).unwrap()
}

fn at() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000).unwrap()
}

fn edge(size: u64, salt: u8) -> Edge {
    let mut edge = Edge::new();
    for number in 0..size {
        let _ = edge.append(leaf(&[number as u8, salt]));
    }
    edge
}

fn submission(old: u64, new: u64, salt: u8) -> Submission {
    let tree = edge(new, salt);
    let proof = if old == 0 || old >= new {
        Vec::new()
    } else {
        consistency(&tree, &NoTiles, old, new).unwrap()
    };
    let checkpoint = Checkpoint {
        origin: ORIGIN.into(),
        size: new,
        root: tree.root(),
    };
    Submission {
        old,
        proof,
        note: signer().sign(&checkpoint),
    }
}

fn ask(kept: &Kept, asked: &Submission) -> Result<String, NotCosigned> {
    let signed = known().recognise(&asked.note).unwrap();
    kept.cosign(asked, &signed, &cosigner(), at)
}

#[test]
fn what_was_cosigned_is_known_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let kept = Kept::open(folder.path(), &known()).unwrap();
    assert_eq!(kept.size(ORIGIN), 0);
    ask(&kept, &submission(0, 5, 0)).unwrap();
    assert!(matches!(
        Kept::open(folder.path(), &known()),
        Err(StateError::Locked(_))
    ));
    drop(kept);
    // A write that a crash cut off is no state.
    fs::write(
        folder.path().join(file_name(ORIGIN)).with_extension("new"),
        "half",
    )
    .unwrap();
    let kept = Kept::open(folder.path(), &known()).unwrap();
    assert_eq!(kept.size(ORIGIN), 5);
    let refused = ask(&kept, &submission(0, 9, 1)).unwrap_err();
    assert!(matches!(
        refused,
        NotCosigned::Refused(Refused::OtherSize(5))
    ));
    ask(&kept, &submission(5, 9, 0)).unwrap();
}

#[test]
fn a_state_that_is_damaged_foreign_or_gone_is_refused() {
    let folder = TempDir::new().unwrap();
    let kept = Kept::open(folder.path(), &known()).unwrap();
    ask(&kept, &submission(0, 5, 0)).unwrap();
    drop(kept);
    let path = folder.path().join(file_name(ORIGIN));
    let good = fs::read(&path).unwrap();
    for position in 0..good.len() {
        let mut bad = good.clone();
        bad[position] ^= 1;
        fs::write(&path, &bad).unwrap();
        let refused = Kept::open(folder.path(), &known());
        assert!(matches!(refused, Err(StateError::Damaged(_))), "{position}");
    }
    fs::write(&path, &good).unwrap();
    assert!(Kept::open(folder.path(), &known()).is_ok());
    let mut other = KnownLogs::default();
    let key = NoteSigner::ed25519(ORIGIN, &[8; 32]).unwrap();
    other.add(NoteVerifier::parse(&key.vkey()).unwrap());
    assert!(matches!(
        Kept::open(folder.path(), &other),
        Err(StateError::Damaged(_))
    ));
    let gone = folder.path().join("gone");
    assert!(matches!(
        Kept::open(&gone, &known()),
        Err(StateError::Io { .. })
    ));
}

#[test]
fn a_fork_is_refused_and_its_proof_is_kept() {
    let folder = TempDir::new().unwrap();
    let kept = Kept::open(folder.path(), &known()).unwrap();
    ask(&kept, &submission(0, 5, 0)).unwrap();
    let fork = submission(5, 5, 1);
    assert!(matches!(
        ask(&kept, &fork),
        Err(NotCosigned::Refused(Refused::OtherRoot(5)))
    ));
    let evidence: Vec<_> = fs::read_dir(folder.path().join(EVIDENCE_FOLDER))
        .unwrap()
        .collect();
    let text = fs::read_to_string(evidence[0].as_ref().unwrap().path()).unwrap();
    assert!(text.contains(&fork.note) && text.contains(&submission(0, 5, 0).note));
    // The log itself is still vouched for where it goes on from what was cosigned.
    ask(&kept, &submission(5, 6, 0)).unwrap();
}

#[test]
fn what_cannot_be_kept_is_not_cosigned_and_nothing_more_is() {
    let folder = TempDir::new().unwrap();
    let kept = Kept::open(folder.path(), &known()).unwrap();
    // A folder where the file shall be.
    fs::create_dir(folder.path().join(file_name(ORIGIN))).unwrap();
    for _ in 0..2 {
        let refused = ask(&kept, &submission(0, 5, 0));
        assert!(matches!(refused, Err(NotCosigned::Broken)));
    }
    fs::remove_dir(folder.path().join(file_name(ORIGIN))).unwrap();
    assert!(matches!(
        ask(&kept, &submission(0, 5, 0)),
        Err(NotCosigned::Broken)
    ));
    assert_eq!(kept.size(ORIGIN), 0);
}

/// Sizes and forks that clients race with from `old` on; the sizes and salts that were cosigned.
fn race(kept: &Arc<Kept>, old: u64, asked: &[(u64, u8)]) -> Vec<(u64, u8)> {
    let racing: Vec<_> = asked
        .iter()
        .map(|&(new, salt)| {
            let kept = Arc::clone(kept);
            std::thread::spawn(move || {
                let asked = submission(old, new, salt);
                ask(&kept, &asked).is_ok().then_some((new, salt))
            })
        })
        .collect();
    racing
        .into_iter()
        .filter_map(|one| one.join().unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The race of the specification, and forks in it: what is cosigned is one chain, also over restarts.
    #[test]
    fn racing_submissions_make_one_chain(
        rounds in prop::collection::vec(prop::collection::vec((0u64..6, 0u8..2), 2..8), 1..5),
    ) {
        let folder = TempDir::new().unwrap();
        let mut chain: Vec<(u64, u8)> = Vec::new();
        for asked in rounds {
            let kept = Arc::new(Kept::open(folder.path(), &known()).unwrap());
            let old = kept.size(ORIGIN);
            let last_salt = chain.last().map_or(0, |last| last.1);
            let asked: Vec<_> = asked.into_iter().map(|(more, salt)| (old + more, salt)).collect();
            let mut cosigned = race(&kept, old, &asked);
            let size = kept.size(ORIGIN);
            // From one size on, one new size at most; the old one may be cosigned again.
            cosigned.retain(|(new, _)| *new != old);
            cosigned.dedup();
            prop_assert!(cosigned.iter().all(|one| one.0 == size), "{cosigned:?} {size}");
            for one in cosigned {
                prop_assert!(old == 0 || one.1 == last_salt, "the other fork");
                chain.push(one);
            }
        }
        let salts: std::collections::BTreeSet<u8> = chain.iter().map(|one| one.1).collect();
        prop_assert!(salts.len() <= 1, "{chain:?}");
        prop_assert!(chain.is_sorted());
    }
}
