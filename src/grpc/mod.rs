//! Translates: gRPC requests to operations of the exchange and back, and errors to status codes.
//!
//! Handlers parse, call and encode. Must not decide who may see what, and holds no state of any referral.

pub mod admin;
pub mod body_hash;
pub mod call;
pub mod convert;
mod crowd;
pub mod deadline;
pub mod door;
pub mod fields;
pub mod http;
pub mod limits;
pub mod listener;
mod live;
pub mod metrics;
pub mod names;
pub mod panics;
pub mod publication;
pub mod server;
pub mod services;
pub mod status;
pub mod tls;
pub mod witness_line;
pub mod words;

#[cfg(test)]
mod tests;
