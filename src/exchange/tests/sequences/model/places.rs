//! Places, counted with one sum: nobody holds, takes or lives in more than there are (invariant 7).

use super::{Model, Wrong, must, time, word};
use crate::domain::id::OfferId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::OfferState;
use crate::ledger::decision::Decision;
use crate::ledger::entry::{Actor, Entry};
use std::collections::BTreeMap;

/// One house's only pool.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    pub total: u32,
    pub closed: u32,
    pub preparing: u32,
    /// Places held, by offer, and until when.
    pub holds: BTreeMap<[u8; 16], (u32, Timestamp)>,
    pub taken: BTreeMap<[u8; 16], u32>,
    pub occupied: BTreeMap<[u8; 16], u32>,
}

impl Pool {
    /// Held, taken, occupied and in preparation at a moment.
    pub fn counts(&self, at: Timestamp) -> (u32, u32, u32, u32) {
        let holds = self.holds.values();
        let held = holds
            .filter(|(_, until)| at < *until)
            .map(|(places, _)| places);
        (
            held.sum(),
            self.taken.values().sum(),
            self.occupied.values().sum(),
            self.preparing,
        )
    }

    fn check(&self, at: Timestamp) -> Result<(), Wrong> {
        let (held, taken, occupied, preparing) = self.counts(at);
        let used = held + taken + occupied + preparing + self.closed;
        must!(used <= self.total, "7: {used} places of {}", self.total);
        Ok(())
    }
}

impl Model {
    pub(super) fn lodged(&mut self, entry: &Entry, decision: &Decision) -> Result<(), Wrong> {
        let at = entry.at;
        let agency = match &entry.by {
            Actor::Agency(agency) => agency.clone(),
            _ => {
                let Decision::HoldEnded { offer } = decision else {
                    return Err("no agency acted".to_owned());
                };
                self.offer(word(offer)?)?.recipient.clone()
            }
        };
        let key = |offer: &String| -> Result<[u8; 16], Wrong> {
            let offer: OfferId = word(offer)?;
            Ok(*offer.as_bytes())
        };
        if let Decision::PlacesTaken { offer, .. } = decision {
            let state = self.offer(word(offer)?)?.state;
            must!(state == OfferState::Accepted, "7: taken without a yes");
        }
        let pool = self.pools.entry(agency).or_default();
        match decision {
            Decision::PoolUpdated { total, closed, .. } => {
                (pool.total, pool.closed) = (*total, *closed);
            }
            Decision::PlacesHeld {
                offer,
                places,
                until,
                ..
            } => {
                pool.holds.insert(key(offer)?, (*places, time(*until)?));
            }
            Decision::PlacesTaken { offer, places, .. } => {
                let offer = key(offer)?;
                pool.holds.remove(&offer);
                must!(
                    pool.taken.insert(offer, *places).is_none(),
                    "7: taken twice"
                );
            }
            Decision::CheckedOut { offer, places, .. } => {
                let had = pool.occupied.remove(&key(offer)?);
                must!(had == Some(*places), "7: left what was not lived in");
                pool.preparing += places;
            }
            Decision::PlacesPrepared { places, .. } => {
                let left = pool.preparing.checked_sub(*places);
                pool.preparing = left.ok_or("7: prepared what nobody had left")?;
            }
            Decision::HoldEnded { offer } => {
                let held = pool.holds.remove(&key(offer)?);
                let over = held.is_some_and(|(_, until)| until <= at);
                must!(over, "32: a hold ended before its time");
            }
            _ => return Err("no place".to_owned()),
        }
        pool.check(at)
    }

    /// What an offer's move does to its places.
    pub(super) fn released(
        &mut self,
        offer: OfferId,
        to: OfferState,
        at: Timestamp,
    ) -> Result<(), Wrong> {
        let recipient = self.offer(offer)?.recipient.clone();
        let Some(pool) = self.pools.get_mut(&recipient) else {
            return Ok(());
        };
        let offer = *offer.as_bytes();
        match to {
            OfferState::Declined | OfferState::Lapsed | OfferState::Closed => {
                pool.holds.remove(&offer);
            }
            OfferState::InProgress => {
                let taken = pool.taken.remove(&offer);
                pool.occupied.extend(taken.map(|places| (offer, places)));
            }
            OfferState::Completed => {
                pool.taken.remove(&offer);
                pool.preparing += pool.occupied.remove(&offer).unwrap_or_default();
            }
            _ => {}
        }
        pool.check(at)
    }
}
