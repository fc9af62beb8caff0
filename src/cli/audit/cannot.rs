//! Why nothing could be checked: exit code 2.

use super::receipt::Unreadable;
use super::state::StateError;
use crate::audit::source::SourceError;
use crate::client::error::{ClientError, Reason, Refused};
use crate::domain::id::AgencyId;
use crate::ledger::policy::PolicyError;
use std::collections::HashMap;
use tonic::Code;

/// A connection that ended without a word of the router.
const CUT: &str = "the connection was cut without an answer: most often the certificate is revoked or has ended; ask \
                   the authority";

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
    /// The whole log is beyond the caller's mandate.
    #[error(
        "the router refused (NOT_PERMITTED): your mandate does not reach the whole log, as that of a national body \
         does; use `audit verify --checkpoint-only`, `audit acts`, `audit review`"
    )]
    NotWhole,
    /// The connection ended before the router said anything.
    #[error("{CUT}")]
    Cut,
    /// No answer came: the connection ended, or the router was too slow.
    #[error(
        "the router gave no answer in time, or {CUT}. If something was to be recorded, look before you do it again"
    )]
    NoAnswer,
    /// The router refused.
    #[error(transparent)]
    Refused(ClientError),
}

impl CannotCheck {
    /// What the router's or the connection's end means to whoever audits; `whole` if the whole log was asked for.
    #[must_use]
    pub(super) fn explained(self, whole: bool) -> Self {
        let said = match &self {
            Self::Source(SourceError::NotPermitted(said) | SourceError::Unavailable(said)) => {
                said.clone()
            }
            Self::Refused(error) => error.to_string(),
            _ => return self,
        };
        if said == refusal(Reason::NotPermitted) && whole {
            Self::NotWhole
        } else if said == refusal(Reason::Unknown) {
            Self::Cut
        } else if said == ClientError::NoAnswer.to_string() {
            Self::NoAnswer
        } else {
            self
        }
    }
}

/// What a refusal says of itself.
fn refusal(reason: Reason) -> String {
    let refused = Refused {
        code: Code::Unknown,
        reason,
        fields: Vec::new(),
        retry_after: None,
        facts: HashMap::new(),
    };
    ClientError::Refused(refused).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::home::told;

    fn flat(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn source(text: String) -> CannotCheck {
        CannotCheck::Source(SourceError::Unavailable(text))
    }

    #[test]
    fn whoever_may_not_read_the_whole_log_is_told_what_they_may() {
        let refused = || {
            let said = refusal(Reason::NotPermitted);
            CannotCheck::Source(SourceError::NotPermitted(said))
        };
        let said = refused().explained(true).to_string();
        for wanted in ["does not reach the whole log", "verify --checkpoint-only"] {
            assert!(said.contains(wanted), "{said}");
        }
        // Of a question, and of a folder without openings, it would be wrong.
        let said = refused().explained(false).to_string();
        assert_eq!(said, "the router refused: NOT_PERMITTED");
        let folder = "the folder has no openings: it can be verified, not replayed";
        let folder = CannotCheck::Source(SourceError::NotPermitted(folder.into()));
        assert!(folder.explained(true).to_string().starts_with("the folder"));
    }

    #[test]
    fn a_connection_that_was_cut_is_told_in_the_words_of_the_agencys_own_commands() {
        let refused = Refused {
            code: Code::Unknown,
            reason: Reason::Unknown,
            fields: Vec::new(),
            retry_after: None,
            facts: HashMap::new(),
        };
        let theirs = flat(&told(ClientError::Refused(refused.clone())).to_string());
        assert_eq!(theirs, CUT);
        for error in [
            source(refusal(Reason::Unknown)),
            CannotCheck::Refused(ClientError::Refused(refused)),
        ] {
            assert_eq!(error.explained(true).to_string(), CUT);
        }
        let late = source(ClientError::NoAnswer.to_string()).explained(true);
        assert!(late.to_string().contains(CUT), "{late}");
        // What says why already is left alone.
        let away = ClientError::Unreachable.to_string();
        assert_eq!(source(away.clone()).explained(true).to_string(), away);
    }
}
