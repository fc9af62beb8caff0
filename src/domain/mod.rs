//! Vocabulary and rules, pure: no async, no I/O, no clock, no randomness of its own.
//!
//! Decides; imports nothing of ours. Must not know how anything is stored, sent or encoded.

pub mod attachment;
pub mod basis;
pub mod break_glass;
pub mod code;
pub mod complaint;
pub mod deadline;
pub mod directory;
pub mod directory_record;
pub mod disposition;
pub mod erasure;
pub mod forward;
pub mod gate;
pub mod hours;
pub mod id;
pub mod label;
pub mod matching;
pub mod message;
pub mod offer;
pub mod place;
pub mod protocol;
pub mod random;
pub mod referral;
pub mod rooming;
pub mod schedule;
pub mod time;
pub mod transcript;
pub mod transfer;
pub mod vocabulary;
