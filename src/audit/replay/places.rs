//! Places: counted again, so that none is found held or taken twice (invariant 7).

use super::offers::Offers;
use super::{Act, Problem};
use crate::domain::id::{AgencyId, OfferId, PoolId, RoomId};
use crate::domain::place::{Beds, Claim, HOLD_MAX, Party, PlaceError, RoomSize};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{OfferState, Sharing};
use crate::ledger::decision::RoomSet;
use crate::ledger::entry::Actor;
use std::collections::HashMap;

type Name = (AgencyId, PoolId);

/// How an offer has its places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Held,
    Taken,
    Occupied,
}

/// Places that an offer holds, has taken or occupies.
#[derive(Debug, Clone)]
struct Has {
    pool: Name,
    places: u32,
    how: How,
}

/// Every pool, and what every offer has in them.
#[derive(Debug, Default)]
pub(super) struct Places {
    pools: HashMap<Name, Beds>,
    of: HashMap<OfferId, Has>,
}

/// Places as an entry names them.
pub(super) struct Said<'a> {
    pub(super) offer: &'a str,
    pub(super) pool: &'a str,
    pub(super) room: Option<&'a str>,
    pub(super) places: u32,
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::Decision)
}

fn wrong(_: PlaceError) -> Problem {
    Problem::Places
}

impl Places {
    fn pool(&mut self, name: &Name) -> Result<&mut Beds, Problem> {
        self.pools.get_mut(name).ok_or(Problem::Places)
    }

    pub(super) fn updated(
        &mut self,
        act: Act<'_>,
        pool: &str,
        counts: (u32, u32),
        sharing: Option<&str>,
        rooms: &[RoomSet],
    ) -> Result<(), Problem> {
        let name = (act.agency()?.clone(), parse(pool)?);
        let sharing = sharing.map_or(Ok(Sharing::Shared), parse)?;
        let mut sizes = Vec::with_capacity(rooms.len());
        for room in rooms {
            sizes.push(RoomSize {
                room: parse(&room.room)?,
                places: room.places,
                closed: room.closed,
            });
        }
        let beds = self.pools.entry(name).or_default();
        beds.expire(act.at);
        beds.resize(counts, sharing, sizes).map_err(wrong)
    }

    /// What an offer has is released, if it only holds.
    fn release(&mut self, offer: OfferId) {
        let has = self.of.remove(&offer);
        if let Some(has) = has.filter(|has| has.how == How::Held)
            && let Some(beds) = self.pools.get_mut(&has.pool)
        {
            beds.release(offer);
        }
    }

    pub(super) fn held(
        &mut self,
        act: Act<'_>,
        said: &Said<'_>,
        until: i64,
        party: Party,
    ) -> Result<(), Problem> {
        let offer: OfferId = parse(said.offer)?;
        let name = (act.agency()?.clone(), parse(said.pool)?);
        let room: Option<RoomId> = said.room.map(parse).transpose()?;
        let until = Timestamp::from_millis(until).ok_or(Problem::Decision)?;
        let has = self.of.get(&offer);
        if until > act.at.plus(HOLD_MAX) || has.is_some_and(|has| has.how != How::Held) {
            return Err(Problem::Places);
        }
        if self.of.get(&offer).is_some_and(|has| has.pool != name) {
            self.release(offer);
        }
        let beds = self.pool(&name)?;
        beds.expire(act.at);
        let claim = Claim {
            offer,
            party,
            room: room.as_ref(),
            places: said.places,
        };
        beds.hold(claim, until).map_err(wrong)?;
        let has = Has {
            pool: name,
            places: said.places,
            how: How::Held,
        };
        self.of.insert(offer, has);
        Ok(())
    }

