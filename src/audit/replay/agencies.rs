//! Agencies: what they are enrolled as, and the keys that they published.

use super::administration::Administration;
use super::{Act, Problem, SKEW};
use crate::domain::break_glass::Party;
use crate::domain::directory_record::DirectoryRecord;
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AgencyKind, ReportsTo};
use crate::envelope::bundle::KeyBundle;
use crate::envelope::error::StatementError;
use crate::envelope::jws::{KeyReference, Unverified};
use crate::envelope::keys::SigningKey;
use crate::identity::signing_chain::verify_signing_chain;
use crate::ledger::entry::Actor;
use crate::ledger::hash::{self, Hash};
use crate::ledger::tree::Edge;
use rustls::pki_types::CertificateDer;
use std::collections::BTreeMap;

/// Events behind whose commitments agencies change.
pub(super) const CHANGE_IT: &[&str] = &["initialised", "approved", "suspended"];

/// Certificates that an agency may still sign with: those of its current and its last few bundles.
///
/// Part of the rules of version 1: the router counts the same.
const SIGNERS_KEPT: usize = 4;

#[derive(Debug, Default)]
struct Agency {
    /// None while it has only published keys: certified, and not a member.
    kind: Option<AgencyKind>,
    /// The authority that it is a unit of.
    parent: Option<AgencyId>,
    suspended: bool,
    bundle: Option<KeyBundle>,
    /// Keys and the end of their certificates, newest first.
    signers: Vec<(SigningKey, Timestamp)>,
    /// The enrolment: proposal and approval.
    enrolment: [Vec<u8>; 2],
    /// Its leaf under a directory digest, until something of it changes.
    leaf: Option<Hash>,
}

impl Agency {
    fn leaf(&mut self, id: &AgencyId, kind: AgencyKind) -> Hash {
        if let Some(leaf) = self.leaf {
            return leaf;
        }
        let signers = self.signers.iter();
        let signers: Vec<[u8; 32]> = signers.map(|(key, _)| key.fingerprint).collect();
        let [proposal, approval] = &self.enrolment;
        let record = DirectoryRecord {
            agency: id,
            kind,
            parent: self.parent.as_ref(),
            suspended: self.suspended,
            bundle: self.bundle.as_ref().map(KeyBundle::digest),
            signers: &signers,
            proposal,
            approval,
        };
        let leaf = hash::leaf(&record.bytes());
        self.leaf = Some(leaf);
        leaf
    }
}

/// Every agency by its id.
#[derive(Debug, Default)]
pub(super) struct Agencies {
    all: BTreeMap<AgencyId, Agency>,
    /// The agency that the log was begun with: in the directory although nobody signed its enrolment.
    operator: Option<AgencyId>,
    /// Whether something that changes agencies could not be read: then digests cannot be recomputed.
    blind: bool,
}

impl Agencies {
    /// The log begins, with its operator.
    pub(super) fn begin(&mut self, operator: &str) -> Result<(), Problem> {
        let operator: AgencyId = operator.parse().map_err(|_| Problem::Decision)?;
        self.all.entry(operator.clone()).or_default();
        self.operator = Some(operator);
        Ok(())
    }

    /// An enrolment, an approval or a suspension cannot be read.
    pub(super) const fn lose_sight(&mut self) {
        self.blind = true;
    }

    /// A directory digest: over exactly the enrolments, suspensions and `keys` entries before it.
    ///
    /// This is what makes a swapped key show: one that was ever shown to anybody stands under a digest, and a digest is
    /// an entry that everybody's copy of the log has.
    /// False where something of them cannot be read any more, and nothing can be said.
    pub(super) fn digested(
        &mut self,
        act: Act<'_>,
        size: u64,
        root: &Hash,
    ) -> Result<bool, Problem> {
        if *act.by != Actor::Router {
            return Err(Problem::Actor);
        }
        if self.blind {
            return Ok(false);
        }
        let mut edge = Edge::new();
        for (id, agency) in &mut self.all {
            let operator = (self.operator.as_ref() == Some(id)).then_some(AgencyKind::Operator);
            if let Some(kind) = agency.kind.or(operator) {
                let _ = edge.append(agency.leaf(id, kind));
            }
        }
        if edge.size() == size && edge.root() == *root {
            Ok(true)
        } else {
            Err(Problem::DirectoryDigest)
        }
    }

    pub(super) fn enrol(
        &mut self,
        id: AgencyId,
        kind: AgencyKind,
        parent: Option<AgencyId>,
        enrolment: [&[u8]; 2],
    ) {
        let agency = self.all.entry(id).or_default();
        agency.kind = Some(kind);
        agency.parent = parent;
        agency.enrolment = enrolment.map(<[u8]>::to_vec);
        agency.leaf = None;
    }

