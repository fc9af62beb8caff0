//! `PlaceService`: an agency's own places.

use super::Services;
use crate::domain::place::Pool;
use crate::exchange::PoolName;
use crate::grpc::call::Call;
use crate::grpc::fields::Fields;
use crate::proto::v1 as proto;
use proto::place_service_server::PlaceService;
use tonic::{Request, Response, Status};

/// Most places of one pool.
const TOTAL_MAX: u32 = 10_000;

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
        let total = fields.when(
            "total",
            message.total <= TOTAL_MAX,
            "must be at most 10,000",
            message.total,
        );
        let closed = fields.when(
            "closed",
            message.closed <= message.total,
            "must be at most total",
            message.closed,
        );
        let (requested, name, total, closed) = fields.all((requested, name, total, closed))?;
        let (pool, receipt) = self
            .exchange
            .update_pool(call.caller(), &name, requested, total, closed)
            .await?;
        Ok(Response::new(proto::UpdatePoolResponse {
            pool: Some(view(&name, &pool)),
            receipt: Some(call.receipt(&receipt)?),
        }))
    }
}

fn view(name: &PoolName, pool: &Pool) -> proto::Pool {
    proto::Pool {
        name: name.to_string(),
        total: pool.total(),
        available: pool.available(),
        held: pool.held(),
        taken_until_arrival: pool.taken(),
        occupied: pool.occupied(),
        closed: pool.closed(),
    }
}
