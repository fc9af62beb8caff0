//! The router's server: listener, door and services put together, and how they stop.

use super::admin;
use super::door::{Door, DoorLayer};
use super::limits::{self, MESSAGE_BYTES_MAX};
use super::listener::Listener;
use super::metrics::Metrics;
use super::publication::Publishing;
use super::services::Services;
use super::tls::ReloadingTls;
use crate::exchange::publication::WitnessLine;
use crate::exchange::{Exchange, Refusal};
use crate::proto::v1 as proto;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use proto::administration_service_server::AdministrationServiceServer;
use proto::alert_service_server::AlertServiceServer;
use proto::attachment_service_server::AttachmentServiceServer;
use proto::audit_service_server::AuditServiceServer;
use proto::basis_service_server::BasisServiceServer;
use proto::break_glass_service_server::BreakGlassServiceServer;
use proto::carried_service_server::CarriedServiceServer;
use proto::directory_service_server::DirectoryServiceServer;
use proto::event_service_server::EventServiceServer;
use proto::message_service_server::MessageServiceServer;
use proto::offer_service_server::OfferServiceServer;
use proto::person_service_server::PersonServiceServer;
use proto::place_service_server::PlaceServiceServer;
use proto::referral_service_server::ReferralServiceServer;
use proto::slip_service_server::SlipServiceServer;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::layer::util::{Identity, Stack};

/// Longest reply in bytes: the largest parcel that came in as a request, the statements of what it passes on, and
/// the receipt of its opening.
const REPLY_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 128 * 1024;

/// Longest reply of the directory in bytes: it has no pages, and every member's key bundle is in it.
const DIRECTORY_BYTES_MAX: usize = 16 * MESSAGE_BYTES_MAX;

/// How often health is looked at: well within the minute in which stale revocation lists must show.
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

/// Gives the revocation lists that the listener has in use, DER.
pub type RevocationLists = Arc<dyn Fn() -> Vec<Vec<u8>> + Send + Sync>;

/// What a server is made of.
pub struct Serving {
    /// The exchange.
    pub exchange: Arc<Exchange>,
    /// Certificates, keys and revocation lists.
    pub tls: Arc<ReloadingTls>,
    /// The bound listener for agencies.
    pub listener: Listener,
    /// The bound listener for the operator.
    pub admin: Option<TcpListener>,
    /// Requests in hand at a time.
    pub requests_max: usize,
    /// How often the TLS files are looked at.
    pub reload_interval: Duration,
    /// How long a stop waits for requests in hand.
    pub drain: Duration,
    /// The revocation lists as they stand (DER, sorted), for signing chains and for the ledger.
    pub revocation_lists: RevocationLists,
    /// Cancelled when the server is to stop.
    pub stop: CancellationToken,
    /// The bound address for readers of tiles, if any.
    pub publishing: Option<Publishing>,
    /// The witnesses, in the order of the rules that the exchange publishes under.
    pub witnesses: Vec<Arc<dyn WitnessLine>>,
}

/// How a server ended otherwise than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Nothing more can be committed; nothing more was acknowledged.
    #[error("the store failed; start again, and it recovers from its journal")]
    Fatal,
    /// Erasures that a stop had interrupted could not be finished.
    #[error("interrupted erasures could not be finished: {0}")]
    Erasures(Refusal),
    /// The revocation lists could not be taken into use for signing chains.
    #[error("the revocation lists were not taken into use: {0}")]
    RevocationLists(Refusal),
    /// The listener.
    #[error("the listener failed: {0}")]
    Listener(#[from] tonic::transport::Error),
}

impl Serving {
    /// Serves until told to stop, then drains: streams end with a token, requests in hand are answered.
    ///
    /// # Errors
    ///
    /// [`ServeError`]; at once and without draining when the store failed (invariant 3).
    pub async fn serve(self) -> Result<(), ServeError> {
        // Erasures that a stop interrupted come before anybody could read what they erase (invariant 13).
        self.exchange.resume().await.map_err(ServeError::Erasures)?;
        let swept = self.exchange.sweep_attachments().await;
        swept.map_err(ServeError::Erasures)?;
        let mut recorded = Vec::new();
        // Nobody is served before revoked signing certificates are known to be.
        record_lists(&self.exchange, &self.revocation_lists, &mut recorded)
            .await
            .map_err(ServeError::RevocationLists)?;
        let metrics = Arc::new(Metrics::default());
        let (reporter, health) = tonic_health::server::health_reporter();
        let services = Services::new(
            self.exchange.clone(),
            metrics.clone(),
            self.stop.child_token(),
        );
        let door = Door::new(self.exchange.clone(), metrics.clone(), self.requests_max);
        let door = Arc::new(door);
        let server = router(door, services).add_service(health);

        // Everything beside the listener ends with this scope, whichever way it is left.
        let beside = CancellationToken::new();
        let _beside = beside.clone().drop_guard();
        let (serving, is_serving) = watch::channel(true);
        if let Some(listener) = self.admin {
            let answering = admin::serve(listener, metrics.clone(), is_serving, beside.clone());
            tokio::spawn(async move {
                if let Err(error) = answering.await {
                    tracing::error!(%error, "the admin address failed");
                }
            });
        }
        let reloading = self.tls.clone().watch(self.reload_interval, beside.clone());
        tokio::spawn(async move {
            if let Err(error) = reloading.await {
                tracing::error!(%error, "revocation lists are no longer reloaded");
            }
        });
        if let Some(publishing) = self.publishing {
            let (exchange, tls) = (self.exchange.clone(), self.tls.clone());
            let serving = publishing.serve(exchange, tls, metrics.clone(), beside.clone());
            tokio::spawn(serving);
        }
        let witnessed = self.exchange.clone().keep_witnessed(self.witnesses);
        tokio::spawn(beside.clone().run_until_cancelled_owned(witnessed));
        let house = self.exchange.clone().keep_house();
        tokio::spawn(beside.clone().run_until_cancelled_owned(house));
        let health = Health {
            exchange: self.exchange.clone(),
            tls: self.tls,
            metrics,
            reporter,
            serving,
            stop: self.stop.clone(),
            revocation_lists: self.revocation_lists,
            recorded,
        };
        tokio::spawn(beside.clone().run_until_cancelled_owned(health.watch()));

        let exchange = self.exchange.clone();
        let counting = self
            .listener
            .telling(Arc::new(move |why| exchange.count_failure(why)));
        let listening = server
            .serve_with_incoming_shutdown(counting.incoming(), self.stop.clone().cancelled_owned());
        let drained = async {
            self.stop.cancelled().await;
            tokio::time::sleep(self.drain).await;
        };
        let mut fatal = self.exchange.fatal();
        tokio::select! {
            biased;
            // An error means that the exchange is gone, and it says so before it goes.
            _ = fatal.wait_for(|fatal| *fatal) => Err(ServeError::Fatal),
            ended = listening => Ok(ended?),
            () = drained => {
                tracing::warn!("requests or streams were cut at the end of the drain");
                Ok(())
            }
        }
    }
}

