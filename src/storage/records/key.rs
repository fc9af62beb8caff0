//! Keys of the typed tables.
//!
//! An agency id or pool id has no byte below `-`, so a zero byte ends it unambiguously and no agency's prefix is
//! a prefix of another's.

use crate::domain::id::{
    AccessId, AgencyId, AlertId, AttachmentId, BasisChainId, CarriedId, CaseHandle, GroupId,
    OfferId, PoolId, ProposalId, ReferralId, RequestId, ResumeId,
};
use crate::domain::label::Label;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{ReviewRule, Stage};

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

/// Of one disclosure of a case.
#[must_use]
pub fn disclosure(source: &AgencyId, handle: CaseHandle, index: u64) -> Vec<u8> {
    join(source, &[handle.as_bytes(), &index.to_be_bytes()])
}

/// Of one label that was opened of a case.
#[must_use]
pub fn released(source: &AgencyId, handle: CaseHandle, label: Label) -> Vec<u8> {
    join(source, &[handle.as_bytes(), label.to_string().as_bytes()])
}

/// The label at the end of its key.
#[must_use]
pub fn released_label(source: &AgencyId, handle: CaseHandle, key: &[u8]) -> Option<Label> {
    let label = key.strip_prefix(case(source, handle).as_slice())?;
    std::str::from_utf8(label).ok()?.parse().ok()
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

/// The agency and the 16 bytes of a key that is made of these two.
#[must_use]
pub fn split_of_agency(key: &[u8]) -> Option<(AgencyId, [u8; 16])> {
    let (agency, rest) = key.split_at_checked(key.len().checked_sub(17)?)?;
    let (zero, id) = rest.split_first()?;
    let agency = std::str::from_utf8(agency).ok()?.parse().ok()?;
    (*zero == 0).then_some((agency, id.try_into().ok()?))
}

/// Of a case under the value of its slip's code.
#[must_use]
pub fn slip(value: &[u8], source: &AgencyId, handle: CaseHandle) -> Vec<u8> {
    let mut key = value.to_vec();
    key.extend_from_slice(&case(source, handle));
    key
}

/// Of a request to go on, as its viewer has it.
#[must_use]
pub fn resume(viewer: &AgencyId, resume: ResumeId) -> Vec<u8> {
    join(viewer, &[resume.as_bytes()])
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

/// Of a source that has made an offer to a recipient.
#[must_use]
pub fn met(recipient: &AgencyId, source: &AgencyId) -> Vec<u8> {
    join(recipient, &[source.as_str().as_bytes()])
}

/// Of a carried referral.
#[must_use]
pub fn carried(source: &AgencyId, carried: CarriedId) -> Vec<u8> {
    join(source, &[carried.as_bytes()])
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

/// Of an attachment, of its key and of its file.
#[must_use]
pub fn attachment(offer: OfferId, attachment: AttachmentId) -> Vec<u8> {
    [*offer.as_bytes(), *attachment.as_bytes()].concat()
}

/// The offer and the attachment of an attachment's key.
#[must_use]
pub fn split_attachment(key: &[u8]) -> Option<(OfferId, AttachmentId)> {
    let (offer, attachment) = key.split_first_chunk::<16>()?;
    let attachment: [u8; 16] = attachment.try_into().ok()?;
    Some((
        OfferId::from_random(*offer),
        AttachmentId::from_random(attachment),
    ))
}

/// Of an upload that is not finished, by the time it was begun.
#[must_use]
pub fn unfinished(begun: Timestamp, attachment: &[u8]) -> Vec<u8> {
    let mut key = begun.millis().to_be_bytes().to_vec();
    key.extend_from_slice(attachment);
    key
}

/// The time and the attachment's key of an unfinished upload's.
#[must_use]
pub fn split_unfinished(key: &[u8]) -> Option<(Timestamp, Vec<u8>)> {
    let (at, attachment) = key.split_first_chunk::<8>()?;
    let at = Timestamp::from_millis(i64::from_be_bytes(*at))?;
    Some((at, attachment.to_vec()))
}

/// Of a message, and of its content.
#[must_use]
pub fn message(offer: OfferId, number: u32) -> Vec<u8> {
    let mut key = offer.as_bytes().to_vec();
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// Of a pool.
#[must_use]
pub fn pool(agency: &AgencyId, pool: &PoolId) -> Vec<u8> {
    join(agency, &[pool.as_str().as_bytes()])
}

/// Of a break-glass request, and of what was released under it.
#[must_use]
pub fn access(access: AccessId) -> Vec<u8> {
    access.as_bytes().to_vec()
}

/// Of a group of one recipient's offers.
#[must_use]
pub fn group(recipient: &AgencyId, group: GroupId) -> Vec<u8> {
    join(recipient, &[group.as_bytes()])
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

/// Of what was said of a rule's finding about one entry.
#[must_use]
pub fn disposition(rule: ReviewRule, index: u64) -> Vec<u8> {
    let mut key = index.to_be_bytes().to_vec();
    key.extend_from_slice(rule.name().as_bytes());
    key
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
/// Of the replay watermark.
pub const WATERMARK: &[u8] = b"watermark";
/// Of the index below which decisions have ended.
pub const EXPIRED: &[u8] = b"expired";
/// Of the latest directory digest.
pub const DIGEST: &[u8] = b"digest";
/// Of the protocol in force.
pub const PROTOCOL: &[u8] = b"protocol";
/// Of acts that took effect, by what was signed.
pub const SPENT: &[u8] = b"spent/";
/// Of what is still to follow for the offers under a chain, by source and chain.
pub const AFTERMATH: &[u8] = b"aftermath/";

/// Of one act that took effect.
#[must_use]
pub fn spent(act: &[u8; 32]) -> Vec<u8> {
    [SPENT, act].concat()
}

/// Of what is still to follow for the offers under one chain.
#[must_use]
pub fn aftermath(source: &AgencyId, chain: BasisChainId) -> Vec<u8> {
    let mut key = AFTERMATH.to_vec();
    key.extend_from_slice(&basis(source, chain));
    key
}
