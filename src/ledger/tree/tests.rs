mod oracles;

use super::super::hash::leaf;
use super::super::proof::{consistency, inclusion, root_at, verify_consistency, verify_inclusion};
use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use tlog_tiles::HashReader;
use tlog_tiles::tlog::Error as TlogError;

/// The definition of RFC 6962 §2.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves.len()));
            node(&naive_root(left), &naive_root(right))
        }
    }
}

fn naive_split(count: usize) -> usize {
    let mut k = 1;
    while k * 2 < count {
        k *= 2;
    }
    k
}

fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(naive_split(leaves.len()));
    let (mut path, sibling) = if index < left.len() {
        (naive_path(index, left), naive_root(right))
    } else {
        (naive_path(index - left.len(), right), naive_root(left))
    };
    path.push(sibling);
    path
}

fn naive_subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole {
            Vec::new()
        } else {
            vec![naive_root(leaves)]
        };
    }
    let k = naive_split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) = if old <= k {
        (naive_subproof(old, left, whole), naive_root(right))
    } else {
        (naive_subproof(old - k, right, false), naive_root(left))
    };
    proof.push(sibling);
    proof
}

/// Full tiles as storage would keep them.
#[derive(Default)]
struct Kept(HashMap<(u8, u64), Arc<KeptTile>>);

impl TileSource for Kept {
    fn full_tile(&self, level: u8, index: u64) -> Result<Option<Arc<KeptTile>>, TileError> {
        Ok(self.0.get(&(level, index)).cloned())
    }
}

struct Log {
    leaves: Vec<Hash>,
    edge: Edge,
    kept: Kept,
}

fn entry(number: usize) -> Vec<u8> {
    (number as u64).to_be_bytes().to_vec()
}

fn log(size: usize) -> Log {
    let mut log = Log {
        leaves: Vec::new(),
        edge: Edge::new(),
        kept: Kept::default(),
    };
    for number in 0..size {
        let hash = leaf(&entry(number));
        log.leaves.push(hash);
        for tile in log.edge.append(hash) {
            assert_eq!(tile.hashes.len(), TILE_WIDTH);
            log.kept.0.insert(
                (tile.level, tile.index),
                Arc::new(KeptTile::remembering(tile.hashes)),
            );
        }
    }
    log
}

fn restored(log: &Log) -> Edge {
    let leaves = |index: u64| Ok(log.leaves[usize::try_from(index).unwrap()]);
    Edge::restore(log.edge.size(), &log.kept, leaves).unwrap()
}

impl HashReader for Log {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, TlogError> {
        let read = |&index: &u64| {
            let (height, index) = tlog_tiles::split_stored_hash_index(index);
            let hash = self.edge.subtree(&self.kept, u32::from(height), index);
            tlog_tiles::Hash(*hash.unwrap().as_bytes())
        };
        Ok(indexes.iter().map(read).collect())
    }
}

/// What a proof of ours must pass, for one leaf and an older and a newer size.
fn check(log: &Log, edge: &Edge, index: u64, old: u64, new: u64) {
    let leaves = |size: u64| &log.leaves[..usize::try_from(size).unwrap()];
    let at = usize::try_from(index).unwrap();
    let (old_root, new_root) = (naive_root(leaves(old)), naive_root(leaves(new)));
    assert_eq!(root_at(edge, &log.kept, new).unwrap(), new_root);

    let path = inclusion(edge, &log.kept, index, new).unwrap();
    assert_eq!(path, naive_path(at, leaves(new)), "leaf {index} of {new}");
    verify_inclusion(&log.leaves[at], index, new, &path, &new_root).unwrap();

    let proof = consistency(edge, &log.kept, old, new).unwrap();
    let whole = naive_subproof(usize::try_from(old).unwrap(), leaves(new), true);
    assert_eq!(proof, whole, "{old} to {new}");
    verify_consistency(old, new, &old_root, &new_root, &proof).unwrap();

    let theirs = |hash: &Hash| tlog_tiles::Hash(*hash.as_bytes());
    let path: Vec<_> = path.iter().map(theirs).collect();
    let leaf = theirs(&log.leaves[at]);
    tlog_tiles::check_record(&path, new, theirs(&new_root), index, leaf).unwrap();
    assert_eq!(tlog_tiles::prove_record(new, index, log).unwrap(), path);
    let proof: Vec<_> = proof.iter().map(theirs).collect();
    tlog_tiles::check_tree(&proof, new, theirs(&new_root), old, theirs(&old_root)).unwrap();
    assert_eq!(tlog_tiles::prove_tree(new, old, log).unwrap(), proof);
}

