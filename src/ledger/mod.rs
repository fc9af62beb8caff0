//! Proves: entry bytes, the tree over them, proofs, checkpoints. Pure: appending returns what to write and writes
//! nothing.
//!
//! Must not know where bytes are kept or who asks.

pub mod checkpoint;
pub mod cosignature;
pub mod decision;
pub mod entry;
pub mod hash;
pub mod layout;
pub mod note;
pub mod policy;
pub mod proof;
pub mod question;
pub mod receipt_file;
pub mod scope;
pub mod tree;
pub mod witness;
