//! The SDK: connect, retry, mirror the directory, seal, send, open, verify.
//!
//! Trusts the router with availability alone: every reply's receipt is verified against a pinned log key, every
//! key bundle is proved before anything is sealed to it. [`agency::Agency`] is the place to begin.
//!
//! Of `identity` it uses the verification of certificate chains, so that there is one. Must not know how the
//! router stores or orders anything.

pub mod acts;
pub mod administrator;
pub mod agency;
pub mod agent;
pub mod alert;
pub mod attachment;
pub mod audit;
pub mod break_glass;
pub mod carried;
pub mod connect;
pub mod directory;
pub mod error;
#[cfg(test)]
mod fixture;
pub mod keys;
pub mod log;
pub mod message;
pub mod notice;
pub mod parcel;
pub mod person;
pub mod publishing;
pub mod random;
pub mod receipt;
pub mod recipient;
pub mod retry;
pub mod session;
pub mod slip;
pub mod source;
pub mod staff;
pub mod trust;
pub mod watch;
pub mod words;
