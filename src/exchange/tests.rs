//! The exchange over a memory engine, with real keys, certificates and signatures.

mod access;
mod alerts;
mod attacks;
mod clocks;
mod faults;
mod flood;
mod groups;
mod lifecycle;
mod race;
mod retention;
mod revocations;
mod slips;
mod succession;
pub(super) mod town;
