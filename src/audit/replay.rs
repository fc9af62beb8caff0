//! Decides everything again: enrolments, protocols, keys, bases, offers, deposits and every disclosure.
//!
//! Fed entry by entry, so that a live log and an exported folder run through the same code. It believes the
//! first entry, which pins the administrators and the certificate authorities, and nothing after it that is
//! not signed by someone whom the log has enrolled. What it cannot see: whether a certificate was revoked
//! (lists are in the log by digest only), and what was never recorded.

mod accesses;
mod administration;
mod agencies;
mod alerts;
mod attachments;
mod bases;
mod carried;
mod contents;
mod groups;
mod messages;
mod offers;
mod onward;
mod oversight;
mod parcels;
mod places;
mod slips;
mod successions;
mod watermarks;

use super::finding::{Finding, Problem};
use crate::domain::id::{
    AccessId, AgencyId, AttachmentId, CarriedId, CaseHandle, OfferId, ParcelId,
};
use crate::domain::label::LabelSet;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::Stage;
use crate::ledger::decision::Decision;
use crate::ledger::entry::{Actor, Entry, EntryBody, Erased, Opening};
use std::time::Duration;

use administration::Administration;
use agencies::Agencies;
use bases::Bases;
use carried::Carried;
use contents::{Content, Contents};
use groups::{Grouped, Groups};
use offers::Offers;
use parcels::Parcel;
use places::{Places, Said};
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
    /// Entries whose content was erased, lawfully.
    pub tombstones: u64,
    /// Openings that ended after their retention, below a replay watermark.
    pub ended: u64,
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
    groups: Groups,
    places: Places,
    /// By offer as well: sources choose the ids of parcels.
    parcels: HashMap<(OfferId, ParcelId), Parcel>,
    contents: Contents,
    slips: slips::Slips,
    /// Labels that were ever opened, by case.
    released: HashMap<(AgencyId, CaseHandle), LabelSet>,
    /// By source as well: sources choose the ids.
    carried: HashMap<(AgencyId, CarriedId), Carried>,
    /// Sealed messages by offer and number.
    messages: HashMap<(OfferId, u32), messages::Posted>,
    /// Stage of each attachment.
    attachments: HashMap<(OfferId, AttachmentId), Stage>,
    counts: Counts,
    alerts: alerts::Alerts,
    /// Break-glass, by access id.
    glass: HashMap<AccessId, accesses::Glass>,
    successions: successions::Successions,
    watermarks: watermarks::Watermarks,
    oversight: oversight::Oversight,
}

