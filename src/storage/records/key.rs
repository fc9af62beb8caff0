//! Keys of the typed tables.
//!
//! An agency id or pool id has no byte below `-`, so a zero byte ends it unambiguously and no agency's prefix is
//! a prefix of another's.

use crate::domain::id::{
    AgencyId, AlertId, BasisChainId, CaseHandle, OfferId, PoolId, ProposalId, ReferralId, RequestId,
};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::Stage;

fn join(agency: &AgencyId, rest: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(80);
    key.extend_from_slice(agency.as_str().as_bytes());
    key.push(0);
    rest.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// Of an agency's record.
#[must_use]
pub fn agency(agency: &AgencyId) -> Vec<u8> {
    agency.as_str().as_bytes().to_vec()
}

/// Of everything that a table holds under one agency.
#[must_use]
pub fn of_agency(agency: &AgencyId) -> Vec<u8> {
    join(agency, &[])
}

/// Of a numbered row under one agency.
#[must_use]
pub fn numbered(agency: &AgencyId, number: u64) -> Vec<u8> {
    join(agency, &[&number.to_be_bytes()])
}

/// The number at the end of a numbered key.
#[must_use]
pub fn number(key: &[u8]) -> Option<u64> {
    let tail = key.len().checked_sub(8).and_then(|at| key.get(at..))?;
    tail.try_into().ok().map(u64::from_be_bytes)
}

/// Of a basis chain.
#[must_use]
pub fn basis(source: &AgencyId, chain: BasisChainId) -> Vec<u8> {
    join(source, &[chain.as_bytes()])
}

/// Of a case.
#[must_use]
pub fn case(source: &AgencyId, handle: CaseHandle) -> Vec<u8> {
    join(source, &[handle.as_bytes()])
}

/// Of one chain of a case.
#[must_use]
pub fn case_basis(source: &AgencyId, handle: CaseHandle, chain: BasisChainId) -> Vec<u8> {
    join(source, &[handle.as_bytes(), chain.as_bytes()])
}

/// Of a referral.
#[must_use]
pub fn referral(source: &AgencyId, referral: ReferralId) -> Vec<u8> {
    join(source, &[referral.as_bytes()])
}

/// Of an offer.
#[must_use]
pub fn offer(offer: OfferId) -> Vec<u8> {
    offer.as_bytes().to_vec()
}

/// Of something that is due at a time: sorted by time, then by kind.
#[must_use]
pub fn deadline(at: Timestamp, kind: u8, id: &[u8]) -> Vec<u8> {
    let mut key = at.millis().to_be_bytes().to_vec();
    key.push(kind);
    key.extend_from_slice(id);
    key
}

/// The time, the kind and the id of a deadline's key.
#[must_use]
pub fn split_deadline(key: &[u8]) -> Option<(Timestamp, u8, &[u8])> {
    let at = i64::from_be_bytes(key.get(..8)?.try_into().ok()?);
    let (kind, id) = key.get(8..)?.split_first()?;
    Some((Timestamp::from_millis(at)?, *kind, id))
}

/// The source and the id of a referral's key.
#[must_use]
pub fn split_referral(key: &[u8]) -> Option<(AgencyId, ReferralId)> {
    let (agency, rest) = key.split_at_checked(key.len().checked_sub(17)?)?;
    let (zero, id) = rest.split_first()?;
    let id: [u8; 16] = id.try_into().ok()?;
    let agency = std::str::from_utf8(agency).ok()?.parse().ok()?;
    (*zero == 0).then_some((agency, ReferralId::from_random(id)))
}

/// The offer of a key that is an offer's.
#[must_use]
pub fn split_offer(key: &[u8]) -> Option<OfferId> {
    Some(OfferId::from_random(key.try_into().ok()?))
}

/// Of an alert.
#[must_use]
pub fn alert(viewer: &AgencyId, alert: AlertId) -> Vec<u8> {
    join(viewer, &[alert.as_bytes()])
}

/// Number of a stage in keys.
#[must_use]
pub const fn stage(stage: Stage) -> u8 {
    match stage {
        Stage::Triage => 1,
        Stage::Accepted => 2,
        Stage::InCare => 3,
    }
}

/// Of a parcel, and of its content.
#[must_use]
pub fn parcel(offer: OfferId, of: Stage) -> Vec<u8> {
    let mut key = offer.as_bytes().to_vec();
    key.push(stage(of));
    key
}

/// Of a parcel under its source's chain: sources choose the ids of their chains.
#[must_use]
pub fn chain_parcel(source: &AgencyId, chain: BasisChainId, offer: OfferId, of: Stage) -> Vec<u8> {
    join(source, &[chain.as_bytes(), offer.as_bytes(), &[stage(of)]])
}

/// The offer and stage at the end of a chain's parcel key.
#[must_use]
pub fn split_chain_parcel(key: &[u8]) -> Option<(OfferId, Stage)> {
    let (of, rest) = key.split_last()?;
    // What is before the offer: an agency of at least one byte, a zero byte and the chain.
    let (before, offer) = rest.split_at_checked(rest.len().checked_sub(16)?)?;
    if before.len() < 18 {
        return None;
    }
    let offer: [u8; 16] = offer.try_into().ok()?;
    let of = Stage::ALL
        .iter()
        .copied()
        .find(|&candidate| stage(candidate) == *of)?;
    Some((OfferId::from_random(offer), of))
}

/// Of a pool.
#[must_use]
pub fn pool(agency: &AgencyId, pool: &PoolId) -> Vec<u8> {
    join(agency, &[pool.as_str().as_bytes()])
}

/// Of a remembered request.
#[must_use]
pub fn request(agency: &AgencyId, request: RequestId) -> Vec<u8> {
    join(agency, &[request.as_bytes()])
}

/// Of a remembered request in its day's bucket.
#[must_use]
pub fn request_day(day: u32, request_key: &[u8]) -> Vec<u8> {
    let mut key = day.to_be_bytes().to_vec();
    key.extend_from_slice(request_key);
    key
}

/// Of an entry or its opening.
#[must_use]
pub fn index(index: u64) -> Vec<u8> {
    index.to_be_bytes().to_vec()
}

/// Of a full tile.
#[must_use]
pub fn tile(level: u8, index: u64) -> Vec<u8> {
    let mut key = vec![level];
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// Of a proposal.
#[must_use]
pub fn proposal(proposal: ProposalId) -> Vec<u8> {
    proposal.as_bytes().to_vec()
}

/// Of the log's own facts.
pub const LOG: &[u8] = b"log";
/// Of the directory's version: written with every change of an agency's record.
pub const DIRECTORY: &[u8] = b"directory";
/// Of the latest directory digest.
pub const DIGEST: &[u8] = b"digest";
/// Of the protocol in force.
pub const PROTOCOL: &[u8] = b"protocol";
/// Of acts that took effect, by what was signed.
pub const SPENT: &[u8] = b"spent/";
/// Of withdrawals whose erasures are not finished, by source and chain.
pub const WITHDRAWING: &[u8] = b"withdrawing/";

/// Of one act that took effect.
#[must_use]
pub fn spent(act: &[u8; 32]) -> Vec<u8> {
    [SPENT, act].concat()
}

/// Of one withdrawal whose erasures are not finished.
#[must_use]
pub fn withdrawing(source: &AgencyId, chain: BasisChainId) -> Vec<u8> {
    let mut key = WITHDRAWING.to_vec();
    key.extend_from_slice(&basis(source, chain));
    key
}
