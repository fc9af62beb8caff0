//! Agencies: what they are enrolled as, and the keys that they published.

use super::administration::Administration;
use super::{Act, Problem, SKEW};
use crate::domain::break_glass::Party;
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AgencyKind, ReportsTo};
use crate::envelope::bundle::KeyBundle;
use crate::envelope::error::StatementError;
use crate::envelope::jws::{KeyReference, Unverified};
use crate::envelope::keys::SigningKey;
use crate::identity::signing_chain::verify_signing_chain;
use rustls::pki_types::CertificateDer;
use std::collections::BTreeMap;

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
}

/// Every agency by its id.
#[derive(Debug, Default)]
pub(super) struct Agencies(BTreeMap<AgencyId, Agency>);

impl Agencies {
    pub(super) fn enrol(&mut self, id: AgencyId, kind: AgencyKind, parent: Option<AgencyId>) {
        let agency = self.0.entry(id).or_default();
        agency.kind = Some(kind);
        agency.parent = parent;
    }

    /// An agency with its authorities.
    pub(super) fn party(&self, id: &AgencyId) -> Result<Party, Problem> {
        self.0.get(id).ok_or(Problem::NotEnrolled)?;
        Party::of(id, |id| {
            Ok(self.0.get(id).and_then(|agency| agency.parent.clone()))
        })
    }

    pub(super) fn suspend(&mut self, id: &AgencyId, suspended: bool) -> Result<(), Problem> {
        self.0.get_mut(id).ok_or(Problem::NotEnrolled)?.suspended = suspended;
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
        let agency = self.0.entry(id.clone()).or_default();
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
        Ok(())
    }

    /// What the agency is enrolled as, unless it is suspended.
    pub(super) fn member(&self, id: &AgencyId) -> Result<AgencyKind, Problem> {
        let kind = self.kind(id)?;
        let suspended = self.0.get(id).is_some_and(|agency| agency.suspended);
        if suspended {
            Err(Problem::Suspended)
        } else {
            Ok(kind)
        }
    }

    /// What the agency is enrolled as, suspended or not.
    pub(super) fn kind(&self, id: &AgencyId) -> Result<AgencyKind, Problem> {
        let agency = self.0.get(id).ok_or(Problem::NotEnrolled)?;
        agency.kind.ok_or(Problem::NotEnrolled)
    }

    /// The duties to report that an agency's last bundle names.
    pub(super) fn duties(&self, id: &AgencyId) -> &[ReportsTo] {
        let bundle = self.0.get(id).and_then(|agency| agency.bundle.as_ref());
        bundle.map_or(&[][..], |bundle| &bundle.content().facts.reports_to)
    }

    /// The agency's last bundle, if it stands.
    pub(super) fn bundle(&self, id: &AgencyId, at: Timestamp) -> Result<&KeyBundle, Problem> {
        let agency = self.0.get(id).ok_or(Problem::NotEnrolled)?;
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
        let agency = self.0.get(id).ok_or(Problem::NotEnrolled)?;
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
