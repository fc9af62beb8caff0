//! Recognises: certificate to agency, token to staff and role. Pure: time and revocation lists are handed in.
//!
//! Must not know what the caller wants.

pub mod authority;
pub mod authorization;
pub mod caller;
pub mod certificate;
mod leaf;
pub mod mint;
pub mod signing_chain;
pub mod staff_key;
#[cfg(test)]
pub(crate) mod testing;
pub mod token;
