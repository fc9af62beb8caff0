//! RFC 6962 hashing.

use aws_lc_rs::digest::{Context, SHA256, digest};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use std::fmt;

/// A SHA-256 value of the tree: a leaf's, a node's or a root's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

/// The root of the tree of no leaves: the hash of nothing.
pub const EMPTY_ROOT: Hash = Hash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

impl Hash {
    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From bytes of outside; `None` unless there are 32.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Base64 with padding, as in a checkpoint.
    #[must_use]
    pub fn base64(&self) -> String {
        BASE64.encode(&self.0)
    }

    /// Base64url without padding, as in an entry.
    #[must_use]
    pub fn base64url(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base64())
    }
}

/// The hash of one entry: `SHA-256(0x00 ‖ entry)`.
///
/// # Source
///
/// RFC 6962 §2.1.
#[must_use]
pub fn leaf(entry: &[u8]) -> Hash {
    sha256(&[&[0x00], entry])
}

/// The hash of two subtrees: `SHA-256(0x01 ‖ left ‖ right)`.
///
/// # Source
///
/// RFC 6962 §2.1.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[0x01], &left.0, &right.0])
}

/// Bytes that are joined on the stack and hashed in one go, which saves an allocation for each hash: nodes, and nearly
/// all entries.
const JOINED_BYTES_MAX: usize = 256;

/// SHA-256 of the concatenation of `parts`.
pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut buffer = [0; JOINED_BYTES_MAX];
    let length = parts.iter().map(|part| part.len()).sum();
    let hashed = match buffer.get_mut(..length) {
        Some(joined) => {
            let mut rest = &mut *joined;
            for part in parts {
                let (own, after) = rest.split_at_mut(part.len());
                own.copy_from_slice(part);
                rest = after;
            }
            digest(&SHA256, joined)
        }
        None => {
            let mut context = Context::new(&SHA256);
            for part in parts {
                context.update(part);
            }
            context.finish()
        }
    };
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hashed.as_ref());
    Hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(sha256(&[]), EMPTY_ROOT);
    }

    #[test]
    fn what_is_hashed_in_one_go_and_what_is_not_gives_the_same() {
        for length in 0..600 {
            let bytes = vec![0x5a; length];
            let (first, second) = bytes.split_at(length / 3);
            let whole = digest(&SHA256, &bytes);
            assert_eq!(
                sha256(&[first, &[], second]).as_bytes(),
                whole.as_ref(),
                "{length}"
            );
        }
    }

    #[test]
    fn leaves_and_nodes_hash_as_in_rfc_6962() {
        // The two-leaf tree of the Certificate Transparency reference vectors.
        let left = leaf(&[]);
        let right = leaf(&[0x00]);
        assert_eq!(
            format!("{left:?}"),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert_eq!(
            format!("{:?}", node(&left, &right)),
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
        );
    }
}
