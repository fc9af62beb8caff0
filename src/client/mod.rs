//! The SDK: connect, retry, mirror the directory, seal, send, open, verify.
//!
//! Trusts the router with availability alone: every reply's receipt is verified against a pinned log key, every
//! key bundle is proved before anything is sealed to it. Must not know how the router stores or orders anything.

pub mod audit;
pub mod connect;
pub mod error;
pub mod log;
pub mod retry;
pub mod session;
pub mod staff;
