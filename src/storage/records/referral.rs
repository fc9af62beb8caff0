//! Referrals.

use super::{Record, Table};

/// A source's ask for one purpose.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReferralRecord {
    /// Case handle.
    #[prost(string, tag = "1")]
    pub case: String,
    /// Purpose, by name.
    #[prost(string, tag = "2")]
    pub purpose: String,
    /// Urgency, by name.
    #[prost(string, tag = "3")]
    pub urgency: String,
    /// Time to decide by, milliseconds since the epoch.
    #[prost(int64, tag = "4")]
    pub decide_by: i64,
    /// Offer ids in the order made.
    #[prost(string, repeated, tag = "5")]
    pub offers: Vec<String>,
    /// When it was created, milliseconds since the epoch.
    #[prost(int64, tag = "6")]
    pub created: i64,
    /// Whether the source took it back.
    #[prost(bool, tag = "7")]
    pub recalled: bool,
    /// Whether a withdrawal closed one of its offers.
    #[prost(bool, tag = "8")]
    pub withdrawn: bool,
    /// The source's own id of the group that the referral was made with; empty for none.
    #[prost(string, tag = "20")]
    pub group: String,
    /// When the person must be placed by, milliseconds since the epoch; zero for none.
    #[prost(int64, tag = "10")]
    pub place_by: i64,
    /// When its last turn ends, milliseconds since the epoch; zero for none.
    #[prost(int64, tag = "11")]
    pub finish: i64,
    /// How many candidates the source wants asked at a time; zero for as many as the urgency allows.
    #[prost(uint32, tag = "12")]
    pub parallel: u32,
    /// When nobody was left to ask, milliseconds since the epoch; zero while somebody is.
    #[prost(int64, tag = "13")]
    pub unplaced: i64,
    /// The alert that told the source so.
    #[prost(string, tag = "14")]
    pub alert: String,
    /// When the duty line is rung unless the source acts, milliseconds since the epoch; zero for not at all.
    #[prost(int64, tag = "15")]
    pub supervisor_by: i64,
    /// Why the source closed it, by name; empty unless it did.
    #[prost(string, tag = "16")]
    pub closed: String,
    /// Whether it should never have been made.
    #[prost(bool, tag = "17")]
    pub in_error: bool,
}

impl Record for ReferralRecord {
    const TABLE: Table = Table::Referral;
}

/// A row of a source's outbox.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OutboxRecord {
    /// Referral id.
    #[prost(string, tag = "1")]
    pub referral: String,
}

impl Record for OutboxRecord {
    const TABLE: Table = Table::Outbox;
}
