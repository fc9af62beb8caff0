//! Break-glass requests and what was released under them.

use super::parcel::LabelRecord;
use super::{Life, Record, Table};

/// One request and what became of it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AccessRecord {
    /// Asking agency's id.
    #[prost(string, tag = "1")]
    pub requester: String,
    /// Source's agency id.
    #[prost(string, tag = "2")]
    pub source: String,
    /// Offer id.
    #[prost(string, tag = "3")]
    pub offer: String,
    /// Reason, by name.
    #[prost(string, tag = "4")]
    pub reason: String,
    /// Labels asked for, as `CATEGORY/FORM`.
    #[prost(string, repeated, tag = "5")]
    pub labels: Vec<String>,
    /// When it was requested, milliseconds since the epoch.
    #[prost(int64, tag = "6")]
    pub requested: i64,
    /// When an answer must have come by, milliseconds since the epoch.
    #[prost(int64, tag = "7")]
    pub until: i64,
    /// National duty officer's agency as the protocol named it then; empty for none.
    #[prost(string, tag = "8")]
    pub line: String,
    /// Agency that approved or refused; empty before.
    #[prost(string, tag = "9")]
    pub answered_by: String,
    /// Who there.
    #[prost(string, tag = "10")]
    pub answered_staff: String,
    /// When a release must have come by, milliseconds since the epoch; zero unless approved.
    #[prost(int64, tag = "11")]
    pub release_by: i64,
    /// Who released; empty before.
    #[prost(string, tag = "12")]
    pub released_staff: String,
    /// When it was released, milliseconds since the epoch.
    #[prost(int64, tag = "13")]
    pub released: i64,
    /// When it can no longer be opened, milliseconds since the epoch.
    #[prost(int64, tag = "14")]
    pub released_until: i64,
    /// Labels of the parcel, sorted by digest.
    #[prost(message, repeated, tag = "15")]
    pub parcel_labels: Vec<LabelRecord>,
    /// The parcel's statement: compact JWS.
    #[prost(bytes = "vec", tag = "16")]
    pub statement: Vec<u8>,
    /// Parcel id.
    #[prost(string, tag = "17")]
    pub parcel: String,
    /// How often it was opened.
    #[prost(uint32, tag = "18")]
    pub openings: u32,
    /// What the review found, by name; empty before.
    #[prost(string, tag = "19")]
    pub finding: String,
    /// Whether its end is recorded.
    #[prost(bool, tag = "20")]
    pub ended: bool,
    /// One more than the leaf index of the release's entry; zero before it.
    #[prost(uint64, tag = "26")]
    pub released_entry: u64,
}

impl Record for AccessRecord {
    const TABLE: Table = Table::Access;
}

/// The sealed part of what was released: under a content key of its own, destroyed when the window ends.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AccessContentRecord {
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

impl Record for AccessContentRecord {
    const TABLE: Table = Table::AccessContent;
    const LIFE: Life = Life::Content;
}

/// A row of a viewer's list.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AccessListRecord {
    /// Access id.
    #[prost(string, tag = "1")]
    pub access: String,
}

impl Record for AccessListRecord {
    const TABLE: Table = Table::AccessList;
}

/// The last request of an offer, and how many there were.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OfferAccessRecord {
    /// Access id.
    #[prost(string, tag = "1")]
    pub last: String,
    /// How many.
    #[prost(uint32, tag = "2")]
    pub count: u32,
}

impl Record for OfferAccessRecord {
    const TABLE: Table = Table::OfferAccess;
}
