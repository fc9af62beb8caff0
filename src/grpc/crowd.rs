//! How many of something one party has at a time, so that none has all of it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts by party, as large as the number of parties that have something now.
#[derive(Debug)]
pub(super) struct Crowd<K: Hash + Eq> {
    max: usize,
    counts: Mutex<HashMap<K, usize>>,
}

impl<K: Hash + Eq + Clone> Crowd<K> {
    /// At most `max` each, and at least one.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max: max.max(1),
            counts: Mutex::default(),
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        // Nothing in here can panic halfway through a change.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more of `party`'s, given back when dropped; none when it has as many as it may.
    pub(super) fn enter(self: &Arc<Self>, party: K) -> Option<Place<K>> {
        let mut counts = self.counts();
        let count = counts.entry(party.clone()).or_insert(0);
        if *count >= self.max {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Place {
            crowd: Arc::clone(self),
            party,
        })
    }
}

/// One of a party's places.
#[derive(Debug)]
pub(super) struct Place<K: Hash + Eq + Clone> {
    crowd: Arc<Crowd<K>>,
    party: K,
}

impl<K: Hash + Eq + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts();
        if let Some(count) = counts.get_mut(&self.party) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.party);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_party_cannot_take_anothers_places_and_gives_its_own_back() {
        let crowd = Crowd::new(2);
        let first = crowd.enter("loud");
        let _second = crowd.enter("loud").expect("a place");
        assert!(crowd.enter("loud").is_none());
        assert!(crowd.enter("quiet").is_some());
        drop(first);
        assert!(crowd.enter("loud").is_some());
        assert_eq!(crowd.counts().len(), 1, "who has nothing is forgotten");
    }
}
