//! How many files are under way at a time, and that no two streams write one.

use crate::domain::id::AgencyId;
use crate::exchange::{Exchange, Refusal};
use crate::identity::caller::Caller;
use crate::storage::files::Files;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Uploads and downloads at a time, over all agencies: each has a chunk in memory and a thread now and then.
const STREAMS_MAX: usize = 16;

/// Uploads and downloads of one agency at a time: one member must not take everybody's places.
const STREAMS_PER_AGENCY_MAX: usize = 4;

/// What all uploads and downloads share.
pub(in crate::exchange) struct Attachments {
    pub(in crate::exchange) files: Files,
    places: Arc<Semaphore>,
    busy: Arc<Mutex<Busy>>,
}

#[derive(Default)]
struct Busy {
    agencies: HashMap<AgencyId, usize>,
    /// Files that somebody writes at this moment.
    files: HashSet<Vec<u8>>,
}

fn lock(busy: &Mutex<Busy>) -> MutexGuard<'_, Busy> {
    busy.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One stream's place; given back when dropped.
pub(super) struct Stream {
    busy: Arc<Mutex<Busy>>,
    agency: AgencyId,
    place: Option<OwnedSemaphorePermit>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.place.take();
        let mut busy = lock(&self.busy);
        if let Some(count) = busy.agencies.get_mut(&self.agency) {
            *count -= 1;
            if *count == 0 {
                busy.agencies.remove(&self.agency);
            }
        }
    }
}

/// That this file is written by nobody else; given back when dropped.
pub(super) struct Writing {
    busy: Arc<Mutex<Busy>>,
    row: Vec<u8>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        lock(&self.busy).files.remove(&self.row);
    }
}

impl Attachments {
    pub(in crate::exchange) fn new(files: Files) -> Self {
        Self {
            files,
            places: Arc::new(Semaphore::new(STREAMS_MAX)),
            busy: Arc::default(),
        }
    }

    async fn stream(&self, agency: &AgencyId) -> Result<Stream, Refusal> {
        {
            let mut busy = lock(&self.busy);
            let count = busy.agencies.entry(agency.clone()).or_default();
            if *count >= STREAMS_PER_AGENCY_MAX {
                return Err(Refusal::Overloaded);
            }
            *count += 1;
        }
        let mut stream = Stream {
            busy: Arc::clone(&self.busy),
            agency: agency.clone(),
            place: None,
        };
        let place = Arc::clone(&self.places).acquire_owned().await;
        stream.place = Some(place.map_err(|_| Refusal::Unavailable)?);
        Ok(stream)
    }

    pub(super) fn writer(&self, row: &[u8]) -> Result<Writing, Refusal> {
        if !lock(&self.busy).files.insert(row.to_vec()) {
            return Err(Refusal::Overloaded);
        }
        Ok(Writing {
            busy: Arc::clone(&self.busy),
            row: row.to_vec(),
        })
    }

    pub(super) fn is_written(&self, row: &[u8]) -> bool {
        lock(&self.busy).files.contains(row)
    }
}

impl Exchange {
    /// A place among the streams: refused to an agency that has enough of them, waited for otherwise.
    pub(super) async fn stream(&self, caller: &Caller) -> Result<Stream, Refusal> {
        self.in_time(self.shared.attachments.stream(caller.agency()))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_agency_takes_no_more_than_its_places() {
        let attachments = Attachments::new(Files::new("nowhere".into()));
        let (busy, other): (AgencyId, AgencyId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let mut held = Vec::new();
        for _ in 0..STREAMS_PER_AGENCY_MAX {
            held.push(attachments.stream(&busy).await.ok().unwrap());
        }
        assert_eq!(
            attachments.stream(&busy).await.err(),
            Some(Refusal::Overloaded)
        );
        assert!(attachments.stream(&other).await.is_ok());
        held.pop();
        assert!(attachments.stream(&busy).await.is_ok());
        let writing = attachments.writer(b"file").ok().unwrap();
        assert!(attachments.writer(b"file").is_err());
        drop(writing);
        assert!(attachments.writer(b"file").is_ok());
    }
}
