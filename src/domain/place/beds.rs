//! One pool with all that is known of it: its counts, its holds with their times, and its rooms.
//!
//! The same code counts in the router and in the audit's replay.

use super::rooms::{Party, RoomSize, Rooms};
use super::{PlaceError, Pool};
use crate::domain::id::{OfferId, RoomId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::Sharing;

/// One offer's hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The offer.
    pub offer: OfferId,
    /// Places.
    pub places: u32,
    /// When it ends.
    pub until: Timestamp,
}

/// Places that are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// For which offer.
    pub offer: OfferId,
    /// With whom it may share a room.
    pub party: Party,
    /// In which room; the first that suits, when none.
    pub room: Option<&'a RoomId>,
    /// How many.
    pub places: u32,
}

/// A pool. Whatever is refused changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beds {
    pool: Pool,
    holds: Vec<Hold>,
    rooms: Rooms,
}

impl Beds {
    /// A pool as it was stored.
    ///
    /// # Errors
    ///
    /// [`PlaceError::TooSmall`] when counts, holds and rooms do not agree.
    pub fn restore(pool: Pool, holds: Vec<Hold>, rooms: Rooms) -> Result<Self, PlaceError> {
        let made = Self { pool, holds, rooms };
        if made.agrees() {
            Ok(made)
        } else {
            Err(PlaceError::TooSmall)
        }
    }

    /// Whether counts, holds and rooms say the same.
    fn agrees(&self) -> bool {
        fn sum(places: impl Iterator<Item = u32>) -> u64 {
            places.map(u64::from).sum()
        }
        let held = sum(self.holds.iter().map(|hold| hold.places));
        let rooms = self.rooms.rooms();
        let counted = rooms.is_empty()
            || (sum(rooms.iter().map(|room| room.size.places)) == u64::from(self.pool.total())
                && sum(rooms.iter().map(|room| room.size.closed)) == u64::from(self.pool.closed())
                && sum(rooms.iter().map(|room| room.preparing))
                    == u64::from(self.pool.preparing())
                && sum(self.rooms.stays().iter().map(|stay| stay.places))
                    == u64::from(self.pool.in_use() - self.pool.preparing()));
        held == u64::from(self.pool.held()) && counted
    }

    /// The counts.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The holds.
    #[must_use]
    pub fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// The rooms.
    #[must_use]
    pub const fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// Releases holds whose time is over at `now`.
    pub fn expire(&mut self, now: Timestamp) {
        let over: Vec<OfferId> = self
            .holds
            .iter()
            .filter(|hold| hold.until <= now)
            .map(|hold| hold.offer)
            .collect();
        over.into_iter().for_each(|offer| {
            self.release(offer);
        });
    }

    /// Holds places in place of what the offer held before; gives the room.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NoPlaces`], [`PlaceError::OutOfRange`], [`PlaceError::NoSuchRoom`].
    pub fn hold(
        &mut self,
        claim: Claim<'_>,
        until: Timestamp,
    ) -> Result<Option<RoomId>, PlaceError> {
        let mut next = self.clone();
        next.release(claim.offer);
        next.pool.hold(claim.places)?;
        let room = next.enter(claim)?;
        next.holds.push(Hold {
            offer: claim.offer,
            places: claim.places,
            until,
        });
        *self = next;
        Ok(room)
    }

    fn enter(&mut self, claim: Claim<'_>) -> Result<Option<RoomId>, PlaceError> {
        self.rooms
            .enter(claim.offer, claim.party, claim.room, claim.places)
    }

    /// Forgets a hold; gives its places, none when its time was over.
    fn forget(&mut self, offer: OfferId) -> u32 {
        let at = self.holds.iter().position(|hold| hold.offer == offer);
        at.map_or(0, |at| self.holds.remove(at).places)
    }

    /// Releases what an offer holds; gives how many places, none when its time was over.
    pub fn release(&mut self, offer: OfferId) -> u32 {
        let places = self.forget(offer);
        if places > 0 && self.pool.release(places).is_ok() {
            self.rooms.exit(offer, false);
        }
        places
    }

    /// Takes what an offer holds until arrival; gives how many places, none when the hold's time was over.
    pub fn take_held(&mut self, offer: OfferId) -> u32 {
        let places = self.forget(offer);
        if places > 0 && self.pool.take_held(places).is_err() {
            return 0;
        }
        places
    }

    /// Takes free places until arrival; gives the room.
    ///
    /// # Errors
    ///
    /// As [`Beds::hold`].
    pub fn take(&mut self, claim: Claim<'_>) -> Result<Option<RoomId>, PlaceError> {
        let mut next = self.clone();
        next.pool.take(claim.places)?;
        let room = next.enter(claim)?;
        *self = next;
        Ok(room)
    }

    /// Nobody came: what was taken is free.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NotThere`].
    pub fn release_taken(&mut self, offer: OfferId, places: u32) -> Result<(), PlaceError> {
        self.pool.release_taken(places)?;
        self.rooms.exit(offer, false);
        Ok(())
    }

    /// Arrival.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NotThere`].
    pub fn occupy(&mut self, places: u32) -> Result<(), PlaceError> {
        self.pool.occupy(places)
    }

    /// Departure: what was occupied is prepared for the next.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NotThere`].
    pub fn leave(&mut self, offer: OfferId, places: u32) -> Result<(), PlaceError> {
        self.pool.leave(places)?;
        self.rooms.exit(offer, true);
        Ok(())
    }

    /// Places are ready for the next.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NotThere`], [`PlaceError::NoSuchRoom`]; a pool with rooms needs one.
    pub fn finish(&mut self, room: Option<&RoomId>, places: u32) -> Result<(), PlaceError> {
        let mut next = self.clone();
        next.pool.finish(places)?;
        next.rooms.finish(room, places)?;
        *self = next;
        Ok(())
    }

    /// Sets how many places there are, how many are closed, and how they are divided; whoever is in stays in.
    ///
    /// # Errors
    ///
    /// [`PlaceError::TooSmall`] when what is in use does not fit, or would have no room; [`PlaceError::OutOfRange`].
    pub fn resize(
        &mut self,
        (total, closed): (u32, u32),
        sharing: Sharing,
        sizes: Vec<RoomSize>,
    ) -> Result<(), PlaceError> {
        let mut pool = self.pool;
        pool.resize(total, closed)?;
        let rooms = self.rooms.resized(sharing, sizes)?;
        *self = Self::restore(pool, self.holds.clone(), rooms)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
