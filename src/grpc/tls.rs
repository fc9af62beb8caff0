//! Certificates, keys and revocation lists of the public listener, replaced while it runs.
//!
//! TLS 1.3 only, client certificates always, revocation always, resumption never: a resumed session would skip the
//! client's certificate. A reload that fails keeps what was there; a list past its `nextUpdate` lets nobody in and
//! nobody stay.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::time_provider::TimeProvider;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::live::{Live, LiveGuard};
use crate::domain::time::Timestamp;
use crate::identity::certificate::CertifiedAgency;
use crate::identity::signing_chain::TrustStore;

mod current;

pub(super) use current::ALPN;

use current::Current;

/// Where the listener's time comes from.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Why TLS material is not usable. Says how to mend it; repeats no content.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The server's certificate chain or key.
    #[error(
        "the server's certificate and key are missing, malformed or not a pair: issue them again"
    )]
    Certificate,
    /// The roots.
    #[error("no usable root certificate: name the file with the roots of the agencies' CA")]
    Roots,
    /// No revocation list: without one, revocation would silently not be checked.
    #[error(
        "no revocation list: make one with `safeconduct ca crl` and name it in the configuration"
    )]
    NoLists,
    /// A list is malformed or has no `nextUpdate`.
    #[error("a revocation list is malformed: make it again with `safeconduct ca crl`")]
    Lists,
    /// A list is past its `nextUpdate`.
    #[error("a revocation list is past its next update: make a new one with `safeconduct ca crl`")]
    StaleLists,
    /// A list is older than the one in use, or one is gone: taking it would take revocations back.
    #[error(
        "the revocation lists are older than those in use, or one is missing: bring the latest"
    )]
    OlderLists,
}

/// Why a connection may no longer be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerInvalid {
    /// Cut: revoked, or no longer vouched for.
    #[error("the certificate was revoked")]
    Revoked,
    /// Past its validity.
    #[error("the certificate has expired")]
    Expired,
    /// No fresh revocation list.
    #[error("no fresh revocation list")]
    StaleLists,
}

/// PEM texts as read, not yet understood.
#[derive(Clone)]
pub struct Material {
    /// Server certificate and its issuers.
    pub chain: Vec<u8>,
    /// Server key.
    pub key: Zeroizing<Vec<u8>>,
    /// Roots of the agencies' CA.
    pub roots: Vec<u8>,
    /// Revocation lists of the root and of every issuer.
    pub lists: Vec<u8>,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Material")
    }
}

/// The files that [`Material`] is read from.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Server certificate and its issuers.
    pub chain: PathBuf,
    /// Server key.
    pub key: PathBuf,
    /// Roots of the agencies' CA.
    pub roots: PathBuf,
    /// Revocation lists, one or more in each file.
    pub lists: Vec<PathBuf>,
}

impl TlsFiles {
    /// Reads them all.
    ///
    /// # Errors
    ///
    /// [`TlsError::Unreadable`], naming the file.
    pub fn read(&self) -> Result<Material, TlsError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| TlsError::Unreadable {
                path: path.clone(),
                error,
            })
        };
        let mut lists = Vec::new();
        for path in &self.lists {
            lists.extend(read(path)?);
            lists.push(b'\n');
        }
        Ok(Material {
            chain: read(&self.chain)?,
            key: Zeroizing::new(read(&self.key)?),
            roots: read(&self.roots)?,
            lists,
        })
    }
}

/// For the metrics and the admin address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsStatus {
    /// When the first of the lists in use ends.
    pub lists_expire: Timestamp,
    /// Whether a list is past half of its age: time to raise an alarm.
    pub lists_half_aged: bool,
    /// When the server's own certificate ends.
    pub certificate_expires: Timestamp,
    /// Whether the last reload failed and older material is in use.
    pub reload_failed: bool,
    /// Open connections.
    pub connections: usize,
}

type Source = dyn Fn() -> Result<Material, TlsError> + Send + Sync;

/// The TLS side of the listener: the configuration in use, and the connections made under it and its predecessors.
pub struct ReloadingTls {
    source: Box<Source>,
    trust_domain: Arc<str>,
    now: Now,
    current: ArcSwap<Current>,
    live: Live,
    reload_failed: AtomicBool,
}

impl ReloadingTls {
    /// Reads the material for the first time.
    ///
    /// # Errors
    ///
    /// [`TlsError`]: a router does not start without a fresh revocation list.
    pub fn start(
        source: impl Fn() -> Result<Material, TlsError> + Send + Sync + 'static,
        trust_domain: &str,
        now: Now,
    ) -> Result<Arc<Self>, TlsError> {
        let current = Current::new(&source()?, &now)?;
        Ok(Arc::new(Self {
            source: Box::new(source),
            trust_domain: trust_domain.into(),
            now,
            current: ArcSwap::from_pointee(current),
            live: Live::default(),
            reload_failed: AtomicBool::new(false),
        }))
    }

    /// The same, from files.
    ///
    /// # Errors
    ///
    /// [`TlsError`].
    pub fn from_files(
        files: TlsFiles,
        trust_domain: &str,
        now: Now,
    ) -> Result<Arc<Self>, TlsError> {
        Self::start(move || files.read(), trust_domain, now)
    }

