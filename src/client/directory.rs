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

/// How old the digest of a mirror just taken may be before somebody should ask why: the router makes one every hour.
pub const LATE_AFTER: Duration = Duration::from_secs(2 * 60 * 60);

/// Most certificates that an agency may still sign with.
const SIGNERS_MAX: usize = 16;

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
    /// This agency's own record, with the keys it published, is not shown to it.
    #[error(
        "our own record is not in the directory that we are shown; stop sending, keep the saved checkpoint and call \
         the auditors"
    )]
    OwnMissing,
    /// A mirror was taken, and what it shows is older than a day.
    #[error(
        "the router shows a directory older than a day: it stands still, or shows us an old one; nothing is sealed; \
         call the operator, and the auditors if other agencies see a newer one"
    )]
    OldDigest,
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
        "a key bundle or certificate that we did not publish stands under our own name; others may be sealing to it: \
         stop sending, call the agencies that write to us by phone, and call the auditors"
    )]
    NotOurs,
    /// An older protocol than the one that was verified before, or than the directory digest names.
    #[error(
        "the router shows a protocol that was replaced since; the newer one is gone by; stop sending and call the \
         auditors"
    )]
    OldProtocol,
    /// The pinned policy asks for witnesses, and too few vouch for this directory.
    #[error(
        "too few of the witnesses in trust/policy vouch for this directory; nothing is sealed; mirror again in a \
         minute; if it stays so call the operator, and compare checkpoints with another agency"
    )]
    NotVouched,
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

impl DirectoryError {
    /// Whether an honest router cannot show this: it is for the auditors, and no second attempt mends it.
    #[must_use]
    pub const fn is_alarm(&self) -> bool {
        matches!(
            self,
            Self::Digest
                | Self::Unproven(_)
                | Self::Enrolment(_)
                | Self::NotOurs
                | Self::OwnMissing
                | Self::OldProtocol
        )
    }
}

/// The agency that asks, and what it knows of its own entry.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// The agency.
    pub agency: &'a AgencyId,
    /// Digest of the bundle that it published last.
    pub bundle: Option<&'a [u8; 32]>,
    /// SHA-256 of every signing certificate that it ever published.
    pub certificates: &'a [[u8; 32]],
}

/// One signing certificate with its issuers: DER, leaf first.
pub type Chain = Vec<Vec<u8>>;

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
    /// Whether the bundle is not certified for the agency now: then nothing is sealed to it.
    pub uncertified: bool,
    /// Certificates that it may still sign with, besides the bundle's: each stands under the digest.
    pub earlier: Vec<Chain>,
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
    protocol: u64,
    proven_at: Timestamp,
    mirrored_at: Timestamp,
    members: BTreeMap<AgencyId, Member>,
    /// What the last attempt to mirror showed, if an honest router cannot show it: nothing is sealed from then on.
    alarm: Option<DirectoryError>,
    witnessed: Witnessed,
}

/// Whether witnesses vouch for what a mirror shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witnessed {
    /// Nobody was asked: no policy is pinned, or it asks for nobody. Who relies on the mirror relies on the log alone.
    NotAsked,
    /// The policy's quorum vouched, at this moment by the witnesses' clocks, for the log in which this root stands.
    At(Timestamp),
    /// Too few did.
    Missing,
}

/// What a digest's own entry says.
struct Proved {
    number: u64,
    size: u64,
    root: Hash,
    protocol: u64,
}

/// The digest that `entry` is, if it is the one that the reply names.
fn proven_digest(
    digest: Option<&v1::DirectoryDigest>,
    entry: &Entry,
) -> Result<Proved, DirectoryError> {
    let digest = digest.ok_or(DirectoryError::Malformed("no digest"))?;
    let root = Hash::from_slice(&digest.root).ok_or(DirectoryError::Malformed("digest root"))?;
    // The version of the protocol stands in the entry alone.
    match entry.body {
        EntryBody::Digest {
            number,
            size,
            root: proved,
            protocol,
        } if (number, size, proved) == (digest.number, digest.size, root) => Ok(Proved {
            number,
            size,
            root,
            protocol,
        }),
        _ => Err(DirectoryError::Digest),
    }
}

