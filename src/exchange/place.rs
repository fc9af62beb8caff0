//! An agency's own places.

use super::offer::view::OfferView;
use super::sequencer::Change;
use super::snapshot::{Prepared, Snapshot, own};
use super::{Exchange, PoolName, Receipt, Refusal, Requested};
use crate::domain::id::{AgencyId, RoomId};
use crate::domain::place::{Beds, Hold, Party, PlaceError, Pool, Room, RoomSize, Rooms, Stay};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::Sharing;
use crate::identity::caller::Caller;
use crate::ledger::decision::{Decision, RoomSet};
use crate::storage::engine::{Table, Write};
use crate::storage::records::place::{HoldRecord, PoolRecord, RoomRecord, StayRecord};
use crate::storage::records::{self, Record, key};

/// Most pools of one agency.
pub const POOLS_MAX: usize = 64;

impl From<PlaceError> for Refusal {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::NoPlaces | PlaceError::TooSmall => Self::NoPlaces,
            PlaceError::OutOfRange => Self::InvalidField("places"),
            PlaceError::NoSuchRoom => Self::InvalidField("room"),
            PlaceError::NotThere => {
                tracing::error!("a pool holds fewer places than its offers say");
                Self::Internal
            }
        }
    }
}

/// Places that a recipient asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// From which of its pools.
    pub pool: PoolName,
    /// In which room; the first that suits, when none.
    pub room: Option<RoomId>,
    /// How many.
    pub places: u32,
}

impl From<(PoolName, u32)> for Wanted {
    fn from((pool, places): (PoolName, u32)) -> Self {
        Self {
            pool,
            room: None,
            places,
        }
    }
}

/// How a pool is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSize {
    /// All places.
    pub total: u32,
    /// Of these, closed for now.
    pub closed: u32,
    /// Who may be in one room at a time.
    pub sharing: Sharing,
    /// Its rooms; none for a pool that only counts.
    pub rooms: Vec<RoomSize>,
}

impl From<(u32, u32)> for PoolSize {
    fn from((total, closed): (u32, u32)) -> Self {
        Self {
            total,
            closed,
            sharing: Sharing::Shared,
            rooms: Vec::new(),
        }
    }
}

/// A pool as it stands: holds past their time are released already.
pub(super) struct PoolState {
    name: PoolName,
    pub(super) beds: Beds,
}

impl PoolState {
    fn parse(name: PoolName, record: PoolRecord, now: Timestamp) -> Result<Self, Refusal> {
        let mut beds = read(&record)?;
        beds.expire(now);
        Ok(Self { name, beds })
    }

    /// A pool that the change will rely on, as the change so far leaves it.
    pub(super) fn load(
        snapshot: &mut Snapshot<'_>,
        name: &PoolName,
    ) -> Result<Option<Self>, Refusal> {
        let row = key::pool(&name.agency, &name.pool);
        let record = match snapshot.pools.get(&row) {
            Some(changed) => Some(changed.clone()),
            None => snapshot.get::<PoolRecord>(row)?,
        };
        let now = snapshot.now;
        record
            .map(|record| Self::parse(name.clone(), record, now))
            .transpose()
    }

    /// The write that keeps the pool; what is prepared next sees it so.
    pub(super) fn put(&self, snapshot: &mut Snapshot<'_>) -> Write {
        let row = key::pool(&self.name.agency, &self.name.pool);
        let record = written(&self.beds);
        let write = record.put(row.clone());
        snapshot.pools.insert(row, record);
        write
    }
}

fn read(record: &PoolRecord) -> Result<Beds, Refusal> {
    const TABLE: Table = Table::Pool;
    let mut held: u32 = 0;
    let mut holds = Vec::with_capacity(record.holds.len());
    for hold in &record.holds {
        held = held.saturating_add(hold.places);
        holds.push(Hold {
            offer: records::word(TABLE, &hold.offer)?,
            places: hold.places,
            until: records::time(TABLE, hold.until)?,
        });
    }
    let mut rooms = Vec::with_capacity(record.rooms.len());
    for room in &record.rooms {
        let size = RoomSize {
            room: records::word(TABLE, &room.room)?,
            places: room.places,
            closed: room.closed,
        };
        rooms.push(Room {
            size,
            preparing: room.preparing,
        });
    }
    let mut stays = Vec::with_capacity(record.stays.len());
    for stay in &record.stays {
        stays.push(Stay {
            offer: records::word(TABLE, &stay.offer)?,
            party: Party::restore(records::fixed(TABLE, &stay.party)?),
            room: records::word(TABLE, &stay.room)?,
            places: stay.places,
        });
    }
    let sharing = records::optional(TABLE, &record.sharing)?.unwrap_or(Sharing::Shared);
    let in_use = [held, record.taken, record.occupied, record.preparing];
    let beds = Pool::restore(record.total, in_use, record.closed).and_then(|pool| {
        let rooms = Rooms::restore(sharing, rooms, stays)?;
        Beds::restore(pool, holds, rooms)
    });
    Ok(beds.map_err(|_| records::corrupt(TABLE))?)
}

