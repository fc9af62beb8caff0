//! What auditors said of findings.

use super::{Record, Table};

/// What stands of one rule's finding about one entry.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DispositionRecord {
    /// What it comes to, by name.
    #[prost(string, tag = "1")]
    pub finding: String,
    /// Who said so: agency id.
    #[prost(string, tag = "2")]
    pub agency: String,
    /// Who there: pseudonym.
    #[prost(string, tag = "3")]
    pub staff: String,
    /// Whether that body has a national mandate.
    #[prost(bool, tag = "4")]
    pub national: bool,
    /// Whether another person confirmed it.
    #[prost(bool, tag = "5")]
    pub confirmed: bool,
}

impl Record for DispositionRecord {
    const TABLE: Table = Table::Disposition;
}
