//! How much of the log an auditor's mandate reaches: everything, or the acts of one agency and its units.
//!
//! An agency's own data protection office reads what the agency did, and never more than the agency itself was told:
//! what another agency deposited for it names that one's case, so it is not shown, and neither is a reason that was
//! kept from it (R3). What discloses to an agency is in this log always an act of that agency: an opening.

use super::entry::{Actor, Entry};
use crate::domain::id::AgencyId;
use serde_json::Value;
use std::collections::BTreeSet;

/// The one refusal whose reason the caller always hears.
const TOLD: &str = "NOT_PERMITTED";

/// Whether an agency, and so its own office, hears of a denial for this reason.
#[must_use]
pub fn shows_denial(reason: Option<&str>) -> bool {
    reason == Some(TOLD)
}

/// Whose acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's: a national mandate.
    National,
    /// Those of these agencies.
    Of(BTreeSet<AgencyId>),
}

/// How much of one act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// Nothing at all.
    Nothing,
    /// The entry without its opening.
    Entry,
    /// The entry with its opening.
    Opened,
}

impl Scope {
    /// Whether an agency's own acts are within it.
    #[must_use]
    pub fn reaches(&self, agency: &AgencyId) -> bool {
        match self {
            Self::National => true,
            Self::Of(agencies) => agencies.contains(agency),
        }
    }

    /// Whether an entry can be within it, whatever its decision says.
    #[must_use]
    pub fn may_reach(&self, by: &Actor) -> bool {
        match (self, by) {
            (Self::National, _) => true,
            (Self::Of(_), Actor::Agency(agency)) => self.reaches(agency),
            (Self::Of(_), Actor::Router | Actor::Admin) => false,
        }
    }

    /// How much of an act may be shown.
    #[must_use]
    pub fn sight(&self, entry: &Entry, decision: Option<&Value>) -> Sight {
        if !self.may_reach(&entry.by) {
            return Sight::Nothing;
        }
        if *self == Self::National {
            return Sight::Opened;
        }
        match entry.body.event() {
            // Whether a code was right, and whose case it is of, nobody learns who entered it.
            "code_entered" | "resume_requested" => Sight::Entry,
            // Where the answer was "not found", the entry itself would tell that something is there.
            "denied" => {
                let reason = decision.and_then(|decision| decision.get("reason")?.as_str());
                if shows_denial(reason) {
                    Sight::Opened
                } else {
                    Sight::Nothing
                }
            }
            "denied_counted" => Sight::Nothing,
            _ => Sight::Opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::ledger::entry::EntryBody;
    use serde_json::json;

    fn entry(by: &str, event: &'static str) -> Entry {
        Entry {
            by: by.parse().expect("an actor"),
            at: Timestamp::EPOCH,
            body: EntryBody::Committed {
                event,
                commitment: [0; 32],
            },
        }
    }

    fn office() -> Scope {
        let agencies = ["alpha", "alpha-unit"].map(|id| id.parse().expect("an id"));
        Scope::Of(agencies.into_iter().collect())
    }

    #[test]
    fn an_office_reads_what_its_agency_and_units_did_and_nothing_of_others() {
        let offered = json!({"recipient": "alpha"});
        for (by, sight) in [
            ("agency:alpha", Sight::Opened),
            ("agency:alpha-unit", Sight::Opened),
            ("agency:beta", Sight::Nothing),
            ("router", Sight::Nothing),
            ("admin", Sight::Nothing),
        ] {
            assert_eq!(office().sight(&entry(by, "offered"), Some(&offered)), sight);
            let national = Scope::National.sight(&entry(by, "offered"), Some(&offered));
            assert_eq!(national, Sight::Opened);
        }
    }

    #[test]
    fn what_was_kept_from_an_agency_is_kept_from_its_office_r3() {
        let told = json!({"reason": "NOT_PERMITTED"});
        let kept = json!({"reason": "BASIS_WITHDRAWN"});
        let denied = entry("agency:alpha", "denied");
        assert_eq!(office().sight(&denied, Some(&told)), Sight::Opened);
        assert_eq!(office().sight(&denied, Some(&kept)), Sight::Nothing);
        assert_eq!(office().sight(&denied, None), Sight::Nothing);
        for event in ["code_entered", "resume_requested"] {
            let entered = entry("agency:alpha", event);
            assert_eq!(office().sight(&entered, Some(&kept)), Sight::Entry);
        }
        let counted = entry("agency:alpha", "denied_counted");
        assert_eq!(office().sight(&counted, None), Sight::Nothing);
    }
}
