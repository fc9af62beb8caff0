//! The router of a simulated town: the same parts as the process's, put together here, by another clock.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::key_file;
use crate::client::connect::RouterAddress;
use crate::demo::town::authority::TownAuthority;
use crate::demo::town::files::{make_folder, pem};
use crate::demo::town::router::{address, issue_certificate};
use crate::demo::town::{OPERATOR, ORIGIN, Reachable, TownError};
use crate::domain::time::Timestamp;
use crate::envelope::keys::{KeyPairSigner, Signer};
use crate::exchange::clock::{Clock, MockClock};
use crate::exchange::housekeeping::{SWEEP_EVERY, TICK_EVERY};
use crate::exchange::{Exchange, Initialise, Settings, SystemRandom};
use crate::grpc::deadline::REQUEST_SECONDS_MAX;
use crate::grpc::listener::Listener;
use crate::grpc::server::{ServeError, Serving};
use crate::grpc::tls::{Now, ReloadingTls, TlsFiles};
use crate::ledger::note::NoteSigner;
use crate::storage::embedded::{EmbeddedEngine, OpenError, Options};

/// Requests in hand at a time: more than a town sends.
const REQUESTS_MAX: usize = 1024;
/// How long a stop waits for requests in hand.
const DRAIN: Duration = Duration::from_secs(5);
/// How often the TLS files are looked at, in real time; [`SimulatedRouter::reload`] does not wait for it.
const RELOAD_EVERY: Duration = Duration::from_secs(60);
/// How long the store of a stopped router may take to close, in attempts of [`CLOSE_PAUSE`].
const CLOSE_ATTEMPTS_MAX: usize = 1_000;
/// Pause before the store of a stopped router is tried again.
const CLOSE_PAUSE: Duration = Duration::from_millis(10);

/// One router over one store, within this process.
pub struct SimulatedRouter {
    folder: PathBuf,
    tls_files: TlsFiles,
    clock: Arc<MockClock>,
    log_key: String,
    listening: SocketAddr,
    ticked: Timestamp,
    swept: Timestamp,
    running: Option<Running>,
}

struct Running {
    exchange: Arc<Exchange>,
    tls: Arc<ReloadingTls>,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl std::fmt::Debug for SimulatedRouter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedRouter")
            .field("listening", &self.listening)
            .finish_non_exhaustive()
    }
}

impl Reachable for SimulatedRouter {
    fn address(&self) -> RouterAddress {
        address(self.listening)
    }
}

fn failed(error: impl std::fmt::Display) -> TownError {
    TownError::Router(error.to_string())
}

impl SimulatedRouter {
    /// Begins a log as `router init` does, and starts the router.
    pub(super) async fn begin(
        town: &Path,
        authority: &mut TownAuthority,
        clock: Arc<MockClock>,
        administrators: &[KeyPairSigner; 2],
    ) -> Result<Self, TownError> {
        let folder = town.join("router");
        make_folder(&folder)?;
        issue_certificate(authority, &folder)?;
        let signer = key_file::create(&folder.join("log.key"), ORIGIN).map_err(failed)?;
        let log_key = signer.vkey();
        let [first, second] = administrators;
        let public = |signer: &KeyPairSigner| pem("PUBLIC KEY", &signer.verifying_key().spki());
        let initialise = Initialise {
            origin: ORIGIN.into(),
            administrators: [public(first), public(second)],
            roots: authority.root_pem().to_owned(),
            operator: OPERATOR.parse()?,
        };
        let engine = EmbeddedEngine::create(&folder.join("store"), Options::default());
        let engine = engine.map_err(failed)?;
        Exchange::initialise(&engine, &mut settings(signer, &clock), &initialise)
            .map_err(failed)?;
        drop(engine);
        let tls_files = TlsFiles {
            chain: folder.join("router.pem"),
            key: folder.join("router.key"),
            roots: authority.root_file(),
            lists: vec![authority.lists_file()],
        };
        let now = clock.wall();
        let mut router = Self {
            folder,
            tls_files,
            clock,
            log_key,
            listening: SocketAddr::from(([127, 0, 0, 1], 0)),
            ticked: now,
            swept: now,
            running: None,
        };
        router.start().await?;
        Ok(router)
    }