fn router(door: Arc<Door>, services: Services) -> Router<Stack<DoorLayer, Identity>> {
    macro_rules! limited {
        ($server:ident) => {
            limited!($server, REPLY_BYTES_MAX)
        };
        ($server:ident, $reply:expr) => {
            $server::new(services.clone())
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size($reply)
        };
    }
    limits::configure(Server::builder())
        .layer(DoorLayer(door))
        .add_service(limited!(DirectoryServiceServer, DIRECTORY_BYTES_MAX))
        .add_service(limited!(BasisServiceServer))
        .add_service(limited!(ReferralServiceServer))
        .add_service(limited!(OfferServiceServer))
        .add_service(limited!(PlaceServiceServer))
        .add_service(limited!(MessageServiceServer))
        .add_service(limited!(AttachmentServiceServer))
        .add_service(limited!(EventServiceServer))
        .add_service(limited!(AuditServiceServer))
        .add_service(limited!(AdministrationServiceServer))
        .add_service(limited!(AlertServiceServer))
        .add_service(limited!(SlipServiceServer))
        .add_service(limited!(CarriedServiceServer))
        .add_service(limited!(BreakGlassServiceServer))
        .add_service(limited!(PersonServiceServer))
}

/// Looks at what makes the router fit to serve, and tells everybody who asks.
struct Health {
    exchange: Arc<Exchange>,
    tls: Arc<ReloadingTls>,
    metrics: Arc<Metrics>,
    reporter: HealthReporter,
    serving: watch::Sender<bool>,
    stop: CancellationToken,
    revocation_lists: RevocationLists,
    recorded: Vec<Vec<u8>>,
}

impl Health {
    async fn watch(mut self) {
        let mut ticks = tokio::time::interval(HEALTH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let stopping = tokio::select! {
                _ = ticks.tick() => false,
                () = self.stop.cancelled() => true,
            };
            self.look().await;
            if stopping {
                return;
            }
            // What the listener did not take into use, signing chains do not either.
            if self.tls.status().reload_failed {
                continue;
            }
            let lists = record_lists(&self.exchange, &self.revocation_lists, &mut self.recorded);
            if let Err(error) = lists.await {
                tracing::error!(%error, "the revocation lists were not taken into use");
            }
        }
    }

    async fn look(&self) {
        let tls = self.tls.status();
        let fatal = *self.exchange.fatal().borrow();
        let fit = !fatal && !self.stop.is_cancelled() && tls.lists_expire > self.exchange.now();
        self.metrics.set_serving(fit);
        self.metrics.set_connections(tls.connections);
        self.metrics.set_lists_expire(tls.lists_expire.seconds());
        let publication = self.exchange.publication_status();
        self.metrics.set_publication(&publication);
        let changed = self.serving.send_if_modified(|serving| {
            let changed = *serving != fit;
            *serving = fit;
            changed
        });
        if changed {
            let status = if fit {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            tracing::warn!(serving = fit, "health changed");
            self.reporter.set_service_status("", status).await;
        }
    }
}

/// Takes the lists into use for signing chains, with an entry, if they are not those recorded last.
async fn record_lists(
    exchange: &Exchange,
    source: &RevocationLists,
    recorded: &mut Vec<Vec<u8>>,
) -> Result<(), Refusal> {
    let source = source.clone();
    let lists = tokio::task::spawn_blocking(move || source())
        .await
        .map_err(|_| Refusal::Internal)?;
    if lists != *recorded {
        exchange.trust_revocation_lists(&lists)?;
        let sha256 = |list: &Vec<u8>| BASE64URL_NOPAD.encode(digest(&SHA256, list).as_ref());
        let digests = lists.iter().map(sha256).collect();
        let _ = exchange.revocations_loaded(digests).await?;
        *recorded = lists;
    }
    Ok(())
}
