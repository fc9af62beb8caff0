//! What can go wrong between an agency and the router, typed by what the caller can do about it.

use std::collections::HashMap;
use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt;

use super::directory::DirectoryError;
use super::keys::KeyFileError;
use super::log::LogViolation;
use super::staff::TokenKeyError;
use crate::domain::gate::Refusal;
use crate::domain::id::AgencyId;
use crate::envelope::carried::CarriedError;
use crate::envelope::jws::JwsError;
use crate::envelope::open::OpenError;
use crate::envelope::seal::SealError;
use crate::envelope::stream::StreamError;

/// A request that the router refused, with the machine-readable reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the router refused: {reason}")]
pub struct Refused {
    /// gRPC status code.
    pub code: Code,
    /// `ErrorInfo.reason`, for example `BASIS_NOT_COVERING`.
    pub reason: Reason,
    /// Paths of the request's fields that were wrong; never their values.
    pub fields: Vec<String>,
    /// How long the router asks to wait before another attempt.
    pub retry_after: Option<Duration>,
    /// `ErrorInfo.metadata`: the router's words, to be parsed and never printed as they come.
    pub facts: HashMap<String, String>,
}

macro_rules! reasons {
    ($($(#[$meta:meta])* $variant:ident = $word:literal,)+) => {
        /// Why the router refused: the closed list of `ErrorInfo.reason`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$meta])* $variant,)+
            /// Not on this version's list, or the reply carried none.
            Unknown,
        }

        impl Reason {
            /// The reason as it travels.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ Self::Unknown => "UNKNOWN" }
            }

            /// Parses `ErrorInfo.reason`; a word of a later version is [`Reason::Unknown`].
            #[must_use]
            pub fn parse(word: &str) -> Self {
                match word { $($word => Self::$variant,)+ _ => Self::Unknown }
            }
        }
    };
}

