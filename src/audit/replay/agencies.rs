//! Agencies: what they are enrolled as, and the keys that they published.

use super::administration::Administration;
use super::{Act, Problem, SKEW};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::AgencyKind;
use crate::envelope::bundle::KeyBundle;
use crate::envelope::keys::SigningKey;
use crate::identity::signing_chain::verify_signing_chain;
use rustls::pki_types::CertificateDer;
use std::collections::BTreeMap;

#[derive(Debug)]
struct Agency {
    kind: AgencyKind,
    suspended: bool,
    bundle: Option<KeyBundle>,
}

/// Every agency by its id.
#[derive(Debug, Default)]
pub(super) struct Agencies(BTreeMap<AgencyId, Agency>);

impl Agencies {
    pub(super) fn enrol(&mut self, id: AgencyId, kind: AgencyKind) {
        let new = Agency {
            kind,
            suspended: false,
            bundle: None,
        };
        self.0
            .entry(id)
            .and_modify(|agency| agency.kind = kind)
            .or_insert(new);
    }

    pub(super) fn suspend(&mut self, id: &AgencyId, suspended: bool) -> Result<(), Problem> {
        self.0.get_mut(id).ok_or(Problem::NotEnrolled)?.suspended = suspended;
        Ok(())
    }

    /// A `keys` entry.
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
        let agency = self.0.get_mut(id).ok_or(Problem::NotEnrolled)?;
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
        bundle
            .follows(agency.bundle.as_ref())
            .map_err(Problem::Bundle)?;
        agency.bundle = Some(bundle);
        Ok(())
    }

    /// What the agency is enrolled as, unless it is suspended.
    pub(super) fn member(&self, id: &AgencyId) -> Result<AgencyKind, Problem> {
        let agency = self.0.get(id).ok_or(Problem::NotEnrolled)?;
        if agency.suspended {
            Err(Problem::Suspended)
        } else {
            Ok(agency.kind)
        }
    }

    /// What the agency is enrolled as, suspended or not.
    pub(super) fn kind(&self, id: &AgencyId) -> Result<AgencyKind, Problem> {
        self.0
            .get(id)
            .map(|agency| agency.kind)
            .ok_or(Problem::NotEnrolled)
    }

    /// The agency's last bundle.
    pub(super) fn bundle(&self, id: &AgencyId) -> Result<&KeyBundle, Problem> {
        let agency = self.0.get(id).ok_or(Problem::NotEnrolled)?;
        agency.bundle.as_ref().ok_or(Problem::NoKey)
    }

    /// The key that signs the agency's statements.
    pub(super) fn signing_key(&self, id: &AgencyId) -> Result<SigningKey, Problem> {
        Ok(self.bundle(id)?.signing_key())
    }

    /// The same, where the act needs a bundle that still stands.
    pub(super) fn standing_key(&self, id: &AgencyId, at: Timestamp) -> Result<SigningKey, Problem> {
        let bundle = self.bundle(id)?;
        if bundle.stands(at, SKEW) {
            Ok(bundle.signing_key())
        } else {
            Err(Problem::NoKey)
        }
    }
}