    /// Starts it; the first start takes any free port, later ones the same.
    pub(super) async fn start(&mut self) -> Result<(), TownError> {
        let clock = Arc::clone(&self.clock);
        let now: Now = Arc::new(move || clock.wall());
        let tls = ReloadingTls::from_files(self.tls_files.clone(), ORIGIN, now).map_err(failed)?;
        let engine = self.open_store().await?;
        let signer = key_file::read(&self.folder.join("log.key"), ORIGIN).map_err(failed)?;
        let exchange =
            Exchange::open(Arc::new(engine), settings(signer, &self.clock)).map_err(failed)?;
        let listener = Listener::bind(self.listening, Arc::clone(&tls)).await;
        let listener = listener.map_err(failed)?;
        self.listening = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let lists = Arc::clone(&tls);
        let serving = Serving {
            exchange: Arc::clone(&exchange),
            tls: Arc::clone(&tls),
            listener,
            admin: None,
            requests_max: REQUESTS_MAX,
            reload_interval: RELOAD_EVERY,
            drain: DRAIN,
            revocation_lists: Arc::new(move || lists.revocation_lists()),
            stop: stop.clone(),
            publishing: None,
            witnesses: Vec::new(),
        };
        self.running = Some(Running {
            exchange,
            tls,
            stop,
            serving: tokio::spawn(serving.serve()),
        });
        Ok(())
    }

    /// The store of a router that was stopped is closed a moment after its last request.
    async fn open_store(&self) -> Result<EmbeddedEngine, TownError> {
        let mut attempts = 0;
        loop {
            match EmbeddedEngine::open(&self.store(), Options::default()) {
                Err(OpenError::Locked) if attempts < CLOSE_ATTEMPTS_MAX => {
                    attempts += 1;
                    tokio::time::sleep(CLOSE_PAUSE).await;
                }
                other => return other.map_err(failed),
            }
        }
    }

    pub(super) async fn stop(&mut self) -> Result<(), TownError> {
        let Some(running) = self.running.take() else {
            return Ok(());
        };
        running.stop.cancel();
        drop(running.exchange);
        running.serving.await.map_err(failed)?.map_err(failed)
    }

    /// Moves the clock, and keeps house as a process does by its timers; gives how much fell due.
    pub(super) async fn step(&mut self, by: Duration) -> Result<usize, TownError> {
        self.clock.pass(by);
        let Some(running) = &self.running else {
            return Ok(0);
        };
        let (now, exchange) = (self.clock.wall(), &running.exchange);
        if self.ticked.plus(TICK_EVERY) <= now {
            self.ticked = now;
            exchange.tick().await.map_err(failed)?;
        }
        exchange.resume().await.map_err(failed)?;
        let done = exchange.run_due().await.map_err(failed)?;
        if self.swept.plus(SWEEP_EVERY) <= now {
            self.swept = now;
            exchange.sweep().await.map_err(failed)?;
        }
        Ok(done)
    }

    pub(super) fn lists_half_aged(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|running| running.tls.status().lists_half_aged)
    }

    /// Takes the files of certificates and lists into use at once.
    pub(super) async fn reload(&self) -> Result<(), TownError> {
        let Some(running) = &self.running else {
            return Ok(());
        };
        running.tls.reload().map_err(failed)?;
        let lists = running.tls.revocation_lists();
        running
            .exchange
            .trust_revocation_lists(&lists)
            .map_err(failed)?;
        let sha256 = |list: &Vec<u8>| BASE64URL_NOPAD.encode(digest(&SHA256, list).as_ref());
        let digests = lists.iter().map(sha256).collect();
        let recorded = running.exchange.revocations_loaded(digests).await;
        recorded.map(drop).map_err(failed)
    }

    /// Whether it runs.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The log's verifier key.
    #[must_use]
    pub fn log_key(&self) -> &str {
        &self.log_key
    }

    /// Its folder: certificate, log key, store.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.folder.join("store")
    }
}

impl Drop for SimulatedRouter {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.stop.cancel();
            running.serving.abort();
        }
    }
}

fn settings(signer: NoteSigner, clock: &Arc<MockClock>) -> Settings {
    Settings {
        signer,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        random: Box::new(SystemRandom),
        deadline: Duration::from_secs(REQUEST_SECONDS_MAX),
    }
}
