//! Doorbells: that something changed, never what it says.

use super::sequencer::DOORBELLS_KEPT;
use super::snapshot::own;
use super::start::Shared;
use super::{Exchange, Refusal};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::identity::caller::Caller;
use crate::storage::engine::Table;
use crate::storage::records::request::DoorbellRecord;
use crate::storage::records::{self, Record, key};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Most streams of one agency at a time.
pub const STREAMS_PER_AGENCY_MAX: usize = 16;

/// Doorbells fetched at a time.
const FETCHED_MAX: usize = 256;

/// What the tokens of streams are bound to.
const LIST: &str = "doorbells";

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
    /// A break-glass request changed.
    Access,
    /// The agency's own places changed by themselves.
    Places,
    /// A clock of an offer is running out.
    Reminder,
    /// There is an alert.
    Alert,
    /// Another agency asks to go on with a case, or the source has answered.
    ResumeRequested,
    /// A recipient is asked to erase, or has answered.
    Erasure,
    /// Something was said about an offer.
    Notice,
    /// A transfer of responsibility was proposed or answered.
    Transfer,
    /// A message for this agency.
    Message,
    /// A parcel that this agency opened was corrected.
    Corrected,
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
            Self::ResumeRequested => 10,
            Self::Erasure => 11,
            Self::Notice => 12,
            Self::Access => 16,
            Self::Places => 9,
            Self::Reminder => 7,
            Self::Alert => 8,
            Self::Transfer => 15,
            Self::Message => 13,
            Self::Corrected => 14,
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
            10 => Self::ResumeRequested,
            11 => Self::Erasure,
            12 => Self::Notice,
            16 => Self::Access,
            9 => Self::Places,
            7 => Self::Reminder,
            8 => Self::Alert,
            15 => Self::Transfer,
            13 => Self::Message,
            14 => Self::Corrected,
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

/// Whom to wake, and how many streams each agency has.
#[derive(Default)]
pub(super) struct Hub {
    agencies: Mutex<HashMap<AgencyId, Slot>>,
    /// Counts changes of the directory and the protocol.
    directory: watch::Sender<u64>,
}

struct Slot {
    number: watch::Sender<u64>,
    streams: usize,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, HashMap<AgencyId, Slot>> {
        self.agencies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes an agency's streams: its doorbells now reach up to `number`.
    pub(super) fn ring(&self, agency: &AgencyId, number: u64) {
        if let Some(slot) = self.lock().get(agency) {
            slot.number.send_replace(number);
        }
    }

    /// Wakes everybody: the directory or the protocol changed.
    pub(super) fn ring_directory(&self) {
        self.directory.send_modify(|count| *count += 1);
    }

    fn join(self: &Arc<Self>, agency: &AgencyId) -> Result<Seat, Refusal> {
        let mut agencies = self.lock();
        let slot = agencies.entry(agency.clone()).or_insert_with(|| Slot {
            number: watch::Sender::new(0),
            streams: 0,
        });
        if slot.streams >= STREAMS_PER_AGENCY_MAX {
            return Err(Refusal::TooMany);
        }
        slot.streams += 1;
        Ok(Seat {
            woken: slot.number.subscribe(),
            agency: agency.clone(),
            hub: Arc::clone(self),
        })
    }
}

/// One stream's place among its agency's.
struct Seat {
    hub: Arc<Hub>,
    agency: AgencyId,
    woken: watch::Receiver<u64>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut agencies = self.hub.lock();
        if let Some(slot) = agencies.get_mut(&self.agency) {
            slot.streams -= 1;
            if slot.streams == 0 {
                agencies.remove(&self.agency);
            }
        }
    }
}

/// One stream of doorbells; counts towards the agency's limit until it is dropped.
pub struct Watch {
    shared: Arc<Shared>,
    seat: Seat,
    directory: watch::Receiver<u64>,
    position: u64,
    waiting: VecDeque<(u64, DoorbellRecord)>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch({}, {})", self.seat.agency, self.position)
    }
}

