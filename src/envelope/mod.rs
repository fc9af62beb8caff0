//! Hides: parcels, key bundles, signed statements. Pure: randomness and time are handed in.
//!
//! Two halves. *Verification* (`jws`, `bundle`, `basis_statement`, `withdrawal`, `act`,
//! `statement`, `outward`) needs no
//! private key and imports nothing of the other half; the router's operations use these alone. *Sealing
//! and opening* (`seal`, `open`, `hpke`, `record`, `stream`) belong to the agencies' programs.
//! and opening* (`seal`, `open`, `hpke`, `record`, `carried`) belong to the agencies' programs.
//! Two halves. *Verification* (`jws`, `bundle`, `basis_statement`, `withdrawal`, `act`, `statement`, `outward`) needs
//! no private key and imports nothing of the other half; the router's operations use these alone. *Sealing and
//! opening* (`seal`, `open`, `hpke`, `record`, `carried`) belong to the agencies' programs.
//!
//! Must not know of the network, of storage, or of the generated API types.

pub mod act;
pub mod ancestry;
pub mod basis_statement;
pub mod bundle;
pub mod carried;
mod claims;
pub mod disclosure;
pub mod error;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod golden;
pub mod hpke;
pub mod jws;
pub mod keys;
pub mod open;
pub mod outward;
pub mod record;
pub mod seal;
pub mod slip;
pub mod statement;
pub mod stream;
pub mod verify;
pub mod watermark;
pub mod withdrawal;
