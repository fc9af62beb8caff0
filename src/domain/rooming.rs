//! Who may sleep in one room: the house's own rule, kept on the house's own machine.
//!
//! The router counts places and keeps parties apart; it does not know who is a child. Here a house says which of its
//! rooms suit a party before it names one: a person treated as a child never with adults they do not belong to, nor,
//! from 12 to 17, with small children of others; strangers never across the gender of the placement; a family
//! together (R9, R11).

use super::id::RoomId;
use super::vocabulary::PlacementGender;

/// From this age on somebody is an adult, if there is no doubt.
const ADULT_FROM: u8 = 18;

/// From this age on a child is not placed with small children of others.
const NOT_SMALL_FROM: u8 = 12;

/// One person, as far as a room is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guest {
    /// The youngest that they may be.
    pub age_from: u8,
    /// The oldest that they may be.
    pub age_to: u8,
    /// Whether their age is in doubt: then they are treated as a child, and kept from small children as well.
    pub doubt: bool,
    /// As which gender they are placed.
    pub gender: PlacementGender,
    /// Those who belong together have the same number; whoever travels with somebody unrelated has one of their own.
    pub party: u32,
}

impl Guest {
    /// Whether they are safeguarded as a child: they may be one.
    #[must_use]
    pub const fn is_treated_as_child(&self) -> bool {
        self.doubt || self.age_from < ADULT_FROM
    }

    const fn may_be_adult(&self) -> bool {
        self.doubt || self.age_to >= ADULT_FROM
    }

    const fn may_be_small(&self) -> bool {
        self.age_from < NOT_SMALL_FROM
    }

    const fn may_be_adolescent(&self) -> bool {
        self.doubt || self.age_to >= NOT_SMALL_FROM
    }

    /// Whether these two may sleep in one room.
    #[must_use]
    pub fn may_share_with(&self, other: &Self) -> bool {
        if self.party == other.party {
            return true;
        }
        let child_and_adult = |a: &Self, b: &Self| a.is_treated_as_child() && b.may_be_adult();
        let big_and_small = |a: &Self, b: &Self| a.may_be_adolescent() && b.may_be_small();
        self.gender == other.gender
            && !child_and_adult(self, other)
            && !child_and_adult(other, self)
            && !big_and_small(self, other)
            && !big_and_small(other, self)
    }
}

/// A room as its house knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupancy {
    /// Which.
    pub room: RoomId,
    /// Places that are free.
    pub free: u32,
    /// Who is in it, or is expected.
    pub guests: Vec<Guest>,
}

/// The rooms that take all of `party`, the best first: where they have their own already, then where the fewest places
/// are left over.
///
/// None when those who ask may not even share a room with each other: then each asks for themselves.
#[must_use]
pub fn suitable_rooms(rooms: &[Occupancy], party: &[Guest], places: u32) -> Vec<RoomId> {
    let all_may = |these: &[Guest]| {
        let mut pairs = these.iter().zip(1..);
        pairs.all(|(one, rest)| {
            let others = these.iter().skip(rest);
            others.into_iter().all(|other| one.may_share_with(other))
        })
    };
    if party.is_empty() || !all_may(party) {
        return Vec::new();
    }
    let suits = |room: &&Occupancy| {
        room.free >= places
            && room
                .guests
                .iter()
                .all(|guest| party.iter().all(|one| one.may_share_with(guest)))
    };
    let has_own = |room: &Occupancy| {
        let mut guests = room.guests.iter();
        guests.any(|guest| party.iter().any(|one| one.party == guest.party))
    };
    let mut found: Vec<&Occupancy> = rooms.iter().filter(suits).collect();
    found.sort_by_key(|room| (!has_own(room), room.free));
    found.into_iter().map(|room| room.room.clone()).collect()
}

#[cfg(test)]
mod tests;
