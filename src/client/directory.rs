//! The mirror of the directory: who the members are, proved record by record before anything is sealed to them.
//!
//! A record is believed when two pinned administrators signed its enrolment, its key bundle is signed by a key that
//! the pinned authority certified for that very agency, and both stand under the latest directory digest, which is
//! an entry of the log. Matching runs on this mirror, so that what the person needs and refuses stays here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::trust::TrustAnchors;
use super::words;
use crate::domain::directory_record::DirectoryRecord;
use crate::domain::id::AgencyId;
use crate::domain::matching::Declared;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::AgencyKind;
use crate::envelope::act::{Act, ActBody, Approval, act_digest, claimed_kid};
use crate::envelope::bundle::{KeyBundle, SealingPublicKey};
use crate::envelope::keys::{SigningKey, VerifyingKey, sha256};
use crate::ledger::entry::{Entry, EntryBody};
use crate::ledger::hash::{Hash, leaf};
use crate::ledger::proof::verify_inclusion;
use crate::proto::v1;

/// How old the directory's digest may be before nothing is sealed any more.
pub const FRESH_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How far another party's clock may be ahead.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// Why the directory, a record or a seal to an agency is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The reply is not well formed.
    #[error("the directory is not as agreed: {0}")]
    Malformed(&'static str),
    /// The digest is not the one in its entry, or went backwards.
    #[error("the directory digest is not the one in the log; stop sending and call the auditors")]
    Digest,
    /// A record does not stand under the digest.
    #[error(
        "the record of {0} is not proved in the directory digest; stop sending and call the auditors"
    )]
    Unproven(AgencyId),
    /// Two pinned administrators did not sign this enrolment.
    #[error(
        "the enrolment of {0} is not signed by two administrators; stop sending and call the auditors"
    )]
    Enrolment(AgencyId),
    /// The key bundle is not the agency's own.
    #[error(
        "the key bundle of {0} is not certified for it, or its certificate has ended; nothing is sealed to it, \
         call the agency by phone"
    )]
    Bundle(AgencyId),
    /// A bundle stands under this agency's own name that it did not publish.
    #[error(
        "a key bundle that we did not publish stands under our own name; stop sending and call the auditors"
    )]
    NotOurs,
    /// Nothing newer than a day is proved.
    #[error("the mirror of the directory is older than a day; connect before sealing")]
    Stale,
    /// Not in the part of the directory that this agency may see.
    #[error("no such agency in the directory")]
    Unknown,
    /// Suspended, or without a key that may be sealed to now.
    #[error("{0} cannot receive now")]
    Unavailable(AgencyId),
}

/// One member, verified.
#[derive(Debug, Clone)]
pub struct Member {
    /// Id.
    pub agency: AgencyId,
    /// What it is enrolled as.
    pub kind: AgencyKind,
    /// The authority that it is a unit of.
    pub parent: Option<AgencyId>,
    /// Suspended agencies neither send nor receive.
    pub suspended: bool,
    /// Its own declaration of capacity, and when it was made.
    pub capacity: Option<Declared>,
    /// Its key bundle; none before the first is published.
    pub bundle: Option<Arc<KeyBundle>>,
    /// Whether the bundle is not certified for the agency now: then nothing is sealed to it or believed from it.
    pub uncertified: bool,
}

impl Member {
    /// The key bundle, if it can be relied on.
    fn certified(&self) -> Result<&KeyBundle, DirectoryError> {
        if self.uncertified {
            return Err(DirectoryError::Bundle(self.agency.clone()));
        }
        self.bundle
            .as_deref()
            .ok_or_else(|| DirectoryError::Unavailable(self.agency.clone()))
    }
}

/// The verified mirror.
#[derive(Debug, Clone)]
pub struct Directory {
    number: u64,
    root: Hash,
    proven_at: Timestamp,
    members: BTreeMap<AgencyId, Member>,
}

