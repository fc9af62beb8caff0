//! Places are counted, and a place is never held or taken twice (R15, invariant 7).

mod beds;
mod rooms;

pub use beds::{Beds, Claim, Hold};
pub use rooms::{Party, ROOMS_MAX, Room, RoomSize, Rooms, Stay};

use super::time::Timestamp;
use std::time::Duration;

/// The longest a place stays held without a decision.
pub const HOLD_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// Most places in one pool.
pub const POOL_PLACES_MAX: u32 = 10_000;

/// Most places that one offer holds or takes: a group takes all or none.
pub const OFFER_PLACES_MAX: u32 = 64;

/// One category of an agency's places.
///
/// `available + held + taken + occupied + preparing + closed = total`, each at least zero; every
/// change keeps it or changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pool {
    total: u32,
    held: u32,
    taken: u32,
    occupied: u32,
    preparing: u32,
    closed: u32,
}

/// Why places cannot be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Fewer places are free than asked for: all or none.
    #[error("not enough free places")]
    NoPlaces,
    /// Fewer places are in the state that the move starts from.
    #[error("fewer places are in that state than the move needs")]
    NotThere,
    /// The pool would be smaller than what is held, taken, occupied and closed.
    #[error("fewer places than are held, taken, occupied or closed")]
    TooSmall,
    /// A number outside its limits.
    #[error("number of places out of range")]
    OutOfRange,
    /// The pool has no such room, or is not divided into rooms.
    #[error("no such room")]
    NoSuchRoom,
}

impl Pool {
    /// A pool of `total` free places of which `closed` are closed for now.
    ///
    /// # Errors
    ///
    /// [`PlaceError::OutOfRange`] above [`POOL_PLACES_MAX`], [`PlaceError::TooSmall`] when more are
    /// closed than exist.
    pub fn new(total: u32, closed: u32) -> Result<Self, PlaceError> {
        Self::restore(total, [0; 4], closed)
    }

    /// A pool as it was stored; in use are those held, taken, occupied and being prepared.
    ///
    /// # Errors
    ///
    /// As [`Pool::new`]: numbers that do not add up are refused, not repaired.
    pub fn restore(total: u32, in_use: [u32; 4], closed: u32) -> Result<Self, PlaceError> {
        if total > POOL_PLACES_MAX {
            return Err(PlaceError::OutOfRange);
        }
        let used: u64 = in_use.into_iter().map(u64::from).sum();
        if used + u64::from(closed) > u64::from(total) {
            return Err(PlaceError::TooSmall);
        }
        let [held, taken, occupied, preparing] = in_use;
        Ok(Self {
            total,
            held,
            taken,
            occupied,
            preparing,
            closed,
        })
    }

    /// All places.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// Held for an offer that is not decided.
    #[must_use]
    pub const fn held(&self) -> u32 {
        self.held
    }

    /// Taken until arrival.
    #[must_use]
    pub const fn taken(&self) -> u32 {
        self.taken
    }

    /// Occupied.
    #[must_use]
    pub const fn occupied(&self) -> u32 {
        self.occupied
    }

    /// Being prepared for the next guest.
    #[must_use]
    pub const fn preparing(&self) -> u32 {
        self.preparing
    }

    /// Closed for now.
    #[must_use]
    pub const fn closed(&self) -> u32 {
        self.closed
    }

    /// Free places.
    #[must_use]
    pub const fn available(&self) -> u32 {
        self.total - self.in_use() - self.closed
    }

    /// Held, taken, occupied and being prepared.
    #[must_use]
    pub const fn in_use(&self) -> u32 {
        self.held + self.taken + self.occupied + self.preparing
    }

    /// Free to held.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NoPlaces`] when fewer are free, [`PlaceError::OutOfRange`] for 0 or more than
    /// [`OFFER_PLACES_MAX`].
    pub fn hold(&mut self, places: u32) -> Result<(), PlaceError> {
        self.claim(places)?;
        self.held += places;
        Ok(())
    }

    /// Held to free: the hold ran out, or the offer ended.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NotThere`] when fewer are held.
    pub fn release(&mut self, places: u32) -> Result<(), PlaceError> {
        Self::shrink(&mut self.held, places)
    }

    /// Free to taken until arrival: an acceptance without a hold.
    ///
    /// # Errors
    ///
    /// As [`Pool::hold`].
    pub fn take(&mut self, places: u32) -> Result<(), PlaceError> {
        self.claim(places)?;
        self.taken += places;
        Ok(())
    }

    /// Held to taken until arrival.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NotThere`] when fewer are held.
    pub fn take_held(&mut self, places: u32) -> Result<(), PlaceError> {
        Self::shrink(&mut self.held, places)?;
        self.taken += places;
        Ok(())
    }

    /// Taken to free: nobody came.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NotThere`] when fewer are taken.
    pub fn release_taken(&mut self, places: u32) -> Result<(), PlaceError> {
        Self::shrink(&mut self.taken, places)
    }

    /// Taken to occupied: arrival.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NotThere`] when fewer are taken.
    pub fn occupy(&mut self, places: u32) -> Result<(), PlaceError> {
        Self::shrink(&mut self.taken, places)?;
        self.occupied += places;
        Ok(())
    }

    /// Occupied to being prepared: departure.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NotThere`] when fewer are occupied.
    pub fn leave(&mut self, places: u32) -> Result<(), PlaceError> {
        Self::shrink(&mut self.occupied, places)?;
        self.preparing += places;
        Ok(())
    }

    /// Being prepared to free: the room is ready.
    ///
    /// # Errors
    ///
    /// [`PlaceError::NotThere`] when fewer are being prepared.
    pub fn finish(&mut self, places: u32) -> Result<(), PlaceError> {
        Self::shrink(&mut self.preparing, places)
    }

    /// Sets how many places there are and how many are closed.
    ///
    /// # Errors
    ///
    /// [`PlaceError::TooSmall`] when fewer would remain than are in use, [`PlaceError::OutOfRange`]
    /// above the limit.
    pub fn resize(&mut self, total: u32, closed: u32) -> Result<(), PlaceError> {
        let in_use = [self.held, self.taken, self.occupied, self.preparing];
        *self = Self::restore(total, in_use, closed)?;
        Ok(())
    }

    fn claim(&self, places: u32) -> Result<(), PlaceError> {
        if !(1..=OFFER_PLACES_MAX).contains(&places) {
            Err(PlaceError::OutOfRange)
        } else if places > self.available() {
            Err(PlaceError::NoPlaces)
        } else {
            Ok(())
        }
    }

    fn shrink(count: &mut u32, places: u32) -> Result<(), PlaceError> {
        *count = count.checked_sub(places).ok_or(PlaceError::NotThere)?;
        Ok(())
    }
}

/// When a hold made `now` ends: after [`HOLD_MAX`], or when the decision is due if that is still to
/// come.
///
/// An offer on a waiting list outlives its `decide_by`; its hold has the full time.
#[must_use]
pub fn hold_until(now: Timestamp, decide_by: Timestamp) -> Timestamp {
    let longest = now.plus(HOLD_MAX);
    if decide_by > now {
        longest.min(decide_by)
    } else {
        longest
    }
}

#[cfg(test)]
mod tests;
