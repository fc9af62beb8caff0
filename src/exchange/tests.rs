//! The exchange over a memory engine, with real keys, certificates and signatures.

mod access;
mod alerts;
mod attacks;
mod clocks;
mod downloads;
mod ended;
mod faults;
mod flood;
mod groups;
mod lifecycle;
mod limits;
mod persons;
mod race;
mod retention;
mod revocations;
mod sequences;
mod slips;
mod succession;
pub(super) mod town;
