use super::*;
use crate::ledger::entry::Actor;
use crate::ledger::hash::leaf;
use crate::ledger::note::NoteSigner;
use crate::ledger::proof::{consistency, inclusion};
use crate::ledger::tree::{Edge, KeptTile, TileError, TileSource};
use std::sync::Arc;

/// Trees of fewer than 256 leaves have no full tile.
struct NoTiles;

impl TileSource for NoTiles {
    fn full_tile(&self, _: u8, _: u64) -> Result<Option<Arc<KeptTile>>, TileError> {
        Ok(None)
    }
}

struct Log {
    edge: Edge,
    signer: NoteSigner,
    entries: Vec<(Vec<u8>, Opening)>,
}

impl Log {
    fn new() -> Self {
        let signer = NoteSigner::ed25519("safeconduct.example", &[3; 32]).unwrap();
        Self {
            edge: Edge::new(),
            signer,
            entries: Vec::new(),
        }
    }

    fn append(&mut self, word: &str) {
        let nonce = [u8::try_from(self.entries.len()).unwrap(); 32];
        let decision = Decision::OfferClosed { offer: word.into() };
        let opening = Opening { nonce, decision };
        let at = Timestamp::from_millis(1_000).unwrap();
        let entry = Entry::committed(Actor::Router, at, &opening)
            .encode()
            .unwrap();
        let _ = self.edge.append(leaf(&entry));
        self.entries.push((entry, opening));
    }

    fn note(&self) -> String {
        let (origin, size) = ("safeconduct.example".to_owned(), self.edge.size());
        self.signer.sign(&Checkpoint {
            origin,
            size,
            root: self.edge.root(),
        })
    }

    fn receipt(&self, index: usize, from: u64) -> v1::Receipt {
        let bytes =
            |hashes: Vec<Hash>| hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect();
        let size = self.edge.size();
        let (entry, opening) = &self.entries[index];
        v1::Receipt {
            index: index as u64,
            entry: entry.clone(),
            inclusion: bytes(inclusion(&self.edge, &NoTiles, index as u64, size).unwrap()),
            checkpoint: self.note(),
            nonce: opening.nonce.to_vec(),
            decision: opening.decision_bytes(),
            consistency: match from {
                0 => Vec::new(),
                _ => bytes(consistency(&self.edge, &NoTiles, from, size).unwrap()),
            },
            consistency_from: from,
        }
    }

    fn view(&self) -> LogView {
        LogView::in_memory(&self.signer.vkey()).unwrap()
    }
}

#[test]
fn receipts_are_believed_while_the_log_grows() {
    let mut log = Log::new();
    let view = log.view();
    for index in 0..20 {
        log.append("x");
        let known = view.known();
        let (proven, gap) = view
            .take(Some(&log.receipt(index, known.size)), known)
            .unwrap();
        assert_eq!((proven.index, gap), (index as u64, None));
    }
    assert_eq!(view.known().size, 20);
}

#[test]
fn replies_that_overtake_each_other_leave_a_gap_that_a_proof_closes() {
    let mut log = Log::new();
    let view = log.view();
    log.append("a");
    let start = view.known();
    view.take(Some(&log.receipt(0, 0)), start).unwrap();
    let known = view.known();
    log.append("b");
    let early = log.receipt(1, known.size);
    log.append("c");
    let late = log.receipt(2, known.size);
    assert_eq!(view.take(Some(&late), known).unwrap().1, None);
    let gap = view.take(Some(&early), known).unwrap().1.unwrap();
    assert_eq!((gap.old.0, gap.new.0), (2, 3));
    let proof: Vec<Vec<u8>> = consistency(&log.edge, &NoTiles, 2, 3)
        .unwrap()
        .iter()
        .map(|hash| hash.as_bytes().to_vec())
        .collect();
    assert_eq!(view.close(gap, &proof, &early.checkpoint), Ok(None));
    assert_eq!(view.take(Some(&early), known).unwrap().1, None);
    assert_eq!(view.known().size, 3);
}

#[test]
fn another_history_of_the_same_length_is_a_fork() {
    let (mut honest, mut other) = (Log::new(), Log::new());
    honest.append("a");
    other.append("b");
    let view = honest.view();
    let start = view.known();
    view.take(Some(&honest.receipt(0, 0)), start).unwrap();
    let answer = view.take(Some(&other.receipt(0, 0)), start);
    assert_eq!(answer, Err(LogViolation::Forked));
}

