//! What the system promises, tried over real connections against a real router process.
//!
//! One binary, by capability, a sentence per test. [`harness`] builds the town; most tests share one and keep apart
//! by cases of their own, and those that kill, restart or watch a router's files build one for themselves.

mod attacks_administration;
mod attacks_bytes;
mod attacks_collusion;
mod attacks_connection;
mod attacks_doorbells;
mod attacks_fuzz;
mod attacks_gate;
mod attacks_malformed;
mod attacks_names;
mod attacks_parcel;
mod attacks_seal;
mod attacks_token;
mod authorization_live;
mod canary;
mod consent;
mod consent_order;
mod deployment;
mod durability;
mod harness;
mod hostile;
mod idempotency;
mod minimisation;
mod referral_lifecycle;
mod router_process;
mod simulation;
mod unlinkability;
