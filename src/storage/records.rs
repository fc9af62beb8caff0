//! Typed tables: what the exchange remembers, and how each record and key is written as bytes.
//!
//! Tags are on disk: never reuse one. Vocabulary words are stored by name. Whatever does not decode is
//! [`StorageError::Corrupt`]: a store that answers with something else than was written must not go on.

pub mod access;
pub mod agency;
pub mod alert;
pub mod attachment;
pub mod basis;
pub mod carried;
pub mod key;
pub mod log;
pub mod message;
pub mod offer;
pub mod parcel;
pub mod place;
pub mod referral;
pub mod request;
pub mod slip;

pub mod disclosure;
pub mod disposition;

use crate::domain::time::Timestamp;
use crate::storage::engine::{Life, StorageError, Stored, Table, Write};
use std::str::FromStr;

/// A record of one table.
pub trait Record: prost::Message + Default {
    /// Where it lives.
    const TABLE: Table;
    /// How long it lives.
    const LIFE: Life = Life::Record;

    /// The write that sets `key` to this record.
    fn put(&self, key: Vec<u8>) -> Write {
        Write::Put {
            table: Self::TABLE,
            key,
            value: self.encode_to_vec(),
            life: Self::LIFE,
        }
    }

    /// Reads a stored value back.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`] when the bytes are not such a record.
    fn from_stored(stored: &Stored) -> Result<Self, StorageError> {
        Self::decode(stored.value.as_slice()).map_err(|_| corrupt(Self::TABLE))
    }
}

/// A record of `table` is not what was written.
#[must_use]
pub fn corrupt(table: Table) -> StorageError {
    StorageError::Corrupt(format!("a record of table {table:?} does not decode"))
}

/// Parses a word or id that this program once wrote.
///
/// # Errors
///
/// [`StorageError::Corrupt`] when it is none.
pub fn word<T: FromStr>(table: Table, text: &str) -> Result<T, StorageError> {
    text.parse().map_err(|_| corrupt(table))
}

/// Like [`word`], for a field whose empty text means absent.
///
/// # Errors
///
/// As for [`word`].
pub fn optional<T: FromStr>(table: Table, text: &str) -> Result<Option<T>, StorageError> {
    if text.is_empty() {
        Ok(None)
    } else {
        word(table, text).map(Some)
    }
}

/// Reads a time back.
///
/// # Errors
///
/// [`StorageError::Corrupt`] when it is out of range.
pub fn time(table: Table, millis: i64) -> Result<Timestamp, StorageError> {
    Timestamp::from_millis(millis).ok_or_else(|| corrupt(table))
}

/// Reads bytes of a fixed length back.
///
/// # Errors
///
/// [`StorageError::Corrupt`] when the length is another.
pub fn fixed<const N: usize>(table: Table, bytes: &[u8]) -> Result<[u8; N], StorageError> {
    bytes.try_into().map_err(|_| corrupt(table))
}

#[cfg(test)]
mod tests;