#[test]
fn a_longer_log_that_does_not_continue_is_refused_invariant_10() {
    let (mut honest, mut other) = (Log::new(), Log::new());
    honest.append("a");
    other.append("b");
    other.append("c");
    let view = honest.view();
    let start = view.known();
    view.take(Some(&honest.receipt(0, 0)), start).unwrap();
    let known = view.known();
    let answer = view.take(Some(&other.receipt(1, 1)), known);
    assert_eq!(answer, Err(LogViolation::NotConsistent));
    // Nor when it leaves the proof out and is asked for it.
    let gap = view
        .take(Some(&other.receipt(1, 0)), known)
        .unwrap()
        .1
        .unwrap();
    let answer = view.close(gap, &[vec![0; 32]], &other.note());
    assert_eq!(answer, Err(LogViolation::NotConsistent));
}

#[test]
fn a_shorter_latest_checkpoint_is_a_rewind() {
    let mut log = Log::new();
    let view = log.view();
    log.append("a");
    let old = log.note();
    log.append("b");
    view.take(Some(&log.receipt(1, 0)), view.known()).unwrap();
    assert_eq!(view.take_checkpoint(&old), Err(LogViolation::Rewound));
}

#[test]
fn a_receipt_for_another_entry_or_decision_is_refused_invariant_8() {
    let mut log = Log::new();
    let view = log.view();
    log.append("a");
    log.append("b");
    let known = view.known();
    let good = log.receipt(0, 0);
    let elsewhere = v1::Receipt {
        index: 1,
        ..good.clone()
    };
    assert_eq!(
        view.take(Some(&elsewhere), known).unwrap_err(),
        LogViolation::NotIncluded
    );
    let opening = Opening {
        nonce: [0; 32],
        decision: Decision::OfferClosed {
            offer: "other".into(),
        },
    };
    let told = v1::Receipt {
        decision: opening.decision_bytes(),
        ..good.clone()
    };
    assert_eq!(
        view.take(Some(&told), known).unwrap_err(),
        LogViolation::OtherEntry
    );
    let unsigned = v1::Receipt {
        checkpoint: good.checkpoint.replace('1', "2"),
        ..good
    };
    assert_eq!(
        view.take(Some(&unsigned), known).unwrap_err(),
        LogViolation::NotSigned
    );
    assert_eq!(view.take(None, known).unwrap_err(), LogViolation::NoReceipt);
}

fn proof(log: &Log, gap: Gap) -> Vec<Vec<u8>> {
    let hashes = consistency(&log.edge, &NoTiles, gap.old.0, gap.new.0).unwrap();
    hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect()
}

#[test]
fn an_entry_that_a_restore_lost_and_the_one_in_its_place_both_keep_their_receipts() {
    let folder = tempfile::TempDir::new().unwrap();
    let (mut lost, mut restored) = (Log::new(), Log::new());
    lost.append("a");
    restored.append("b");
    for log in [&lost, &restored, &lost, &restored] {
        let view = log.view();
        let view = view.keeping_receipts(folder.path().to_owned()).unwrap();
        view.take(Some(&log.receipt(0, 0)), view.known()).unwrap();
    }
    let files = std::fs::read_dir(folder.path()).unwrap();
    let kept = files.map(|file| {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        ReceiptFile::parse(&text).unwrap().entry
    });
    let mut kept: Vec<_> = kept.collect();
    let mut entries = [&lost, &restored].map(|log| log.entries[0].0.clone());
    kept.sort();
    entries.sort();
    assert_eq!(kept, entries);
}

