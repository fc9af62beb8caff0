//! What requests have in common: ids that are remembered, and pages.

use crate::domain::id::RequestId;

/// A mutation's id and what its body hashes to; the same pair has one effect and one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requested {
    /// The caller's id of the request.
    pub id: RequestId,
    /// SHA-256 of the body, re-encoded deterministically.
    pub body: [u8; 32],
}

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// At most this many; 1 to 100.
    pub size: usize,
    /// Token of the previous page; empty for the first.
    pub token: String,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// For the next page; empty at the end.
    pub next: String,
}
