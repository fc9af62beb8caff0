//! The limits that every engine holds a batch to.

use super::engine::{BATCH_BYTES_MAX, Batch, KEY_BYTES_MAX, StorageError, VALUE_BYTES_MAX, Write};

/// Refuses a batch that is past a limit of the contract.
///
/// # Errors
///
/// [`StorageError::Refused`], naming the limit and never the key.
pub fn check(batch: &Batch) -> Result<(), StorageError> {
    let refused = |what: &str| Err(StorageError::Refused(what.to_owned()));
    let mut bytes = batch.previous_checkpoint.len();
    for entry in &batch.entries {
        if entry.len() > VALUE_BYTES_MAX {
            return refused("an entry is too long");
        }
        bytes = bytes.saturating_add(entry.len());
    }
    for write in &batch.writes {
        let (key, value) = match write {
            Write::Put { key, value, .. } => (key, value.as_slice()),
            Write::Delete { key, .. } | Write::Erase { key, .. } => (key, &[][..]),
        };
        if key.len() > KEY_BYTES_MAX {
            return refused("a key is too long");
        }
        if value.len() > VALUE_BYTES_MAX {
            return refused("a value is too long");
        }
        bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
    }
    if bytes > BATCH_BYTES_MAX {
        return refused("the batch is too large");
    }
    Ok(())
}

/// SHA-256 of nothing: the root of the empty tree.
///
/// # Source
///
/// RFC 9162 §2.1.1.
pub const EMPTY_ROOT: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];
