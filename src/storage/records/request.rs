//! Remembered requests and doorbells.

use super::{Record, Table};

/// A committed request: names and leaf indexes, never content.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RequestRecord {
    /// SHA-256 of the request's body.
    #[prost(bytes = "vec", tag = "1")]
    pub body: Vec<u8>,
    /// Names that the reply gave.
    #[prost(string, repeated, tag = "2")]
    pub names: Vec<String>,
    /// Leaf indexes of the receipts that the reply gave.
    #[prost(uint64, repeated, tag = "3")]
    pub indexes: Vec<u64>,
    /// A time that the reply gave, milliseconds since the epoch; zero for none.
    #[prost(int64, tag = "4")]
    pub time: i64,
}

impl Record for RequestRecord {
    const TABLE: Table = Table::Request;
}

/// A remembered request in its day's bucket; the key says it all.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct RequestDayRecord {}

impl Record for RequestDayRecord {
    const TABLE: Table = Table::RequestDay;
}

/// A doorbell: that something changed, never what it says.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DoorbellRecord {
    /// The viewer's own resource name.
    #[prost(string, tag = "1")]
    pub resource: String,
    /// Kind, as in keys.
    #[prost(uint32, tag = "2")]
    pub kind: u32,
    /// When, milliseconds since the epoch.
    #[prost(int64, tag = "3")]
    pub time: i64,
}

impl Record for DoorbellRecord {
    const TABLE: Table = Table::Doorbell;
}