impl Directory {
    /// Verifies a reply to `GetDirectory`; `digest_entry` is the entry that the digest's receipt proved.
    ///
    /// The agency that asks looks at its own entry: whoever seals to it seals to what stands there.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`]; nothing of a directory with one bad record is used.
    pub fn verify(
        reply: &v1::GetDirectoryResponse,
        digest_entry: &Entry,
        previous: Option<&Self>,
        trust: &TrustAnchors,
        own: Own<'_>,
        now: Timestamp,
    ) -> Result<Self, DirectoryError> {
        let Proved {
            number,
            size,
            root,
            protocol,
        } = proven_digest(reply.digest.as_ref(), digest_entry)?;
        let proven_at = digest_entry.at;
        if let Some(previous) = previous {
            if number < previous.number || (number == previous.number && root != previous.root) {
                return Err(DirectoryError::Digest);
            }
            if number == previous.number && reply.agencies.is_empty() {
                return Ok(Self {
                    proven_at,
                    mirrored_at: now,
                    alarm: None,
                    witnessed: Witnessed::NotAsked,
                    ..previous.clone()
                });
            }
        }
        let mut members = BTreeMap::new();
        for record in &reply.agencies {
            let member = verify_record(record, (size, &root), trust, own, now)?;
            members.insert(member.agency.clone(), member);
        }
        if own.bundle.is_some() && !members.contains_key(own.agency) {
            return Err(DirectoryError::OwnMissing);
        }
        Ok(Self {
            number,
            root,
            protocol,
            proven_at,
            mirrored_at: now,
            members,
            alarm: None,
            witnessed: Witnessed::NotAsked,
        })
    }

    /// The same mirror with what witnesses say of it. Where too few speak now and `previous` showed the very same
    /// records, what they said then still counts: their absence for an hour stops nothing that has not changed.
    #[must_use]
    pub fn witnessed(self, said: Witnessed, previous: Option<&Self>) -> Self {
        let before = previous
            .filter(|previous| previous.root == self.root)
            .map(|previous| previous.witnessed);
        let witnessed = match (said, before) {
            (Witnessed::Missing, Some(before @ Witnessed::At(_))) => before,
            (said, _) => said,
        };
        Self { witnessed, ..self }
    }

    /// What witnesses say of this mirror.
    #[must_use]
    pub const fn vouched(&self) -> Witnessed {
        self.witnessed
    }

    /// The same mirror after the router showed something that an honest one cannot: nothing is sealed by it.
    #[must_use]
    pub fn alarmed(&self, alarm: DirectoryError) -> Self {
        Self {
            alarm: Some(alarm),
            ..self.clone()
        }
    }

    /// When the digest of this mirror was made: how fresh what it says is.
    #[must_use]
    pub const fn proven_at(&self) -> Timestamp {
        self.proven_at
    }

    /// Whether the digest was already late when it was mirrored: the router makes one every hour.
    #[must_use]
    pub fn was_late(&self) -> bool {
        self.proven_at.plus(LATE_AFTER) < self.mirrored_at
    }

