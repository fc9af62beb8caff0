//! What the system promises, tried over real connections against a real router process.
//!
//! One binary, by capability, a sentence per test. [`harness`] builds the town; most tests share one and keep apart
//! by cases of their own, and those that kill, restart or watch a router's files build one for themselves.

mod attachments;
mod attacks_administration;
mod attacks_bytes;
mod attacks_collusion;
mod attacks_connection;
mod attacks_doorbells;
mod attacks_fuzz;
mod attacks_gate;
mod attacks_loop;
mod attacks_malformed;
mod attacks_names;
mod attacks_parcel;
mod attacks_seal;
mod attacks_token;
mod auditors;
mod authorization_live;
mod bases;
mod break_glass;
mod canary;
mod carried;
mod consent;
mod consent_order;
mod corrections;
mod correspondent;
mod deployment;
mod durability;
mod flood;
mod groups;
mod harness;
mod hostile;
mod idempotency;
mod messages;
mod minimisation;
mod mirrors;
mod onward;
mod output;
mod person_sheet;
mod race;
mod referral_lifecycle;
mod renewal;
mod restore;
mod router_process;
mod scenario_a;
mod scenario_b;
mod scenario_c;
mod scenario_d;
mod scenario_e;
mod scenario_f;
mod simulation;
mod slips;
mod turns;
mod unlinkability;
mod withdrawal;

mod attacks_audit;
mod carried_program;
mod liars;
mod receipts;
mod uploads;
mod witnesses;
