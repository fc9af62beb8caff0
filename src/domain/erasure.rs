//! What a recipient may answer when it is asked to erase.

use super::vocabulary::{ErasureAnswer, OfferState};

/// Whether a recipient whose offer stands at `state` may answer `answer` after it answered `before`.
///
/// Kept in care by the person's own consent is for who has the person in care, or had. What was erased stays erased;
/// what was kept may be erased later. Whoever is told more after that is asked anew, and has answered nothing `before`.
#[must_use]
pub const fn may_answer(
    answer: ErasureAnswer,
    state: OfferState,
    before: Option<ErasureAnswer>,
) -> bool {
    let cares = matches!(
        state,
        OfferState::Accepted | OfferState::InProgress | OfferState::Completed
    );
    match (before, answer) {
        (Some(ErasureAnswer::Erased), _) => false,
        (_, ErasureAnswer::KeptInCareOwnConsent) => cares,
        (_, ErasureAnswer::Erased | ErasureAnswer::KeptLegalDuty) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErasureAnswer::{Erased, KeptInCareOwnConsent, KeptLegalDuty};

    #[test]
    fn only_who_has_or_had_the_person_in_care_keeps_by_their_own_consent() {
        for &state in OfferState::ALL {
            let cares = ["ACCEPTED", "IN_PROGRESS", "COMPLETED"].contains(&state.name());
            assert_eq!(
                may_answer(KeptInCareOwnConsent, state, None),
                cares,
                "{state}"
            );
            assert!(may_answer(Erased, state, None) && may_answer(KeptLegalDuty, state, None));
        }
    }

    #[test]
    fn what_was_kept_may_be_erased_later_and_never_the_other_way() {
        let state = OfferState::InProgress;
        assert!(may_answer(Erased, state, Some(KeptLegalDuty)));
        for &answer in ErasureAnswer::ALL {
            assert!(!may_answer(answer, state, Some(Erased)));
        }
    }
}
