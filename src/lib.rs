//! Secure multi-agency referrals: sealed, consented, recorded, and verifiable by outsiders.
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
