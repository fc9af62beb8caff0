//! An agency's own places.

use super::offer::view::OfferView;
use super::sequencer::Change;
use super::snapshot::{Prepared, Snapshot, own};
use super::{Exchange, PoolName, Receipt, Refusal, Requested};
use crate::domain::id::{AgencyId, OfferId};
use crate::domain::place::{PlaceError, Pool};
use crate::domain::time::Timestamp;
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::{Table, Write};
use crate::storage::records::place::{HoldRecord, PoolRecord};
use crate::storage::records::{self, Record, key};

/// Most pools of one agency.
pub const POOLS_MAX: usize = 64;

impl From<PlaceError> for Refusal {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::NoPlaces | PlaceError::TooSmall => Self::NoPlaces,
            PlaceError::OutOfRange => Self::InvalidField("places"),
            PlaceError::NotThere => {
                tracing::error!("a pool holds fewer places than its offers say");
                Self::Internal
            }
        }
    }
}

/// A pool as it stands: holds past their time are released already.
pub(super) struct PoolState {
    name: PoolName,
    pub(super) pool: Pool,
    holds: Vec<HoldRecord>,
}

impl PoolState {
    fn parse(name: PoolName, record: PoolRecord, now: Timestamp) -> Result<Self, Refusal> {
        let mut holds = record.holds;
        holds.retain(|hold| hold.until > now.millis());
        let held = holds.iter().map(|hold| hold.places).sum();
        let pool = Pool::restore(
            record.total,
            held,
            record.taken,
            record.occupied,
            record.closed,
        );
        Ok(Self {
            name,
            pool: pool.map_err(|_| records::corrupt(Table::Pool))?,
            holds,
        })
    }

    /// A pool that the change will rely on.
    pub(super) fn load(
        snapshot: &mut Snapshot<'_>,
        name: &PoolName,
    ) -> Result<Option<Self>, Refusal> {
        let record = snapshot.get::<PoolRecord>(key::pool(&name.agency, &name.pool))?;
        let now = snapshot.now;
        record
            .map(|record| Self::parse(name.clone(), record, now))
            .transpose()
    }

    /// Holds places for an offer, in place of what it held before.
    pub(super) fn hold(
        &mut self,
        offer: OfferId,
        places: u32,
        until: Timestamp,
    ) -> Result<(), Refusal> {
        self.release(offer)?;
        self.pool.hold(places)?;
        self.holds.push(HoldRecord {
            offer: offer.to_string(),
            places,
            until: until.millis(),
        });
        Ok(())
    }

    /// Releases what an offer holds; nothing when its time is over.
    pub(super) fn release(&mut self, offer: OfferId) -> Result<(), Refusal> {
        let places = self.forget(offer);
        if places > 0 {
            self.pool.release(places)?;
        }
        Ok(())
    }

    /// Takes what an offer holds; gives how many places, none when its time is over.
    pub(super) fn take_held(&mut self, offer: OfferId) -> Result<u32, Refusal> {
        let places = self.forget(offer);
        if places > 0 {
            self.pool.take_held(places)?;
        }
        Ok(places)
    }

    fn forget(&mut self, offer: OfferId) -> u32 {
        let id = offer.to_string();
        let at = self.holds.iter().position(|hold| hold.offer == id);
        at.map_or(0, |at| self.holds.swap_remove(at).places)
    }

    /// The write that keeps the pool.
    pub(super) fn put(&self) -> Write {
        PoolRecord {
            total: self.pool.total(),
            taken: self.pool.taken(),
            occupied: self.pool.occupied(),
            closed: self.pool.closed(),
            holds: self.holds.clone(),
        }
        .put(key::pool(&self.name.agency, &self.name.pool))
    }
}

/// The pool that an offer's places are in.
pub(super) fn pool_of(offer: &OfferView) -> Result<Option<PoolName>, Refusal> {
    let pool = records::optional(Table::Offer, &offer.record.pool)?;
    Ok(pool.map(|pool| PoolName {
        agency: offer.recipient.clone(),
        pool,
    }))
}

/// Releases what an undecided offer holds.
pub(super) fn release_hold(
    snapshot: &mut Snapshot<'_>,
    change: &mut Vec<Write>,
    offer: &mut OfferView,
) -> Result<(), Refusal> {
    let Some(name) = pool_of(offer)? else {
        return Ok(());
    };
    if let Some(mut pool) = PoolState::load(snapshot, &name)? {
        pool.release(offer.id)?;
        change.push(pool.put());
    }
    offer.record.pool.clear();
    offer.record.places = 0;
    offer.record.hold_until = 0;
    Ok(())
}

fn prepare_update(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &PoolName,
    requested: &Requested,
    (total, closed): (u32, u32),
) -> Result<Prepared<Pool>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    let before = PoolState::load(snapshot, name)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        let pool = before.ok_or(Refusal::Internal)?.pool;
        return Ok(Prepared::Again(pool, record.indexes));
    }
    let state = match before {
        Some(mut state) => {
            state.pool.resize(total, closed)?;
            state
        }
        None => {
            let prefix = key::of_agency(&name.agency);
            if snapshot.scan(Table::Pool, &prefix, None, POOLS_MAX)?.len() >= POOLS_MAX {
                return Err(Refusal::TooMany);
            }
            PoolState {
                name: name.clone(),
                pool: Pool::new(total, closed)?,
                holds: Vec::new(),
            }
        }
    };
    let mut change: Change = snapshot.change();
    change.writes.push(state.put());
    let decision = Decision::PoolUpdated {
        pool: name.pool.to_string(),
        total,
        closed,
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, state.pool, vec![0]))
}

impl Exchange {
    /// The caller's own pools.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPermitted`].
    pub async fn pools(
        &self,
        caller: &Caller,
        agency: &AgencyId,
    ) -> Result<Vec<(PoolName, Pool)>, Refusal> {
        own(caller, agency)?;
        let agency = agency.clone();
        self.read(move |snapshot| {
            let prefix = key::of_agency(&agency);
            let rows = snapshot.scan(Table::Pool, &prefix, None, POOLS_MAX)?;
            let mut pools = Vec::with_capacity(rows.len());
            for (row, stored) in rows {
                let id = row.get(prefix.len()..).unwrap_or_default();
                let id = std::str::from_utf8(id).unwrap_or_default();
                let name = PoolName {
                    agency: agency.clone(),
                    pool: records::word(Table::Pool, id)?,
                };
                let record = PoolRecord::from_stored(&stored)?;
                let state = PoolState::parse(name.clone(), record, snapshot.now)?;
                pools.push((name, state.pool));
            }
            Ok(pools)
        })
        .await
    }

    /// Sets a pool's size; makes it when new.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoPlaces`] when fewer than are in use, [`Refusal::InvalidField`], [`Refusal::TooMany`].
    pub async fn update_pool(
        &self,
        caller: &Caller,
        name: &PoolName,
        requested: Requested,
        total: u32,
        closed: u32,
    ) -> Result<(Pool, Receipt), Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            prepare_update(snapshot, &by, &name, &requested, (total, closed))
        };
        self.perform_for(caller, "UpdatePool", prepare)
            .await?
            .single()
    }
}
