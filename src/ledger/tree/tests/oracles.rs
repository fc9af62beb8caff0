//! Trees and proofs against implementations that nobody here wrote: `ct-merkle`, `tlog_tiles`, and a checker in Python
//! written from the specifications (`tests/python/tlog.py`).
//!
//! `SAFECONDUCT_ORACLE_CASES=100000 cargo test --release --lib oracles` runs as many cases as the environment says.

use super::super::super::checkpoint::Checkpoint;
use super::super::super::cosignature::Cosigner;
use super::super::super::note::{NoteSigner, unverified_text};
use super::*;
use crate::domain::time::Timestamp;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Leaves after which a tree is begun anew: a little over four full tiles.
const SIZE_MAX: usize = 1_100;

fn cases(default: usize) -> usize {
    let told = std::env::var("SAFECONDUCT_ORACLE_CASES").ok();
    told.and_then(|told| told.parse().ok()).unwrap_or(default)
}

/// The same numbers each time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

impl Log {
    fn grow(&mut self, entry: &[u8]) {
        let hash = leaf(entry);
        self.leaves.push(hash);
        for tile in self.edge.append(hash) {
            let key = (tile.level, tile.index);
            self.kept
                .0
                .insert(key, Arc::new(KeptTile::remembering(tile.hashes)));
        }
    }
}

#[test]
fn random_trees_and_proofs_agree_with_ct_merkle_and_tlog_tiles() {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    let mut numbers = Numbers(20_261_122);
    let mut ours = log(0);
    let mut theirs = MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    for case in 0..cases(300) {
        if ours.leaves.len() > SIZE_MAX {
            (ours, theirs) = (log(0), MemoryBackedTree::new());
        }
        // One leaf at a time at first, so that sizes 1 and 2 are met; then past the edges of tiles.
        let more = if ours.leaves.len() < 4 {
            1
        } else {
            1 + numbers.below(40)
        };
        for _ in 0..more {
            let entry: Vec<u8> =
                numbers.next().to_be_bytes()[..(numbers.below(9) as usize)].to_vec();
            ours.grow(&entry);
            theirs.push(entry);
        }
        let size = ours.edge.size();
        let (index, old) = (numbers.below(size), 1 + numbers.below(size));
        let root = ours.edge.root();
        assert_eq!(
            root.as_bytes()[..],
            theirs.root().as_bytes()[..],
            "case {case}"
        );
        let path = inclusion(&ours.edge, &ours.kept, index, size).unwrap();
        let their_path = theirs.prove_inclusion(usize::try_from(index).unwrap());
        assert_eq!(
            concatenated(&path),
            their_path.as_bytes(),
            "case {case}: {index} of {size}"
        );
        let proof = consistency(&ours.edge, &ours.kept, old, size).unwrap();
        let added = usize::try_from(size - old).unwrap();
        if added > 0 {
            let their_proof = theirs.prove_consistency(added);
            assert_eq!(
                concatenated(&proof),
                their_proof.as_bytes(),
                "case {case}: {old} to {size}"
            );
        }
        let old_root = root_at(&ours.edge, &ours.kept, old).unwrap();
        let at = usize::try_from(index).unwrap();
        verify_inclusion(&ours.leaves[at], index, size, &path, &root).unwrap();
        verify_consistency(old, size, &old_root, &root, &proof).unwrap();

        let of = |hash: &Hash| tlog_tiles::Hash(*hash.as_bytes());
        let path: Vec<_> = path.iter().map(of).collect();
        let proof: Vec<_> = proof.iter().map(of).collect();
        let leaf = of(&ours.leaves[at]);
        tlog_tiles::check_record(&path, size, of(&root), index, leaf).unwrap();
        tlog_tiles::check_tree(&proof, size, of(&root), old, of(&old_root)).unwrap();
        assert_eq!(tlog_tiles::prove_record(size, index, &ours).unwrap(), path);
        assert_eq!(tlog_tiles::prove_tree(size, old, &ours).unwrap(), proof);
    }
}

