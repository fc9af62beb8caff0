//! Why a signed statement is refused, beyond its signature.

use super::jws::JwsError;

/// Why a signed statement is refused. Safe to log: it names no person and repeats no input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Not a statement of this type and key.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// Another agency's key than the issuer's, or another certificate than the header says.
    #[error("the statement is not signed by its issuer")]
    Issuer,
    /// A word, an id or a number that is not as agreed.
    #[error("a claim of the statement is not as agreed")]
    Claim,
    /// Not yet, no longer, too long, or not coarse enough.
    #[error("a time of the statement is out of bounds")]
    Time,
    /// Too many of something, too long, or not in a size class.
    #[error("a size is out of bounds")]
    Size,
    /// A key id that is not its key's digest, or is listed twice.
    #[error("a key of the bundle is not as agreed")]
    Key,
    /// The number or the digest of the statement before does not fit.
    #[error("the statement does not follow the one before it")]
    Sequence,
    /// The labels are not those signed.
    #[error("the labels are not those of the statement")]
    Labels,
    /// The encapsulated or the wrapped key is not the one signed.
    #[error("the sealed key is not that of the statement")]
    SealedKey,
    /// The basis commitment does not open to this chain.
    #[error("the statement commits to another basis")]
    Commitment,
}
