//! Why nothing could be checked: exit code 2.

use super::receipt::Unreadable;
use super::state::StateError;
use crate::audit::source::SourceError;
use crate::client::error::ClientError;
use crate::domain::id::AgencyId;
use crate::ledger::policy::PolicyError;

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum CannotCheck {
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The auditor's saved state failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// Neither a folder nor a router is named.
    #[error("name a log: --folder, or --router with --identity")]
    NoSource,
    /// The key given is not one.
    #[error("--vkey is not a verifier key")]
    Key,
    /// The key given is not the saved one.
    #[error(
        "the log's key is not the one in the saved state or the trust folder; find out which is right first"
    )]
    OtherKey,
    /// Neither the auditor nor the source names a key.
    #[error("no verifier key: give --vkey, or --state with a saved one")]
    NoKey,
    /// The key that the source names is not one.
    #[error("the key that the log names (log.vkey in a folder) is not a verifier key")]
    NamedKey,
    /// The folder to write is not empty.
    #[error("the folder to write is not empty and no export of a log; nothing was written")]
    NotEmpty,
    /// The folder to continue is of another log.
    #[error("the folder is a copy of another log; nothing was written")]
    OtherLog,
    /// The router's log does not continue the mirror.
    #[error("the router's log does not continue the mirror: `audit verify --mirror` says how")]
    NotContinued,
    /// The report cannot be signed, or a signed one not checked.
    #[error("{0}")]
    Report(String),
    /// Writing failed.
    #[error("{0} cannot be written: {1}")]
    Write(String, std::io::Error),
    /// A receipt, or a policy.
    #[error(transparent)]
    Receipt(#[from] Unreadable),
    /// A folder records nothing.
    #[error("a disposition is recorded by a router: give --router with --identity")]
    NoRouter,
    /// The policy is about another log.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The log does not go so far.
    #[error("there is no entry {0}: the log has {1}, counted from 0; nothing was recorded")]
    NoSuchEntry(u64, u64),
    /// Nothing was found there.
    #[error("{0}")]
    NoSuchFinding(String),
    /// One person said it and would confirm it.
    #[error(
        "somebody else must confirm it: whoever looked at it as well runs it again with --confirm and another \
         --staff NAME of the agency"
    )]
    SecondPerson,
    /// An earlier watermark goes as far.
    #[error(
        "an earlier watermark stands: the log is said to be replayed up to entry {0}. Nothing was recorded; give \
         --upto an index above {0}, or leave --upto out"
    )]
    WatermarkBehind(u64),
    /// What was replayed is not what the router vouches for.
    #[error(
        "the router does not take the watermark, and nothing was recorded: it has another history than the one that \
         it showed, or this computer's clock is ahead; compare checkpoints with another auditor"
    )]
    WatermarkRefused,
    /// What was said of the finding before stands against it.
    #[error("{0}")]
    Stands(String),
    /// Beyond the caller's mandate.
    #[error(
        "the router refused: your mandate does not reach what {0} did, and nothing was answered. An agency's own \
         office asks about that agency and its units, a national body about everybody"
    )]
    BeyondMandate(AgencyId),
    /// The router refused.
    #[error(transparent)]
    Refused(ClientError),
}