    /// Number of the digest.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Version of the protocol that was in force at the digest: no older one is believed. 0 before the first.
    #[must_use]
    pub const fn protocol_version(&self) -> u64 {
        self.protocol
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
    /// What the last mirror alarmed about; [`DirectoryError::Stale`], [`DirectoryError::OldDigest`],
    /// [`DirectoryError::NotVouched`], [`DirectoryError::Unknown`], [`DirectoryError::Bundle`],
    /// [`DirectoryError::Unavailable`].
    pub fn sealing_key(
        &self,
        agency: &AgencyId,
        now: Timestamp,
    ) -> Result<&SealingPublicKey, DirectoryError> {
        if let Some(alarm) = &self.alarm {
            return Err(alarm.clone());
        }
        if self.mirrored_at.plus(FRESH_MAX) < now {
            return Err(DirectoryError::Stale);
        }
        if self.proven_at.plus(FRESH_MAX) < now {
            return Err(DirectoryError::OldDigest);
        }
        match self.witnessed {
            Witnessed::NotAsked => {}
            Witnessed::At(vouched) if now <= vouched.plus(FRESH_MAX) => {}
            Witnessed::At(_) | Witnessed::Missing => return Err(DirectoryError::NotVouched),
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

    /// The key of `agency` with this certificate, which may be an earlier one: what was signed while it stood, stands.
    ///
    /// None when no such certificate of the agency stands under the digest, or it was never certified for it.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Unknown`].
    pub fn signer(
        &self,
        agency: &AgencyId,
        fingerprint: &[u8; 32],
        trust: &TrustAnchors,
        now: Timestamp,
    ) -> Result<Option<Standing>, DirectoryError> {
        let member = self.member(agency)?;
        let current = member.bundle.iter().map(|bundle| bundle.chain());
        let earlier = member.earlier.iter().map(Vec::as_slice);
        Ok(find_signer(
            current.chain(earlier),
            agency,
            fingerprint,
            trust,
            now,
        ))
    }
}

/// A key that an agency signed with, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The key.
    pub key: SigningKey,
    /// The last moment of its certificate: what says that it was signed later was not signed by the agency.
    pub until: Timestamp,
}

/// The chain with this leaf, verified for the agency as of now, or of the certificate's last moment if that is past.
fn find_signer<'a>(
    mut chains: impl Iterator<Item = &'a [Vec<u8>]>,
    agency: &AgencyId,
    fingerprint: &[u8; 32],
    trust: &TrustAnchors,
    now: Timestamp,
) -> Option<Standing> {
    let named = |chain: &&[Vec<u8>]| {
        let leaf = chain.first();
        leaf.is_some_and(|leaf| sha256(leaf) == *fingerprint)
    };
    let chain = chains.find(named)?;
    let leaf = chain.first()?;
    let until = trust.certified_until(chain, agency, now)?;
    let key = VerifyingKey::from_certificate(leaf).ok()?;
    let key = SigningKey {
        agency: agency.clone(),
        key,
        fingerprint: *fingerprint,
    };
    Some(Standing { key, until })
}

/// The certificates of an agency which this one may not see but has an offer from: its enrolment signed by two pinned
/// administrators, the record proved in the digest that `entry` is.
///
/// As for members who are visible, no other certificates can be shown to it than to the agency itself.
///
/// # Errors
///
/// [`DirectoryError::Malformed`], [`DirectoryError::Digest`], [`DirectoryError::Enrolment`],
/// [`DirectoryError::Unproven`].
pub fn verify_correspondent(
    reply: &v1::GetAgencyResponse,
    entry: &Entry,
    agency: &AgencyId,
    trust: &TrustAnchors,
) -> Result<Vec<Chain>, DirectoryError> {
    let record = reply.agency.as_ref();
    let record = record.ok_or(DirectoryError::Malformed("no agency"))?;
    let Proved { size, root, .. } = proven_digest(reply.digest.as_ref(), entry)?;
    let named = Named::of(record)?;
    if named.agency != *agency {
        return Err(DirectoryError::Malformed("another agency than asked for"));
    }
    let enrolment = record.enrolment.clone().unwrap_or_default();
    verify_enrolment(&enrolment, &named, trust)
        .ok_or_else(|| DirectoryError::Enrolment(agency.clone()))?;
    let digest: Option<[u8; 32]> = record.bundle_digest.as_slice().try_into().ok();
    let chains = chains_of(record)?;
    verify_standing(&named, record, digest.as_ref(), &chains, (size, &root))?;
    Ok(chains)
}

/// The key with this certificate among those that [`verify_correspondent`] gave.
#[must_use]
pub fn correspondent_signer(
    chains: &[Chain],
    agency: &AgencyId,
    fingerprint: &[u8; 32],
    trust: &TrustAnchors,
    now: Timestamp,
) -> Option<Standing> {
    let chains = chains.iter().map(Vec::as_slice);
    find_signer(chains, agency, fingerprint, trust, now)
}

/// What a record says that an agency is.
struct Named {
    agency: AgencyId,
    kind: AgencyKind,
    parent: Option<AgencyId>,
}

impl Named {
    fn of(record: &v1::Agency) -> Result<Self, DirectoryError> {
        let agency = words::agency_of(&record.name)
            .map_err(|_| DirectoryError::Malformed("an agency's name"))?;
        let kind = words::kind(record.kind).ok_or(DirectoryError::Malformed("an agency's kind"))?;
        let parent = match record.parent.as_str() {
            "" => None,
            name => Some(
                words::agency_of(name).map_err(|_| DirectoryError::Malformed("a parent's name"))?,
            ),
        };
        Ok(Self {
            agency,
            kind,
            parent,
        })
    }
}

/// The signing certificates in a record.
fn chains_of(record: &v1::Agency) -> Result<Vec<Chain>, DirectoryError> {
    if record.signers.len() > SIGNERS_MAX {
        return Err(DirectoryError::Malformed("too many certificates"));
    }
    let chains = record.signers.iter();
    Ok(chains.map(|chain| chain.certificates.clone()).collect())
}

fn verify_record(
    record: &v1::Agency,
    digest: (u64, &Hash),
    trust: &TrustAnchors,
    own: Own<'_>,
    now: Timestamp,
) -> Result<Member, DirectoryError> {
    let named = Named::of(record)?;
    let agency = named.agency.clone();
    let enrolment = record.enrolment.clone().unwrap_or_default();
    // The operator is enrolled by `router init`, before there is anyone to sign; it reads nothing and nothing is
    // ever sealed to its kind.
    let unsigned = enrolment.proposal.is_empty() && named.kind == AgencyKind::Operator;
    if !unsigned {
        verify_enrolment(&enrolment, &named, trust)
            .ok_or_else(|| DirectoryError::Enrolment(agency.clone()))?;
    }
    let bundle_digest = (!record.key_bundle.is_empty()).then(|| sha256(&record.key_bundle));
    // A member whose certificate has ended, or whose bundle is wrong, is not relied on; it must not keep this agency
    // from reaching the others.
    let bundle = KeyBundle::parse(&record.key_bundle).ok().map(Arc::new);
    let earlier = chains_of(record)?;
    let newest = bundle.iter().map(|bundle| bundle.chain().to_vec());
    let all: Vec<Chain> = newest.chain(earlier.iter().cloned()).collect();
    verify_standing(&named, record, bundle_digest.as_ref(), &all, digest)?;
    let uncertified = bundle_digest.is_some()
        && !bundle.as_ref().is_some_and(|bundle| {
            bundle.content().agency == agency && trust.certifies(bundle, now)
        });
    if agency == *own.agency {
        let ours = |chain: &Chain| own.certificates.contains(&fingerprint_of(chain));
        if bundle_digest.as_ref() != own.bundle || !earlier.iter().all(ours) {
            return Err(DirectoryError::NotOurs);
        }
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
        kind: named.kind,
        parent: named.parent,
        suspended: record.suspended,
        capacity,
        bundle,
        uncertified,
        earlier,
    })
}

