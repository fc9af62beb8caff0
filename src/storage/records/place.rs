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

/// One room of a pool.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RoomRecord {
    /// Room id.
    #[prost(string, tag = "1")]
    pub room: String,
    /// Its places.
    #[prost(uint32, tag = "2")]
    pub places: u32,
    /// Of these, closed for now.
    #[prost(uint32, tag = "3")]
    pub closed: u32,
    /// Of these, being prepared.
    #[prost(uint32, tag = "4")]
    pub preparing: u32,
}

/// Places that one offer holds, has taken or occupies in one room.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StayRecord {
    /// Offer id.
    #[prost(string, tag = "1")]
    pub offer: String,
    /// The party's 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub party: Vec<u8>,
    /// Room id.
    #[prost(string, tag = "3")]
    pub room: String,
    /// Places.
    #[prost(uint32, tag = "4")]
    pub places: u32,
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
    /// Being prepared.
    #[prost(uint32, tag = "6")]
    pub preparing: u32,
    /// Who may be in one room at a time, by name; empty without rooms.
    #[prost(string, tag = "7")]
    pub sharing: String,
    /// Rooms in the house's own order; none for a pool that only counts.
    #[prost(message, repeated, tag = "8")]
    pub rooms: Vec<RoomRecord>,
    /// Who is in them.
    #[prost(message, repeated, tag = "9")]
    pub stays: Vec<StayRecord>,
}

impl Record for PoolRecord {
    const TABLE: Table = Table::Pool;
}

/// A group as its recipient knows it. Written once: one member's leaving changes nothing here.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GroupRecord {
    /// Offer ids, one per member, in the order of the request.
    #[prost(string, repeated, tag = "1")]
    pub offers: Vec<String>,
    /// Whether those who have still to be decided on are decided on together.
    #[prost(bool, tag = "2")]
    pub together: bool,
}

impl Record for GroupRecord {
    const TABLE: Table = Table::Group;
}
