//! The keys that others' signatures are verified with: all that the router's rooms need to name of keys.

pub use super::keys::{SigningKey, VerifyingKey};