#[test]
fn the_root_is_that_of_the_definition_at_every_size() {
    let mut edge = Edge::new();
    let mut leaves = Vec::new();
    assert_eq!(edge.root(), EMPTY_ROOT);
    for number in 0..600 {
        let hash = leaf(&entry(number));
        leaves.push(hash);
        let _ = edge.append(hash);
        if number < 70 || number % 13 == 0 || (250..260).contains(&number) {
            assert_eq!(edge.root(), naive_root(&leaves), "at {number}");
        }
    }
}

#[test]
fn proofs_hold_around_the_sizes_where_tiles_fill() {
    let log = log(65_536 + 257);
    let cold = restored(&log);
    assert_eq!(cold.root(), log.edge.root());
    for new in [
        1, 2, 255, 256, 257, 511, 513, 65_535, 65_536, 65_537, 65_793,
    ] {
        for old in [1, 128, 255, 256, 257, 65_280, 65_536] {
            for index in [0, 1, 254, 255, 256, 65_535, new - 1] {
                if new > 600 && (old + index + new) % 7 != 0 {
                    continue; // the naive tree costs a whole hashing each time
                }
                if old <= new && index < new {
                    check(&log, &log.edge, index, old, new);
                }
            }
        }
    }
    // The restored edge remembers less and proves the same.
    check(&log, &cold, 65_792, 65_537, 65_793);
    check(&log, &cold, 300, 257, 65_793);
}

#[test]
fn proofs_agree_with_ct_merkle() {
    let mut theirs = ct_merkle::mem_backed_tree::MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    let ours = log(300);
    for number in 0..300 {
        theirs.push(entry(number));
        let size = number as u64 + 1;
        let root = theirs.root();
        assert_eq!(
            root_at(&ours.edge, &ours.kept, size).unwrap().as_bytes()[..],
            root.as_bytes()[..]
        );
        let index = (number * 7919) % (number + 1);
        let path = theirs.prove_inclusion(index);
        let mine = inclusion(&ours.edge, &ours.kept, index as u64, size).unwrap();
        assert_eq!(concatenated(&mine), path.as_bytes());
        let old = index as u64 + 1;
        let proof = theirs.prove_consistency(number - index);
        let mine = consistency(&ours.edge, &ours.kept, old, size).unwrap();
        assert_eq!(concatenated(&mine), proof.as_bytes(), "{old} to {size}");
    }
}

fn concatenated(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

#[test]
fn a_lost_tile_is_named_and_a_damaged_one_is_refused() {
    let mut log = log(5 * 256);
    log.kept.0.remove(&(0, 1));
    let cold = Edge::restore(log.edge.size(), &log.kept, |_| unreachable!());
    assert!(matches!(
        cold,
        Err(TileError::Missing { level: 0, index: 1 })
    ));
    log.kept
        .0
        .insert((0, 1), Arc::new(vec![EMPTY_ROOT; 255].into()));
    let cold = Edge::restore(log.edge.size(), &log.kept, |_| unreachable!());
    assert!(matches!(
        cold,
        Err(TileError::Damaged { level: 0, index: 1 })
    ));
}

#[test]
fn new_entries_are_proved_without_reading_a_tile() {
    let mut edge = Edge::new();
    for number in 0..70_000 {
        let _ = edge.append(leaf(&entry(number)));
        // As in a batch of 1,024: every entry of it, against the checkpoint over the batch.
        if number % 5_000 == 4_999 {
            let size = edge.size();
            for index in (size - 1_024)..size {
                inclusion(&edge, &NoTiles, index, size).unwrap();
            }
            consistency(&edge, &NoTiles, size - 1_024, size).unwrap();
        }
    }
}

#[test]
fn tiles_are_given_as_they_were_at_any_size() {
    let log = log(700);
    let tile = |level, index, size| log.edge.tile(&log.kept, level, index, size);
    assert_eq!(tile(0, 0, 700).unwrap(), log.leaves[..256]);
    assert_eq!(tile(0, 2, 700).unwrap(), log.leaves[512..]);
    assert_eq!(tile(0, 2, 600).unwrap(), log.leaves[512..600]);
    assert_eq!(tile(0, 0, 3).unwrap(), log.leaves[..3]);
    assert_eq!(tile(1, 0, 700).unwrap().len(), 2);
    for (level, index, size) in [
        (0, 3, 700),
        (1, 1, 700),
        (2, 0, 700),
        (0, 0, 0),
        (0, 0, 701),
    ] {
        assert!(tile(level, index, size).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_prefix_proves_consistent_and_any_leaf_included(
        size in 1u64..1_400, a in any::<u64>(), b in any::<u64>(), c in any::<u64>(),
    ) {
        let log = log(usize::try_from(size).unwrap());
        let new = 1 + a % size;
        check(&log, &log.edge, b % new, 1 + c % new, new);
        check(&log, &restored(&log), b % new, 1 + c % new, new);
    }
}