#[test]
fn a_receipt_of_a_fork_takes_no_true_ones_place() {
    let folder = tempfile::TempDir::new().unwrap();
    let (mut honest, mut other) = (Log::new(), Log::new());
    let view = honest.view();
    let view = view.keeping_receipts(folder.path().to_owned()).unwrap();
    honest.append("a");
    other.append("b");
    view.take(Some(&honest.receipt(0, 0)), view.known())
        .unwrap();
    let known = view.known();
    honest.append("c");
    other.append("c");
    other.append("d");
    // Of the same index, and answered first.
    let forked = other.receipt(1, 0);
    let (_, gap) = view.take(Some(&forked), known).unwrap();
    let answer = view.close(gap.unwrap(), &[vec![0; 32]], &forked.checkpoint);
    assert_eq!(answer, Err(LogViolation::NotConsistent));
    let (proven, _) = view.take(Some(&honest.receipt(1, 1)), known).unwrap();
    let kept = folder.path().join(proven.receipt.file_name());
    let kept = std::fs::read_to_string(kept).unwrap();
    assert_eq!(kept, proven.receipt.encode().unwrap());
}

#[test]
fn two_programs_on_one_folder_keep_the_newest_that_both_can_continue() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("checkpoint");
    let mut log = Log::new();
    log.append("a");
    let open = || LogView::open(&log.signer.vkey(), path.clone()).unwrap();
    let (desk, watch) = (open(), open());
    assert_eq!(desk.take_checkpoint(&log.note()), Ok(None));
    assert_eq!(watch.take_checkpoint(&log.note()), Ok(None));
    let known = watch.known();
    log.append("b");
    let overtaken = log.receipt(1, known.size);
    log.append("c");
    let newest = log.receipt(2, known.size);
    assert_eq!(desk.take(Some(&newest), known).unwrap().1, None);

    // What the other saved is newer: it is continued or proved, and never replaced by the older one.
    let gap = watch.take(Some(&overtaken), known).unwrap().1.unwrap();
    assert_eq!((gap.old.0, gap.new.0), (2, 3));
    let closed = watch.close(gap, &proof(&log, gap), &overtaken.checkpoint);
    assert_eq!(closed, Ok(None));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), log.note());
    assert_eq!(watch.known().size, 3);
    // A file that was lost is written again.
    std::fs::remove_file(&path).unwrap();
    log.append("d");
    let next = log.receipt(3, 3);
    assert_eq!(desk.take(Some(&next), desk.known()).unwrap().1, None);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), log.note());
}

#[test]
fn a_program_never_replaces_what_another_saved_by_a_history_that_does_not_continue_it() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("checkpoint");
    let (mut honest, mut other) = (Log::new(), Log::new());
    honest.append("a");
    other.append("a");
    let open = || LogView::open(&honest.signer.vkey(), path.clone()).unwrap();
    let (desk, watch) = (open(), open());
    assert_eq!(desk.take_checkpoint(&honest.note()), Ok(None));
    assert_eq!(watch.take_checkpoint(&honest.note()), Ok(None));
    let known = desk.known();
    honest.append("b");
    other.append("c");
    let taken = desk.take(Some(&honest.receipt(1, 1)), known).unwrap();
    assert_eq!(taken.1, None);
    // Another history of the same length, then a longer one: each continues what this program saw itself.
    let answer = watch.take(Some(&other.receipt(1, 1)), known);
    assert_eq!(answer, Err(LogViolation::Forked));
    other.append("d");
    let longer = other.receipt(2, 1);
    let gap = watch.take(Some(&longer), known).unwrap().1.unwrap();
    let answer = watch.close(gap, &proof(&other, gap), &longer.checkpoint);
    assert_eq!(answer, Err(LogViolation::NotConsistent));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), honest.note());
    // What contradicts it lies beside it: only the two together prove the fork to others.
    let beside = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let against = files.filter(|file| file.to_string_lossy().contains("checkpoint.against-"));
        against.map(|file| std::fs::read_to_string(file).unwrap())
    };
    let kept: Vec<String> = beside().collect();
    assert_eq!(kept.len(), 2);
    assert!(kept.contains(&longer.checkpoint));
    for word in ["f", "g", "h", "i", "j", "k", "l", "m"] {
        other.append(word);
        let size = honest.edge.size();
        let answer = desk.take(Some(&other.receipt(0, size)), desk.known());
        assert_eq!(answer, Err(LogViolation::NotConsistent));
    }
    assert_eq!(beside().count(), 8, "a liar does not fill the disk");
    // Nor is a file touched that this program cannot read.
    std::fs::write(&path, "another log's").unwrap();
    honest.append("e");
    let next = honest.receipt(2, 2);
    assert_eq!(desk.take(Some(&next), desk.known()).unwrap().1, None);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "another log's");
}