fn written(beds: &Beds) -> PoolRecord {
    let (pool, rooms) = (beds.pool(), beds.rooms());
    PoolRecord {
        total: pool.total(),
        taken: pool.taken(),
        occupied: pool.occupied(),
        closed: pool.closed(),
        holds: beds
            .holds()
            .iter()
            .map(|hold| HoldRecord {
                offer: hold.offer.to_string(),
                places: hold.places,
                until: hold.until.millis(),
            })
            .collect(),
        preparing: pool.preparing(),
        sharing: if rooms.is_empty() {
            String::new()
        } else {
            rooms.sharing().name().to_owned()
        },
        rooms: rooms
            .rooms()
            .iter()
            .map(|room| RoomRecord {
                room: room.size.room.to_string(),
                places: room.size.places,
                closed: room.size.closed,
                preparing: room.preparing,
            })
            .collect(),
        stays: rooms
            .stays()
            .iter()
            .map(|stay| StayRecord {
                offer: stay.offer.to_string(),
                party: stay.party.as_bytes().to_vec(),
                room: stay.room.to_string(),
                places: stay.places,
            })
            .collect(),
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
        pool.beds.release(offer.id);
        change.push(pool.put(snapshot));
    }
    offer.record.pool.clear();
    offer.record.room.clear();
    offer.record.places = 0;
    offer.record.hold_until = 0;
    Ok(())
}

fn prepare_update(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &PoolName,
    requested: &Requested,
    size: &PoolSize,
) -> Result<Prepared<Beds>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    let before = PoolState::load(snapshot, name)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        let beds = before.ok_or(Refusal::Internal)?.beds;
        return Ok(Prepared::Again(beds, record.indexes));
    }
    let mut state = match before {
        Some(state) => state,
        None => {
            let prefix = key::of_agency(&name.agency);
            if snapshot.scan(Table::Pool, &prefix, None, POOLS_MAX)?.len() >= POOLS_MAX {
                return Err(Refusal::TooMany);
            }
            PoolState {
                name: name.clone(),
                beds: Beds::default(),
            }
        }
    };
    let counts = (size.total, size.closed);
    state
        .beds
        .resize(counts, size.sharing, size.rooms.clone())?;
    let put = state.put(snapshot);
    let mut change: Change = snapshot.change();
    change.writes.push(put);
    let has_rooms = !size.rooms.is_empty();
    let decision = Decision::PoolUpdated {
        pool: name.pool.to_string(),
        total: size.total,
        closed: size.closed,
        sharing: has_rooms.then(|| size.sharing.name().to_owned()),
        rooms: size.rooms.iter().map(room_set).collect(),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, state.beds, vec![0]))
}

fn room_set(size: &RoomSize) -> RoomSet {
    RoomSet {
        room: size.room.to_string(),
        places: size.places,
        closed: size.closed,
    }
}

fn prepare_finish(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &PoolName,
    requested: &Requested,
    (room, places): (Option<&RoomId>, u32),
) -> Result<Prepared<Beds>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    let state = PoolState::load(snapshot, name)?;
    let mut state = state.ok_or(Refusal::NotFound)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again(state.beds, record.indexes));
    }
    state
        .beds
        .finish(room, places)
        .map_err(|error| match error {
            // Nothing of ours is broken: the house counted otherwise.
            PlaceError::NotThere => Refusal::NoPlaces,
            error => error.into(),
        })?;
    let put = state.put(snapshot);
    let mut change = snapshot.change();
    change.writes.push(put);
    let decision = Decision::PlacesPrepared {
        pool: name.pool.to_string(),
        room: room.map(ToString::to_string),
        places,
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, state.beds, vec![0]))
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
    ) -> Result<Vec<(PoolName, Beds)>, Refusal> {
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
                pools.push((name, state.beds));
            }
            Ok(pools)
        })
        .await
    }

    /// Sets a pool's size and rooms; makes it when new.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoPlaces`] when fewer than are in use, [`Refusal::InvalidField`], [`Refusal::TooMany`].
    pub async fn update_pool(
        &self,
        caller: &Caller,
        name: &PoolName,
        requested: Requested,
        size: impl Into<PoolSize>,
    ) -> Result<(Beds, Receipt), Refusal> {
        let (by, name, size) = (caller.clone(), name.clone(), size.into());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            prepare_update(snapshot, &by, &name, &requested, &size)
        };
        self.perform_for(caller, "UpdatePool", prepare)
            .await?
            .single()
    }

    /// Places that were being prepared are free.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoPlaces`] when fewer are being prepared, [`Refusal::InvalidField`] for a room that is not there,
    /// [`Refusal::NotFound`].
    pub async fn finish_preparing(
        &self,
        caller: &Caller,
        name: &PoolName,
        requested: Requested,
        room: Option<RoomId>,
        places: u32,
    ) -> Result<(Beds, Receipt), Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            prepare_finish(snapshot, &by, &name, &requested, (room.as_ref(), places))
        };
        self.perform_for(caller, "FinishPreparing", prepare)
            .await?
            .single()
    }
}
