//! Basis chains and cases.

use super::{Record, Table};

/// The head of one chain.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BasisRecord {
    /// Head statement: compact JWS, a basis or a withdrawal.
    #[prost(bytes = "vec", tag = "1")]
    pub statement: Vec<u8>,
    /// Sequence number of the head.
    #[prost(uint64, tag = "2")]
    pub sequence: u64,
    /// Whether the head is a withdrawal.
    #[prost(bool, tag = "3")]
    pub withdrawn: bool,
    /// Recipient's agency id.
    #[prost(string, tag = "4")]
    pub recipient: String,
    /// Case handle.
    #[prost(string, tag = "5")]
    pub case: String,
    /// The certificate that the last basis statement was verified with, so that it can be read after its end.
    #[prost(message, optional, tag = "6")]
    pub signer: Option<super::agency::Signer>,
    /// Pauses of the case before the head was recorded: more since then, and the chain is paused.
    #[prost(uint64, tag = "10")]
    pub pauses: u64,
}

impl Record for BasisRecord {
    const TABLE: Table = Table::Basis;
}

/// A case: its version is what makes a withdrawal beat a racing opening.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CaseRecord {
    /// Chains ever begun.
    #[prost(uint32, tag = "1")]
    pub chains: u32,
    /// Changes of any of its bases.
    #[prost(uint64, tag = "2")]
    pub changes: u64,
    /// How often the person stopped the case with their card.
    #[prost(uint64, tag = "5")]
    pub pauses: u64,
    /// When they last did, seconds since the epoch.
    #[prost(int64, tag = "6")]
    pub paused_at: i64,
}

impl Record for CaseRecord {
    const TABLE: Table = Table::Case;
}

/// Says that a chain belongs to a case; the key says it all.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CaseBasisRecord {}

impl Record for CaseBasisRecord {
    const TABLE: Table = Table::CaseBasis;
}
