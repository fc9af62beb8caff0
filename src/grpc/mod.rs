//! Translates: gRPC requests to operations of the exchange and back, and errors to status codes.
//!
//! Handlers parse, call and encode. Must not decide who may see what, and holds no state of any referral.

pub mod admin;
pub mod body_hash;
pub mod deadline;
pub mod fields;
pub mod metrics;
pub mod names;
pub mod panics;
pub mod status;
pub mod words;
