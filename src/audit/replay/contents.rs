//! Content that entries carried, and whether its erasure was lawful.

use super::{Act, Problem, Replay};
use crate::domain::basis::BASIS_MAX as CODE_LIFE;
use crate::domain::gate::BasisHead;
use crate::domain::id::{AccessId, AgencyId, BasisChainId, CaseHandle, OfferId, ParcelId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AccessState, Stage};
use crate::ledger::entry::Actor;
use std::collections::{HashMap, HashSet};

/// Parcels that one may rest on, one below the other: as many as the protocol lets pass on, and some.
const HOPS_MAX: usize = 8;

/// One thing that an entry carried besides its decision.
#[derive(Debug)]
pub(super) enum Content {
    /// A sealed parcel.
    Parcel(OfferId, Stage, ParcelId),
    /// The code of a case, registered at a time.
    Code(AgencyId, CaseHandle, Timestamp),
    /// A sealed message or an attachment of an offer, under a chain; a reply is under none of its own.
    Said(OfferId, Option<BasisChainId>),
    /// What was released under break-glass.
    Access(AccessId),
}

/// What each entry carried, by its index.
#[derive(Debug, Default)]
pub(super) struct Contents {
    carried: HashMap<u64, Vec<Content>>,
    erased: HashSet<u64>,
}

impl Contents {
    /// Notes what the entry of `act` carried.
    pub(super) fn carry(&mut self, act: Act<'_>, content: Content) {
        self.carried.entry(act.index).or_default().push(content);
    }
}

impl Replay {
    /// A tombstone of content: by the router, of entries that carried some which nobody may open any more.
    ///
    /// An entry may be named again: it may have carried parcels under several chains.
    pub(super) fn erased(&mut self, act: Act<'_>, indexes: &[u64]) -> Result<(), Problem> {
        if *act.by != Actor::Router {
            return Err(Problem::Actor);
        }
        for index in indexes {
            let carried = self.contents.carried.get(index);
            let carried = carried.ok_or(Problem::Tombstone)?;
            if !carried
                .iter()
                .any(|content| self.is_over(act, *index, content))
            {
                return Err(Problem::ErasedTooSoon(*index));
            }
            if self.contents.erased.insert(*index) {
                self.counts.tombstones += 1;
            }
        }
        Ok(())
    }

    /// The chains that a parcel rests on: its own, and those of what it passes on.
    pub(super) fn rests_on(
        &self,
        offer: OfferId,
        parcel: ParcelId,
    ) -> Vec<(AgencyId, BasisChainId)> {
        let mut chains = Vec::new();
        let mut at = Some((offer, parcel));
        while let Some((offer, parcel)) = at {
            let (Ok(of), Some(parcel)) = (
                self.offers.offer(&offer),
                self.parcels.get(&(offer, parcel)),
            ) else {
                break;
            };
            chains.push((of.source.clone(), parcel.chain));
            // Deposits refuse cycles; a log that holds one is not followed for ever.
            at = parcel.parent.filter(|_| chains.len() <= HOPS_MAX);
        }
        chains
    }

    /// Whether content has no lawful use any more: its offer is over, its chain was withdrawn, or another parcel
    /// stands in its place.
    fn is_over(&self, act: Act<'_>, index: u64, content: &Content) -> bool {
        match content {
            Content::Code(source, case, registered) => {
                !self.slips.is_latest(source, *case, index) || registered.plus(CODE_LIFE) <= act.at
            }
            Content::Access(id) => {
                let glass = self.glass.get(id);
                glass.is_some_and(|glass| glass.access.state(act.at) == AccessState::Ended)
            }
            Content::Said(id, chain) => {
                let Ok(offer) = self.offers.offer(id) else {
                    return false;
                };
                let withdrawn = |(source, chain): (AgencyId, BasisChainId)| {
                    matches!(self.bases.head(&source, chain), Ok(BasisHead::Withdrawn))
                };
                // All that was said goes with any of the chains that the offer rests on.
                let own = chain.map(|chain| (offer.source.clone(), chain));
                let parcels = offer.parcels.values();
                offer.state_at(act.at).is_terminal()
                    || own.is_some_and(withdrawn)
                    || parcels
                        .flat_map(|parcel| self.rests_on(*id, *parcel))
                        .any(withdrawn)
            }
            Content::Parcel(id, stage, parcel) => {
                let Ok(offer) = self.offers.offer(id) else {
                    return false;
                };
                let withdrawn = |(source, chain): &(AgencyId, BasisChainId)| {
                    matches!(self.bases.head(source, *chain), Ok(BasisHead::Withdrawn))
                };
                offer.state_at(act.at).is_terminal()
                    || offer.parcels.get(stage) != Some(parcel)
                    || self.rests_on(*id, *parcel).iter().any(withdrawn)
            }
        }
    }
}
