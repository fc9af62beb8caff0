//! Vocabulary between proto numbers and the domain's words, by name, so that neither side's order matters.

use crate::domain::vocabulary as domain;
use crate::proto::v1 as proto;

/// A domain word that has a proto twin.
pub trait Word: Sized + Copy {
    /// What a field of this kind must be, for a violation's description.
    const EXPECTED: &'static str;

    /// The domain's word of a proto number; `None` for the unspecified and for numbers that are not in the vocabulary.
    fn from_number(number: i32) -> Option<Self>;

    /// The proto number.
    fn number(self) -> i32;
}

macro_rules! words {
    ($($name:ident $prefix:literal,)+) => { $(
        impl Word for domain::$name {
            const EXPECTED: &'static str =
                concat!("must be one of the values of ", stringify!($name), ", not the unspecified one");

            fn from_number(number: i32) -> Option<Self> {
                proto::$name::try_from(number).ok()?.as_str_name().strip_prefix($prefix)?.parse().ok()
            }

            fn number(self) -> i32 {
                proto::$name::from_str_name(&format!(concat!($prefix, "{}"), self.name()))
                    .expect("every word of the domain stands in the proto vocabulary") as i32
            }
        }
    )+

    #[cfg(test)]
    mod tests {
        use super::{Word, domain, proto};

        $(#[test]
        #[allow(non_snake_case)]
        fn $name() {
            for &word in domain::$name::ALL {
                assert_eq!(domain::$name::from_number(word.number()), Some(word));
            }
            // Both vocabularies are closed and the same: an unspecified zero, then one number per word.
            let count = i32::try_from(domain::$name::ALL.len()).expect("few words");
            assert!((1..=count).all(|number| domain::$name::from_number(number).is_some()));
            assert!(proto::$name::try_from(count + 1).is_err());
            for number in [0, -1, count + 1, i32::MAX, i32::MIN] {
                assert_eq!(domain::$name::from_number(number), None);
            }
        })+
    } };
}

words! {
    AgencyKind "AGENCY_KIND_",
    Purpose "PURPOSE_",
    Urgency "URGENCY_",
    Stage "STAGE_",
    Category "CATEGORY_",
    Form "FORM_",
    ReferralState "REFERRAL_STATE_",
    OfferState "OFFER_STATE_",
    DeclineReason "DECLINE_REASON_",
    Decliner "DECLINER_",
    Outcome "OUTCOME_",
    DeclaredCapacity "DECLARED_CAPACITY_",
    Alarm "ALARM_",
    MessageCode "MESSAGE_CODE_",
    AccessReason "ACCESS_REASON_",
    AccessState "ACCESS_STATE_",
    AccessFinding "ACCESS_FINDING_",
    DisclosureKind "DISCLOSURE_KIND_",
    TransferState "TRANSFER_STATE_",
    TransferAnswer "TRANSFER_ANSWER_",
    Sharing "SHARING_",
    OfferNotice "OFFER_NOTICE_",
    ErasureAnswer "ERASURE_ANSWER_",
    ResumeAnswer "RESUME_ANSWER_",
    AlertKind "ALERT_KIND_",
    Question "QUESTION_",
    CloseReason "CLOSE_REASON_",
    ActClass "ACT_CLASS_",
    ReviewRule "REVIEW_RULE_",
}

/// The proto number of an optional word; the unspecified zero for none.
#[must_use]
pub fn number_or_zero<W: Word>(word: Option<W>) -> i32 {
    word.map_or(0, Word::number)
}
