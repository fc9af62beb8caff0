use super::super::hash::leaf;
use super::super::proof::{consistency, inclusion, root_at, verify_consistency, verify_inclusion};
use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use tlog_tiles::{HashReader, TlogError};

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
struct Kept(HashMap<(u8, u64), Arc<[Hash]>>);

impl TileSource for Kept {
    fn full_tile(&self, level: u8, index: u64) -> Result<Option<Arc<[Hash]>>, TileError> {
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
            log.kept
                .0
                .insert((tile.level, tile.index), tile.hashes.into());
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
        // Stored-hash indexes of golang.org/x/mod/sumdb/tlog: looked up by searching, slow and plain.
        Ok(indexes
            .iter()
            .map(|&wanted| {
                let (level, index) = (0..40u8)
                    .flat_map(|level| {
                        (0..=(self.edge.size() >> level)).map(move |index| (level, index))
                    })
                    .find(|&(level, index)| tlog_tiles::stored_hash_index(level, index) == wanted)
                    .unwrap();
                let hash = self
                    .edge
                    .subtree(&self.kept, u32::from(level), index)
                    .unwrap();
                tlog_tiles::Hash(*hash.as_bytes())
            })
            .collect())
    }
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
