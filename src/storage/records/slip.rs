//! Slips: codes that stop a case, and requests to go on with one.

use super::{Life, Record, Table};

/// A case that a code belongs to. Its key holds the code's value, the source and the case.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SlipRecord {
    /// When it was registered, milliseconds since the epoch.
    #[prost(int64, tag = "1")]
    pub registered: i64,
    /// One more than the leaf index of the entry that registered it.
    #[prost(uint64, tag = "2")]
    pub entry: u64,
    /// Source's agency id.
    #[prost(string, tag = "3")]
    pub source: String,
    /// Case handle.
    #[prost(string, tag = "4")]
    pub case: String,
}

impl Record for SlipRecord {
    const TABLE: Table = Table::Slip;
    const LIFE: Life = Life::Content;
}

/// The value of a case's latest code, so that it can be replaced.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CaseSlipRecord {
    /// Value.
    #[prost(bytes = "vec", tag = "1")]
    pub value: Vec<u8>,
}

impl Record for CaseSlipRecord {
    const TABLE: Table = Table::CaseSlip;
    const LIFE: Life = Life::Content;
}

/// A request to go on with a case, as one of the two agencies has it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ResumeRecord {
    /// Asking agency's id.
    #[prost(string, tag = "1")]
    pub asker: String,
    /// Source's agency id; empty when the code was of no case.
    #[prost(string, tag = "2")]
    pub source: String,
    /// Case handle; empty when the code was of no case.
    #[prost(string, tag = "3")]
    pub case: String,
    /// Purposes, by name.
    #[prost(string, repeated, tag = "4")]
    pub purposes: Vec<String>,
    /// When it was asked, milliseconds since the epoch.
    #[prost(int64, tag = "5")]
    pub asked: i64,
    /// The source's answer, by name; empty for none.
    #[prost(string, tag = "6")]
    pub answer: String,
}

impl Record for ResumeRecord {
    const TABLE: Table = Table::Resume;
    const LIFE: Life = Life::Content;
}
