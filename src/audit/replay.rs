//! Decides everything again: enrolments, protocols, keys, bases, offers, deposits and every disclosure.
//!
//! Fed entry by entry, so that a live log and an exported folder run through the same code. It believes the
//! first entry, which pins the administrators and the certificate authorities, and nothing after it that is
//! not signed by someone whom the log has enrolled. What it cannot see: whether a certificate was revoked
//! (lists are in the log by digest only), and what was never recorded.

mod administration;
mod agencies;
mod alerts;
mod bases;
mod offers;
mod parcels;

use super::finding::{Finding, Problem};
use crate::domain::id::{AgencyId, OfferId, ParcelId};
use crate::domain::time::Timestamp;
use crate::ledger::decision::Decision;
use crate::ledger::entry::{Actor, Entry, EntryBody, Opening};
use std::time::Duration;

use administration::Administration;
use agencies::Agencies;
use bases::Bases;
use offers::Offers;
use parcels::Parcel;
use std::collections::HashMap;

/// How far an agency's clock may be ahead of the router's.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// What a replay counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Disclosures decided again.
    pub disclosures: u64,
    /// Of those, covered by a signed basis in force and the protocol.
    pub covered: u64,
    /// Parcels deposited.
    pub deposits: u64,
    /// Basis statements and withdrawals.
    pub bases: u64,
    /// Denials recorded, those only counted included.
    pub denials: u64,
}

/// What the first entry pinned, for the auditor to compare with what they were told on paper.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pins {
    /// The administrators' key ids: base64url SHA-256 of each public key.
    pub administrators: Vec<String>,
    /// Base64url SHA-256 of each certificate authority's certificate.
    pub authorities: Vec<String>,
}

/// A running replay.
#[derive(Debug, Default)]
pub struct Replay {
    next: u64,
    administration: Administration,
    agencies: Agencies,
    bases: Bases,
    offers: Offers,
    /// By offer as well: sources choose the ids of parcels.
    parcels: HashMap<(OfferId, ParcelId), Parcel>,
    counts: Counts,
    alerts: alerts::Alerts,
}

/// One act as replay sees it.
#[derive(Debug, Clone, Copy)]
struct Act<'a> {
    at: Timestamp,
    by: &'a Actor,
}

impl Act<'_> {
    /// The agency that acted.
    fn agency(&self) -> Result<&AgencyId, Problem> {
        match self.by {
            Actor::Agency(agency) => Ok(agency),
            Actor::Router | Actor::Admin => Err(Problem::Actor),
        }
    }

    /// That this agency acted.
    fn by(&self, agency: &AgencyId) -> Result<(), Problem> {
        if self.agency()? == agency {
            Ok(())
        } else {
            Err(Problem::Actor)
        }
    }
}

impl Replay {
    /// From the first entry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// What the first entry pinned.
    #[must_use]
    pub fn pins(&self) -> Pins {
        self.administration.pins()
    }

    /// Takes the next entry with its opening, as the other levels have parsed and checked them.
    ///
    /// None for an entry or an opening that is not there or not good: what rests on it is found uncovered.
    pub fn feed(&mut self, entry: Option<&Entry>, opening: Option<&Opening>) -> Vec<Finding> {
        let index = self.next;
        self.next += 1;
        let Some(entry) = entry else {
            return Vec::new();
        };
        let act = Act {
            at: entry.at,
            by: &entry.by,
        };
        let mut problems = Vec::new();
        match (&entry.body, opening) {
            (EntryBody::Keys { bundle }, _) => {
                let published = self.agencies.publish(act, bundle, &self.administration);
                problems.extend(published.err());
            }
            (EntryBody::Committed { .. }, Some(opening)) => {
                let begun = self.administration.has_begun();
                if begun == matches!(opening.decision, Decision::Initialised { .. }) {
                    problems.push(Problem::Beginning);
                } else {
                    self.decide(act, &opening.decision, &mut problems);
                }
            }
            _ => {}
        }
        problems
            .into_iter()
            .map(|problem| problem.at(index))
            .collect()
    }

    fn decide(&mut self, act: Act<'_>, decision: &Decision, problems: &mut Vec<Problem>) {
        let result = match decision {
            Decision::Initialised {
                origin,
                administrators,
                roots,
            } => self.administration.begin(origin, administrators, roots),
            Decision::Proposed { statement, .. } => {
                self.administration.proposed(statement.as_bytes())
            }
            Decision::Approved {
                statement,
                approval,
                ..
            } => self.administration.approved(
                statement.as_bytes(),
                approval.as_bytes(),
                &mut self.agencies,
            ),
            Decision::Suspended { statement } => self
                .administration
                .suspended(statement.as_bytes(), &mut self.agencies),
            Decision::BasisRecorded { statement, .. } => {
                self.counts.bases += 1;
                self.bases.record(act, statement.as_bytes(), &self.agencies)
            }
            Decision::BasisWithdrawn { statement, .. } => {
                self.counts.bases += 1;
                self.bases
                    .withdraw(act, statement.as_bytes(), &self.agencies)
            }
            Decision::Offered { .. } | Decision::Deposited { .. } | Decision::Opened { .. } => {
                self.parcels(act, decision, problems);
                Ok(())
            }
            Decision::OfferMoved {
                offer,
                to,
                reason,
                decliner,
                outcome,
                ..
            } => {
                let words = offers::Words {
                    reason: reason.as_deref(),
                    decliner: decliner.as_deref(),
                    outcome: outcome.as_deref(),
                };
                self.offers.moved(act, offer, to, words)
            }
            Decision::OfferClosed { offer } => self.offers.closed(act, offer),
            Decision::PlacesHeld { offer, .. } => self.offers.held(act, offer),
            Decision::AlarmRaised { offer, alarm, .. } => self.offers.alarm(act, offer, alarm),
            Decision::Denied { .. } => {
                self.counts.denials += 1;
                Ok(())
            }
            Decision::DeniedCounted { count } => {
                self.counts.denials = self.counts.denials.saturating_add(*count);
                Ok(())
            }
            Decision::PoolUpdated { .. } | Decision::CapacityDeclared { .. } => {
                act.agency().map(|_| ())
            }
            Decision::AlertRaised {
                alert,
                viewer,
                kind,
            } => self.alerts.raised(act, alert, viewer, kind),
            Decision::AlertAcknowledged { alert, .. } => self.alerts.acknowledged(act, alert),
            Decision::AuditRead { .. } | Decision::RevocationsLoaded { .. } => Ok(()),
        };
        problems.extend(result.err());
    }
}

#[cfg(test)]
mod tests;
