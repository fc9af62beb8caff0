use super::*;
use crate::domain::vocabulary::OfferState;

/// Every refusal, with the code and reason that it travels as.
///
/// The table's own match has no wildcard; this list is checked against the reasons that the exchange knows.
fn table() -> Vec<(Refusal, Code)> {
    let labels: LabelSet = crate::domain::label::Label::all().take(2).collect();
    vec![
        (Refusal::NotPermitted, Code::PermissionDenied),
        (Refusal::NotFound, Code::NotFound),
        (Refusal::InvalidField("statement"), Code::InvalidArgument),
        (Refusal::RequestIdReused, Code::AlreadyExists),
        (Refusal::BasisNotAllowed, Code::FailedPrecondition),
        (Refusal::BasisNotInForce, Code::FailedPrecondition),
        (Refusal::BasisNotCovering(labels), Code::FailedPrecondition),
        (Refusal::ProtocolRefused(labels), Code::FailedPrecondition),
        (Refusal::BasisBounds, Code::InvalidArgument),
        (Refusal::BasisWithdrawn, Code::FailedPrecondition),
        (Refusal::BasisSequence, Code::InvalidArgument),
        (Refusal::SignatureInvalid, Code::InvalidArgument),
        (Refusal::RecipientUnavailable, Code::FailedPrecondition),
        (Refusal::State(OfferState::Lapsed), Code::FailedPrecondition),
        (Refusal::ReferralState, Code::FailedPrecondition),
        (Refusal::Lapsed, Code::FailedPrecondition),
        (Refusal::NoPlaces, Code::FailedPrecondition),
        (
            Refusal::ComplaintBeyondReleased(labels),
            Code::FailedPrecondition,
        ),
        (Refusal::ForwardNotAllowed, Code::FailedPrecondition),
        (Refusal::TooMany, Code::ResourceExhausted),
        (Refusal::StatementInvalid, Code::InvalidArgument),
        (Refusal::KeyBundleInvalid, Code::InvalidArgument),
        (Refusal::ResumeTokenExpired, Code::OutOfRange),
        (Refusal::OutOfRange, Code::OutOfRange),
        (Refusal::Overloaded, Code::ResourceExhausted),
        (Refusal::Unavailable, Code::Unavailable),
        (Refusal::Internal, Code::Internal),
        (Refusal::Group, Code::FailedPrecondition),
        (Refusal::WatermarkBehind(7), Code::FailedPrecondition),
        (
            Refusal::Disposition(disposition::Refusal::National),
            Code::FailedPrecondition,
        ),
        (
            Refusal::Disposition(disposition::Refusal::Other),
            Code::FailedPrecondition,
        ),
        (
            Refusal::Disposition(disposition::Refusal::Confirmed),
            Code::FailedPrecondition,
        ),
    ]
}

#[test]
fn every_refusal_has_its_code_and_exactly_one_error_info() {
    for (refusal, code) in table() {
        let reason = refusal.reason();
        let status = Status::from(refusal);
        assert_eq!(status.code(), code, "{reason}");
        let details = status.get_error_details();
        let info = details.error_info().expect("an ErrorInfo");
        assert_eq!(info.domain, DOMAIN);
        assert_eq!(info.reason, reason);
        assert!(
            info.reason
                .bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_uppercase()),
            "{reason}"
        );
        assert_eq!(
            details.bad_request().is_some(),
            code == Code::InvalidArgument,
            "{reason}"
        );
        assert_eq!(
            details.precondition_failure().is_some(),
            code == Code::FailedPrecondition,
            "{reason}"
        );
        let retry = matches!(reason, "OVERLOADED" | "UNAVAILABLE");
        assert_eq!(details.retry_info().is_some(), retry, "{reason}");
    }
}

#[test]
fn what_a_non_party_may_not_know_is_one_text() {
    let not_permitted = Status::from(Refusal::NotPermitted);
    assert_eq!(
        not_permitted.message(),
        Status::from(NOT_PERMITTED).message()
    );
    assert_eq!(
        not_permitted.details(),
        Status::from(NOT_PERMITTED).details()
    );
    let not_found = Status::from(Refusal::NotFound);
    assert_eq!(not_found.details(), Status::from(NOT_FOUND).details());
}

#[test]
fn an_internal_error_tells_a_request_id_and_nothing_of_the_cause() {
    let first = Status::from(internal(&"the cause is Maria"));
    let second = Status::from(internal(&"the cause is Maria"));
    let id = |status: &Status| {
        let details = status.get_error_details();
        details.error_info().expect("an ErrorInfo").metadata["requestId"].clone()
    };
    assert_ne!(id(&first), id(&second));
    assert!(!format!("{first:?}").contains("Maria"));
}
