//! Parcels: what the router knows of one, and what it cannot read.

use super::{Life, Record, Table};

/// A label of a sealed field.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LabelRecord {
    /// SHA-256 of the disclosure.
    #[prost(bytes = "vec", tag = "1")]
    pub digest: Vec<u8>,
    /// Category, by name.
    #[prost(string, tag = "2")]
    pub category: String,
    /// Form, by name.
    #[prost(string, tag = "3")]
    pub form: String,
}

/// A deposited parcel, without its sealed fields.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ParcelRecord {
    /// Statement: compact JWS.
    #[prost(bytes = "vec", tag = "1")]
    pub statement: Vec<u8>,
    /// Labels, sorted by digest.
    #[prost(message, repeated, tag = "2")]
    pub labels: Vec<LabelRecord>,
    /// Parcel id.
    #[prost(string, tag = "3")]
    pub parcel: String,
    /// Basis chain id.
    #[prost(string, tag = "4")]
    pub chain: String,
    /// When the statement ends, milliseconds since the epoch.
    #[prost(int64, tag = "5")]
    pub expires: i64,
    /// One more than the leaf index of the entry that carried it.
    #[prost(uint64, tag = "10")]
    pub entry: u64,
    /// To whom its recipient may pass it on.
    #[prost(string, repeated, tag = "20")]
    pub forward_recipients: Vec<String>,
    /// How many hops are left.
    #[prost(uint32, tag = "21")]
    pub forward_hops: u32,
    /// Of a forward: the parcels it rests on, the nearest first, the original source's last.
    #[prost(message, repeated, tag = "22")]
    pub ancestors: Vec<AncestorRecord>,
}

/// A parcel that another one rests on.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AncestorRecord {
    /// Offer id.
    #[prost(string, tag = "1")]
    pub offer: String,
    /// Stage, as in keys.
    #[prost(uint32, tag = "2")]
    pub stage: u32,
    /// SHA-256 of its statement.
    #[prost(bytes = "vec", tag = "3")]
    pub statement: Vec<u8>,
    /// Its source's agency id.
    #[prost(string, tag = "4")]
    pub source: String,
    /// Its source's basis chain.
    #[prost(string, tag = "5")]
    pub chain: String,
    /// Its source's case handle.
    #[prost(string, tag = "6")]
    pub case: String,
}

impl Record for ParcelRecord {
    const TABLE: Table = Table::Parcel;
}

/// The sealed part of a parcel: under a content key of its own.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ParcelContentRecord {
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

impl Record for ParcelContentRecord {
    const TABLE: Table = Table::ParcelContent;
    const LIFE: Life = Life::Content;
}

/// Says that a parcel stands under a chain.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ChainParcelRecord {}

impl Record for ChainParcelRecord {
    const TABLE: Table = Table::ChainParcel;
}