/// One act as replay sees it.
#[derive(Debug, Clone, Copy)]
struct Act<'a> {
    /// Of the entry.
    index: u64,
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
        self.oversight.note(entry, opening);
        let Some(entry) = entry else {
            return Vec::new();
        };
        self.watermarks.passed(index, entry.at);
        let act = Act {
            index,
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
                    let mut found = Vec::new();
                    self.decide(act, &opening.decision, &mut found);
                    let found = found.into_iter();
                    problems.extend(found.map(|it| self.softened(it, &opening.decision)));
                }
            }
            (
                EntryBody::Digest {
                    size,
                    root,
                    protocol,
                    ..
                },
                _,
            ) => {
                let in_force = self.administration.protocol_version();
                let digested = self.agencies.digested(act, *size, root);
                let digested = digested.and_then(|readable| {
                    (!readable || *protocol == in_force)
                        .then_some(())
                        .ok_or(Problem::DirectoryDigest)
                });
                problems.extend(digested.err());
            }
            // Who is a member cannot be told any more; what rests on it is found uncovered elsewhere.
            (EntryBody::Committed { event, .. }, None) if agencies::CHANGE_IT.contains(event) => {
                self.agencies.lose_sight();
            }
            (EntryBody::Erased { of, indexes }, _) if *of == Erased::Content => {
                problems.extend(self.erased(act, indexes).err());
            }
            (EntryBody::Erased { indexes, .. }, _) => {
                problems.extend(self.ended(act, indexes).err());
            }
            _ => {}
        }
        problems
            .into_iter()
            .map(|problem| problem.at(index))
            .collect()
    }

    fn decide(&mut self, act: Act<'_>, decision: &Decision, problems: &mut Vec<Problem>) {
        problems.extend(self.thawed(act, decision).err());
        let result = match decision {
            Decision::Initialised {
                origin,
                administrators,
                roots,
                operator,
            } => {
                self.named(origin);
                let begun = self.administration.begin(origin, administrators, roots);
                begun.and_then(|()| self.agencies.begin(operator))
            }
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
                staff,
            } => {
                let words = offers::Words {
                    reason: reason.as_deref(),
                    decliner: decliner.as_deref(),
                    outcome: outcome.as_deref(),
                    staff,
                };
                let stays = (self.groups).stays(act, offer, to, words.decliner, &self.offers);
                problems.extend(stays.err());
                let moved = self.offers.moved(act, offer, to, words);
                moved.and_then(|()| self.places.moved(act, offer, to))
            }
            Decision::RecipientAsked { chain, erase, .. } => self.bases.ask(act, chain, *erase),
            Decision::ErasureAnswered { offer, answer, .. } => {
                self.erasure_answered(act, offer, answer)
            }
            Decision::CodeRegistered { case, .. } => self.code_registered(act, case),
            Decision::CodeEntered { cases, .. } => self.code_entered(act, cases),
            Decision::ResumeRequested { resume, case, .. } => {
                self.resume_requested(act, resume, case.as_ref())
            }
            Decision::ResumeAnswered { resume, answer, .. } => {
                self.resume_answered(act, resume, answer)
            }
            Decision::OfferClosed { offer } => {
                let closed = self.offers.closed(act, offer);
                closed.and_then(|()| self.places.closed(offer))
            }
            Decision::PlacesHeld { .. }
            | Decision::PoolUpdated { .. }
            | Decision::PlacesTaken { .. }
            | Decision::CheckedOut { .. }
            | Decision::PlacesPrepared { .. }
            | Decision::HoldEnded { .. }
            | Decision::Grouped { .. }
            | Decision::GroupMoved { .. } => self.lodging(act, decision),
            Decision::AlarmRaised { offer, alarm, .. } => self.offers.alarm(act, offer, alarm),
            Decision::Denied { .. } => {
                self.counts.denials += 1;
                Ok(())
            }
            Decision::DeniedCounted { count } => {
                self.counts.denials = self.counts.denials.saturating_add(*count);
                Ok(())
            }
            Decision::WatermarkRecorded { statement, .. } => self.watermarked(act, statement),
            Decision::Succeeded { .. } | Decision::SuccessionConfirmed { .. } => {
                self.succession(act, decision, problems)
            }
            Decision::AuthenticationFailed { .. } => match act.by {
                Actor::Router => Ok(()),
                Actor::Agency(_) | Actor::Admin => Err(Problem::Actor),
            },
            Decision::TransferProposed { offer, chain, .. } => {
                self.transfer_proposed(act, offer, chain)
            }
            Decision::TransferAnswered { offer, answer, .. } => {
                self.transfer_answered(act, offer, answer)
            }
            Decision::CapacityDeclared { .. } => act.agency().map(|_| ()),
            Decision::AlertRaised {
                alert,
                viewer,
                kind,
            } => self.alerts.raised(act, alert, viewer, kind),
            Decision::AlertAcknowledged { alert, .. } => self.alerts.acknowledged(act, alert),
            Decision::OfferTurn {
                offer,
                decide_by,
                due,
            } => self.offers.turn(act, offer, *decide_by, *due),
            Decision::OfferReminded { offer, due } => self.offers.reminded(act, offer, *due),
            Decision::OffersClosed { offers } => {
                let closed = self.offers.closed_together(act, offers);
                closed.and_then(|()| {
                    offers
                        .iter()
                        .try_for_each(|offer| self.places.closed(offer))
                })
            }
            Decision::DeclineProposed { offer, staff, .. } => {
                self.offers.proposed(act, offer, staff)
            }
            Decision::ReferralClosed {
                referral, reason, ..
            } => self.offers.ended(act, referral, reason),
            Decision::Escalated {
                source,
                referral,
                due,
                ..
            } => self.offers.escalated(act, source, referral, *due),
            Decision::CarriedRecorded { .. } | Decision::CarriedReleased { .. } => {
                self.carried(act, decision)
            }
            Decision::RevocationsLoaded { .. } => Ok(()),
            Decision::AccessRequested { .. }
            | Decision::AccessApproved { .. }
            | Decision::AccessRefused { .. }
            | Decision::AccessReleased { .. }
            | Decision::AccessOpened { .. }
            | Decision::AccessEnded { .. }
            | Decision::AccessReviewed { .. } => self.accesses(act, decision),
            Decision::Amended { .. } => {
                self.parcels(act, decision, problems);
                Ok(())
            }
            Decision::AmendmentConfirmed {
                offer,
                stage,
                parcel,
                ..
            } => self.offers.confirmed(act, offer, stage, parcel),
            Decision::MessagePosted { .. } | Decision::MessageOpened { .. } => {
                self.message(act, decision)
            }
            Decision::AttachmentDeposited { .. } | Decision::AttachmentOpened { .. } => {
                self.attachment(act, decision)
            }
            Decision::AuditRead { what, .. } => self.audit_read(act, what),
            Decision::DispositionRecorded { .. } | Decision::DispositionConfirmed { .. } => {
                self.disposition(act, decision)
            }
        };
        problems.extend(result.err());
    }
}

