//! Why the exchange did not do what was asked.

use crate::domain::disposition::Refusal as Disposed;
use crate::domain::label::LabelSet;
use crate::domain::vocabulary::{AccessState, OfferState};
use crate::storage::engine::StorageError;

/// Why an operation had no effect. Safe to log and to answer: names no person, no exclusion, and nothing of others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another agency's name, or a role or kind that may not.
    #[error("not permitted")]
    NotPermitted,
    /// A name under one's own agency that is not there or not to be seen; one answer for all causes.
    #[error("not found")]
    NotFound,
    /// A field of the request is not as it must be; the path, never the value.
    #[error("the field {0} is not valid")]
    InvalidField(&'static str),
    /// The request id was used with another body.
    #[error("the request id was used before, with another body")]
    RequestIdReused,
    /// The basis does not name this recipient or purpose.
    #[error("the basis does not allow this recipient and purpose")]
    BasisNotAllowed,
    /// The basis is not in force, not yet or no longer.
    #[error("the basis is not in force")]
    BasisNotInForce,
    /// The basis does not cover these labels.
    #[error("the basis does not cover every label")]
    BasisNotCovering(LabelSet),
    /// The information-sharing protocol does not allow these labels.
    #[error("the protocol does not allow every label")]
    ProtocolRefused(LabelSet),
    /// The statement is past the bounds of its kind.
    #[error("the basis is past the bounds of its kind")]
    BasisBounds,
    /// The chain was withdrawn; nothing follows a withdrawal.
    #[error("the basis was withdrawn")]
    BasisWithdrawn,
    /// The statement is not the chain's next.
    #[error("the statement is not the next of its chain")]
    BasisSequence,
    /// A signature, or the certificate behind it, does not verify.
    #[error("a signature does not verify")]
    SignatureInvalid,
    /// The recipient is not enrolled, is suspended or has no key bundle.
    #[error("the recipient is not available")]
    RecipientUnavailable,
    /// The state does not allow the act.
    #[error("the offer's state does not allow this")]
    State(OfferState),
    /// The referral's state does not allow the act.
    #[error("the referral's state does not allow this")]
    ReferralState,
    /// The offer was not answered in time.
    #[error("the offer has lapsed")]
    Lapsed,
    /// The pool has not that many free places.
    #[error("not enough free places")]
    NoPlaces,
    /// A complaint holds labels that were never released.
    #[error("a complaint holds what was released, and nothing more")]
    ComplaintBeyondReleased(LabelSet),
    /// The person has not agreed to this forward: one text, whichever of its rules it breaks.
    #[error("the person has not agreed to this recipient")]
    ForwardNotAllowed,
    /// A duty to notify that the source's own published facts do not name.
    #[error("the source has published no such duty")]
    NoDuty,
    /// Past a documented limit.
    #[error("too many")]
    TooMany,
    /// The state of a break-glass request does not allow the act.
    #[error("the access's state does not allow this")]
    Access(AccessState),
    /// Who approves or reviews must be somebody else, outside the asking agency and its authority.
    #[error("somebody else, outside the asking agency, must do this")]
    NeedsOutsider,
    /// A parcel's statement, labels or sealed parts do not agree.
    #[error("the parcel's statement is not valid")]
    StatementInvalid,
    /// A key bundle is not valid, or not the next of its agency.
    #[error("the key bundle is not valid")]
    KeyBundleInvalid,
    /// A resume token is too old or not ours.
    #[error("the resume token has expired")]
    ResumeTokenExpired,
    /// A tree size or index that the log does not have.
    #[error("the log has no such index or size")]
    OutOfRange,
    /// Too much is queued.
    #[error("too much is waiting")]
    Overloaded,
    /// Nothing can be committed at the moment, or not in time.
    #[error("not available at the moment")]
    Unavailable,
    /// The person stopped the case with their card.
    #[error("the person stopped this case")]
    BasisPaused,
    /// The source has answered the request before.
    #[error("the request was answered before")]
    AlreadyAnswered,
    /// Too many codes in an hour, right or wrong.
    #[error("too many codes in an hour")]
    TooOften,
    /// Somebody has taken the alert before.
    #[error("the alert was acknowledged before")]
    AlreadyTaken,
    /// The same person has proposed this before; another must confirm.
    #[error("another member of staff must confirm this")]
    NeedsSecondPerson,
    /// Something of our own is broken; the cause is in the log only.
    #[error("internal failure")]
    Internal,
    /// A member of a group that stays together is not decided on alone.
    #[error("the group is decided on together")]
    Group,
    /// The log was succeeded, and the source has not yet resubmitted what it signed since the backup.
    #[error("the source has yet to resubmit what it signed since the backup")]
    SuccessionPending,
    /// There was no succession to confirm.
    #[error("there is no succession to confirm")]
    NoSuccession,
    /// An earlier watermark goes as far: over so many entries.
    #[error("a watermark over {0} entries stands")]
    WatermarkBehind(u64),
    /// What an auditor said of a finding cannot be said, or confirmed, so.
    #[error(transparent)]
    Disposition(#[from] Disposed),
}

impl Refusal {
    /// The reason that travels.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotPermitted => "NOT_PERMITTED",
            Self::NotFound => "NOT_FOUND",
            Self::InvalidField(_) => "INVALID_FIELD",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::BasisNotAllowed => "BASIS_NOT_ALLOWED",
            Self::BasisNotInForce => "BASIS_NOT_IN_FORCE",
            Self::BasisNotCovering(_) => "BASIS_NOT_COVERING",
            Self::ProtocolRefused(_) => "PROTOCOL_REFUSED",
            Self::BasisBounds => "BASIS_BOUNDS",
            Self::BasisWithdrawn => "BASIS_WITHDRAWN",
            Self::BasisSequence => "BASIS_SEQUENCE",
            Self::SignatureInvalid => "SIGNATURE_INVALID",
            Self::RecipientUnavailable => "RECIPIENT_UNAVAILABLE",
            Self::State(_) | Self::ReferralState => "STATE",
            Self::Lapsed => "LAPSED",
            Self::NoPlaces => "NO_PLACES",
            Self::ComplaintBeyondReleased(_) => "COMPLAINT_BEYOND_RELEASED",
            Self::ForwardNotAllowed => "FORWARD_NOT_ALLOWED",
            Self::NoDuty => "NO_DUTY",
            Self::TooMany => "TOO_MANY",
            Self::Access(_) => "STATE",
            Self::NeedsOutsider => "NEEDS_OUTSIDER",
            Self::StatementInvalid => "STATEMENT_INVALID",
            Self::KeyBundleInvalid => "KEY_BUNDLE_INVALID",
            Self::ResumeTokenExpired => "RESUME_TOKEN_EXPIRED",
            Self::OutOfRange => "INVALID_FIELD",
            Self::Overloaded => "OVERLOADED",
            Self::Unavailable => "UNAVAILABLE",
            Self::BasisPaused => "BASIS_PAUSED",
            Self::AlreadyAnswered => "STATE",
            Self::TooOften => "TOO_OFTEN",
            Self::Internal => "INTERNAL",
            Self::Group => "GROUP",
            Self::SuccessionPending => "SUCCESSION_PENDING",
            Self::NoSuccession => "STATE",
            Self::AlreadyTaken => "STATE",
            Self::NeedsSecondPerson => "NEEDS_SECOND_PERSON",
            Self::WatermarkBehind(_) => "WATERMARK_BEHIND",
            Self::Disposition(refusal) => match refusal {
                Disposed::National => "DISPOSITION_NATIONAL",
                Disposed::Other => "DISPOSITION_OTHER",
                Disposed::Confirmed => "DISPOSITION_CONFIRMED",
                Disposed::Nothing | Disposed::SamePerson => "STATE",
            },
        }
    }

    /// Whether the ledger records this as a denial: policy or authorisation said no.
    #[must_use]
    pub const fn is_denial(&self) -> bool {
        matches!(
            self,
            Self::NotPermitted
                | Self::BasisNotAllowed
                | Self::BasisNotInForce
                | Self::BasisNotCovering(_)
                | Self::ProtocolRefused(_)
                | Self::BasisBounds
                | Self::BasisWithdrawn
                | Self::SignatureInvalid
                | Self::StatementInvalid
                | Self::KeyBundleInvalid
                | Self::BasisPaused
                | Self::NeedsOutsider
                | Self::NoDuty
                | Self::ComplaintBeyondReleased(_)
                | Self::ForwardNotAllowed
        )
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        tracing::error!(%error, "the store did not answer");
        match error {
            StorageError::Corrupt(_) => Self::Internal,
            StorageError::Failed(_) | StorageError::Refused(_) => Self::Unavailable,
        }
    }
}
