//! Doorbells: that something changed, never what it says.

use super::{Exchange, Refusal};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::identity::caller::Caller;

/// Most streams of one agency at a time.
pub const STREAMS_PER_AGENCY_MAX: usize = 16;

/// Which of the agency's own resources to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A new offer.
    OfferReceived,
    /// An offer's state changed.
    OfferChanged,
    /// A parcel may be opened.
    ParcelReady,
    /// The recipient's checks found a parcel wrong.
    Alarm,
    /// The directory or the protocol changed.
    DirectoryChanged,
}

impl EventKind {
    /// Its number on disk; never reuse one.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::OfferReceived => 2,
            Self::OfferChanged => 3,
            Self::ParcelReady => 4,
            Self::Alarm => 5,
            Self::DirectoryChanged => 6,
        }
    }

    /// From its number on disk.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            2 => Self::OfferReceived,
            3 => Self::OfferChanged,
            4 => Self::ParcelReady,
            5 => Self::Alarm,
            6 => Self::DirectoryChanged,
            _ => return None,
        })
    }
}

/// One doorbell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The viewer's own resource name.
    pub resource: String,
    /// Kind.
    pub kind: EventKind,
    /// Resumes after this event.
    pub resume_token: String,
    /// When.
    pub time: Timestamp,
}

/// One stream of doorbells; counts towards the agency's limit until it is dropped.
#[derive(Debug)]
pub struct Watch {
    _private: (),
}

impl Watch {
    /// The next doorbell; waits for it. Safe to cancel.
    ///
    /// # Errors
    ///
    /// [`Refusal::ResumeTokenExpired`] when the reader fell too far behind, [`Refusal::Internal`].
    pub async fn next(&mut self) -> Result<Event, Refusal> {
        todo!()
    }

    /// The token that resumes where the stream stands now, for heartbeats.
    #[must_use]
    pub fn resume_token(&self) -> String {
        todo!()
    }

    /// The server's time, for heartbeats.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        todo!()
    }
}

impl Exchange {
    /// Begins a stream after the event that `resume_token` names; from now on when it is empty.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPermitted`], [`Refusal::ResumeTokenExpired`], [`Refusal::TooMany`].
    pub async fn watch(
        &self,
        _caller: &Caller,
        _agency: &AgencyId,
        _resume_token: &str,
    ) -> Result<Watch, Refusal> {
        todo!()
    }
}
