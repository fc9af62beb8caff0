//! Carried referrals: labels and the basis chain, never content.

use super::{Record, Table};

/// A carried referral as its source recorded it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CarriedRecord {
    /// For whom, as the source calls them.
    #[prost(string, tag = "1")]
    pub recipient: String,
    /// Purpose, by name.
    #[prost(string, tag = "2")]
    pub purpose: String,
    /// Labels, as `CATEGORY/FORM`.
    #[prost(string, repeated, tag = "3")]
    pub labels: Vec<String>,
    /// Basis chain id.
    #[prost(string, tag = "4")]
    pub chain: String,
    /// After this nothing is released, milliseconds since the epoch.
    #[prost(int64, tag = "5")]
    pub expires: i64,
}

impl Record for CarriedRecord {
    const TABLE: Table = Table::Carried;
}
