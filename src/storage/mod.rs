//! Remembers: the engine's contract, the engines, and the typed tables above them.
//!
//! Must not know what a referral may do; engines must not even know what one is.

pub mod embedded;
pub mod engine;
pub mod files;
pub mod limits;
pub mod lock;
pub mod memory;
pub mod records;

#[cfg(test)]
mod conformance;