reasons! {
    /// Certificate or staff token not accepted.
    AuthenticationFailed = "AUTHENTICATION_FAILED",
    /// This role or kind may not, or the name is another agency's.
    NotPermitted = "NOT_PERMITTED",
    /// Absent or not to be seen: one answer.
    NotFound = "NOT_FOUND",
    /// A field of the request is wrong; see [`Refused::fields`].
    InvalidField = "INVALID_FIELD",
    /// The request id was used with another body.
    RequestIdReused = "REQUEST_ID_REUSED",
    /// The basis does not name this recipient for this purpose.
    BasisNotAllowed = "BASIS_NOT_ALLOWED",
    /// The basis is not in force now.
    BasisNotInForce = "BASIS_NOT_IN_FORCE",
    /// The basis does not cover a label.
    BasisNotCovering = "BASIS_NOT_COVERING",
    /// The members' protocol does not let this kind of recipient have a label at this stage.
    ProtocolRefused = "PROTOCOL_REFUSED",
    /// Somebody else, outside the agency that asks to break the glass, must do this.
    NeedsOutsider = "NEEDS_OUTSIDER",
    /// The duty to notify is not one that the source's own key bundle names.
    NoDuty = "NO_DUTY",
    /// The basis goes beyond what its kind may allow.
    BasisBounds = "BASIS_BOUNDS",
    /// The chain was withdrawn.
    BasisWithdrawn = "BASIS_WITHDRAWN",
    /// The statement is not the next of its chain.
    BasisSequence = "BASIS_SEQUENCE",
    /// A signature or its certificate chain does not verify.
    SignatureInvalid = "SIGNATURE_INVALID",
    /// The recipient is unknown, suspended or has no keys.
    RecipientUnavailable = "RECIPIENT_UNAVAILABLE",
    /// The offer's state does not allow the act.
    State = "STATE",
    /// The time to answer has passed.
    Lapsed = "LAPSED",
    /// Not enough free places.
    NoPlaces = "NO_PLACES",
    /// Another member of staff must confirm this.
    NeedsSecondPerson = "NEEDS_SECOND_PERSON",
    /// A complaint holds labels that were never released.
    ComplaintBeyondReleased = "COMPLAINT_BEYOND_RELEASED",
    /// The person has not agreed to this forward.
    ForwardNotAllowed = "FORWARD_NOT_ALLOWED",
    /// A documented limit is reached.
    TooMany = "TOO_MANY",
    /// The parcel's statement is not well formed.
    StatementInvalid = "STATEMENT_INVALID",
    /// The key bundle is not acceptable.
    KeyBundleInvalid = "KEY_BUNDLE_INVALID",
    /// The router is too busy.
    Overloaded = "OVERLOADED",
    /// The router cannot commit now.
    Unavailable = "UNAVAILABLE",
    /// The router failed; its log has the cause.
    Internal = "INTERNAL",
    /// The person stopped the case with their card: speak with them, then record what they say.
    BasisPaused = "BASIS_PAUSED",
    /// Too many codes in this hour, right or wrong.
    TooOften = "TOO_OFTEN",
    /// The resume token is too old: list, then watch without one.
    ResumeTokenExpired = "RESUME_TOKEN_EXPIRED",
    /// The offer is of a group that stays together: decide on the group.
    Group = "GROUP",
    /// This agency calls faster than it may; the SDK tries again by itself, within its deadline.
    TooFast = "TOO_FAST",
    /// The router was restored from a backup: the source has yet to resubmit what it signed since.
    SuccessionPending = "SUCCESSION_PENDING",
    /// A replay watermark stands that goes as far; `size` in [`Refused::facts`] says how far.
    WatermarkBehind = "WATERMARK_BEHIND",
    /// A national body has said what the finding comes to.
    DispositionNational = "DISPOSITION_NATIONAL",
    /// Something else was recorded of the finding.
    DispositionOther = "DISPOSITION_OTHER",
    /// What was recorded of the finding was confirmed before.
    DispositionConfirmed = "DISPOSITION_CONFIRMED",
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Refused {
    /// Reads a status with its details; malformed details leave the code alone.
    #[must_use]
    pub fn from_status(status: &tonic::Status) -> Self {
        let details = status.get_error_details();
        Self {
            code: status.code(),
            reason: details
                .error_info()
                .map_or(Reason::Unknown, |info| Reason::parse(&info.reason)),
            fields: details.bad_request().map_or_else(Vec::new, |bad| {
                bad.field_violations
                    .iter()
                    .map(|violation| violation.field.clone())
                    .collect()
            }),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            facts: details
                .error_info()
                .map(|info| info.metadata.clone())
                .unwrap_or_default(),
        }
    }
}

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The router answered no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No answer within the deadline: the effect may or may not have happened; repeat with the same request id.
    #[error("no answer from the router within the deadline; the same request id may be sent again")]
    NoAnswer,
    /// There is no connection: nothing was sent.
    #[error(
        "the router cannot be reached, or closed the connection without accepting this certificate; \
         check its address, that it runs, and that the certificate is neither revoked nor expired"
    )]
    Unreachable,
    /// The router does not accept this agency's certificate (revoked, expired or of another authority), or cannot
    /// prove its own.
    #[error("the TLS handshake was refused: {0}")]
    Handshake(String),
    /// The statement was signed under a certificate that the source does not have and did not lately have.
    #[error(
        "the parcel was signed under a certificate that is not one of {0} by the directory, or after it had ended; \
         ask it by phone whether the parcel is its own, and to deposit it again"
    )]
    UnknownCertificate(AgencyId),
    /// The staff-token key is not usable.
    #[error(transparent)]
    Token(#[from] TokenKeyError),
    /// The router's log contradicts itself or what was seen before. Loud: never retried.
    #[error(transparent)]
    Log(#[from] LogViolation),
    /// The mirror of the directory, or a record in it, cannot be relied on.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// This agency's own gate refused; nothing was sealed or sent.
    #[error("nothing was sealed: {0}")]
    Gate(#[from] Refusal),
    /// This agency has published no duty to tell a recipient of that kind; nothing was sent.
    #[error(
        "this agency's own key bundle names no duty to report to a recipient of this kind; \
         publish the duty first (reports_to), or record another ground"
    )]
    NoDuty,
    /// The rules of break-glass refused; nothing was sealed or sent.
    #[error("nothing was sealed: {0}")]
    BreakGlass(#[from] crate::domain::break_glass::Refusal),
    /// The person excluded the asking agency, or its authority; nothing was sealed or sent.
    #[error(
        "nothing was sealed: the person excluded the asking agency or its authority; refuse the request"
    )]
    Excluded,
    /// The person has not agreed that this is passed on; nothing was sealed or sent.
    #[error("nothing was sealed: {0}")]
    Forward(#[from] crate::domain::forward::NotAgreed),
    /// The parcel could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The parcel is not what its source sealed, or not for this offer.
    #[error(transparent)]
    Parcel(#[from] OpenError),
    /// The attachment cannot be sealed, or is not what its source sealed.
    #[error(transparent)]
    Attachment(#[from] StreamError),
    /// The file to attach cannot be read, or the one to fill cannot be written.
    #[error("the file cannot be used: {0}")]
    File(#[from] std::io::Error),
    /// A statement could not be signed.
    #[error(transparent)]
    Sign(#[from] JwsError),
    /// The agency's own keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// A carried referral cannot be made or released.
    #[error(transparent)]
    Carried(#[from] CarriedError),
    /// The reply is not as agreed.
    #[error("the reply is not as agreed: {0}")]
    Reply(&'static str),
}

impl ClientError {
    /// Whether an honest router cannot show this: it is for the auditors, and no second attempt mends it.
    #[must_use]
    pub const fn is_alarm(&self) -> bool {
        match self {
            Self::Log(_) => true,
            Self::Directory(error) => error.is_alarm(),
            _ => false,
        }
    }

    /// The router's reason, if it answered at all.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused(refused) => Some(refused.reason),
            _ => None,
        }
    }
}

/// What TLS said, if `status` came from a failed or aborted TLS connection for a reason that a retry cannot mend.
#[must_use]
pub fn handshake_failure(status: &tonic::Status) -> Option<String> {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let tls = error.downcast_ref::<rustls::Error>().or_else(|| {
            error
                .downcast_ref::<std::io::Error>()
                .and_then(std::io::Error::get_ref)
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        });
        match tls {
            Some(rustls::Error::AlertReceived(alert)) => return Some(format!("{alert:?}")),
            Some(rustls::Error::InvalidCertificate(reason)) => {
                return Some(certificate_failure(reason));
            }
            _ => cause = error.source(),
        }
    }
    None
}

/// What is wrong with the router's certificate. Its names come from a pinned authority: they are looked at last.
fn certificate_failure(reason: &rustls::CertificateError) -> String {
    if let rustls::CertificateError::NotValidForNameContext {
        expected,
        presented,
    } = reason
    {
        let name = |shown: &String| {
            let name = shown.strip_prefix("DnsName(\"")?.strip_suffix("\")")?;
            (!name.contains('*')).then(|| name.to_owned())
        };
        let names: Vec<String> = presented.iter().filter_map(name).collect();
        if let Some(first) = names.first() {
            return format!(
                "the router's certificate is for {}, not {}: give --server-name {first}",
                names.join(", "),
                expected.to_str()
            );
        }
    }
    format!("the router's certificate: {reason:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn a_status_is_read_into_reason_fields_and_delay() {
        let mut details = ErrorDetails::new();
        details
            .set_error_info("INVALID_FIELD", "safeconduct", [])
            .add_bad_request_violation("offers[0].recipient", "not a well-formed agency id")
            .set_retry_info(Some(Duration::from_millis(250)));
        let status = tonic::Status::with_error_details(Code::InvalidArgument, "invalid", details);
        let refused = Refused::from_status(&status);
        assert_eq!(refused.reason, Reason::InvalidField);
        assert_eq!(refused.fields, ["offers[0].recipient"]);
        assert_eq!(refused.retry_after, Some(Duration::from_millis(250)));
    }

    #[test]
    fn a_certificate_of_another_name_says_which_name_to_give() {
        let authority = |presented: &[&str]| rustls::CertificateError::NotValidForNameContext {
            expected: "127.0.0.1".try_into().unwrap(),
            presented: presented.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(
            certificate_failure(&authority(&["DnsName(\"router.example\")"])),
            "the router's certificate is for router.example, not 127.0.0.1: give --server-name router.example"
        );
        let other = certificate_failure(&authority(&["IpAddress(10.0.0.1)"]));
        assert!(!other.contains("--server-name"), "{other}");
    }

    #[test]
    fn a_reason_of_a_later_version_is_unknown() {
        assert_eq!(Reason::parse("SOMETHING_NEW"), Reason::Unknown);
        assert_eq!(Reason::parse("NO_PLACES"), Reason::NoPlaces);
    }
}
