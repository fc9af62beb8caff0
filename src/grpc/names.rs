//! Resource names, as they stand in requests and replies: `agencies/{agency}/offers/{offer}` and the like.
//!
//! A name carries its viewer, so a name under another agency is refused before anything is read.

use crate::domain::id::{AgencyId, BasisChainId, OfferId, PoolId, ProposalId, ReferralId};
use std::str::FromStr;

/// A text that is not the resource name asked for. Says what was asked for, never what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(pub &'static str);

const AGENCY: &str = "must be a resource name agencies/{agency}";
const OFFER: &str = "must be a resource name agencies/{agency}/offers/{offer}";
const REFERRAL: &str = "must be a resource name agencies/{agency}/referrals/{referral}";
const BASIS: &str = "must be a resource name agencies/{agency}/bases/{basis}";
const POOL: &str = "must be a resource name agencies/{agency}/pools/{pool}";
const PROPOSAL: &str = "must be a resource name proposals/{proposal}";

/// `agencies/{agency}`.
#[must_use]
pub fn agency(agency: &AgencyId) -> String {
    format!("agencies/{agency}")
}

/// `agencies/{viewer}/offers/{offer}`.
#[must_use]
pub fn offer(viewer: &AgencyId, offer: OfferId) -> String {
    format!("agencies/{viewer}/offers/{offer}")
}

/// `agencies/{source}/referrals/{referral}`.
#[must_use]
pub fn referral(source: &AgencyId, referral: ReferralId) -> String {
    format!("agencies/{source}/referrals/{referral}")
}

/// `agencies/{source}/bases/{basis}`.
#[must_use]
pub fn basis(source: &AgencyId, chain: BasisChainId) -> String {
    format!("agencies/{source}/bases/{chain}")
}

/// `agencies/{agency}/pools/{pool}`.
#[must_use]
pub fn pool(agency: &AgencyId, pool: &PoolId) -> String {
    format!("agencies/{agency}/pools/{pool}")
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
/// [`BadName`] for anything else.
pub fn parse_agency(text: &str) -> Result<AgencyId, BadName> {
    text.strip_prefix("agencies/")
        .and_then(|id| id.parse().ok())
        .ok_or(BadName(AGENCY))
}

/// Parses `agencies/{agency}/offers/{offer}`.
///
/// # Errors
///
/// [`BadName`] for anything else.
pub fn parse_offer(text: &str) -> Result<(AgencyId, OfferId), BadName> {
    child(text, "offers").ok_or(BadName(OFFER))
}

/// Parses `agencies/{agency}/referrals/{referral}`.
///
/// # Errors
///
/// [`BadName`] for anything else.
pub fn parse_referral(text: &str) -> Result<(AgencyId, ReferralId), BadName> {
    child(text, "referrals").ok_or(BadName(REFERRAL))
}

/// Parses `agencies/{agency}/bases/{basis}`.
///
/// # Errors
///
/// [`BadName`] for anything else.
pub fn parse_basis(text: &str) -> Result<(AgencyId, BasisChainId), BadName> {
    child(text, "bases").ok_or(BadName(BASIS))
}

/// Parses `agencies/{agency}/pools/{pool}`.
///
/// # Errors
///
/// [`BadName`] for anything else.
pub fn parse_pool(text: &str) -> Result<(AgencyId, PoolId), BadName> {
    child(text, "pools").ok_or(BadName(POOL))
}

/// Parses `proposals/{proposal}`.
///
/// # Errors
///
/// [`BadName`] for anything else.
pub fn parse_proposal(text: &str) -> Result<ProposalId, BadName> {
    text.strip_prefix("proposals/")
        .and_then(|id| id.parse().ok())
        .ok_or(BadName(PROPOSAL))
}

fn child<Id: FromStr>(text: &str, collection: &str) -> Option<(AgencyId, Id)> {
    let mut segments = text.split('/');
    let name = (
        segments.next()? == "agencies",
        segments.next()?.parse().ok()?,
        segments.next()? == collection,
        segments.next()?.parse().ok()?,
    );
    match (name, segments.next()) {
        ((true, agency, true, id), None) => Some((agency, id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
