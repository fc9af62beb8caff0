//! What was told of a case, for the person who asks.

use super::{Record, Table};

/// One disclosure.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DisclosureRecord {
    /// Kind, by name.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// When, milliseconds since the epoch.
    #[prost(int64, tag = "2")]
    pub time: i64,
    /// Who told: the source, or who passed it on.
    #[prost(string, tag = "3")]
    pub by: String,
    /// Who was told.
    #[prost(string, tag = "4")]
    pub recipient: String,
    /// Purpose, by name; empty for none.
    #[prost(string, tag = "5")]
    pub purpose: String,
    /// Stage, by name; empty for none.
    #[prost(string, tag = "6")]
    pub stage: String,
    /// Labels, by name.
    #[prost(string, repeated, tag = "7")]
    pub labels: Vec<String>,
    /// Kind of basis, by name; empty where it is not this source's own.
    #[prost(string, tag = "8")]
    pub ground: String,
    /// Basis chain; empty where it is not this source's own.
    #[prost(string, tag = "9")]
    pub chain: String,
    /// How the labels were asked for, by name.
    #[prost(string, tag = "10")]
    pub asked: String,
    /// Whether the person was asked alone.
    #[prost(bool, tag = "11")]
    pub asked_alone: bool,
    /// Who interpreted, by name.
    #[prost(string, tag = "12")]
    pub interpreter: String,
    /// Offer id; empty where it is not this source's own.
    #[prost(string, tag = "13")]
    pub offer: String,
    /// Of the labels, those that were asked for by themselves.
    #[prost(string, repeated, tag = "14")]
    pub specific: Vec<String>,
}

impl Record for DisclosureRecord {
    const TABLE: Table = Table::Disclosure;
}

/// Says that a label of a case was opened; the key says it all.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ReleasedRecord {}

impl Record for ReleasedRecord {
    const TABLE: Table = Table::Released;
}
