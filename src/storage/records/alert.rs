//! Alerts.

use super::{Record, Table};

/// One thing that a human of one agency must look at. Its key says who and which.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AlertRecord {
    /// Kind, by name.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// The viewer's own resource name; empty for none.
    #[prost(string, tag = "2")]
    pub about: String,
    /// Agency that caused it; empty for none that the viewer may know.
    #[prost(string, tag = "3")]
    pub by: String,
    /// Coded words, separated by slashes.
    #[prost(string, tag = "4")]
    pub code: String,
    /// When it was raised, milliseconds since the epoch.
    #[prost(int64, tag = "5")]
    pub raised: i64,
    /// When it was acknowledged, milliseconds since the epoch; zero when it was not.
    #[prost(int64, tag = "6")]
    pub acknowledged: i64,
}

impl Record for AlertRecord {
    const TABLE: Table = Table::Alert;
}

/// A row of a viewer's alerts.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AlertOrderRecord {
    /// Alert id.
    #[prost(string, tag = "1")]
    pub alert: String,
}

impl Record for AlertOrderRecord {
    const TABLE: Table = Table::AlertOrder;
}
