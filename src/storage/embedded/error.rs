//! Why a store did not open.

use std::io;

use crate::storage::engine::StorageError;

/// Why a store was not made or not opened. Nothing is ever made anew to get past one of these.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder is absent or empty.
    #[error("there is no store in this folder")]
    Missing,
    /// A store is only made in an empty folder.
    #[error("the folder is not empty")]
    NotEmpty,
    /// The folder holds something, but not a store of this program.
    #[error("this folder holds something other than a safeconduct store")]
    Foreign,
    /// A later version of the program wrote it.
    #[error("the store has format {found}, and this program reads only {known}")]
    Newer {
        /// What the store says.
        found: u32,
        /// What this program reads.
        known: u32,
    },
    /// Another process has it open.
    #[error("another process holds this store")]
    Locked,
    /// Something is not what was written, or is gone.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
    /// The operating system refused.
    #[error("the store cannot be read or written: {0}")]
    Io(#[from] io::Error),
}

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Corrupt(what) => OpenError::Corrupt(what),
            StorageError::Failed(what) | StorageError::Refused(what) => {
                OpenError::Io(io::Error::other(what))
            }
        }
    }
}

pub(super) fn corrupt<T>(what: impl Into<String>) -> Result<T, OpenError> {
    Err(OpenError::Corrupt(what.into()))
}
