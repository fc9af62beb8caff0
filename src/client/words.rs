//! The vocabulary's words as the API numbers them, and resource names as they are written.

use std::str::FromStr;

use super::error::ClientError;
use crate::domain::id::{
    AgencyId, AlertId, BasisChainId, CarriedId, GroupId, OfferId, PoolId, ReferralId, ResumeId,
};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary as domain;
use crate::proto::v1;

macro_rules! words {
    ($($to:ident $from:ident $name:ident $prefix:literal;)+) => { $(
        /// The API's number of a word.
        #[must_use]
        pub fn $to(word: domain::$name) -> i32 {
            v1::$name::from_str_name(&format!(concat!($prefix, "_{}"), word.name()))
                .unwrap_or_default()
                .into()
        }

        /// The word of the API's number; `None` for one that is not set or of a later version.
        #[must_use]
        pub fn $from(number: i32) -> Option<domain::$name> {
            let name = v1::$name::try_from(number).ok()?.as_str_name();
            name.strip_prefix(concat!($prefix, "_"))?.parse().ok()
        }
    )+ };
}

words! {
    kind_number kind AgencyKind "AGENCY_KIND";
    purpose_number purpose Purpose "PURPOSE";
    urgency_number urgency Urgency "URGENCY";
    stage_number stage Stage "STAGE";
    category_number category Category "CATEGORY";
    form_number form Form "FORM";
    offer_state_number offer_state OfferState "OFFER_STATE";
    referral_state_number referral_state ReferralState "REFERRAL_STATE";
    decline_reason_number decline_reason DeclineReason "DECLINE_REASON";
    decliner_number decliner Decliner "DECLINER";
    outcome_number outcome Outcome "OUTCOME";
    capacity_number capacity DeclaredCapacity "DECLARED_CAPACITY";
    alarm_number alarm Alarm "ALARM";
    message_code_number message_code MessageCode "MESSAGE_CODE";
    access_reason_number access_reason AccessReason "ACCESS_REASON";
    access_state_number access_state AccessState "ACCESS_STATE";
    access_finding_number access_finding AccessFinding "ACCESS_FINDING";
    transfer_state_number transfer_state TransferState "TRANSFER_STATE";
    transfer_answer_number transfer_answer TransferAnswer "TRANSFER_ANSWER";
    disclosure_kind_number disclosure_kind DisclosureKind "DISCLOSURE_KIND";
    sharing_number sharing Sharing "SHARING";
    notice_number notice OfferNotice "OFFER_NOTICE";
    erasure_number erasure ErasureAnswer "ERASURE_ANSWER";
    resume_answer_number resume_answer ResumeAnswer "RESUME_ANSWER";
    alert_kind_number alert_kind AlertKind "ALERT_KIND";
    question_number question Question "QUESTION";
    close_reason_number close_reason CloseReason "CLOSE_REASON";
    act_class_number act_class ActClass "ACT_CLASS";
    review_rule_number review_rule ReviewRule "REVIEW_RULE";
}

/// `agencies/{agency}`.
#[must_use]
pub fn agency_name(agency: &AgencyId) -> String {
    format!("agencies/{agency}")
}

/// `agencies/{viewer}/offers/{offer}`.
#[must_use]
pub fn offer_name(viewer: &AgencyId, offer: OfferId) -> String {
    format!("agencies/{viewer}/offers/{offer}")
}

/// `agencies/{viewer}/resumes/{resume}`.
#[must_use]
pub fn resume_name(viewer: &AgencyId, resume: ResumeId) -> String {
    format!("agencies/{viewer}/resumes/{resume}")
}

/// `agencies/{source}/referrals/{referral}`.
#[must_use]
pub fn referral_name(source: &AgencyId, referral: ReferralId) -> String {
    format!("agencies/{source}/referrals/{referral}")
}

/// `agencies/{source}/bases/{chain}`.
#[must_use]
pub fn basis_name(source: &AgencyId, chain: BasisChainId) -> String {
    format!("agencies/{source}/bases/{chain}")
}

