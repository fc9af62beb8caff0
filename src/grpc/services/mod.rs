//! The services: each method parses, calls the exchange, and encodes. Nothing is decided here.

mod administration;
mod attachment;
mod audit;
mod basis;
mod break_glass;
mod directory;
mod event;
mod group;
mod message;
mod offer;
mod place;
mod referral;
mod slip;

mod alert;
mod carried;
mod person;

use super::metrics::Metrics;
use crate::exchange::Exchange;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// All services over one exchange.
#[derive(Clone)]
pub struct Services {
    exchange: Arc<Exchange>,
    metrics: Arc<Metrics>,
    drain: CancellationToken,
}

impl Services {
    /// Services whose streams end when `drain` is cancelled.
    #[must_use]
    pub const fn new(
        exchange: Arc<Exchange>,
        metrics: Arc<Metrics>,
        drain: CancellationToken,
    ) -> Self {
        Self {
            exchange,
            metrics,
            drain,
        }
    }
}
