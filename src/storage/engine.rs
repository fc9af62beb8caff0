//! The contract between the exchange and whatever remembers for it.
//!
//! An engine sees bytes, never a referral. A batch is atomic and durable when `commit` returns, or it did
//! not happen.

/// What a key belongs to. Numbers are on disk: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Ledger entries by index (u64 big endian). Written by [`Batch::entries`] only.
    Entry = 1,
    /// Openings of entries, by index.
    Opening = 2,
    /// Full hash tiles: level (u8), index (u64 big endian) to 256 hashes.
    Tile = 3,
    /// The log's own facts (origin, pinned administrators …), by name.
    Meta = 4,
    /// Agencies by id.
    Agency = 10,
    /// Directory digests by number.
    Digest = 11,
    /// Protocols by version.
    Protocol = 12,
    /// Administrators' proposals by id.
    Proposal = 13,
    /// Heads of basis chains, by source and chain id.
    Basis = 20,
    /// Cases, by source and handle.
    Case = 21,
    /// Basis chains of a case, by source, handle, chain id.
    CaseBasis = 22,
    /// Referrals, by source and id.
    Referral = 30,
    /// Offers, by id.
    Offer = 31,
    /// Offers of a recipient in the order received, by recipient, number.
    Inbox = 32,
    /// Referrals of a source in the order made, by source, number.
    Outbox = 33,
    /// What is due, by time, kind and id.
    Deadline = 34,
    /// Parcel statements and labels, by offer and stage.
    Parcel = 40,
    /// Sealed fields of a parcel, by offer and stage. Content.
    ParcelContent = 41,
    /// Unopened parcels under a basis chain, by chain id, offer, stage.
    ChainParcel = 42,
    /// Pools of places, by agency and pool id.
    Pool = 50,
    /// Holds of places, by offer id.
    Hold = 51,
    /// Doorbells, by agency, number.
    Doorbell = 60,
    /// Remembered requests, by agency and request id.
    Request = 70,
    /// Remembered requests by day, for sweeping.
    RequestDay = 71,
    /// Messages: headers and statements, by offer and number.
    Message = 100,
    /// Sealed fields of a message, by offer and number. Content.
    MessageContent = 101,
    /// Attachments, by offer and attachment id.
    Attachment = 102,
    /// Keys of attachments' files, by offer and attachment id. Content.
    AttachmentKey = 103,
    /// Uploads that are not finished, by the time they were begun, offer and attachment id.
    Unfinished = 104,
    /// Break-glass requests, by id.
    Access = 120,
    /// Sealed fields of what was released under break-glass, by access id. Content.
    AccessContent = 121,
    /// Break-glass requests that a viewer may see, in the order made, by viewer, number.
    AccessList = 122,
    /// The last break-glass request of an offer, by offer id.
    OfferAccess = 123,
    /// Groups of a recipient's offers, by recipient and group id.
    Group = 110,
    /// Alerts, by viewer and id.
    Alert = 80,
    /// Alerts of a viewer in the order raised, by viewer, number.
    AlertOrder = 81,
    /// Cases that a slip's code stops, by the code's value, source and handle. Content.
    Slip = 90,
    /// The latest code of a case, by source and handle. Content.
    CaseSlip = 91,
    /// Requests to go on with a case, by viewer and id. Content.
    Resume = 92,
    /// Who has made an offer to whom, by recipient and source: whose statements the recipient must be able to verify.
    Met = 113,
    /// Carried referrals, by source and id.
    Carried = 114,
    /// What was told of a case, by source, handle and the index of the entry: what the person may ask.
    Disclosure = 116,
    /// Labels that anybody ever opened of a case, by source, handle and label.
    Released = 117,
    /// Sources that have resubmitted what they signed since a succession's backup, by agency.
    Confirmation = 150,
    /// What auditors said of findings, by rule and index of the entry.
    Disposition = 140,
}

/// How long a value lives, and therefore how it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Current state and the ledger: no key of its own.
    Record,
    /// Audit retention: encrypted under a key shared by the decisions of one month.
    Decision,
    /// Erasable at any time: encrypted under a key of its own.
    Content,
}