impl Replay {
    /// Places and groups.
    fn lodging(&mut self, act: Act<'_>, decision: &Decision) -> Result<(), Problem> {
        fn said<'a>(offer: &'a str, pool: &'a str, room: Option<&'a str>, places: u32) -> Said<'a> {
            Said {
                offer,
                pool,
                room,
                places,
            }
        }
        match decision {
            Decision::PlacesHeld {
                offer,
                pool,
                room,
                places,
                until,
                ..
            } => {
                self.offers.held(act, offer)?;
                let party = self.party(offer)?;
                let said = said(offer, pool, room.as_deref(), *places);
                self.places.held(act, &said, *until, party)
            }
            Decision::PoolUpdated {
                pool,
                total,
                closed,
                sharing,
                rooms,
                ..
            } => (self.places).updated(act, pool, (*total, *closed), sharing.as_deref(), rooms),
            Decision::PlacesTaken {
                offer,
                pool,
                room,
                places,
                ..
            } => {
                let party = self.party(offer)?;
                let said = said(offer, pool, room.as_deref(), *places);
                self.places.taken(act, &said, party, &self.offers)
            }
            Decision::CheckedOut {
                offer,
                pool,
                places,
                ..
            } => (self.places).left(act, &said(offer, pool, None, *places), &self.offers),
            Decision::PlacesPrepared {
                pool, room, places, ..
            } => self.places.prepared(act, pool, room.as_deref(), *places),
            Decision::HoldEnded { offer } => self.places.ended(act, offer),
            Decision::Grouped {
                group,
                recipient,
                offers,
                together,
                ..
            } => {
                let said = Grouped {
                    group,
                    recipient,
                    offers,
                    together: *together,
                };
                self.groups.grouped(act, &said, &self.offers)
            }
            Decision::GroupMoved { group, offers, .. } => {
                self.groups.moved(act, group, offers, &self.offers)
            }
            _ => Ok(()),
        }
    }

    fn party(&self, offer: &str) -> Result<crate::domain::place::Party, Problem> {
        let offer = offer.parse().map_err(|_| Problem::Decision)?;
        Ok(self.groups.party(offer))
    }
}

#[cfg(test)]
mod tests;
