//! Secure multi-agency referrals: sealed, consented, recorded, and verifiable by outsiders.
//!
//! The folders are the architecture; `tests/tidy.rs` checks which may import which.
//!
//! | room | its one job |
//! |---|---|
//! | [`domain`] | decides: vocabulary, gate, protocol, state machines, places, matching; pure |
//! | [`ledger`] | proves: entries, tree, proofs, checkpoints; pure |
//! | [`envelope`] | hides: parcels, key bundles, signed statements; pure |
//! | [`identity`] | recognises: certificate to agency, token to staff; pure |
//! | [`audit`] | checks from outside: verify, openings, replay; pure |
//! | [`storage`] | remembers: the engine's contract, engines, typed records |
//! | [`exchange`] | orders the steps: one file per noun, and the sequencer |
//! | [`grpc`] | translates: parse, call, encode |
//! | [`client`] | the SDK: everything that an agency does |
//! | [`cli`], [`demo`] | programs |
//!
//! The product's promises are four types, each with one constructor: [`identity::caller::Caller`] (who asks),
//! [`domain::gate::Permit`] (a basis and the protocol cover it), [`exchange::Receipt`] (it is in the ledger) and
//! [`exchange::opening::Disclosure`] (released by the receipt of its own entry, and by nothing else).
//!
//! What is deliberately absent: no type that opens a parcel is reachable from `exchange`, `storage` or `grpc`; engines
//! see bytes; nothing pure reads a clock. `ARCHITECTURE.md` has the life of one referral and the invariants.
#![forbid(unsafe_code)]

pub mod audit;
pub mod cli;
pub mod client;
pub mod config;
pub mod demo;
pub mod domain;
pub mod envelope;
pub mod exchange;
pub mod grpc;
pub mod identity;
pub mod ledger;
pub mod proto;
pub mod storage;
