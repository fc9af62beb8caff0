//! The operations of the referral exchange, one file per noun, and the sequencer that orders them.
//!
//! Every operation is prepared beside the others on what the store holds, noting the versions it relied on; the
//! [`sequencer`] takes the prepared changes in order, checks those versions again, and makes one durable batch of all
//! that survive. Nothing is answered before that batch is durable, and what discloses is built from the
//! [`receipt::Receipt`] of its own entry.
//!
//! Must not know how a request arrived, which status code a refusal becomes, or how anything is sealed or opened.

pub mod access;
pub mod administration;
mod aftermath;
pub mod agencies;
pub mod amendment;
mod asking;
pub mod attachment;
pub mod audit;
pub mod basis;
pub mod clock;
pub mod denial;
pub mod directory;
mod erasure;
pub mod event;
pub mod group;
pub mod housekeeping;
pub mod message;
pub mod name;
pub mod offer;
pub mod opening;
pub mod parcel;
pub mod place;
pub mod receipt;
pub mod referral;
pub mod refusal;
pub mod request;
pub mod sequencer;
pub mod slip;
mod snapshot;
mod start;
mod token;
pub mod withdrawal;

pub mod acts;
pub mod alert;
pub mod carried;
mod clockwork;
pub mod disposition;
mod escalation;
pub mod flood;
pub mod forward;
pub mod person;
pub mod publication;
pub mod retention;
pub mod succession;
pub mod transfer;
mod turn;

pub use crate::envelope::statement::{LabelledDigest, SealedParcel};
pub use name::{
    AccessName, AlertName, BasisName, CarriedName, GroupName, OfferName, PoolName, ReferralName,
    ResumeName,
};
pub use receipt::Receipt;
pub use refusal::Refusal;
pub use request::{Page, Paged, Requested};
pub use start::{Exchange, Initialise, Settings, StartError, SystemRandom};

use std::time::Duration;

/// How far another machine's clock may be ahead of ours.
pub const SKEW: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests;
