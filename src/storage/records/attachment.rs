//! Attachments: what the router knows of one; its chunks are in a file.

use super::{Life, Record, Table};

/// An attachment, finished or not.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AttachmentRecord {
    /// Stage, by name.
    #[prost(string, tag = "1")]
    pub stage: String,
    /// Chunks in all.
    #[prost(uint32, tag = "2")]
    pub chunks: u32,
    /// SHA-256 of all sealed chunks.
    #[prost(bytes = "vec", tag = "3")]
    pub digest: Vec<u8>,
    /// When it was begun, milliseconds since the epoch.
    #[prost(int64, tag = "4")]
    pub begun: i64,
    /// Whether all of it is there.
    #[prost(bool, tag = "5")]
    pub complete: bool,
    /// Index of the entry that says so.
    #[prost(uint64, tag = "6")]
    pub index: u64,
}

impl Record for AttachmentRecord {
    const TABLE: Table = Table::Attachment;
}

/// The key that its file is encrypted under: content, so that erasing it erases the file.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AttachmentKeyRecord {
    /// 32 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
}

impl Record for AttachmentKeyRecord {
    const TABLE: Table = Table::AttachmentKey;
    const LIFE: Life = Life::Content;
}

/// Says that an upload is not finished; the key says it all.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct UnfinishedRecord {}

impl Record for UnfinishedRecord {
    const TABLE: Table = Table::Unfinished;
}
