//! Recognises: certificate to agency, token to staff and role. Pure: time and revocation lists are handed in.
//!
//! Must not know what the caller wants.

pub mod caller;
