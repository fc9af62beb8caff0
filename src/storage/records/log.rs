//! The log's own facts: origin, administrators, protocols, proposals, digests, openings.

use super::{Life, Record, Table};
use crate::storage::engine::Write;

/// What `initialise` pinned.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LogRecord {
    /// The trust domain, and the log's origin when it was begun.
    #[prost(string, tag = "1")]
    pub origin: String,
    /// Administrators' public keys (SubjectPublicKeyInfo PEM).
    #[prost(string, repeated, tag = "2")]
    pub administrators: Vec<String>,
    /// Certificate authorities (PEM).
    #[prost(string, tag = "3")]
    pub roots: String,
    /// Key that authenticates page and resume tokens.
    #[prost(bytes = "vec", tag = "4")]
    pub token_key: Vec<u8>,
    /// The log's own origin, where it is not the trust domain's name: the log was succeeded.
    #[prost(string, tag = "11")]
    pub log_origin: String,
    /// One more than the index of the last succession's entry; zero when there was none.
    #[prost(uint64, tag = "12")]
    pub succession: u64,
}

impl LogRecord {
    /// What the log calls itself in its checkpoints.
    #[must_use]
    pub fn log_origin(&self) -> &str {
        if self.log_origin.is_empty() {
            &self.origin
        } else {
            &self.log_origin
        }
    }
}

/// That a source has resubmitted what it signed since the backup that a succession restored.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ConfirmationRecord {
    /// As [`LogRecord::succession`] at that time.
    #[prost(uint64, tag = "1")]
    pub succession: u64,
}

impl Record for ConfirmationRecord {
    const TABLE: Table = Table::Confirmation;
}

impl Record for LogRecord {
    const TABLE: Table = Table::Meta;
}

/// A number that the exchange counts.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CounterRecord {
    /// The number.
    #[prost(uint64, tag = "1")]
    pub number: u64,
}

impl Record for CounterRecord {
    const TABLE: Table = Table::Meta;
}

/// What is still to follow for the offers under a chain.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AftermathRecord {
    /// Source's agency id.
    #[prost(string, tag = "1")]
    pub source: String,
    /// Chain id.
    #[prost(string, tag = "2")]
    pub chain: String,
    /// Content goes, what is undecided closes.
    #[prost(bool, tag = "3")]
    pub close: bool,
    /// The recipient is asked to erase.
    #[prost(bool, tag = "4")]
    pub erase: bool,
    /// The person leaves the service.
    #[prost(bool, tag = "5")]
    pub leave: bool,
    /// The case was stopped by card, or goes on.
    #[prost(bool, tag = "6")]
    pub pause: bool,
    /// Key of the last parcel that is done.
    #[prost(bytes = "vec", tag = "7")]
    pub after: Vec<u8>,
    /// When what closes was said, in milliseconds; zero when nothing closes.
    #[prost(int64, tag = "8")]
    pub closed_at: i64,
    /// Offers of referrals that their source has ended: what passes them on closes.
    #[prost(string, repeated, tag = "9")]
    pub ended: Vec<String>,
}

impl Record for AftermathRecord {
    const TABLE: Table = Table::Meta;
}

/// A numbered directory digest.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DigestRecord {
    /// Number.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Records under the root.
    #[prost(uint64, tag = "2")]
    pub size: u64,
    /// Root.
    #[prost(bytes = "vec", tag = "3")]
    pub root: Vec<u8>,
    /// Leaf index of the digest's own entry.
    #[prost(uint64, tag = "4")]
    pub index: u64,
    /// Directory changes that it covers.
    #[prost(uint64, tag = "5")]
    pub changes: u64,
}

impl Record for DigestRecord {
    const TABLE: Table = Table::Digest;
}

/// A published protocol.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProtocolRecord {
    /// The TOML file, as signed.
    #[prost(string, tag = "1")]
    pub toml: String,
    /// Compact JWS of the proposal.
    #[prost(bytes = "vec", tag = "2")]
    pub proposal: Vec<u8>,
    /// Compact JWS of the approval.
    #[prost(bytes = "vec", tag = "3")]
    pub approval: Vec<u8>,
}

impl Record for ProtocolRecord {
    const TABLE: Table = Table::Protocol;
}

/// An act that awaits its second signature.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProposalRecord {
    /// Compact JWS of the act.
    #[prost(bytes = "vec", tag = "1")]
    pub act: Vec<u8>,
    /// When it was proposed, milliseconds since the epoch.
    #[prost(int64, tag = "2")]
    pub time: i64,
    /// Whether it took effect.
    #[prost(bool, tag = "3")]
    pub done: bool,
}

impl Record for ProposalRecord {
    const TABLE: Table = Table::Proposal;
}

/// The opening of one entry.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OpeningRecord {
    /// Nonce.
    #[prost(bytes = "vec", tag = "1")]
    pub nonce: Vec<u8>,
    /// The decision: RFC 8785 JSON.
    #[prost(bytes = "vec", tag = "2")]
    pub decision: Vec<u8>,
}

impl OpeningRecord {
    /// The write that keeps it: with the decisions of its month, or `for_ever`.
    #[must_use]
    pub fn put_as(&self, key: Vec<u8>, for_ever: bool) -> Write {
        let mut write = self.put(key);
        if let (true, Write::Put { life, .. }) = (for_ever, &mut write) {
            *life = Life::Record;
        }
        write
    }
}

/// Up to where an auditor has replayed the log.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WatermarkRecord {
    /// All entries below this index.
    #[prost(uint64, tag = "1")]
    pub upto: u64,
}

impl Record for WatermarkRecord {
    const TABLE: Table = Table::Meta;
}

impl Record for OpeningRecord {
    const TABLE: Table = Table::Opening;
    const LIFE: Life = Life::Decision;
}
