//! Rooms of a pool: in one that takes one party at a time, two parties never meet.
//!
//! A party is one offer, or one group that stays together. Who is a child here is not known, and need not be: the house
//! names the rooms (`domain/rooming.rs`), and this keeps strangers out of them.

use super::{OFFER_PLACES_MAX, POOL_PLACES_MAX, PlaceError};
use crate::domain::id::{GroupId, OfferId, RoomId};
use crate::domain::vocabulary::Sharing;

/// Most rooms of one pool.
pub const ROOMS_MAX: usize = 256;

/// Those who may be in one room together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Party([u8; 16]);

impl Party {
    /// A party as it was stored.
    #[must_use]
    pub const fn restore(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// What tells it from others.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<OfferId> for Party {
    fn from(offer: OfferId) -> Self {
        Self(*offer.as_bytes())
    }
}

impl From<GroupId> for Party {
    fn from(group: GroupId) -> Self {
        Self(*group.as_bytes())
    }
}

/// A room as its house describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSize {
    /// Which.
    pub room: RoomId,
    /// Its places, at least one.
    pub places: u32,
    /// Of these, closed for now.
    pub closed: u32,
}

/// A room as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Which, and how large.
    pub size: RoomSize,
    /// Places being prepared.
    pub preparing: u32,
}

/// Places that one offer holds, has taken or occupies in one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    /// The offer.
    pub offer: OfferId,
    /// With whom it may share a room.
    pub party: Party,
    /// Which room.
    pub room: RoomId,
    /// Places, at least one.
    pub places: u32,
}

/// The rooms of one pool, in the house's own order, and who is in them. Empty for a pool that only counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rooms {
    sharing: Sharing,
    rooms: Vec<Room>,
    stays: Vec<Stay>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            sharing: Sharing::Shared,
            rooms: Vec::new(),
            stays: Vec::new(),
        }
    }
}

impl Rooms {
    /// Rooms as they were stored.
    ///
    /// # Errors
    ///
    /// [`PlaceError::TooSmall`] when somebody has no room, a room has too many in it, or two parties share one that
    /// takes one at a time; [`PlaceError::OutOfRange`] past the limits.
    pub fn restore(
        sharing: Sharing,
        rooms: Vec<Room>,
        stays: Vec<Stay>,
    ) -> Result<Self, PlaceError> {
        let named = |at: usize, room: &Room| {
            let mut before = rooms.iter().take(at);
            before.any(|other| other.size.room == room.size.room)
        };
        let fits = rooms.len() <= ROOMS_MAX
            && rooms.iter().enumerate().all(|(at, room)| {
                (1..=POOL_PLACES_MAX).contains(&room.size.places) && !named(at, room)
            });
        if !fits || stays.iter().any(|stay| stay.places == 0) {
            return Err(PlaceError::OutOfRange);
        }
        let made = Self {
            sharing,
            rooms,
            stays,
        };
        let housed = |stay: &Stay| made.room(&stay.room).is_ok();
        let sound =
            made.stays.iter().all(housed) && made.rooms.iter().all(|room| made.is_sound(room));
        if sound {
            Ok(made)
        } else {
            Err(PlaceError::TooSmall)
        }
    }

    fn is_sound(&self, room: &Room) -> bool {
        let used = u64::from(room.size.closed)
            + u64::from(room.preparing)
            + self
                .within(room)
                .map(|stay| u64::from(stay.places))
                .sum::<u64>();
        let mut within = self.within(room);
        let first = within.next().map(|stay| stay.party);
        let mixed = within.any(|stay| Some(stay.party) != first);
        used <= u64::from(room.size.places) && !(mixed && self.sharing == Sharing::OnePartyPerRoom)
    }

    fn within<'a>(&'a self, room: &'a Room) -> impl Iterator<Item = &'a Stay> {
        let stays = self.stays.iter();
        stays.filter(|stay| stay.room == room.size.room)
    }

    fn room(&self, id: &RoomId) -> Result<&Room, PlaceError> {
        let mut rooms = self.rooms.iter();
        rooms
            .find(|room| room.size.room == *id)
            .ok_or(PlaceError::NoSuchRoom)
    }

    /// Whether the pool only counts.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// Who may be in one room at a time.
    #[must_use]
    pub const fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// The rooms, in the house's own order.
    #[must_use]
    pub fn rooms(&self) -> &[Room] {
        &self.rooms
    }

