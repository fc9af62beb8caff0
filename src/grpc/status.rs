//! The one error table: what each refusal is called on the wire.
//!
//! Every status has exactly one `ErrorInfo`; its reason is the stable name that programs match on. Texts are constant:
//! no personal data, no echo of input, and one text for everything that a non-party may not know (invariants 22, 23).

use super::fields::{Invalid, Violation};
use crate::domain::disposition;
use crate::domain::label::LabelSet;
use crate::exchange::Refusal;
use std::collections::HashMap;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt};

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "safeconduct";

/// How long a client is asked to wait before it tries again.
pub const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What goes with a status beside its `ErrorInfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Detail {
    None,
    /// `BadRequest`.
    Fields(Vec<Violation>),
    /// `PreconditionFailure`: the kind of precondition, and what it is about.
    Precondition(&'static str, &'static str),
    /// `RetryInfo`.
    Retry,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    code: Code,
    reason: &'static str,
    text: &'static str,
    metadata: Vec<(&'static str, String)>,
    detail: Detail,
}

impl Answer {
    const fn new(code: Code, reason: &'static str, text: &'static str, detail: Detail) -> Self {
        Self {
            code,
            reason,
            text,
            metadata: Vec::new(),
            detail,
        }
    }

    /// A field that parsed but cannot stand.
    #[must_use]
    pub fn field(reason: &'static str, path: &str, expected: &'static str) -> Self {
        let violation = Violation {
            path: path.to_owned(),
            expected,
        };
        let fields = Detail::Fields(vec![violation]);
        Self::new(
            Code::InvalidArgument,
            reason,
            "the request has invalid fields",
            fields,
        )
    }

    /// A state that does not allow the act.
    #[must_use]
    pub const fn precondition(
        reason: &'static str,
        text: &'static str,
        subject: &'static str,
    ) -> Self {
        Self::new(
            Code::FailedPrecondition,
            reason,
            text,
            Detail::Precondition(reason, subject),
        )
    }

    /// With one more fact, which must be the caller's own to know.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((key, value.into()));
        self
    }

    /// The stable name.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }
}

/// Who is calling could not be established; never why.
pub const AUTHENTICATION_FAILED: Answer = Answer::new(
    Code::Unauthenticated,
    "AUTHENTICATION_FAILED",
    "the caller could not be authenticated",
    Detail::None,
);

/// The caller's agency, kind or role may not, or the name is another agency's.
pub const NOT_PERMITTED: Answer = Answer::new(
    Code::PermissionDenied,
    "NOT_PERMITTED",
    "the caller may not do this",
    Detail::None,
);

/// Absent, withdrawn, expired, closed, not yet, or not to be seen: one answer.
pub const NOT_FOUND: Answer = Answer::new(
    Code::NotFound,
    "NOT_FOUND",
    "there is nothing of this name to see",
    Detail::None,
);

/// The request id was used before with another body.
pub const REQUEST_ID_REUSED: Answer = Answer::new(
    Code::AlreadyExists,
    "REQUEST_ID_REUSED",
    "the request id was used with another body",
    Detail::None,
);

/// The request's bytes are no message of its method: cut off, not UTF-8, nested too deeply. Never where or why.
pub const MALFORMED: Answer = Answer::new(
    Code::InvalidArgument,
    "INVALID_FIELD",
    "the request is not a message of this method",
    Detail::None,
);

/// The request is longer than a message may be.
pub const TOO_LONG: Answer = Answer::new(
    Code::InvalidArgument,
    "INVALID_FIELD",
    "the request is longer than a message may be",
    Detail::None,
);

/// The request is compressed, or of a kind that the method does not take.
pub const UNIMPLEMENTED: Answer = Answer::new(
    Code::Unimplemented,
    "UNIMPLEMENTED",
    "the method does not take requests of this kind",
    Detail::None,
);

/// More is queued than the router takes.
pub const OVERLOADED: Answer = Answer::new(
    Code::ResourceExhausted,
    "OVERLOADED",
    "the router is overloaded",
    Detail::Retry,
);

/// A number of things that one agency or case may have is used up. Without `RetryInfo`: waiting does not help.
pub const TOO_MANY: Answer = Answer::new(
    Code::ResourceExhausted,
    "TOO_MANY",
    "there are as many of these as there may be",
    Detail::None,
);

/// Codes of slips are entered too often, right or wrong. Without `RetryInfo`: nobody should wait at a screen for it.
pub const TOO_OFTEN: Answer = Answer::new(
    Code::ResourceExhausted,
    "TOO_OFTEN",
    "no more codes in this hour; ring the agency that gave the slip",
    Detail::None,
);

/// The agency calls faster than it may, or has its share of requests in hand. With `RetryInfo`: waiting helps.
pub const TOO_FAST: Answer = Answer::new(
    Code::ResourceExhausted,
    "TOO_FAST",
    "this agency calls faster than it may; try again a little later",
    Detail::Retry,
);

/// The router cannot commit now; whether the request had an effect is found out by repeating it.
pub const UNAVAILABLE: Answer = Answer::new(
    Code::Unavailable,
    "UNAVAILABLE",
    "the router cannot do this now",
    Detail::Retry,
);

/// The caller's deadline, or the router's own, has passed.
pub const DEADLINE_EXCEEDED: Answer = Answer::new(
    Code::DeadlineExceeded,
    "DEADLINE_EXCEEDED",
    "the deadline has passed",
    Detail::None,
);

/// The resume token is older than what the router still holds.
pub const RESUME_TOKEN_EXPIRED: Answer = Answer::new(
    Code::OutOfRange,
    "RESUME_TOKEN_EXPIRED",
    "the resume token is too old; list, then watch without one",
    Detail::None,
);

/// An index or size is past the log, or in the wrong order.
pub const OUT_OF_RANGE: Answer = Answer::new(
    Code::OutOfRange,
    "INVALID_FIELD",
    "the index or size is outside the log",
    Detail::None,
);

/// Our own fault: the cause is in the log, under the request id that the caller gets.
#[must_use]
pub fn internal(cause: &dyn std::fmt::Display) -> Answer {
    let request = uuid::Uuid::new_v4().to_string();
    tracing::error!(%request, %cause, "internal error");
    Answer::new(
        Code::Internal,
        "INTERNAL",
        "the router failed; its log has the cause",
        Detail::None,
    )
    .with("requestId", request)
}

impl From<Invalid> for Answer {
    fn from(Invalid(violations): Invalid) -> Self {
        Self::new(
            Code::InvalidArgument,
            "INVALID_FIELD",
            "the request has invalid fields",
            Detail::Fields(violations),
        )
    }
}

impl From<Answer> for Status {
    fn from(answer: Answer) -> Self {
        let metadata: HashMap<String, String> = answer
            .metadata
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let mut details = ErrorDetails::with_error_info(answer.reason, DOMAIN, metadata);
        match answer.detail {
            Detail::None => {}
            Detail::Fields(violations) => {
                let violations: Vec<_> = violations
                    .into_iter()
                    .map(|violation| FieldViolation::new(violation.path, violation.expected))
                    .collect();
                details.set_bad_request(violations);
            }
            Detail::Precondition(kind, subject) => {
                let violation = PreconditionViolation::new(kind, subject, answer.text);
                details.set_precondition_failure(vec![violation]);
            }
            Detail::Retry => {
                details.set_retry_info(Some(RETRY_AFTER));
            }
        }
        Self::with_error_details(answer.code, answer.text, details)
    }
}

impl From<Invalid> for Status {
    fn from(invalid: Invalid) -> Self {
        Answer::from(invalid).into()
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let covering = |reason, text, labels: LabelSet| {
            let names: Vec<_> = labels.iter().map(|label| label.to_string()).collect();
            Self::precondition(reason, text, "labels").with("labels", names.join(" "))
        };
        match refusal {
            Refusal::NotPermitted => NOT_PERMITTED,
            Refusal::NotFound => NOT_FOUND,
            Refusal::InvalidField(path) => Self::field("INVALID_FIELD", path, "is not valid"),
            Refusal::RequestIdReused => REQUEST_ID_REUSED,
            Refusal::BasisNotAllowed => Self::precondition(
                "BASIS_NOT_ALLOWED",
                "the basis does not allow this recipient and purpose",
                "basis",
            ),
            Refusal::BasisNotInForce => {
                Self::precondition("BASIS_NOT_IN_FORCE", "the basis is not in force", "basis")
            }
            Refusal::BasisNotCovering(labels) => covering(
                "BASIS_NOT_COVERING",
                "the basis does not cover every label",
                labels,
            ),
            Refusal::ProtocolRefused(labels) => covering(
                "PROTOCOL_REFUSED",
                "the protocol does not allow every label",
                labels,
            ),
            Refusal::BasisBounds => Self::field(
                "BASIS_BOUNDS",
                "statement",
                "must be within the bounds of its kind of basis",
            ),
            Refusal::BasisWithdrawn => Self::precondition(
                "BASIS_WITHDRAWN",
                "the basis was withdrawn; nothing follows a withdrawal",
                "basis",
            ),
            Refusal::BasisSequence => Self::field(
                "BASIS_SEQUENCE",
                "statement",
                "must be the next statement of its chain",
            ),
            Refusal::SignatureInvalid => Self::field(
                "SIGNATURE_INVALID",
                "statement",
                "must be signed by a key that the caller's agency, or an administrator, has published",
            ),
            Refusal::RecipientUnavailable => Self::precondition(
                "RECIPIENT_UNAVAILABLE",
                "the recipient cannot receive now",
                "recipient",
            ),
            Refusal::State(state) => {
                Self::precondition("STATE", "the offer's state does not allow this", "offer")
                    .with("state", state.name())
            }
            Refusal::ReferralState => Self::precondition(
                "STATE",
                "the referral's state does not allow this",
                "referral",
            ),
            Refusal::Lapsed => {
                Self::precondition("LAPSED", "the offer was not answered in time", "offer")
            }
            Refusal::NoPlaces => {
                Self::precondition("NO_PLACES", "there are not that many free places", "pool")
            }
            Refusal::ComplaintBeyondReleased(labels) => covering(
                "COMPLAINT_BEYOND_RELEASED",
                "a complaint holds what was released, and nothing more",
                labels,
            ),
            Refusal::ForwardNotAllowed => Self::precondition(
                "FORWARD_NOT_ALLOWED",
                "the person has not agreed to this recipient",
                "forward",
            ),
            Refusal::NoDuty => Self::field(
                "NO_DUTY",
                "statement",
                "must rest on a duty to report that the agency's own key bundle names, or on another ground",
            ),
            Refusal::TooMany => TOO_MANY,
            Refusal::Access(state) => {
                Self::precondition("STATE", "the access's state does not allow this", "access")
                    .with("state", state.name())
            }
            Refusal::NeedsOutsider => Self::precondition(
                "NEEDS_OUTSIDER",
                "somebody else, outside the asking agency, must do this",
                "staff",
            ),
            Refusal::StatementInvalid => Self::field(
                "STATEMENT_INVALID",
                "statement",
                "must agree with the request, its labels and its sealed parts",
            ),
            Refusal::KeyBundleInvalid => Self::field(
                "KEY_BUNDLE_INVALID",
                "key_bundle",
                "must be signed by the agency and follow its last bundle",
            ),
            Refusal::ResumeTokenExpired => RESUME_TOKEN_EXPIRED,
            Refusal::OutOfRange => OUT_OF_RANGE,
            Refusal::Overloaded => OVERLOADED,
            Refusal::Unavailable => UNAVAILABLE,
            Refusal::BasisPaused => Self::precondition(
                "BASIS_PAUSED",
                "the person stopped this case; speak with them, then sign and record what they say now",
                "basis",
            ),
            Refusal::AlreadyAnswered => {
                Self::precondition("STATE", "the request was answered before", "resume")
            }
            Refusal::TooOften => TOO_OFTEN,
            Refusal::AlreadyTaken => {
                Self::precondition("STATE", "the alert was acknowledged before", "alert")
            }
            Refusal::NeedsSecondPerson => Self::precondition(
                "NEEDS_SECOND_PERSON",
                "another member of staff must confirm this",
                "staff",
            ),
            Refusal::Internal => internal(&"the exchange failed; see the line before"),
            Refusal::SuccessionPending => Self::precondition(
                "SUCCESSION_PENDING",
                "the router was restored from a backup; nothing of this source is disclosed before it has resubmitted \
                 what it signed since (`safeconduct agency resubmit`)",
                "source",
            ),
            Refusal::NoSuccession => Self::precondition(
                "STATE",
                "the log was not succeeded; there is nothing to confirm",
                "succession",
            ),
            Refusal::Group => Self::precondition(
                "GROUP",
                "the offer is of a group that stays together: decide on the group",
                "group",
            ),
            Refusal::Disposition(refusal) => {
                Self::precondition("STATE", disposition(refusal), "index")
            }
        }
    }
}

const fn disposition(refusal: disposition::Refusal) -> &'static str {
    use disposition::Refusal as No;
    match refusal {
        No::National => "a national body has said what this finding comes to; ask it",
        No::Nothing => "nothing was recorded of this finding yet",
        No::SamePerson => "another person must confirm this",
        No::Other => "another finding was recorded; read it before you confirm it",
        No::Confirmed => "this was confirmed before",
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        Answer::from(refusal).into()
    }
}

#[cfg(test)]
mod tests;