    /// Reads the material again, and cuts every connection that it no longer vouches for.
    ///
    /// Returns whether anything had changed.
    ///
    /// # Errors
    ///
    /// [`TlsError`]: what was in use stays in use until its lists end.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let result = self.replace();
        let failed = result.is_err();
        if self.reload_failed.swap(failed, Ordering::Relaxed) != failed {
            match &result {
                Err(error) => {
                    tracing::error!(%error, "alarm: tls material not reloaded, the old stays in use")
                }
                Ok(_) => tracing::info!("tls material is in order again"),
            }
        }
        self.sweep(matches!(result, Ok(true)));
        result
    }

    fn replace(&self) -> Result<bool, TlsError> {
        let material = (self.source)()?;
        let old = self.current.load_full();
        if old.is_from(&material) {
            return Ok(false);
        }
        let new = Current::new(&material, &self.now)?;
        if !new.follows(&old) {
            return Err(TlsError::OlderLists);
        }
        self.current.store(Arc::new(new));
        tracing::info!("tls material reloaded");
        Ok(true)
    }

    /// Cuts connections whose certificate or lists have ended, and with `verify` those no longer vouched for.
    fn sweep(&self, verify: bool) {
        let now = (self.now)();
        let current = self.current.load();
        let stale = current.lists_expire() <= now;
        self.live.cut(|certified, chain| {
            let ended = stale || now > certified.not_after();
            ended || (verify && current.verify(chain, now).is_err())
        });
    }

    /// Reloads every `interval` and on SIGHUP, until `stop`.
    ///
    /// # Errors
    ///
    /// When the signal cannot be listened for.
    pub async fn watch(
        self: Arc<Self>,
        interval: Duration,
        stop: CancellationToken,
    ) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangup = signal(SignalKind::hangup())?;
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut warned = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
                _ = hangup.recv() => {}
            }
            let this = Arc::clone(&self);
            // Reading files blocks; an error has been logged and shows in the status.
            let _ = tokio::task::spawn_blocking(move || this.reload()).await;
            let half_aged = self.status().lists_half_aged;
            if half_aged && !warned {
                tracing::error!(
                    "alarm: a revocation list is past half of its age; past its end nobody is let in"
                );
            }
            warned = half_aged;
        }
    }

    /// How things stand.
    #[must_use]
    pub fn status(&self) -> TlsStatus {
        let current = self.current.load();
        TlsStatus {
            lists_expire: current.lists_expire(),
            lists_half_aged: current.lists_half_aged((self.now)()),
            certificate_expires: current.certificate_expires(),
            reload_failed: self.reload_failed.load(Ordering::Relaxed),
            connections: self.live.len(),
        }
    }

    /// The roots and lists in use, for the agencies' signing chains.
    #[must_use]
    pub fn trust(&self) -> Arc<TrustStore> {
        self.current.load().trust()
    }

    /// The revocation lists in use, DER, sorted: never older than those before them, whatever the files say.
    #[must_use]
    pub fn revocation_lists(&self) -> Vec<Vec<u8>> {
        self.current.load().lists()
    }

    /// The trust domain of the agencies.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    pub(super) fn config(&self) -> Arc<rustls::ServerConfig> {
        self.current.load().config()
    }

    /// For readers of tiles, whose certificate is verified if they bring one.
    pub(super) fn publication_config(&self) -> Arc<rustls::ServerConfig> {
        self.current.load().publication()
    }

    /// Takes a connection into the register, unless it has meanwhile lost its ground.
    pub(super) fn admit(
        self: &Arc<Self>,
        certified: CertifiedAgency,
        chain: Vec<CertificateDer<'static>>,
    ) -> Option<LiveGuard> {
        let guard = self.live.enter(self, certified, chain.clone())?;
        // Only now that a reload would find the connection: one that came between its handshake and here would
        // otherwise have missed it.
        let now = (self.now)();
        self.current.load().verify(&chain, now).ok()?;
        Some(guard)
    }

    pub(super) const fn live(&self) -> &Live {
        &self.live
    }

    pub(super) fn check(
        &self,
        certified: &CertifiedAgency,
        now: Timestamp,
    ) -> Result<(), PeerInvalid> {
        let current = self.current.load();
        if now > certified.not_after() || now < certified.not_before() {
            return Err(PeerInvalid::Expired);
        }
        if current.lists_expire() <= now {
            return Err(PeerInvalid::StaleLists);
        }
        if current.lists_name(certified.serial()) {
            return Err(PeerInvalid::Revoked);
        }
        Ok(())
    }
}

impl fmt::Debug for ReloadingTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReloadingTls({})", self.trust_domain)
    }
}

/// The system's clock as [`Now`].
#[must_use]
pub fn system_now() -> Now {
    Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let millis = since
            .ok()
            .and_then(|since| i64::try_from(since.as_millis()).ok());
        millis
            .and_then(Timestamp::from_millis)
            .unwrap_or(Timestamp::MAX)
    })
}

/// Our clock, as rustls wants to be handed it.
struct ClockOf(Now);

impl TimeProvider for ClockOf {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time((self.0)()))
    }
}

impl fmt::Debug for ClockOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockOf")
    }
}

fn unix_time(at: Timestamp) -> UnixTime {
    let millis = u64::try_from(at.millis()).unwrap_or_default();
    UnixTime::since_unix_epoch(Duration::from_millis(millis))
}

/// Shared by the configuration and by the checks of open connections.
type Verifier = Arc<dyn ClientCertVerifier>;
