//! The one answer to "who is calling".

use crate::domain::id::{AgencyId, StaffPseudonym};
use crate::domain::vocabulary::{AgencyKind, StaffRole};

/// Who is calling: an authenticated agency, and the member of its staff whose token it vouches for.
///
/// Made only by `Caller::authenticate` in this file, from a verified certificate, a verified token and the enrolled kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    agency: AgencyId,
    kind: AgencyKind,
    staff: StaffPseudonym,
    role: StaffRole,
}

impl Caller {
    /// The agency.
    #[must_use]
    pub const fn agency(&self) -> &AgencyId {
        &self.agency
    }

    /// What the agency is enrolled as.
    #[must_use]
    pub const fn kind(&self) -> AgencyKind {
        self.kind
    }

    /// The pseudonym of the member of staff.
    #[must_use]
    pub const fn staff(&self) -> &StaffPseudonym {
        &self.staff
    }

    /// Their role.
    #[must_use]
    pub const fn role(&self) -> StaffRole {
        self.role
    }
}
