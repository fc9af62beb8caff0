//! Vocabulary and rules, pure: no async, no I/O, no clock, no randomness of its own.
//!
//! Decides; imports nothing of ours. Must not know how anything is stored, sent or encoded.

pub mod id;
pub mod label;
pub mod random;
pub mod time;
pub mod transcript;
pub mod vocabulary;