/// What the Python checker says of `cases`; `None`, with the reason printed, where Python or its modules are lacking.
fn python(cases: &[Value]) -> Option<Vec<Value>> {
    let script = format!("{}/tests/python/tlog.py", env!("CARGO_MANIFEST_DIR"));
    let child = Command::new("python3")
        .args(["-B", &script, "cases"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: python3 does not start: {error}");
            return None;
        }
    };
    let mut stdin = child.stdin.take().unwrap();
    // A script that lacks its modules may be gone before it has read.
    let _ = stdin.write_all(Value::from(cases.to_vec()).to_string().as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        println!("skipped: {}", errors.trim());
        return None;
    }
    assert!(output.status.success(), "{errors}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::base64).collect()
}

/// A proof with one bit changed, one hash more, or one less.
fn spoiled(numbers: &mut Numbers, proof: &[Hash]) -> Vec<Hash> {
    let mut proof = proof.to_vec();
    let at = numbers.next() as usize;
    match numbers.below(3) {
        0 if !proof.is_empty() => {
            let at = at % proof.len();
            let mut bytes = *proof[at].as_bytes();
            bytes[at % 32] ^= 1;
            proof[at] = Hash::from_bytes(bytes);
        }
        1 if !proof.is_empty() => drop(proof.pop()),
        _ => proof.push(EMPTY_ROOT),
    }
    proof
}

#[test]
fn a_checker_written_from_the_specifications_says_the_same_of_proofs() {
    let mut numbers = Numbers(6_962);
    let log = log(777);
    let (mut asked, mut expected) = (Vec::new(), Vec::new());
    for case in 0..cases(300) {
        let size = if case < 20 {
            1 + case as u64 / 4
        } else {
            1 + numbers.below(777)
        };
        let (index, old) = (numbers.below(size), 1 + numbers.below(size));
        let root = root_at(&log.edge, &log.kept, size).unwrap();
        let old_root = root_at(&log.edge, &log.kept, old).unwrap();
        let right = numbers.below(2) == 0;
        let mut path = inclusion(&log.edge, &log.kept, index, size).unwrap();
        let mut proof = consistency(&log.edge, &log.kept, old, size).unwrap();
        if !right {
            path = spoiled(&mut numbers, &path);
            proof = spoiled(&mut numbers, &proof);
        }
        let leaf = log.leaves[usize::try_from(index).unwrap()];
        asked.push(json!({
            "kind": "inclusion", "leaf": leaf.base64(), "index": index, "size": size,
            "proof": base64(&path), "root": root.base64(),
        }));
        expected.push(verify_inclusion(&leaf, index, size, &path, &root).is_ok());
        asked.push(json!({
            "kind": "consistency", "old": old, "new": size, "old_root": old_root.base64(),
            "new_root": root.base64(), "proof": base64(&proof),
        }));
        expected.push(verify_consistency(old, size, &old_root, &root, &proof).is_ok());
        assert_eq!(
            expected[expected.len() - 2..],
            [right, right],
            "case {case}"
        );
    }
    let Some(found) = python(&asked) else { return };
    for ((found, expected), asked) in found.iter().zip(&expected).zip(&asked) {
        assert_eq!(found["ok"], json!(expected), "{asked}: {found}");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn notes_checkpoints_cosignatures_and_receipts_verify_with_that_checker() {
    let signer = NoteSigner::ed25519("safeconduct.example", &[9; 32]).unwrap();
    let witnesses = [1, 2].map(|number| {
        Cosigner::ed25519(&format!("witness.example/w{number}"), &[number; 32]).unwrap()
    });
    let log = log(300);
    let (mut asked, mut expected) = (Vec::new(), Vec::new());
    let mut expect = |case: Value, ok: Value| {
        asked.push(case);
        expected.push(ok);
    };
    for size in [0, 1, 2, 255, 256, 257, 300] {
        let root = root_at(&log.edge, &log.kept, size).unwrap();
        let checkpoint = Checkpoint {
            origin: "safeconduct.example".into(),
            size,
            root,
        };
        let note = signer.sign(&checkpoint);
        let text = unverified_text(&note).unwrap().to_owned();
        let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
        let cosigned = format!("{note}{}", witnesses[0].cosign(&text, at(1_800_000_007)));
        let verified = json!({"ok": true, "size": size, "root": root.base64()});
        let asked = json!({"kind": "checkpoint", "note": cosigned, "vkey": signer.vkey()});
        expect(asked, verified);
        let changed = cosigned.replacen("safeconduct", "safeconducd", 1);
        let asked = json!({"kind": "checkpoint", "note": changed, "vkey": signer.vkey()});
        expect(
            asked,
            json!({"ok": false, "why": "a signature of a known key is wrong"}),
        );
        for (witness, time) in witnesses.iter().zip([json!(1_800_000_007), Value::Null]) {
            let asked = json!({"kind": "cosignature", "note": cosigned, "vkey": witness.vkey()});
            expect(asked, json!({"ok": true, "time": time}));
        }
        // A receipt (c2sp.org/tlog-proof) of the last entry.
        let Some(index) = size.checked_sub(1) else {
            continue;
        };
        let path = inclusion(&log.edge, &log.kept, index, size).unwrap();
        let lines: String = path.iter().map(|hash| hash.base64() + "\n").collect();
        let text = format!("c2sp.org/tlog-proof@v1\nindex {index}\n{lines}\n{cosigned}");
        let leaf = log.leaves[usize::try_from(index).unwrap()].base64();
        for (required, ok) in [(0, true), (1, true), (2, false)] {
            let asked = json!({
                "kind": "proof", "text": text, "leaf": leaf, "log": signer.vkey(),
                "witnesses": witnesses.each_ref().map(Cosigner::vkey), "required": required,
            });
            let verified =
                json!({"ok": true, "index": index, "size": size, "times": [1_800_000_007]});
            let missing = json!({"ok": false, "why": "too few witnesses"});
            expect(asked, if ok { verified } else { missing });
        }
    }
    let Some(found) = python(&asked) else { return };
    assert_eq!(found, expected);
}
