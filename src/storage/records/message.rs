//! Messages: what the router knows of one, and what it cannot read.

use super::parcel::LabelRecord;
use super::{Life, Record, Table};

/// A message, without its sealed fields.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MessageRecord {
    /// Whether the source posted it; the recipient otherwise.
    #[prost(bool, tag = "1")]
    pub from_source: bool,
    /// When, milliseconds since the epoch.
    #[prost(int64, tag = "2")]
    pub time: i64,
    /// Code, by name; empty when sealed.
    #[prost(string, tag = "3")]
    pub code: String,
    /// Statement of a sealed message: compact JWS.
    #[prost(bytes = "vec", tag = "4")]
    pub statement: Vec<u8>,
    /// Labels, sorted by digest.
    #[prost(message, repeated, tag = "5")]
    pub labels: Vec<LabelRecord>,
    /// Parcel id of a sealed message.
    #[prost(string, tag = "6")]
    pub parcel: String,
    /// Basis chain id; empty for a reply.
    #[prost(string, tag = "7")]
    pub chain: String,
    /// When the statement ends, milliseconds since the epoch.
    #[prost(int64, tag = "8")]
    pub expires: i64,
    /// Stage, by name.
    #[prost(string, tag = "9")]
    pub stage: String,
    /// Bytes of the sealed message.
    #[prost(uint32, tag = "10")]
    pub bytes: u32,
    /// Whether the other party opened it.
    #[prost(bool, tag = "11")]
    pub opened: bool,
    /// One more than the leaf index of the entry of a sealed message; zero for a code.
    #[prost(uint64, tag = "18")]
    pub entry: u64,
}

impl Record for MessageRecord {
    const TABLE: Table = Table::Message;
}

/// The sealed part of a message: under a content key of its own.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MessageContentRecord {
    /// HPKE encapsulated key.
    #[prost(bytes = "vec", tag = "1")]
    pub encapsulated_key: Vec<u8>,
    /// Sealed parcel key.
    #[prost(bytes = "vec", tag = "2")]
    pub wrapped_key: Vec<u8>,
    /// Ciphertexts, paired with labels by index.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub fields: Vec<Vec<u8>>,
}

impl Record for MessageContentRecord {
    const TABLE: Table = Table::MessageContent;
    const LIFE: Life = Life::Content;
}
