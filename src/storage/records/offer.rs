//! Offers.

use super::{Record, Table};

/// One ask as put to one candidate.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OfferRecord {
    /// Source's agency id.
    #[prost(string, tag = "1")]
    pub source: String,
    /// Recipient's agency id.
    #[prost(string, tag = "2")]
    pub recipient: String,
    /// Referral id.
    #[prost(string, tag = "3")]
    pub referral: String,
    /// Case handle.
    #[prost(string, tag = "4")]
    pub case: String,
    /// Purpose, by name.
    #[prost(string, tag = "5")]
    pub purpose: String,
    /// Urgency, by name.
    #[prost(string, tag = "6")]
    pub urgency: String,
    /// Time to decide by, milliseconds since the epoch.
    #[prost(int64, tag = "7")]
    pub decide_by: i64,
    /// State, by name.
    #[prost(string, tag = "8")]
    pub state: String,
    /// Decline reason, by name; empty unless declined.
    #[prost(string, tag = "9")]
    pub reason: String,
    /// Who declined, by name; empty unless declined.
    #[prost(string, tag = "10")]
    pub decliner: String,
    /// Outcome, by name; empty unless completed.
    #[prost(string, tag = "11")]
    pub outcome: String,
    /// Recipient's pool that places are held in or taken from; empty for none.
    #[prost(string, tag = "12")]
    pub pool: String,
    /// Places held, taken or occupied.
    #[prost(uint32, tag = "13")]
    pub places: u32,
    /// When the hold ends, milliseconds since the epoch; zero when the places are taken.
    #[prost(int64, tag = "14")]
    pub hold_until: i64,
    /// Stages deposited, as in keys.
    #[prost(uint32, repeated, tag = "15")]
    pub deposited: Vec<u32>,
    /// Stages opened, as in keys.
    #[prost(uint32, repeated, tag = "16")]
    pub opened: Vec<u32>,
    /// When the state last changed, milliseconds since the epoch.
    #[prost(int64, tag = "17")]
    pub updated: i64,
    /// Notices to the recipient, by name.
    #[prost(string, repeated, tag = "35")]
    pub notices: Vec<String>,
}

impl Record for OfferRecord {
    const TABLE: Table = Table::Offer;
}

/// A row of a recipient's inbox.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct InboxRecord {
    /// Offer id.
    #[prost(string, tag = "1")]
    pub offer: String,
}

impl Record for InboxRecord {
    const TABLE: Table = Table::Inbox;
}

/// Says that something is due; the key says it all.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct DeadlineRecord {}

impl Record for DeadlineRecord {
    const TABLE: Table = Table::Deadline;
}