    /// An agency with its authorities.
    pub(super) fn party(&self, id: &AgencyId) -> Result<Party, Problem> {
        self.all.get(id).ok_or(Problem::NotEnrolled)?;
        Party::of(id, |id| {
            Ok(self.all.get(id).and_then(|agency| agency.parent.clone()))
        })
    }

    pub(super) fn suspend(&mut self, id: &AgencyId, suspended: bool) -> Result<(), Problem> {
        let agency = self.all.get_mut(id).ok_or(Problem::NotEnrolled)?;
        agency.suspended = suspended;
        agency.leaf = None;
        Ok(())
    }

    /// A `keys` entry.
    ///
    /// A certified agency may publish before it is enrolled, as the operator does: keys alone allow nothing.
    pub(super) fn publish(
        &mut self,
        act: Act<'_>,
        bundle: &str,
        administration: &Administration,
    ) -> Result<(), Problem> {
        let trust = administration.trust().ok_or(Problem::Beginning)?;
        let bundle = KeyBundle::parse(bundle.as_bytes()).map_err(Problem::Bundle)?;
        let id = &bundle.content().agency;
        act.by(id)?;
        let (leaf, intermediates) = bundle.chain().split_first().ok_or(Problem::Chain)?;
        let intermediates: Vec<_> = intermediates
            .iter()
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        let origin = administration.origin();
        let certificate = verify_signing_chain(leaf, &intermediates, trust, act.at, origin)
            .map_err(|_| Problem::Chain)?;
        if certificate.agency() != id {
            return Err(Problem::Chain);
        }
        let agency = self.all.entry(id.clone()).or_default();
        if agency.suspended {
            return Err(Problem::Suspended);
        }
        if !bundle.stands(act.at, SKEW) {
            return Err(Problem::Bundle(StatementError::Time));
        }
        (bundle.follows(agency.bundle.as_ref())).map_err(Problem::Bundle)?;
        let key = bundle.signing_key();
        (agency.signers).retain(|(kept, _)| kept.fingerprint != key.fingerprint);
        agency.signers.insert(0, (key, certificate.not_after()));
        agency.signers.truncate(SIGNERS_KEPT);
        agency.bundle = Some(bundle);
        agency.leaf = None;
        Ok(())
    }

    /// What the agency is enrolled as, unless it is suspended.
    pub(super) fn member(&self, id: &AgencyId) -> Result<AgencyKind, Problem> {
        let kind = self.kind(id)?;
        let suspended = self.all.get(id).is_some_and(|agency| agency.suspended);
        if suspended {
            Err(Problem::Suspended)
        } else {
            Ok(kind)
        }
    }

    /// What the agency is enrolled as, suspended or not.
    pub(super) fn kind(&self, id: &AgencyId) -> Result<AgencyKind, Problem> {
        let agency = self.all.get(id).ok_or(Problem::NotEnrolled)?;
        agency.kind.ok_or(Problem::NotEnrolled)
    }

    /// The duties to report that an agency's last bundle names.
    pub(super) fn duties(&self, id: &AgencyId) -> &[ReportsTo] {
        let bundle = self.all.get(id).and_then(|agency| agency.bundle.as_ref());
        bundle.map_or(&[][..], |bundle| &bundle.content().facts.reports_to)
    }

    /// The agency's last bundle, if it stands.
    pub(super) fn bundle(&self, id: &AgencyId, at: Timestamp) -> Result<&KeyBundle, Problem> {
        let agency = self.all.get(id).ok_or(Problem::NotEnrolled)?;
        let standing = agency
            .bundle
            .as_ref()
            .filter(|bundle| bundle.stands(at, SKEW));
        standing.ok_or(Problem::NoKey)
    }

    /// The key that `statement` names as its own, if the agency may still sign with it.
    pub(super) fn signer_of(
        &self,
        id: &AgencyId,
        statement: &[u8],
        at: Timestamp,
    ) -> Result<&SigningKey, Problem> {
        let agency = self.all.get(id).ok_or(Problem::NotEnrolled)?;
        let named = match Unverified::parse(statement).map(|token| token.header().key.clone()) {
            Ok(KeyReference::Fingerprint(fingerprint)) => Some(fingerprint),
            _ => None,
        };
        let mut signers = agency.signers.iter();
        signers
            .find(|(key, until)| Some(key.fingerprint) == named && at <= *until)
            .map(|(key, _)| key)
            .ok_or(Problem::NoKey)
    }
}
