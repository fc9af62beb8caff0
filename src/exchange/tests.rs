//! The exchange over a memory engine, with real keys, certificates and signatures.

mod access;
mod alerts;
mod attacks;
mod clocks;
mod faults;
mod groups;
mod lifecycle;
mod race;
mod slips;
pub(super) mod town;
