//! `PlaceService`: an agency's own places.

use super::Services;
use crate::domain::place::{Beds, POOL_PLACES_MAX, ROOMS_MAX, RoomSize};
use crate::domain::vocabulary::Sharing;
use crate::exchange::PoolName;
use crate::exchange::place::PoolSize;
use crate::grpc::call::Call;
use crate::grpc::fields::Fields;
use crate::grpc::words::Word;
use crate::proto::v1 as proto;
use proto::place_service_server::PlaceService;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl PlaceService for Services {
    async fn list_pools(
        &self,
        request: Request<proto::ListPoolsRequest>,
    ) -> Result<Response<proto::ListPoolsResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let parent = fields.agency("parent", &message.parent);
        let (parent,) = fields.all((parent,))?;
        let pools = self.exchange.pools(call.caller(), &parent).await;
        let pools = call.read(&self.exchange, pools).await?;
        let pools = pools.iter().map(|(name, pool)| view(name, pool)).collect();
        Ok(Response::new(proto::ListPoolsResponse { pools }))
    }

    async fn update_pool(
        &self,
        request: Request<proto::UpdatePoolRequest>,
    ) -> Result<Response<proto::UpdatePoolResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.pool("name", &message.name);
        let size = pool_size(&mut fields, &message);
        let (requested, name, size) = fields.all((requested, name, size))?;
        let (beds, receipt) = self
            .exchange
            .update_pool(call.caller(), &name, requested, size)
            .await?;
        Ok(Response::new(proto::UpdatePoolResponse {
            pool: Some(view(&name, &beds)),
            receipt: Some(call.receipt(&receipt)?),
        }))
    }

    async fn finish_preparing(
        &self,
        request: Request<proto::FinishPreparingRequest>,
    ) -> Result<Response<proto::FinishPreparingResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.pool("name", &message.name);
        let room = fields.room("room", &message.room);
        let fits = (1..=POOL_PLACES_MAX).contains(&message.places);
        let places = fields.when("places", fits, "must be 1 to 10,000", message.places);
        let (requested, name, room, places) = fields.all((requested, name, room, places))?;
        let (beds, receipt) = self
            .exchange
            .finish_preparing(call.caller(), &name, requested, room, places)
            .await?;
        Ok(Response::new(proto::FinishPreparingResponse {
            pool: Some(view(&name, &beds)),
            receipt: Some(call.receipt(&receipt)?),
        }))
    }
}

fn pool_size(fields: &mut Fields, message: &proto::UpdatePoolRequest) -> Option<PoolSize> {
    let total = fields.when(
        "total",
        message.total <= POOL_PLACES_MAX,
        "must be at most 10,000",
        message.total,
    );
    let closed = fields.when(
        "closed",
        message.closed <= message.total,
        "must be at most total",
        message.closed,
    );
    let sharing = match message.sharing {
        0 => Some(Sharing::Shared),
        number => fields.word("sharing", number),
    };
    let few = message.rooms.len() <= ROOMS_MAX;
    let rooms = fields.when("rooms", few, "must be at most 256", &message.rooms)?;
    let rooms = fields.each("rooms", rooms, room_size)?;
    let sum = |count: fn(&RoomSize) -> u32| rooms.iter().map(|room| u64::from(count(room))).sum();
    let adds_up = rooms.is_empty()
        || (u64::from(message.total), u64::from(message.closed))
            == (sum(|room| room.places), sum(|room| room.closed));
    let expected = "must add up to total and closed";
    let rooms = fields.when("rooms", adds_up, expected, rooms);
    let rooms = rooms.and_then(|rooms| {
        let mut ids: Vec<_> = rooms.iter().map(|room| &room.room).collect();
        ids.sort();
        let distinct = ids.is_sorted_by(|a, b| a < b);
        fields.when(
            "rooms.room",
            distinct,
            "must differ from room to room",
            rooms,
        )
    });
    Some(PoolSize {
        total: total?,
        closed: closed?,
        sharing: sharing?,
        rooms: rooms?,
    })
}

fn room_size(fields: &mut Fields, room: &proto::Room) -> Option<RoomSize> {
    let id = fields.text("room", &room.room, "must be a room id [a-z0-9-]{1,63}");
    let fits = (1..=POOL_PLACES_MAX).contains(&room.places);
    let places = fields.when("places", fits, "must be 1 to 10,000", room.places);
    let within = room.closed <= room.places;
    let closed = fields.when("closed", within, "must be at most places", room.closed);
    Some(RoomSize {
        room: id?,
        places: places?,
        closed: closed?,
    })
}

fn view(name: &PoolName, beds: &Beds) -> proto::Pool {
    let (pool, rooms) = (beds.pool(), beds.rooms());
    proto::Pool {
        name: name.to_string(),
        total: pool.total(),
        available: pool.available(),
        held: pool.held(),
        taken_until_arrival: pool.taken(),
        occupied: pool.occupied(),
        closed: pool.closed(),
        being_prepared: pool.preparing(),
        sharing: if rooms.is_empty() {
            0
        } else {
            rooms.sharing().number()
        },
        rooms: (rooms.rooms().iter())
            .map(|room| proto::Room {
                room: room.size.room.to_string(),
                places: room.size.places,
                closed: room.size.closed,
                being_prepared: room.preparing,
                in_use: rooms.in_use(room),
            })
            .collect(),
    }
}
