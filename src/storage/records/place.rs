//! Pools of places.

use super::{Record, Table};

/// One offer's hold in a pool.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HoldRecord {
    /// Offer id.
    #[prost(string, tag = "1")]
    pub offer: String,
    /// Places.
    #[prost(uint32, tag = "2")]
    pub places: u32,
    /// When it ends, milliseconds since the epoch.
    #[prost(int64, tag = "3")]
    pub until: i64,
}

/// A pool. Its holds stand in it, so that those past their time are released by whoever looks next.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PoolRecord {
    /// All places.
    #[prost(uint32, tag = "1")]
    pub total: u32,
    /// Taken until arrival.
    #[prost(uint32, tag = "2")]
    pub taken: u32,
    /// Occupied.
    #[prost(uint32, tag = "3")]
    pub occupied: u32,
    /// Closed for now.
    #[prost(uint32, tag = "4")]
    pub closed: u32,
    /// Holds.
    #[prost(message, repeated, tag = "5")]
    pub holds: Vec<HoldRecord>,
}

impl Record for PoolRecord {
    const TABLE: Table = Table::Pool;
}
