//! An agency's own places, and what it declares of them.

use std::collections::BTreeMap;

use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::log::Proven;
use crate::client::session::request_id;
use crate::client::words;
use crate::domain::id::{PoolId, RoomId};
use crate::domain::place::RoomSize;
use crate::domain::rooming::{Guest, Occupancy, suitable_rooms};
use crate::domain::vocabulary::{DeclaredCapacity, Sharing};
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::directory_service_client::DirectoryServiceClient;
use crate::proto::v1::place_service_client::PlaceServiceClient;

/// One category of places, as its agency sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolView {
    /// Its id.
    pub pool: PoolId,
    /// All places.
    pub total: u32,
    /// Free.
    pub available: u32,
    /// Held.
    pub held: u32,
    /// Taken until arrival.
    pub taken: u32,
    /// Occupied.
    pub occupied: u32,
    /// Being prepared for the next guest.
    pub preparing: u32,
    /// Closed for now.
    pub closed: u32,
    /// Who may be in one room at a time; none for a pool without rooms.
    pub sharing: Option<Sharing>,
    /// Its rooms, in the house's own order.
    pub rooms: Vec<RoomView>,
}

/// One room, as its agency sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomView {
    /// Which, and how large.
    pub size: RoomSize,
    /// Being prepared.
    pub preparing: u32,
    /// Held, taken or occupied.
    pub in_use: u32,
}

impl Desk {
    /// This agency's pools.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn pools(&self) -> Result<Vec<PoolView>, ClientError> {
        let parent = words::agency_name(self.agency().id());
        let (reply, _) = self
            .call(
                v1::ListPoolsRequest { parent },
                |channel, request| async move {
                    PlaceServiceClient::new(channel).list_pools(request).await
                },
            )
            .await?;
        reply
            .pools
            .into_iter()
            .map(|pool| self.read_pool(pool))
            .collect()
    }

    /// Sets the size of a pool that only counts; makes it when it is new.
    ///
    /// # Errors
    ///
    /// As any call; `NO_PLACES` when more places are in use than would remain, or somebody is in a room of it.
    pub async fn update_pool(
        &self,
        pool: &PoolId,
        total: u32,
        closed: u32,
    ) -> Result<PoolView, ClientError> {
        let request = v1::UpdatePoolRequest {
            name: words::pool_name(self.agency().id(), pool),
            request_id: request_id(),
            total,
            closed,
            ..v1::UpdatePoolRequest::default()
        };
        self.send_pool(pool, request).await
    }

    /// Sets the rooms of a pool, and by them its size; makes it when it is new. The first room that suits is taken when
    /// none is named, so that their order is the house's preference.
    ///
    /// # Errors
    ///
    /// As any call; `NO_PLACES` when somebody who is in would have no room.
    pub async fn set_rooms(
        &self,
        pool: &PoolId,
        sharing: Sharing,
        rooms: &[RoomSize],
    ) -> Result<PoolView, ClientError> {
        let request = v1::UpdatePoolRequest {
            name: words::pool_name(self.agency().id(), pool),
            request_id: request_id(),
            total: rooms
                .iter()
                .fold(0, |sum, room| room.places.saturating_add(sum)),
            closed: rooms
                .iter()
                .fold(0, |sum, room| room.closed.saturating_add(sum)),
            sharing: words::sharing_number(sharing),
            rooms: rooms
                .iter()
                .map(|room| v1::Room {
                    room: room.room.to_string(),
                    places: room.places,
                    closed: room.closed,
                    ..v1::Room::default()
                })
                .collect(),
        };
        self.send_pool(pool, request).await
    }

    /// The rooms of a pool that suit a party, the best first: what the house knows of who is in them stays here.
    ///
    /// `guests` says who is in which room, or is expected there; rooms that it does not name are empty.
    #[must_use]
    pub fn suitable_rooms(
        &self,
        pool: &PoolView,
        guests: &BTreeMap<RoomId, Vec<Guest>>,
        party: &[Guest],
        places: u32,
    ) -> Vec<RoomId> {
        let rooms = pool.rooms.iter().map(|room| {
            let used = room.size.closed + room.preparing + room.in_use;
            Occupancy {
                room: room.size.room.clone(),
                free: room.size.places.saturating_sub(used),
                guests: guests.get(&room.size.room).cloned().unwrap_or_default(),
            }
        });
        suitable_rooms(&rooms.collect::<Vec<_>>(), party, places)
    }

    /// Places that were being prepared are ready; in a pool with rooms, those of one room.
    ///
    /// # Errors
    ///
    /// As any call; `NO_PLACES` when fewer are being prepared.
    pub async fn finish_preparing(
        &self,
        pool: &PoolId,
        room: Option<&RoomId>,
        places: u32,
    ) -> Result<PoolView, ClientError> {
        let request = v1::FinishPreparingRequest {
            name: words::pool_name(self.agency().id(), pool),
            request_id: request_id(),
            places,
            room: room.map(ToString::to_string).unwrap_or_default(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                PlaceServiceClient::new(channel)
                    .finish_preparing(request)
                    .await
            })
            .await?;
        self.prove(reply.receipt.as_ref(), known)
            .await?
            .expect(|decision| {
                matches!(decision, Decision::PlacesPrepared { pool: named, places: count, .. }
                if named == pool.as_str() && *count == places)
            })?;
        self.read_pool(reply.pool.ok_or(ClientError::Reply("no pool"))?)
    }

    async fn send_pool(
        &self,
        pool: &PoolId,
        request: v1::UpdatePoolRequest,
    ) -> Result<PoolView, ClientError> {
        let total = request.total;
        let (reply, known) = self
            .call(request, |channel, request| async move {
                PlaceServiceClient::new(channel).update_pool(request).await
            })
            .await?;
        self.prove(reply.receipt.as_ref(), known)
            .await?
            .expect(|decision| {
                matches!(decision, Decision::PoolUpdated { pool: named, total: size, .. }
                if named == pool.as_str() && *size == total)
            })?;
        self.read_pool(reply.pool.ok_or(ClientError::Reply("no pool"))?)
    }

    fn read_pool(&self, pool: v1::Pool) -> Result<PoolView, ClientError> {
        let rooms = pool.rooms.into_iter().map(|room| {
            Ok(RoomView {
                size: RoomSize {
                    room: room
                        .room
                        .parse()
                        .map_err(|_| ClientError::Reply("a room"))?,
                    places: room.places,
                    closed: room.closed,
                },
                preparing: room.being_prepared,
                in_use: room.in_use,
            })
        });
        Ok(PoolView {
            pool: words::own_id(&pool.name, self.agency().id(), "pools")?,
            total: pool.total,
            available: pool.available,
            held: pool.held,
            taken: pool.taken_until_arrival,
            occupied: pool.occupied,
            preparing: pool.being_prepared,
            closed: pool.closed,
            sharing: words::sharing(pool.sharing),
            rooms: rooms.collect::<Result<_, ClientError>>()?,
        })
    }

    /// Declares this agency's capacity in its own words.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn declare_capacity(
        &self,
        capacity: DeclaredCapacity,
    ) -> Result<Proven, ClientError> {
        let request = v1::DeclareCapacityRequest {
            name: words::agency_name(self.agency().id()),
            request_id: request_id(),
            capacity: words::capacity_number(capacity),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                DirectoryServiceClient::new(channel)
                    .declare_capacity(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::CapacityDeclared { capacity: told, .. } if told == capacity.name())
        })?)
    }
}
