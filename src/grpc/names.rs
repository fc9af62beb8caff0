//! Resource names that the exchange does not parse itself: agencies and proposals. The others are `exchange::name`'s.

use crate::domain::id::{AgencyId, BadId, ProposalId};

/// `agencies/{agency}`.
#[must_use]
pub fn agency(agency: &AgencyId) -> String {
    format!("agencies/{agency}")
}

/// `proposals/{proposal}`.
#[must_use]
pub fn proposal(proposal: ProposalId) -> String {
    format!("proposals/{proposal}")
}

/// Parses `agencies/{agency}`.
///
/// # Errors
///
/// [`BadId`] for anything else.
pub fn parse_agency(text: &str) -> Result<AgencyId, BadId> {
    text.strip_prefix("agencies/")
        .ok_or(BadId("resource name"))?
        .parse()
}

/// Parses `proposals/{proposal}`.
///
/// # Errors
///
/// [`BadId`] for anything else.
pub fn parse_proposal(text: &str) -> Result<ProposalId, BadId> {
    text.strip_prefix("proposals/")
        .ok_or(BadId("resource name"))?
        .parse()
}

#[cfg(test)]
mod tests;
