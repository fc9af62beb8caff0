use super::*;
use crate::domain::time::Timestamp;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::ledger::note::NoteSigner;
use crate::ledger::proof::inclusion;
use crate::ledger::tree::{Edge, NoTiles};

const ORIGIN: &str = "safeconduct.example";

fn signer() -> NoteSigner {
    NoteSigner::ed25519(ORIGIN, &[7; 32]).unwrap()
}

fn verifier() -> NoteVerifier {
    NoteVerifier::parse(&signer().vkey()).unwrap()
}

/// The receipt of entry `index` among `size`; entry 0 is in the clear.
fn receipt(index: u64, size: u64) -> ReceiptFile {
    let mut edge = Edge::new();
    let mut kept = None;
    for at in 0..size {
        let time = Timestamp::from_millis(1_794_000_000_000).unwrap();
        let opening = Opening {
            nonce: [u8::try_from(at).unwrap(); 32],
            decision: Decision::OfferClosed {
                offer: format!("offer-{at} é"),
            },
        };
        let (entry, opening) = if at == 0 {
            let (by, body) = (Actor::Router, EntryBody::Tick);
            (Entry { by, at: time, body }, None)
        } else {
            let entry = Entry::committed(Actor::Router, time, &opening);
            (entry, Some(opening))
        };
        let bytes = entry.encode().unwrap();
        let _ = edge.append(leaf(&bytes));
        if at == index {
            kept = Some((bytes, opening));
        }
    }
    let (entry, opening) = kept.unwrap();
    let checkpoint = Checkpoint {
        origin: ORIGIN.into(),
        size,
        root: edge.root(),
    };
    ReceiptFile {
        index,
        entry,
        opening,
        inclusion: inclusion(&edge, &NoTiles, index, size).unwrap(),
        checkpoint: signer().sign(&checkpoint),
    }
}

/// Reads and verifies a file as a stranger would.
fn believed(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).ok();
    let read = text.and_then(|text| ReceiptFile::parse(text).ok());
    read.is_some_and(|receipt| receipt.verify(&verifier()).is_ok())
}

#[test]
fn a_receipt_is_read_back_and_proves_its_entry_at_every_place_of_small_trees() {
    for size in 1..=9 {
        for index in 0..size {
            let receipt = receipt(index, size);
            let text = receipt.encode().unwrap();
            assert_eq!(ReceiptFile::parse(&text).unwrap(), receipt);
            let shown = receipt.verify(&verifier()).unwrap();
            assert_eq!(shown.checkpoint.size, size);
            assert_eq!(receipt.opening.is_none(), index == 0);
        }
    }
}

#[test]
fn every_flipped_bit_of_a_receipt_is_refused() {
    let text = receipt(4, 7).encode().unwrap();
    assert!(believed(text.as_bytes()));
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            assert!(!believed(&bytes), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn every_cut_and_every_byte_more_is_refused() {
    let text = receipt(4, 7).encode().unwrap();
    for length in 0..text.len() {
        assert!(!believed(&text.as_bytes()[..length]), "cut at {length}");
    }
    for more in ["\n", " ", "x\n", "\u{2014} x AAAAAAA=\n"] {
        // A line of a key that nobody asked about is part of a note; without its own form it is not.
        let longer = format!("{text}{more}");
        let ignored = more.starts_with('\u{2014}');
        assert_eq!(believed(longer.as_bytes()), ignored, "{more:?}");
    }
}

#[test]
fn a_receipt_is_of_one_entry_of_one_log_and_its_own_opening() {
    let (one, other) = (receipt(4, 7), receipt(5, 7));
    let swapped = ReceiptFile {
        opening: other.opening.clone(),
        ..one.clone()
    };
    assert_eq!(swapped.verify(&verifier()), Err(ReceiptError::WrongOpening));
    let moved = ReceiptFile {
        index: 5,
        ..one.clone()
    };
    assert_eq!(moved.verify(&verifier()), Err(ReceiptError::NotIncluded));
    let stranger = NoteSigner::ed25519(ORIGIN, &[8; 32]).unwrap().vkey();
    let stranger = NoteVerifier::parse(&stranger).unwrap();
    let refused = one.verify(&stranger);
    assert_eq!(refused, Err(ReceiptError::Checkpoint(NoteError::NotSigned)));
    // In the clear there is nothing to open.
    let clear = ReceiptFile {
        opening: one.opening.clone(),
        ..receipt(0, 7)
    };
    assert_eq!(clear.verify(&verifier()), Err(ReceiptError::WrongOpening));
}

#[test]
fn a_receipt_without_its_opening_proves_the_entry_and_tells_nothing() {
    let shared = receipt(4, 7).without_opening();
    let text = shared.encode().unwrap();
    let read = ReceiptFile::parse(&text).unwrap();
    assert!(read.verify(&verifier()).is_ok() && read.opening.is_none());
    assert_eq!(read.file_name(), "0000000004-offer_closed.tlog-proof");
}

#[test]
fn the_text_is_laid_out_as_the_specification_says() {
    let text = receipt(4, 7).encode().unwrap();
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines[0], "c2sp.org/tlog-proof@v1");
    assert!(lines[1].starts_with("extra ") && lines[2] == "index 4");
    let blank = lines.iter().position(|line| line.is_empty()).unwrap();
    assert_eq!(
        blank,
        3 + 3,
        "three hashes lead from leaf 4 of 7 to the root"
    );
    assert_eq!(&lines[blank + 1..blank + 3], [ORIGIN, "7"]);
}
