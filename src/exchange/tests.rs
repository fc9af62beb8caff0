//! The exchange over a memory engine, with real keys, certificates and signatures.

mod access;
mod alerts;
mod attacks;
mod clocks;
mod downloads;
mod faults;
mod groups;
mod lifecycle;
mod limits;
mod persons;
mod race;
mod sequences;
mod slips;
pub(super) mod town;