/// One change of a batch. Later writes of a batch win over earlier ones of the same key.
#[derive(Debug, Clone)]
pub enum Write {
    /// Sets a key.
    Put {
        /// Where.
        table: Table,
        /// At most [`KEY_BYTES_MAX`].
        key: Vec<u8>,
        /// At most [`VALUE_BYTES_MAX`].
        value: Vec<u8>,
        /// How long it lives.
        life: Life,
    },
    /// Forgets a key. Of content, the bytes remain until [`Write::Erase`].
    Delete {
        /// Where.
        table: Table,
        /// Which.
        key: Vec<u8>,
    },
    /// Forgets a key and destroys the content key of its value: when `commit` returns, nothing on disk can be read
    /// any more. A key that is absent is not an error.
    Erase {
        /// Where.
        table: Table,
        /// Which.
        key: Vec<u8>,
    },
}

/// Longest key in bytes.
pub const KEY_BYTES_MAX: usize = 256;

/// Longest value in bytes: a message (1 MiB) and its framing.
pub const VALUE_BYTES_MAX: usize = 1_100_000;

/// Most bytes of entries and values in one batch: bounds a journal frame and the memory of its encoding.
pub const BATCH_BYTES_MAX: usize = 12 << 20;

/// What becomes durable together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// New ledger entries, in order; the first gets the index [`Head::size`] of the head before.
    pub entries: Vec<Vec<u8>>,
    /// Other changes.
    pub writes: Vec<Write>,
    /// Root of the tree with these entries in it.
    pub root: [u8; 32],
    /// The signed checkpoint of the head before this batch; empty for the first.
    pub previous_checkpoint: Vec<u8>,
    /// Withdrawal and erasure: may use the headroom that is kept for them on a full disk.
    pub urgent: bool,
}

/// What the store stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Batches committed; the version that the next batch's writes get is one more.
    pub batches: u64,
    /// Ledger entries.
    pub size: u64,
    /// Root of the tree over them; SHA-256 of nothing when there are none.
    pub root: [u8; 32],
}

/// A value and when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Number of the batch that wrote it, from 1.
    pub version: u64,
    /// The value.
    pub value: Vec<u8>,
}

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Something on disk is not what was written. The store must not go on.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
    /// A write or sync failed. Nothing of the batch may be acknowledged, and nothing more be written.
    #[error("the store failed: {0}")]
    Failed(String),
    /// Refused before anything was written: no space, or the batch is past a limit.
    #[error("the store refused the batch: {0}")]
    Refused(String),
}

/// Remembers.
///
/// Reads may run beside a commit and see all of a batch or nothing of it. Commits are serialised by the caller
/// (one sequencer); an engine that is given two at once takes them in turn.
pub trait Engine: Send + Sync + 'static {
    /// Where the store stands.
    fn head(&self) -> Head;

    /// The folder for attachments' files, which only [`super::files`] writes; it need not be there yet.
    fn attachments(&self) -> std::path::PathBuf;

    /// The value of `key`, if it has one.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`] when what is there cannot be trusted.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Stored>, StorageError>;

    /// Keys of `table` that begin with `prefix` and are greater than `after` (when given), ascending, at most `limit`.
    ///
    /// # Errors
    ///
    /// As for [`Engine::get`].
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Stored)>, StorageError>;

    /// The greatest key of `table` that begins with `prefix`.
    ///
    /// # Errors
    ///
    /// As for [`Engine::get`].
    fn last(&self, table: Table, prefix: &[u8]) -> Result<Option<(Vec<u8>, Stored)>, StorageError>;

    /// Makes `batch` durable, all of it or nothing, and visible to reads. Blocks.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`]: nothing happened, the store goes on.
    /// [`StorageError::Failed`]: the outcome is unknown; every later commit fails the same way, and
    /// the process must end.
    fn commit(&self, batch: &Batch) -> Result<Head, StorageError>;

    /// Destroys the keys of all decisions written before `month`, counted from year 0. They read as absent from then
    /// on. An engine without such keys does nothing: whoever ends decisions deletes their rows as well.
    ///
    /// # Errors
    ///
    /// As for [`Engine::commit`].
    fn expire_decisions(&self, _month: u32) -> Result<(), StorageError> {
        Ok(())
    }

    /// A random id: nobody outside can foresee it or tell when it was made. An engine may choose it so that rows under
    /// ids made together lie together.
    ///
    /// # Errors
    ///
    /// [`StorageError::Failed`] when the operating system gives no randomness.
    fn fresh_id(&self) -> Result<[u8; 16], StorageError> {
        let mut id = [0; 16];
        let filled = aws_lc_rs::rand::fill(&mut id);
        filled.map_err(|_| StorageError::Failed("no randomness".to_owned()))?;
        Ok(id)
    }
}