/// SHA-256 of a chain's leaf; of nothing for a chain without one, which is nobody's.
fn fingerprint_of(chain: &Chain) -> [u8; 32] {
    sha256(chain.first().map_or(&[], Vec::as_slice))
}

/// The enrolment says this of the agency, one pinned administrator signed it and another approved it.
fn verify_enrolment(enrolment: &v1::Enrolment, said: &Named, trust: &TrustAnchors) -> Option<()> {
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
        && (agency, *kind, parent) == (&said.agency, said.kind, &said.parent);
    holds.then_some(())
}

/// The record stands under the digest's root, with this bundle and these certificates, newest first.
fn verify_standing(
    named: &Named,
    record: &v1::Agency,
    bundle: Option<&[u8; 32]>,
    chains: &[Chain],
    (size, root): (u64, &Hash),
) -> Result<(), DirectoryError> {
    let enrolment = record.enrolment.clone().unwrap_or_default();
    let signers: Vec<[u8; 32]> = chains.iter().map(fingerprint_of).collect();
    let standing = DirectoryRecord {
        agency: &named.agency,
        kind: named.kind,
        parent: named.parent.as_ref(),
        suspended: record.suspended,
        bundle,
        signers: &signers,
        proposal: &enrolment.proposal,
        approval: &enrolment.approval,
    };
    let unproven = || DirectoryError::Unproven(named.agency.clone());
    let proof = record.digest_proof.iter();
    let proof: Option<Vec<Hash>> = proof.map(|hash| Hash::from_slice(hash)).collect();
    let (leaf, index) = (leaf(&standing.bytes()), record.digest_index);
    verify_inclusion(&leaf, index, size, &proof.ok_or_else(unproven)?, root).map_err(|_| unproven())
}

#[cfg(test)]
mod tests;