impl Directory {
    /// Verifies a reply to `GetDirectory`; `digest_entry` is the entry that the digest's receipt proved, `own` is the
    /// agency that asks with the digest of the bundle it published last.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`]; nothing of a directory with one bad record is used.
    pub fn verify(
        reply: &v1::GetDirectoryResponse,
        digest_entry: &Entry,
        previous: Option<&Self>,
        trust: &TrustAnchors,
        own: (&AgencyId, Option<&[u8; 32]>),
        now: Timestamp,
    ) -> Result<Self, DirectoryError> {
        let digest = reply
            .digest
            .as_ref()
            .ok_or(DirectoryError::Malformed("no digest"))?;
        let root =
            Hash::from_slice(&digest.root).ok_or(DirectoryError::Malformed("digest root"))?;
        let expected = EntryBody::Digest {
            number: digest.number,
            size: digest.size,
            root,
        };
        if digest_entry.body != expected {
            return Err(DirectoryError::Digest);
        }
        let proven_at = digest_entry.at;
        if let Some(previous) = previous {
            if digest.number < previous.number
                || (digest.number == previous.number && root != previous.root)
            {
                return Err(DirectoryError::Digest);
            }
            if digest.number == previous.number && reply.agencies.is_empty() {
                return Ok(Self {
                    proven_at,
                    ..previous.clone()
                });
            }
        }
        let mut members = BTreeMap::new();
        for record in &reply.agencies {
            let member = verify_record(record, (digest.size, &root), trust, own, now)?;
            members.insert(member.agency.clone(), member);
        }
        Ok(Self {
            number: digest.number,
            root,
            proven_at,
            members,
        })
    }

    /// Number of the digest.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Every member that this agency may see, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// One member.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Unknown`].
    pub fn member(&self, agency: &AgencyId) -> Result<&Member, DirectoryError> {
        self.members.get(agency).ok_or(DirectoryError::Unknown)
    }

    /// The key to seal to, if the mirror is fresh.
    ///
    /// Only the digest's own entry counts: any newer receipt shows that the router is there, and not that the keys and
    /// suspensions of an old digest still hold. The router digests the directory every hour.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Stale`], [`DirectoryError::Unknown`], [`DirectoryError::Bundle`],
    /// [`DirectoryError::Unavailable`].
    pub fn sealing_key(
        &self,
        agency: &AgencyId,
        now: Timestamp,
    ) -> Result<&SealingPublicKey, DirectoryError> {
        if self.proven_at.plus(FRESH_MAX) < now {
            return Err(DirectoryError::Stale);
        }
        let member = self.member(agency)?;
        let unavailable = || DirectoryError::Unavailable(agency.clone());
        let bundle = member.certified()?;
        if member.suspended || !bundle.stands(now, SKEW) {
            return Err(unavailable());
        }
        bundle.current_sealing_key(now).ok_or_else(unavailable)
    }

    /// The key that `agency` signs its statements with.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Unknown`], [`DirectoryError::Bundle`], [`DirectoryError::Unavailable`].
    pub fn signing_key(&self, agency: &AgencyId) -> Result<SigningKey, DirectoryError> {
        Ok(self.member(agency)?.certified()?.signing_key())
    }
}

/// The key that an agency signs with which this one may not see but has an offer from: its enrolment signed by two
/// pinned administrators, its certificates leading to a pinned root. That no other key is shown to others is not proved
/// here, as it is for those who are visible.
///
/// # Errors
///
/// [`DirectoryError::Malformed`], [`DirectoryError::Enrolment`], [`DirectoryError::Bundle`].
pub fn verify_correspondent(
    record: &v1::Agency,
    agency: &AgencyId,
    trust: &TrustAnchors,
    now: Timestamp,
) -> Result<SigningKey, DirectoryError> {
    let kind = words::kind(record.kind).ok_or(DirectoryError::Malformed("an agency's kind"))?;
    let parent = match record.parent.as_str() {
        "" => None,
        name => {
            Some(words::agency_of(name).map_err(|_| DirectoryError::Malformed("a parent's name"))?)
        }
    };
    let named = words::agency_of(&record.name).ok();
    let enrolment = record.enrolment.clone().unwrap_or_default();
    verify_enrolment(&enrolment, (agency, kind, parent.as_ref()), trust)
        .filter(|()| named.as_ref() == Some(agency))
        .ok_or_else(|| DirectoryError::Enrolment(agency.clone()))?;
    let bad = || DirectoryError::Bundle(agency.clone());
    let leaf = record.signing_certificates.first().ok_or_else(bad)?;
    if !trust.certifies_chain(&record.signing_certificates, agency, now) {
        return Err(bad());
    }
    Ok(SigningKey {
        agency: agency.clone(),
        key: VerifyingKey::from_certificate(leaf).map_err(|_| bad())?,
        fingerprint: sha256(leaf),
    })
}

