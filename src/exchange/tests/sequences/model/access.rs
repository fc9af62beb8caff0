//! Break-glass: asked by who holds the person, approved outside, an hour at most, and never against a no
//! (invariant 16).

use super::{Model, Wrong, must, over, time, word};
use crate::domain::id::{AccessId, AgencyId, OfferId};
use crate::domain::label::LabelSet;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AccessReason, BasisKind};
use crate::ledger::decision::{Decision, LabelledDigest};
use crate::ledger::entry::{Actor, Entry};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// One access.
#[derive(Debug, Clone)]
pub struct Glass {
    pub id: AccessId,
    pub offer: OfferId,
    pub requester: AgencyId,
    pub source: AgencyId,
    pub labels: LabelSet,
    /// When it ends unless something is done.
    pub until: Timestamp,
    pub approved: bool,
    pub refused: bool,
    pub released: Option<LabelSet>,
    pub reviewed: bool,
}

fn told(labels: &[LabelledDigest]) -> Result<LabelSet, Wrong> {
    let labels = labels.iter();
    let labels = labels.map(|label| word(&format!("{}/{}", label.cat, label.form)));
    Ok(labels.collect::<Result<Vec<_>, _>>()?.into_iter().collect())
}

impl Model {
    /// Whether the person said no to this recipient, and not yes since.
    fn taken_back(&self, offer: OfferId, at: Timestamp) -> Result<bool, Wrong> {
        let mut next = Some(offer);
        let mut back = false;
        while let Some(id) = next {
            let offer = self.offer(id)?;
            let (mut refused, mut stands) = (false, false);
            for chain in self.chains.values() {
                let basis = &chain.last;
                let theirs = basis.source == offer.source
                    && basis.case == offer.case
                    && basis.recipient == offer.recipient;
                if !theirs {
                    continue;
                }
                let paused = chain.pauses < self.paused(&basis.source, basis.case);
                match &chain.head {
                    Some(basis) if !paused => {
                        // What stands without asking them does not undo their no.
                        let mut allows = basis.allows.iter();
                        let said = basis.kind == BasisKind::Consent;
                        stands |= said && allows.any(|it| basis.from <= at && at < it.until);
                    }
                    _ => refused = true,
                }
            }
            back |= refused && !stands;
            next = offer.forwards;
        }
        Ok(back)
    }

    fn may_break(&self, offer: OfferId, at: Timestamp) -> Result<(), Wrong> {
        let holds = self.offer(offer)?.at(at);
        must!(!over(holds), "16: nobody is in their hands");
        must!(!self.taken_back(offer, at)?, "13: against the person's no");
        Ok(())
    }

    fn glass(&mut self, id: &str) -> Result<&mut Glass, Wrong> {
        let id: AccessId = word(id)?;
        let mut glass = self.glass.iter_mut();
        let found = glass.find(|glass| glass.id == id);
        found.ok_or_else(|| "16: nobody asked".to_owned())
    }

    pub(super) fn accessed(&mut self, entry: &Entry, decision: &Decision) -> Result<(), Wrong> {
        let at = entry.at;
        let Actor::Agency(by) = &entry.by else {
            return Err("no agency acted".to_owned());
        };
        match decision {
            Decision::AccessRequested {
                access,
                offer,
                reason,
                labels,
                until,
                ..
            } => {
                let of = self.offer(word(offer)?)?;
                must!(of.recipient == *by, "16: asked by a stranger");
                word::<AccessReason>(reason).map_err(|_| "16: no reason")?;
                let until = time(*until)?;
                must!(
                    at < until && until <= at.plus(HOUR),
                    "16: longer than an hour"
                );
                let labels = labels.iter().map(|label| word(label));
                let labels: LabelSet = labels.collect::<Result<Vec<_>, _>>()?.into_iter().collect();
                let glass = Glass {
                    id: word(access)?,
                    offer: of.id,
                    requester: by.clone(),
                    source: of.source.clone(),
                    labels,
                    until,
                    approved: false,
                    refused: false,
                    released: None,
                    reviewed: false,
                };
                self.may_break(glass.offer, at)?;
                self.glass.push(glass);
                Ok(())
            }
            Decision::AccessApproved { access, until, .. } => {
                let glass = self.glass(access)?;
                must!(glass.requester != *by, "16: approved by who asks");
                let open = !glass.approved && !glass.refused && at < glass.until;
                must!(open, "16: approved out of turn");
                glass.approved = true;
                glass.until = time(*until)?;
                must!(glass.until <= at.plus(HOUR), "16: longer than an hour");
                Ok(())
            }
            Decision::AccessRefused { access, .. } => {
                let glass = self.glass(access)?;
                must!(glass.requester != *by, "16: refused by who asks");
                glass.refused = true;
                Ok(())
            }
            Decision::AccessReleased {
                access,
                deposit,
                until,
                ..
            } => {
                let labels = told(&deposit.labels)?;
                let until = time(*until)?;
                let glass = self.glass(access)?;
                let open = glass.approved && glass.released.is_none() && at < glass.until;
                must!(open, "16: released without a yes in time");
                must!(glass.source == *by, "16: released by a stranger");
                must!(until <= at.plus(HOUR), "16: longer than an hour");
                let more = labels.beyond(glass.labels.closed());
                must!(more.is_empty(), "16: more than was asked for");
                glass.released = Some(labels);
                glass.until = until;
                let offer = glass.offer;
                self.may_break(offer, at)
            }
            Decision::AccessOpened { access, .. } => {
                let glass = self.glass(access)?;
                must!(glass.requester == *by, "16: opened by a stranger");
                let open = glass.released.is_some() && at < glass.until;
                must!(open, "16: opened outside its hour");
                let offer = glass.offer;
                self.may_break(offer, at)?;
                self.disclosures += 1;
                Ok(())
            }
            Decision::AccessReviewed { access, .. } => {
                let glass = self.glass(access)?;
                let due = glass.released.is_some() && glass.until <= at && !glass.reviewed;
                must!(due && glass.requester != *by, "16: reviewed out of turn");
                glass.reviewed = true;
                Ok(())
            }
            _ => Err("no access".to_owned()),
        }
    }
}
