//! Administrators and what they did: enrolments and protocols under two signatures, suspensions under one.

use super::Pins;
use super::agencies::Agencies;
use crate::audit::finding::Problem;
use crate::domain::protocol::Protocol;
use crate::envelope::act::{Act, ActBody, Approval, act_digest, act_identity, claimed_kid};
use crate::envelope::keys::{VerifyingKey, b64u, sha256};
use crate::identity::signing_chain::TrustStore;
use data_encoding::BASE64;
use rustls::pki_types::CertificateDer;
use std::collections::{BTreeMap, BTreeSet};

/// Administrators that must be pinned at least: two signatures need two people.
const ADMINISTRATORS_MIN: usize = 2;

/// What is known of the administration so far.
#[derive(Debug, Default)]
pub(super) struct Administration {
    origin: String,
    administrators: BTreeMap<String, VerifyingKey>,
    trust: Option<TrustStore>,
    authorities: Vec<String>,
    /// Acts that took effect: none does twice.
    spent: BTreeSet<[u8; 32]>,
    protocol: Option<Protocol>,
}

impl Administration {
    pub(super) const fn has_begun(&self) -> bool {
        self.trust.is_some()
    }

    pub(super) fn pins(&self) -> Pins {
        Pins {
            administrators: self.administrators.keys().cloned().collect(),
            authorities: self.authorities.clone(),
        }
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) const fn trust(&self) -> Option<&TrustStore> {
        self.trust.as_ref()
    }

    /// Version of the protocol in force; 0 before the first.
    pub(super) fn protocol_version(&self) -> u64 {
        self.protocol.as_ref().map_or(0, Protocol::version)
    }

    /// The protocol in force: the last one published.
    pub(super) const fn protocol(&self) -> Option<&Protocol> {
        self.protocol.as_ref()
    }

    pub(super) fn begin(
        &mut self,
        origin: &str,
        administrators: &[String],
        roots: &str,
    ) -> Result<(), Problem> {
        let mut keys = BTreeMap::new();
        for key in administrators
            .iter()
            .flat_map(|pem| pem_blocks(pem, "PUBLIC KEY"))
        {
            let key = VerifyingKey::from_spki(&key).map_err(|_| Problem::Pins)?;
            keys.insert(key.spki_kid(), key);
        }
        let roots: Vec<_> = pem_blocks(roots, "CERTIFICATE")
            .into_iter()
            .map(CertificateDer::from)
            .collect();
        self.trust = Some(TrustStore::new(&roots).unwrap_or_default());
        self.authorities = roots.iter().map(|root| b64u(&sha256(root))).collect();
        origin.clone_into(&mut self.origin);
        if keys.len() < ADMINISTRATORS_MIN || roots.is_empty() {
            return Err(Problem::Pins);
        }
        self.administrators = keys;
        Ok(())
    }

    pub(super) fn proposed(&self, statement: &[u8]) -> Result<(), Problem> {
        self.act(statement).map(|_| ())
    }

    pub(super) fn approved(
        &mut self,
        statement: &[u8],
        approval: &[u8],
        agencies: &mut Agencies,
    ) -> Result<(), Problem> {
        let (proposer, act) = self.act(statement)?;
        let (approver, key) = self.signer(approval)?;
        let signed = approval;
        let approval = Approval::parse(approval, key).map_err(Problem::Act)?;
        if approver == proposer {
            return Err(Problem::SameAdministrator);
        }
        if approval.act != act_digest(statement) {
            return Err(Problem::OtherAct);
        }
        self.spend(statement)?;
        match act.body {
            // Such an id says of itself that nobody is enrolled under it.
            ActBody::Enrol { agency, .. } if agency.is_outside() => {
                return Err(Problem::ActNotForThis);
            }
            ActBody::Enrol {
                agency,
                kind,
                parent,
            } => agencies.enrol(agency, kind, parent, [statement, signed]),
            ActBody::Reinstate { agency } => agencies.suspend(&agency, false)?,
            ActBody::Suspend { agency } => agencies.suspend(&agency, true)?,
            ActBody::PublishProtocol { version, toml } => {
                let protocol = Protocol::parse(&toml).map_err(|_| Problem::Protocol)?;
                if protocol.version() != version || version <= self.protocol_version() {
                    return Err(Problem::Protocol);
                }
                self.protocol = Some(protocol);
            }
        }
        Ok(())
    }

    pub(super) fn suspended(
        &mut self,
        statement: &[u8],
        agencies: &mut Agencies,
    ) -> Result<(), Problem> {
        let (_, act) = self.act(statement)?;
        let ActBody::Suspend { agency } = act.body else {
            return Err(Problem::ActNotForThis);
        };
        self.spend(statement)?;
        agencies.suspend(&agency, true)
    }

    /// The act that a pinned administrator signed for this log, and their key id.
    fn act(&self, statement: &[u8]) -> Result<(String, Act), Problem> {
        let (kid, key) = self.signer(statement)?;
        let act = Act::parse(statement, key).map_err(Problem::Act)?;
        if act.origin == self.origin {
            Ok((kid, act))
        } else {
            Err(Problem::ActNotForThis)
        }
    }

    fn signer(&self, statement: &[u8]) -> Result<(String, &VerifyingKey), Problem> {
        let kid = claimed_kid(statement).map_err(|error| Problem::Act(error.into()))?;
        let key = self
            .administrators
            .get(&kid)
            .ok_or(Problem::NotAdministrator)?;
        Ok((kid, key))
    }

    fn spend(&mut self, statement: &[u8]) -> Result<(), Problem> {
        let act = act_identity(statement).map_err(|error| Problem::Act(error.into()))?;
        if self.spent.insert(act) {
            Ok(())
        } else {
            Err(Problem::ActNotForThis)
        }
    }
}

/// The contents of the PEM blocks with this label; what is not base64 is left out.
fn pem_blocks(text: &str, label: &str) -> Vec<Vec<u8>> {
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    text.split(&begin)
        .skip(1)
        .filter_map(|rest| rest.split_once(&end))
        .filter_map(|(body, _)| {
            let body: Vec<u8> = body
                .bytes()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect();
            BASE64.decode(&body).ok()
        })
        .collect()
}