/// `agencies/{source}/carried/{carried}`.
#[must_use]
pub fn carried_name(source: &AgencyId, carried: CarriedId) -> String {
    format!("agencies/{source}/carried/{carried}")
}

/// `agencies/{agency}/pools/{pool}`.
#[must_use]
pub fn pool_name(agency: &AgencyId, pool: &PoolId) -> String {
    format!("agencies/{agency}/pools/{pool}")
}

/// `agencies/{viewer}/groups/{group}`.
#[must_use]
pub fn group_name(viewer: &AgencyId, group: GroupId) -> String {
    format!("agencies/{viewer}/groups/{group}")
}

/// `agencies/{viewer}/alerts/{alert}`.
#[must_use]
pub fn alert_name(viewer: &AgencyId, alert: AlertId) -> String {
    format!("agencies/{viewer}/alerts/{alert}")
}

/// The id at the end of a name of the shape `agencies/{viewer}/{collection}/{id}`.
///
/// # Errors
///
/// [`ClientError::Reply`] when the name is of another viewer, collection or shape.
pub fn own_id<T: FromStr>(
    name: &str,
    viewer: &AgencyId,
    collection: &str,
) -> Result<T, ClientError> {
    let mut parts = name.split('/');
    let shape = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    );
    match shape {
        (Some("agencies"), Some(agency), Some(found), Some(id), None)
            if agency == viewer.as_str() && found == collection =>
        {
            id.parse()
                .map_err(|_| ClientError::Reply("a resource name"))
        }
        _ => Err(ClientError::Reply("a resource name")),
    }
}

/// The agency of `agencies/{agency}`.
///
/// # Errors
///
/// [`ClientError::Reply`] on another shape.
pub fn agency_of(name: &str) -> Result<AgencyId, ClientError> {
    name.strip_prefix("agencies/")
        .and_then(|id| id.parse().ok())
        .ok_or(ClientError::Reply("an agency's name"))
}

/// A time as the API writes it.
#[must_use]
pub fn to_proto_time(at: Timestamp) -> prost_types::Timestamp {
    let nanos = i32::try_from(at.millis() % 1000).unwrap_or_default() * 1_000_000;
    prost_types::Timestamp {
        seconds: at.seconds(),
        nanos,
    }
}

/// A time as the API wrote it; `None` when out of range.
#[must_use]
pub fn from_proto_time(at: &prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::from_millis(at.seconds.checked_mul(1000)? + i64::from(at.nanos / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_a_number_and_comes_back() {
        for &word in domain::Purpose::ALL {
            assert_eq!(purpose(purpose_number(word)), Some(word));
        }
        for &word in domain::AgencyKind::ALL {
            assert_eq!(kind(kind_number(word)), Some(word));
        }
        for &word in domain::Category::ALL {
            assert_eq!(category(category_number(word)), Some(word));
        }
        for &word in domain::Form::ALL {
            assert_eq!(form(form_number(word)), Some(word));
        }
        for &word in domain::OfferState::ALL {
            assert_eq!(offer_state(offer_state_number(word)), Some(word));
        }
        for &word in domain::DeclineReason::ALL {
            assert_eq!(decline_reason(decline_reason_number(word)), Some(word));
        }
        for &word in domain::DeclaredCapacity::ALL {
            assert_eq!(capacity(capacity_number(word)), Some(word));
        }
        assert_eq!(purpose(0), None);
        assert_eq!(purpose(9_999), None);
    }

    #[test]
    fn a_name_of_another_viewer_is_no_name_of_ours() {
        let alpha: AgencyId = "alpha".parse().unwrap();
        let offer = OfferId::from_random([5; 16]);
        let name = offer_name(&alpha, offer);
        assert_eq!(own_id::<OfferId>(&name, &alpha, "offers").ok(), Some(offer));
        assert!(own_id::<OfferId>(&name, &"beta".parse().unwrap(), "offers").is_err());
        assert!(own_id::<OfferId>(&name, &alpha, "referrals").is_err());
    }
}