fn verify_record(
    record: &v1::Agency,
    digest: (u64, &Hash),
    trust: &TrustAnchors,
    own: (&AgencyId, Option<&[u8; 32]>),
    now: Timestamp,
) -> Result<Member, DirectoryError> {
    let agency = words::agency_of(&record.name)
        .map_err(|_| DirectoryError::Malformed("an agency's name"))?;
    let kind = words::kind(record.kind).ok_or(DirectoryError::Malformed("an agency's kind"))?;
    let parent = match record.parent.as_str() {
        "" => None,
        name => {
            Some(words::agency_of(name).map_err(|_| DirectoryError::Malformed("a parent's name"))?)
        }
    };
    let enrolment = record.enrolment.clone().unwrap_or_default();
    // The operator is enrolled by `router init`, before there is anyone to sign; it reads nothing and nothing is
    // ever sealed to its kind.
    let unsigned = enrolment.proposal.is_empty() && kind == AgencyKind::Operator;
    if !unsigned {
        verify_enrolment(&enrolment, (&agency, kind, parent.as_ref()), trust)
            .ok_or_else(|| DirectoryError::Enrolment(agency.clone()))?;
    }
    let standing = DirectoryRecord {
        agency: &agency,
        kind,
        parent: parent.as_ref(),
        suspended: record.suspended,
        bundle: &record.key_bundle,
        proposal: &enrolment.proposal,
        approval: &enrolment.approval,
    };
    verify_standing(&standing, record.digest_index, &record.digest_proof, digest)
        .ok_or_else(|| DirectoryError::Unproven(agency.clone()))?;
    // A member whose certificate has ended, or whose bundle is wrong, is not relied on; it must not keep this agency
    // from reaching the others.
    let bundle = KeyBundle::parse(&record.key_bundle).ok().map(Arc::new);
    let uncertified = !record.key_bundle.is_empty()
        && !bundle.as_ref().is_some_and(|bundle| {
            bundle.content().agency == agency && trust.certifies(bundle, now)
        });
    if agency == *own.0 && bundle.as_ref().map(|bundle| bundle.digest()) != own.1 {
        return Err(DirectoryError::NotOurs);
    }
    // A declaration without a time is as old as the epoch: it counts for nothing.
    let at = record
        .capacity_time
        .as_ref()
        .and_then(words::from_proto_time);
    let at = at.unwrap_or(Timestamp::EPOCH);
    let capacity = words::capacity(record.capacity).map(|capacity| Declared { capacity, at });
    Ok(Member {
        agency,
        kind,
        parent,
        suspended: record.suspended,
        capacity,
        bundle,
        uncertified,
    })
}

/// The enrolment says this of the agency, one pinned administrator signed it and another approved it.
fn verify_enrolment(
    enrolment: &v1::Enrolment,
    said: (&AgencyId, AgencyKind, Option<&AgencyId>),
    trust: &TrustAnchors,
) -> Option<()> {
    let proposer = trust.administrator(&claimed_kid(&enrolment.proposal).ok()?)?;
    let approver = trust.administrator(&claimed_kid(&enrolment.approval).ok()?)?;
    let act = Act::parse(&enrolment.proposal, proposer).ok()?;
    let approval = Approval::parse(&enrolment.approval, approver).ok()?;
    let ActBody::Enrol {
        agency,
        kind,
        parent,
    } = &act.body
    else {
        return None;
    };
    let holds = proposer != approver
        && act.origin == trust.origin
        && approval.act == act_digest(&enrolment.proposal)
        && (agency, *kind, parent.as_ref()) == said;
    holds.then_some(())
}

/// The record stands under the digest's root.
fn verify_standing(
    record: &DirectoryRecord<'_>,
    index: u64,
    proof: &[Vec<u8>],
    (size, root): (u64, &Hash),
) -> Option<()> {
    let proof: Option<Vec<Hash>> = proof.iter().map(|hash| Hash::from_slice(hash)).collect();
    verify_inclusion(&leaf(&record.bytes()), index, size, &proof?, root).ok()
}

#[cfg(test)]
mod tests;
