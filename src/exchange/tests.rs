//! The exchange over a memory engine, with real keys, certificates and signatures.

mod alerts;
mod faults;
mod lifecycle;
mod race;
mod town;
