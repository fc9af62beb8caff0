//! Checks the record from outside: verify, openings, replay. Pure: entries and openings are handed in.
//!
//! One file per level, and one for the questions that auditors ask. [`Audit`] runs those asked for over one pass. Must
//! not know where the log comes from.

pub mod acts;
pub mod damage;
pub mod export;
pub mod finding;
#[cfg(test)]
pub(crate) mod fixture;
pub mod openings;
pub mod replay;
pub mod report;
pub mod review;
pub mod source;
pub mod verify;

pub use report::{Audit, Level, Report};
