//! An agency's own places.

use super::{Exchange, PoolName, Receipt, Refusal, Requested};
use crate::domain::id::AgencyId;
use crate::domain::place::Pool;
use crate::identity::caller::Caller;

/// Most pools of one agency.
pub const POOLS_MAX: usize = 64;

impl Exchange {
    /// The caller's own pools.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPermitted`].
    pub async fn pools(
        &self,
        _caller: &Caller,
        _agency: &AgencyId,
    ) -> Result<Vec<(PoolName, Pool)>, Refusal> {
        todo!()
    }

    /// Sets a pool's size; makes it when new.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoPlaces`] when fewer than are in use, [`Refusal::InvalidField`], [`Refusal::TooMany`].
    pub async fn update_pool(
        &self,
        _caller: &Caller,
        _name: &PoolName,
        _requested: Requested,
        _total: u32,
        _closed: u32,
    ) -> Result<(Pool, Receipt), Refusal> {
        todo!()
    }
}