    pub(super) fn taken(
        &mut self,
        act: Act<'_>,
        said: &Said<'_>,
        party: Party,
        offers: &Offers,
    ) -> Result<(), Problem> {
        let id: OfferId = parse(said.offer)?;
        let offer = offers.offer(&id)?;
        act.by(&offer.recipient)?;
        if offer.state != OfferState::Accepted {
            return Err(Problem::Move);
        }
        if self.of.get(&id).is_some_and(|has| has.how != How::Held) {
            return Err(Problem::Places);
        }
        let name = (offer.recipient.clone(), parse(said.pool)?);
        let room: Option<RoomId> = said.room.map(parse).transpose()?;
        let claim = Claim {
            offer: id,
            party,
            room: room.as_ref(),
            places: said.places,
        };
        let beds = self.pool(&name)?;
        let mut next = beds.clone();
        // A hold that ran while the acceptance was prepared is good for it.
        let held = next.take_held(id);
        if held == said.places {
            *beds = next;
            beds.expire(act.at);
        } else {
            beds.release(id);
            beds.expire(act.at);
            beds.take(claim).map_err(wrong)?;
        }
        let has = Has {
            pool: name,
            places: said.places,
            how: How::Taken,
        };
        self.of.insert(id, has);
        Ok(())
    }

    /// Follows an offer's own move.
    pub(super) fn moved(&mut self, act: Act<'_>, offer: &str, to: &str) -> Result<(), Problem> {
        let (offer, to): (OfferId, OfferState) = (parse(offer)?, parse(to)?);
        let Some(has) = self.of.get(&offer).cloned() else {
            return Ok(());
        };
        let beds = self.pool(&has.pool)?;
        match (to, has.how) {
            (OfferState::InProgress, How::Taken) => {
                beds.occupy(has.places).map_err(wrong)?;
                let how = How::Occupied;
                self.of.insert(offer, Has { how, ..has });
            }
            (OfferState::Completed, How::Occupied) => {
                beds.leave(offer, has.places).map_err(wrong)?;
                self.of.remove(&offer);
            }
            (OfferState::Completed, How::Taken) => {
                beds.release_taken(offer, has.places).map_err(wrong)?;
                self.of.remove(&offer);
            }
            (state, How::Held) if state.is_terminal() => {
                beds.expire(act.at);
                self.release(offer);
            }
            _ => {}
        }
        Ok(())
    }

    /// An offer closed upstream.
    pub(super) fn closed(&mut self, offer: &str) -> Result<(), Problem> {
        self.release(parse(offer)?);
        Ok(())
    }

    pub(super) fn left(
        &mut self,
        act: Act<'_>,
        said: &Said<'_>,
        offers: &Offers,
    ) -> Result<(), Problem> {
        let id: OfferId = parse(said.offer)?;
        let offer = offers.offer(&id)?;
        act.by(&offer.recipient)?;
        if offer.state != OfferState::InProgress {
            return Err(Problem::Move);
        }
        let name = (offer.recipient.clone(), parse(said.pool)?);
        let lives =
            |has: &Has| has.how == How::Occupied && has.pool == name && has.places == said.places;
        if !self.of.get(&id).is_some_and(lives) {
            return Err(Problem::Places);
        }
        self.of.remove(&id);
        self.pool(&name)?.leave(id, said.places).map_err(wrong)
    }

    pub(super) fn prepared(
        &mut self,
        act: Act<'_>,
        pool: &str,
        room: Option<&str>,
        places: u32,
    ) -> Result<(), Problem> {
        let name = (act.agency()?.clone(), parse(pool)?);
        let room: Option<RoomId> = room.map(parse).transpose()?;
        let beds = self.pool(&name)?;
        beds.finish(room.as_ref(), places).map_err(wrong)
    }

    /// A hold that ran out was written down.
    pub(super) fn ended(&mut self, act: Act<'_>, offer: &str) -> Result<(), Problem> {
        if *act.by != Actor::Router {
            return Err(Problem::Actor);
        }
        let id: OfferId = parse(offer)?;
        let has = self.of.get(&id).filter(|has| has.how == How::Held);
        let name = has.ok_or(Problem::Places)?.pool.clone();
        let beds = self.pool(&name)?;
        let runs = |beds: &Beds| beds.holds().iter().any(|hold| hold.offer == id);
        beds.expire(act.at);
        if runs(beds) {
            return Err(Problem::Places);
        }
        self.of.remove(&id);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
