//! An agency's own places, and what it declares of them.

use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::log::Proven;
use crate::client::session::request_id;
use crate::client::words;
use crate::domain::id::PoolId;
use crate::domain::vocabulary::DeclaredCapacity;
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
    /// Closed for now.
    pub closed: u32,
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

    /// Sets the size of a pool; makes it when it is new.
    ///
    /// # Errors
    ///
    /// As any call; `STATE` when more places are in use than would remain.
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
        };
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
        Ok(PoolView {
            pool: words::own_id(&pool.name, self.agency().id(), "pools")?,
            total: pool.total,
            available: pool.available,
            held: pool.held,
            taken: pool.taken_until_arrival,
            occupied: pool.occupied,
            closed: pool.closed,
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