    /// Who is in them.
    #[must_use]
    pub fn stays(&self) -> &[Stay] {
        &self.stays
    }

    /// Where an offer's places are.
    #[must_use]
    pub fn of(&self, offer: OfferId) -> Option<&RoomId> {
        let mut stays = self.stays.iter();
        stays
            .find(|stay| stay.offer == offer)
            .map(|stay| &stay.room)
    }

    /// Places held, taken or occupied in a room.
    #[must_use]
    pub fn in_use(&self, room: &Room) -> u32 {
        self.within(room).map(|stay| stay.places).sum()
    }

    fn takes(&self, room: &Room, party: Party, places: u32) -> bool {
        let alone =
            self.sharing == Sharing::Shared || self.within(room).all(|stay| stay.party == party);
        let used = room.size.closed + room.preparing + self.in_use(room);
        alone && room.size.places.saturating_sub(used) >= places
    }

    /// The first room that takes all of a party.
    #[must_use]
    pub fn first(&self, party: Party, places: u32) -> Option<&RoomId> {
        let mut rooms = self.rooms.iter();
        let first = rooms.find(|room| self.takes(room, party, places));
        first.map(|room| &room.size.room)
    }

    /// Puts an offer into the room that was asked for, or into the first that takes it; none in a pool that only
    /// counts.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NoPlaces`], [`PlaceError::NoSuchRoom`]; [`PlaceError::NotThere`] when it is in a room already.
    pub(super) fn enter(
        &mut self,
        offer: OfferId,
        party: Party,
        asked: Option<&RoomId>,
        places: u32,
    ) -> Result<Option<RoomId>, PlaceError> {
        if self.rooms.is_empty() && asked.is_none() {
            return Ok(None);
        }
        if !(1..=OFFER_PLACES_MAX).contains(&places) {
            return Err(PlaceError::OutOfRange);
        }
        if self.of(offer).is_some() {
            return Err(PlaceError::NotThere);
        }
        let room = match asked {
            None => self.first(party, places).ok_or(PlaceError::NoPlaces)?,
            Some(asked) => {
                let room = self.room(asked)?;
                if !self.takes(room, party, places) {
                    return Err(PlaceError::NoPlaces);
                }
                &room.size.room
            }
        };
        let room = room.clone();
        self.stays.push(Stay {
            offer,
            party,
            room: room.clone(),
            places,
        });
        Ok(Some(room))
    }

    /// Takes an offer out of its room; what it occupied is prepared for the next.
    pub(super) fn exit(&mut self, offer: OfferId, prepare: bool) {
        let Some(at) = self.stays.iter().position(|stay| stay.offer == offer) else {
            return;
        };
        let stay = self.stays.remove(at);
        if prepare {
            let of = |room: &&mut Room| room.size.room == stay.room;
            if let Some(room) = self.rooms.iter_mut().find(of) {
                room.preparing += stay.places;
            }
        }
    }

    /// A room, or part of one, is ready.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NoSuchRoom`], also without a room in a pool that has some; [`PlaceError::NotThere`].
    pub(super) fn finish(&mut self, room: Option<&RoomId>, places: u32) -> Result<(), PlaceError> {
        let Some(id) = room else {
            let counts = self.rooms.is_empty();
            return if counts {
                Ok(())
            } else {
                Err(PlaceError::NoSuchRoom)
            };
        };
        let mut rooms = self.rooms.iter_mut();
        let room = rooms.find(|room| room.size.room == *id);
        let room = room.ok_or(PlaceError::NoSuchRoom)?;
        let left = room.preparing.checked_sub(places);
        room.preparing = left.ok_or(PlaceError::NotThere)?;
        Ok(())
    }

    /// The same guests in rooms of these sizes.
    ///
    /// # Errors
    ///
    /// As [`Rooms::restore`].
    pub(super) fn resized(
        &self,
        sharing: Sharing,
        sizes: Vec<RoomSize>,
    ) -> Result<Self, PlaceError> {
        let gone = |room: &&Room| sizes.iter().all(|size| size.room != room.size.room);
        if self
            .rooms
            .iter()
            .filter(gone)
            .any(|room| room.preparing > 0)
        {
            return Err(PlaceError::TooSmall);
        }
        let rooms = sizes.into_iter().map(|size| Room {
            preparing: self.room(&size.room).map_or(0, |room| room.preparing),
            size,
        });
        Self::restore(sharing, rooms.collect(), self.stays.clone())
    }
}

#[cfg(test)]
mod tests;