impl Watch {
    /// The next doorbell; waits for it. Safe to cancel.
    ///
    /// # Errors
    ///
    /// [`Refusal::ResumeTokenExpired`] when the reader fell too far behind, [`Refusal::Unavailable`] when the exchange
    /// has ended, [`Refusal::Internal`].
    pub async fn next(&mut self) -> Result<Event, Refusal> {
        loop {
            if let Some((number, record)) = self.waiting.pop_front() {
                self.position = number;
                return self.event(&record);
            }
            // Marked as seen before the store is looked at, so that a doorbell in between wakes.
            self.seat.woken.borrow_and_update();
            self.waiting = self.fetch().await?;
            if !self.waiting.is_empty() {
                continue;
            }
            tokio::select! {
                rung = self.seat.woken.changed() => rung.map_err(|_| Refusal::Unavailable)?,
                rung = self.directory.changed() => {
                    rung.map_err(|_| Refusal::Unavailable)?;
                    return Ok(Event {
                        resource: format!("agencies/{}", self.seat.agency),
                        kind: EventKind::DirectoryChanged,
                        resume_token: self.resume_token(),
                        time: self.now(),
                    });
                }
            }
        }
    }

    async fn fetch(&self) -> Result<VecDeque<(u64, DoorbellRecord)>, Refusal> {
        let shared = Arc::clone(&self.shared);
        let (agency, after) = (self.seat.agency.clone(), self.position);
        let read = move || {
            let prefix = key::of_agency(&agency);
            let from = key::numbered(&agency, after);
            let rows = (shared.engine).scan(Table::Doorbell, &prefix, Some(&from), FETCHED_MAX)?;
            let mut bells = VecDeque::with_capacity(rows.len());
            for (row, stored) in rows {
                let number = key::number(&row).ok_or(Refusal::Internal)?;
                bells.push_back((number, DoorbellRecord::from_stored(&stored)?));
            }
            match bells.front() {
                Some((first, _)) if *first != after + 1 => Err(Refusal::ResumeTokenExpired),
                _ => Ok(bells),
            }
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| Refusal::Internal)?
    }

    fn event(&self, record: &DoorbellRecord) -> Result<Event, Refusal> {
        let kind = EventKind::from_number(record.kind);
        Ok(Event {
            resource: record.resource.clone(),
            kind: kind.ok_or_else(|| records::corrupt(Table::Doorbell))?,
            resume_token: self.resume_token(),
            time: records::time(Table::Doorbell, record.time)?,
        })
    }

    /// The token that resumes where the stream stands now, for heartbeats.
    #[must_use]
    pub fn resume_token(&self) -> String {
        let place = self.position.to_be_bytes();
        self.shared.tokens.make(LIST, &self.seat.agency, &place)
    }

    /// The server's time, for heartbeats.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.clock.wall()
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
        caller: &Caller,
        agency: &AgencyId,
        resume_token: &str,
    ) -> Result<Watch, Refusal> {
        own(caller, agency)?;
        let seat = self.shared.hub.join(agency)?;
        let directory = self.shared.hub.directory.subscribe();
        let tokens = &self.shared.tokens;
        let resumed = tokens
            .read(LIST, agency, resume_token)
            .map_err(|_| Refusal::ResumeTokenExpired)?;
        let of = agency.clone();
        let last = self.read(move |snapshot| {
            let engine = &snapshot.shared.engine;
            let last = engine.last(Table::Doorbell, &key::of_agency(&of))?;
            Ok(last.and_then(|(row, _)| key::number(&row)).unwrap_or(0))
        });
        let last = last.await?;
        let position = match resumed {
            None => last,
            Some(place) => {
                let place = place.as_slice().try_into().map(u64::from_be_bytes);
                let place = place.map_err(|_| Refusal::ResumeTokenExpired)?;
                // Past the last one: the token is of a store that was rewound.
                if place > last || last - place >= DOORBELLS_KEPT {
                    return Err(Refusal::ResumeTokenExpired);
                }
                place
            }
        };
        Ok(Watch {
            shared: Arc::clone(&self.shared),
            seat,
            directory,
            position,
            waiting: VecDeque::new(),
        })
    }
}
