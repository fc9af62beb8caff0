use super::super::hash::leaf;
use super::super::note::NoteVerifier;
use super::super::proof::consistency;
use super::super::tree::{Edge, NoTiles};
use super::*;

fn signer() -> NoteSigner {
    NoteSigner::ed25519("safeconduct.example", &[9; 32]).unwrap()
}

fn edge(size: u64, salt: u8) -> Edge {
    let mut edge = Edge::new();
    for number in 0..size {
        let _ = edge.append(leaf(&[number as u8, salt]));
    }
    edge
}

#[test]
fn a_checkpoint_is_three_lines_and_reads_back() {
    let checkpoint = Checkpoint {
        origin: "log.example".into(),
        size: 12,
        root: edge(12, 0).root(),
    };
    assert_eq!(checkpoint.text().lines().count(), 3);
    assert_eq!(Checkpoint::parse(&checkpoint.text()), Ok(checkpoint));
    let empty = Checkpoint {
        origin: "log.example".into(),
        size: 0,
        root: EMPTY_ROOT,
    };
    assert_eq!(Checkpoint::parse(&empty.text()), Ok(empty));
}

#[test]
fn what_would_not_be_written_so_is_no_checkpoint() {
    let root = edge(12, 0).root().base64();
    let empty = EMPTY_ROOT.base64();
    let texts = [
        format!("log\n12\n{root}"),
        format!("log\n012\n{root}\n"),
        format!("log\n+12\n{root}\n"),
        format!("log\n-1\n{root}\n"),
        format!("log\n18446744073709551616\n{root}\n"),
        format!("\n12\n{root}\n"),
        format!("log\n12\n{root}\nextension\n"),
        format!("log\n12\n{}\n", &root[..40]),
        format!("log\n0\n{root}\n"),
        format!("log\n12\n{empty}\n"),
        "log\n".into(),
        String::new(),
    ];
    for text in texts {
        assert_eq!(Checkpoint::parse(&text), Err(BadCheckpoint), "{text:?}");
    }
}

#[test]
fn a_witness_reads_extension_lines_over_but_not_broken_ones() {
    let root = edge(12, 0).root().base64();
    let three = format!("log\n12\n{root}\n");
    let parsed = Checkpoint::parse(&three).unwrap();
    assert_eq!(parse_any(&three), Ok(parsed.clone()));
    assert_eq!(parse_any(&format!("{three}one\ntwo\n")), Ok(parsed));
    for text in [
        format!("{three}\n"),
        format!("{three}\nmore\n"),
        format!("{three}more"),
        "log\n12\n".into(),
        format!("log\n012\n{root}\nmore\n"),
        String::new(),
    ] {
        assert_eq!(parse_any(&text), Err(BadCheckpoint), "{text:?}");
    }
}

#[test]
fn the_signer_signs_a_growing_log() {
    let verifier = NoteVerifier::parse(&signer().vkey()).unwrap();
    let mut signer = CheckpointSigner::begin(signer());
    let mut old = 0;
    for size in [0, 1, 1, 6, 9] {
        let tree = edge(size, 0);
        let proof = if old == 0 || old == size {
            Vec::new()
        } else {
            consistency(&tree, &NoTiles, old, size).unwrap()
        };
        let note = signer.advance(size, tree.root(), &proof).unwrap();
        assert_eq!(verifier.verify(&note).unwrap().size, size);
        assert_eq!(signer.size(), size);
        old = size;
    }
}

#[test]
fn the_signer_never_signs_two_histories() {
    // Invariant 10.
    let seen = edge(6, 0);
    let mut kept = CheckpointSigner::resume(signer(), 6, seen.root());
    let forked = edge(9, 1);
    let proof = consistency(&forked, &NoTiles, 6, 9).unwrap();
    let refusals = [
        kept.advance(9, forked.root(), &proof),
        kept.advance(9, edge(9, 0).root(), &[]),
        kept.advance(6, edge(6, 1).root(), &[]),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Err(SignError::Forked(_))));
    }
    assert_eq!(
        kept.advance(5, edge(5, 0).root(), &[]),
        Err(SignError::Shrunk)
    );
    assert_eq!((kept.size(), kept.root()), (6, seen.root()));
    let mut fresh = CheckpointSigner::begin(signer());
    assert!(fresh.advance(3, edge(3, 0).root(), &[EMPTY_ROOT]).is_err());
    assert!(fresh.advance(3, EMPTY_ROOT, &[]).is_err());
}
