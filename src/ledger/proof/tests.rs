use super::super::hash::leaf;
use super::super::tree::NoTiles;
use super::*;
use proptest::prelude::*;

fn edge(size: u64) -> Edge {
    let mut edge = Edge::new();
    for number in 0..size {
        let _ = edge.append(leaf(&number.to_be_bytes()));
    }
    edge
}

#[test]
fn nothing_is_consistent_with_the_empty_tree() {
    let tree = edge(5);
    assert!(matches!(
        consistency(&tree, &NoTiles, 0, 5),
        Err(ProofError::OutOfRange)
    ));
    let refused = verify_consistency(0, 5, &EMPTY_ROOT, &tree.root(), &[]);
    assert_eq!(refused, Err(Unproven::FromNothing));
}

#[test]
fn what_is_beyond_the_tree_cannot_be_proved() {
    let tree = edge(5);
    for (index, size) in [(5, 5), (0, 0), (0, 6), (7, 5)] {
        assert!(inclusion(&tree, &NoTiles, index, size).is_err());
    }
    for (old, new) in [(4, 3), (1, 6)] {
        assert!(consistency(&tree, &NoTiles, old, new).is_err());
    }
    let out = verify_inclusion(&EMPTY_ROOT, 3, 3, &[], &EMPTY_ROOT);
    assert_eq!(out, Err(Unproven::OutOfRange));
    let out = verify_consistency(4, 3, &EMPTY_ROOT, &EMPTY_ROOT, &[]);
    assert_eq!(out, Err(Unproven::OutOfRange));
}

#[test]
fn the_same_size_is_consistent_only_with_the_same_root_and_an_empty_proof() {
    let root = edge(7).root();
    assert!(verify_consistency(7, 7, &root, &root, &[]).is_ok());
    assert!(verify_consistency(7, 7, &root, &root, &[root]).is_err());
    assert!(verify_consistency(7, 7, &root, &EMPTY_ROOT, &[]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_changed_proof_proves_nothing(
        size in 2u64..700, at in any::<u64>(), hash in any::<usize>(), bit in 0usize..256, cut in any::<bool>(),
    ) {
        let tree = edge(size);
        let (index, old) = (at % size, 1 + at % (size - 1));
        let old_root = root_at(&tree, &NoTiles, old).ok();
        let spoil = |proof: &[Hash]| -> Vec<Hash> {
            let mut proof = proof.to_vec();
            if cut {
                proof.pop();
            } else if let Some(spoiled) = proof.get_mut(hash % size.max(1) as usize % 16) {
                let mut bytes = *spoiled.as_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                *spoiled = Hash::from_bytes(bytes);
            } else {
                proof.push(EMPTY_ROOT);
            }
            proof
        };
        if let Ok(path) = inclusion(&tree, &NoTiles, index, size) {
            let leaf = leaf(&index.to_be_bytes());
            let root = tree.root();
            prop_assert!(verify_inclusion(&leaf, index, size, &path, &root).is_ok());
            prop_assert!(verify_inclusion(&leaf, index, size, &spoil(&path), &root).is_err());
            prop_assert!(verify_inclusion(&leaf, (index + 1) % size, size, &path, &root).is_err());
        }
        if let (Ok(proof), Some(old_root)) = (consistency(&tree, &NoTiles, old, size), old_root) {
            let root = tree.root();
            prop_assert!(verify_consistency(old, size, &old_root, &root, &proof).is_ok());
            prop_assert!(verify_consistency(old, size, &old_root, &root, &spoil(&proof)).is_err());
        }
    }

    #[test]
    fn arbitrary_proofs_are_refused_without_a_panic(
        index in any::<u64>(), size in any::<u64>(), hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let proof: Vec<Hash> = hashes.into_iter().map(Hash::from_bytes).collect();
        let root = Hash::from_bytes([7; 32]);
        prop_assert!(verify_inclusion(&EMPTY_ROOT, index, size, &proof, &root).is_err());
        prop_assert!(verify_consistency(index, size, &EMPTY_ROOT, &root, &proof).is_err());
    }
}
