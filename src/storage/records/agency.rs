//! Agencies.

use super::{Life, Record, Table};

/// A certificate that an agency signs with, or lately did.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Signer {
    /// SHA-256 of the certificate (DER).
    #[prost(bytes = "vec", tag = "1")]
    pub fingerprint: Vec<u8>,
    /// Public key, SEC1 uncompressed.
    #[prost(bytes = "vec", tag = "2")]
    pub public_key: Vec<u8>,
    /// Milliseconds since the epoch; the certificate ends here.
    #[prost(int64, tag = "3")]
    pub not_after: i64,
    /// The certificate and its issuers, DER, leaf first; empty in the record of a basis.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub chain: Vec<Vec<u8>>,
}

/// An enrolled agency.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AgencyRecord {
    /// Kind, by name.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Parent authority's id; empty for none.
    #[prost(string, tag = "2")]
    pub parent: String,
    /// Whether it is suspended.
    #[prost(bool, tag = "3")]
    pub suspended: bool,
    /// Proposal of the enrolment: compact JWS.
    #[prost(bytes = "vec", tag = "4")]
    pub proposal: Vec<u8>,
    /// Approval of the enrolment: compact JWS.
    #[prost(bytes = "vec", tag = "5")]
    pub approval: Vec<u8>,
    /// Current key bundle: compact JWS; empty before the first.
    #[prost(bytes = "vec", tag = "6")]
    pub bundle: Vec<u8>,
    /// Certificates of the current and the last few bundles, newest first.
    #[prost(message, repeated, tag = "7")]
    pub signers: Vec<Signer>,
    /// Declared capacity, by name; empty when never declared.
    #[prost(string, tag = "8")]
    pub capacity: String,
    /// When capacity was declared, milliseconds since the epoch.
    #[prost(int64, tag = "9")]
    pub capacity_time: i64,
}

impl Record for AgencyRecord {
    const TABLE: Table = Table::Agency;
    const LIFE: Life = Life::Record;
}
