//! What a finding of the review comes to, once a person has looked: said by one auditor, confirmed by another.
//!
//! The same functions run in the router and in the replay.

use super::id::{AgencyId, StaffPseudonym};
use super::vocabulary::AccessFinding;

/// A member of staff of an oversight body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auditor {
    /// The body.
    pub agency: AgencyId,
    /// Who there.
    pub staff: StaffPseudonym,
    /// Whether its mandate is a national one, and not one agency's own office's.
    pub national: bool,
}

/// What was said of one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// What it comes to.
    pub finding: AccessFinding,
    /// Who said so; national as well once a body with a national mandate has confirmed it.
    pub by: Auditor,
    /// Whether another person confirmed it.
    pub confirmed: bool,
}

/// Why nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A body with a national mandate has spoken, and the caller has none.
    #[error("a national body has said what this finding comes to")]
    National,
    /// Nobody has said anything yet.
    #[error("nothing was recorded of this finding")]
    Nothing,
    /// The same person recorded it.
    #[error("another person must confirm this")]
    SamePerson,
    /// Something else was recorded.
    #[error("another finding was recorded")]
    Other,
    /// It was confirmed before.
    #[error("this was confirmed before")]
    Confirmed,
}

impl Disposition {
    /// What stands after `by` has said what a finding comes to, with what was said `before`.
    ///
    /// # Errors
    ///
    /// [`Refusal::National`]; [`Refusal::Confirmed`] when it stands already: to say it again would only make it count
    /// as unsettled. A national body may make what an office said its own word.
    pub fn record(
        before: Option<&Self>,
        by: Auditor,
        finding: AccessFinding,
    ) -> Result<Self, Refusal> {
        if before.is_some_and(|before| before.by.national && !by.national) {
            return Err(Refusal::National);
        }
        let stands = |before: &Self| {
            before.confirmed && before.finding == finding && before.by.national >= by.national
        };
        if before.is_some_and(stands) {
            return Err(Refusal::Confirmed);
        }
        Ok(Self {
            finding,
            by,
            confirmed: false,
        })
    }

    /// What stands after `by` has confirmed it.
    ///
    /// # Errors
    ///
    /// [`Refusal`], in the order of its variants from [`Refusal::Nothing`] on.
    pub fn confirm(
        before: Option<&Self>,
        by: &Auditor,
        finding: AccessFinding,
    ) -> Result<Self, Refusal> {
        let before = before.ok_or(Refusal::Nothing)?;
        if before.by.agency == by.agency && before.by.staff == by.staff {
            return Err(Refusal::SamePerson);
        }
        if before.by.national && !by.national {
            return Err(Refusal::National);
        }
        if before.finding != finding {
            return Err(Refusal::Other);
        }
        if before.confirmed {
            return Err(Refusal::Confirmed);
        }
        // What a national body has confirmed is its word too: an office cannot take it back.
        Ok(Self {
            confirmed: true,
            finding,
            by: Auditor {
                national: before.by.national || by.national,
                ..before.by.clone()
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auditor(agency: &str, staff: &str, national: bool) -> Auditor {
        Auditor {
            agency: agency.parse().expect("an id"),
            staff: staff.parse().expect("a pseudonym"),
            national,
        }
    }

    #[test]
    fn a_disposition_stands_only_once_another_person_has_confirmed_it() {
        let (first, second) = (auditor("ombud", "a", true), auditor("ombud", "b", true));
        let misuse = AccessFinding::Misuse;
        let said = Disposition::record(None, first.clone(), misuse).expect("recorded");
        assert!(!said.confirmed);
        let confirm = |by: &Auditor, finding| {
            Disposition::confirm(Some(&said), by, finding).map(|d| d.confirmed)
        };
        assert_eq!(confirm(&first, misuse), Err(Refusal::SamePerson));
        let other = confirm(&second, AccessFinding::Justified);
        assert_eq!(other, Err(Refusal::Other));
        assert_eq!(confirm(&second, misuse), Ok(true));
        // The same pseudonym at another body is another person.
        assert_eq!(confirm(&auditor("dpa", "a", true), misuse), Ok(true));
        let none = Disposition::confirm(None, &second, misuse);
        assert_eq!(none, Err(Refusal::Nothing));
    }

    #[test]
    fn what_stands_is_not_said_again_but_by_a_national_body_of_an_offices_word() {
        let (misuse, justified) = (AccessFinding::Misuse, AccessFinding::Justified);
        for national in [false, true] {
            let stands = Disposition {
                finding: misuse,
                by: auditor("one", "a", national),
                confirmed: true,
            };
            let record = |by: Auditor, finding| {
                Disposition::record(Some(&stands), by, finding).map(|said| said.confirmed)
            };
            let same = auditor("two", "b", national);
            assert_eq!(record(same.clone(), misuse), Err(Refusal::Confirmed));
            assert_eq!(record(same, justified), Ok(false));
            let body = record(auditor("dpa", "c", true), misuse);
            let own = if national {
                Err(Refusal::Confirmed)
            } else {
                Ok(false)
            };
            assert_eq!(body, own);
        }
    }

    #[test]
    fn an_office_does_not_overrule_a_national_body_nor_confirm_for_it() {
        let (national, office) = (auditor("dpa", "a", true), auditor("dpo", "b", false));
        let (misuse, justified) = (AccessFinding::Misuse, AccessFinding::Justified);
        let said = Disposition::record(None, national.clone(), misuse).expect("recorded");
        let overruled = Disposition::record(Some(&said), office.clone(), justified);
        assert_eq!(overruled, Err(Refusal::National));
        let confirmed = Disposition::confirm(Some(&said), &office, misuse);
        assert_eq!(confirmed, Err(Refusal::National));
        let said = Disposition::record(None, office, justified).expect("recorded");
        let over = Disposition::record(Some(&said), national.clone(), misuse);
        assert!(over.is_ok());
        assert!(Disposition::confirm(Some(&said), &national, justified).is_ok());
    }

    #[test]
    fn an_office_does_not_take_back_what_a_national_body_has_confirmed() {
        let (office, national) = (auditor("dpo", "a", false), auditor("dpa", "b", true));
        let (misuse, justified) = (AccessFinding::Misuse, AccessFinding::Justified);
        let said = Disposition::record(None, office.clone(), misuse).expect("recorded");
        let stands = Disposition::confirm(Some(&said), &national, misuse).expect("confirmed");
        assert_eq!(stands.by.agency, office.agency);
        let taken_back = Disposition::record(Some(&stands), office, justified);
        assert_eq!(taken_back, Err(Refusal::National));
        // Another national body may see it otherwise, and says so in its own name.
        let other = auditor("ombud", "c", true);
        assert!(Disposition::record(Some(&stands), other, justified).is_ok());
    }
}
