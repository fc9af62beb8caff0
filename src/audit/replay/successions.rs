//! Successions: a restored log goes on under a new origin, and discloses nothing of a source that has not resubmitted.

use super::parcels::word;
use super::{Act, Problem, Replay};
use crate::domain::id::{AccessId, AgencyId, OfferId, ParcelId};
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use std::collections::HashSet;

/// What is known of the log's name and its last succession.
#[derive(Debug, Default)]
pub(super) struct Successions {
    origin: String,
    /// Index of the last succession's entry.
    last: Option<u64>,
    /// Who has resubmitted since.
    confirmed: HashSet<AgencyId>,
}

impl Replay {
    /// What the log must call itself now; empty before it was begun.
    #[must_use]
    pub fn log_origin(&self) -> &str {
        &self.successions.origin
    }

    pub(super) fn named(&mut self, origin: &str) {
        origin.clone_into(&mut self.successions.origin);
    }

    pub(super) fn succession(
        &mut self,
        act: Act<'_>,
        decision: &Decision,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Problem> {
        match decision {
            Decision::Succeeded {
                origin,
                of,
                witnessed,
                root,
                restored,
                ..
            } => {
                let known = &mut self.successions;
                let follows = *of == known.origin
                    && origin != of
                    && *restored == act.index
                    && (*witnessed == 0) == root.is_empty();
                origin.clone_into(&mut known.origin);
                known.last = Some(act.index);
                known.confirmed.clear();
                problems.push(Problem::Succeeded(witnessed.saturating_sub(*restored)));
                if *act.by != Actor::Router {
                    return Err(Problem::Actor);
                }
                follows.then_some(()).ok_or(Problem::Succession)
            }
            Decision::SuccessionConfirmed { succession, .. } => {
                let agency = act.agency()?.clone();
                self.agencies.member(&agency)?;
                let known = &mut self.successions;
                let fresh = known.last == Some(*succession) && known.confirmed.insert(agency);
                fresh.then_some(()).ok_or(Problem::Succession)
            }
            _ => Ok(()),
        }
    }

    /// That nothing of a source is disclosed that has not resubmitted since the last succession.
    pub(super) fn thawed(&self, act: Act<'_>, decision: &Decision) -> Result<(), Problem> {
        if self.successions.last.is_none() {
            return Ok(());
        }
        let of_offer = |offer: &str| -> Result<Vec<AgencyId>, Problem> {
            let offer = self.offers.offer(&word::<OfferId>(offer)?)?;
            Ok(vec![offer.source.clone()])
        };
        let sources = match decision {
            Decision::Opened { offer, parcel, .. } => {
                let mut sources = of_offer(offer)?;
                let (offer, parcel): (OfferId, ParcelId) = (word(offer)?, word(parcel)?);
                let beneath = self.rests_on(offer, parcel);
                sources.extend(beneath.into_iter().map(|(source, _)| source));
                sources
            }
            Decision::MessageOpened { offer, .. } | Decision::AttachmentOpened { offer, .. } => {
                of_offer(offer)?
            }
            Decision::AccessOpened { access, .. } => {
                let glass = self.glass.get(&word::<AccessId>(access)?);
                let glass = glass.ok_or(Problem::NoAccess)?;
                vec![self.offers.offer(&glass.offer)?.source.clone()]
            }
            Decision::CarriedReleased { .. } => vec![act.agency()?.clone()],
            _ => return Ok(()),
        };
        let known = &self.successions.confirmed;
        if sources.iter().all(|source| known.contains(source)) {
            Ok(())
        } else {
            Err(Problem::NotResubmitted)
        }
    }
}
