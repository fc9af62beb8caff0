//! Inclusion and consistency proofs: making them from the edge and full tiles, and checking them.
//!
//! # Source
//!
//! RFC 9162 §2.1.3 and §2.1.4; the hashes come in the same order.

use super::hash::{EMPTY_ROOT, Hash, node};
use super::tree::{Edge, TileError, TileSource};

/// Why a proof cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The size is beyond the tree, the index is beyond the size, or the sizes are in the wrong order.
    #[error("the tree has no such index or size")]
    OutOfRange,
    /// A tile could not be had.
    #[error(transparent)]
    Tile(#[from] TileError),
}

/// A proof that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The index is not below the size, or the sizes are in the wrong order.
    #[error("the proof is for an index or size that cannot be")]
    OutOfRange,
    /// Nothing can be consistent with the empty tree; only a witness may begin from there.
    #[error("consistency with an empty tree proves nothing")]
    FromNothing,
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the root")]
    Mismatch,
}

/// The proof that leaf `index` is in the tree of `size` leaves.
///
/// Costs a handful of hashes for the newest entries and at most one tile a level for old ones.
///
/// # Errors
///
/// [`ProofError`] if `index < size ≤ edge.size()` does not hold or a tile is missing.
pub fn inclusion(
    edge: &Edge,
    tiles: &dyn TileSource,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, ProofError> {
    if index >= size || size > edge.size() {
        return Err(ProofError::OutOfRange);
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range(edge, tiles, middle, end)?);
            end = middle;
        } else {
            proof.push(range(edge, tiles, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `old` leaves is the beginning of the tree of `new` leaves.
///
/// # Errors
///
/// [`ProofError`] if `1 ≤ old ≤ new ≤ edge.size()` does not hold or a tile is missing.
pub fn consistency(
    edge: &Edge,
    tiles: &dyn TileSource,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, ProofError> {
    if old == 0 || old > new || new > edge.size() {
        return Err(ProofError::OutOfRange);
    }
    let (mut start, mut end) = (0, new);
    let mut proof = Vec::new();
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range(edge, tiles, middle, end)?);
            end = middle;
        } else {
            proof.push(range(edge, tiles, start, middle)?);
            start = middle;
        }
    }
    // The old tree's own root is known to the verifier; a lesser subtree of it is not.
    if start != 0 {
        proof.push(range(edge, tiles, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root of the tree as it was at `size` leaves.
///
/// # Errors
///
/// [`ProofError`] if `size` is beyond the tree or a tile is missing.
pub fn root_at(edge: &Edge, tiles: &dyn TileSource, size: u64) -> Result<Hash, ProofError> {
    if size > edge.size() {
        return Err(ProofError::OutOfRange);
    }
    if size == 0 {
        return Ok(EMPTY_ROOT);
    }
    Ok(range(edge, tiles, 0, size)?)
}

/// Checks that the entry with hash `leaf` is at `index` of the tree of `size` leaves with that `root`.
///
/// # Errors
///
/// [`Unproven`] unless the proof leads exactly to the root.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), Unproven> {
    if index >= size {
        return Err(Unproven::OutOfRange);
    }
    let (mut position, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(Unproven::Mismatch);
        }
        if position & 1 == 1 || position == last {
            hash = node(sibling, &hash);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root {
        Ok(())
    } else {
        Err(Unproven::Mismatch)
    }
}

/// Checks that the tree of `old` leaves with `old_root` is the beginning of the tree of `new` leaves with `new_root`.
///
/// # Errors
///
/// [`Unproven::FromNothing`] for `old` = 0; otherwise [`Unproven`] unless the proof leads exactly to both roots.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), Unproven> {
    if old == 0 {
        return Err(Unproven::FromNothing);
    }
    if old > new {
        return Err(Unproven::OutOfRange);
    }
    if old == new {
        let same = proof.is_empty() && old_root == new_root;
        return if same {
            Ok(())
        } else {
            Err(Unproven::Mismatch)
        };
    }
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(Unproven::Mismatch)?
    };
    let shift = (old - 1).trailing_ones();
    let (mut position, mut last) = ((old - 1) >> shift, (new - 1) >> shift);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for hash in rest {
        if last == 0 {
            return Err(Unproven::Mismatch);
        }
        if position & 1 == 1 || position == last {
            old_hash = node(hash, &old_hash);
            new_hash = node(hash, &new_hash);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node(&new_hash, hash);
        }
        position >>= 1;
        last >>= 1;
    }
    if last == 0 && old_hash == *old_root && new_hash == *new_root {
        Ok(())
    } else {
        Err(Unproven::Mismatch)
    }
}

/// The largest power of two below `count`, which is above 1.
const fn split(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}

/// The hash over the leaves from `start` to `end`: a node of the tree of `end` leaves, or of a larger one.
fn range(edge: &Edge, tiles: &dyn TileSource, start: u64, end: u64) -> Result<Hash, TileError> {
    let mut root: Option<Hash> = None;
    let mut end = end;
    while end > start {
        // Aligned, since every start of a range is a multiple of a power of two not below its length.
        let height = (end - start).trailing_zeros();
        let index = (end >> height) - 1;
        let hash = edge.subtree(tiles, height, index)?;
        root = Some(root.map_or(hash, |right| node(&hash, &right)));
        end -= 1 << height;
    }
    Ok(root.unwrap_or(EMPTY_ROOT))
}

#[cfg(test)]
mod tests;
