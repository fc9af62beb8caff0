//! `safeconduct router`: begins a log, and runs the router over it.

use super::exit::{Failure, ended};
use super::home::mended;
use super::{key_file, log};
use crate::config::RouterConfig;
use crate::domain::id::AgencyId;
use crate::exchange::clock::SystemClock;
use crate::exchange::{Exchange, Settings, StartError, SystemRandom};
use crate::grpc::listener::Listener;
use crate::grpc::server::{ServeError, Serving};
use crate::grpc::tls::{ReloadingTls, TlsFiles, system_now};
use crate::grpc::{deadline, panics};
use crate::ledger::note::NoteSigner;
use crate::storage::embedded::{EmbeddedEngine, OpenError, Options};
use clap::{Args, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long the end of the process waits for work on blocking threads.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Threads that prepare requests: reads are short and mostly from memory, so more would only take turns. A few are to
/// spare for a disk that hangs; whoever still waits is answered UNAVAILABLE by the deadline.
const PREPARING_THREADS_MAX: usize = 16;

mod begin;
pub(in crate::cli) mod publish;
mod trust;

/// Begin a log, or run the router over it.
#[derive(Debug, Args)]
pub struct RouterCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the store and the log's signing key, and pin who may administer it. Once, and never again.
    Init {
        /// Settings (deploy/router.toml).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Public key of an administrator (SubjectPublicKeyInfo, PEM); give exactly two, of two people.
        #[arg(long = "administrator", value_name = "FILE", required = true)]
        administrators: Vec<PathBuf>,
        /// Agency that the administrators call as; enrolled from the start, and reads nothing.
        #[arg(long, value_name = "ID", default_value = "operator")]
        operator: AgencyId,
    },
    /// Write what every agency pins of this router into a folder, to be handed to them: the log's key, the
    /// administrators' public keys and the roots. Before the router runs, or while it is stopped.
    Trust {
        /// Settings (deploy/router.toml).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// New folder.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Run the router until SIGTERM. Prints one line, `listening on ADDRESS`, when it takes requests.
    Run {
        /// Settings (deploy/router.toml).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Stop as well when standard input closes: for a program that starts a router and must not leave it behind,
        /// however it ends itself.
        #[arg(long)]
        until_stdin_closes: bool,
    },
}

impl RouterCommand {
    /// Does it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        ended(match self.action {
            Action::Init {
                config,
                administrators,
                operator,
            } => begin::init(&config, &administrators, operator),
            Action::Trust { config, out } => trust::write(&config, &out),
            Action::Run {
                config,
                until_stdin_closes,
            } => run(&config, until_stdin_closes),
        })
    }
}

fn run(config: &Path, until_stdin_closes: bool) -> Result<(), Failure> {
    let config = RouterConfig::read(config).map_err(Failure::settings)?;
    log::begin(&config.log);
    panics::log_location_only();
    limit_process()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(PREPARING_THREADS_MAX)
        .enable_all()
        .build()
        .map_err(Failure::settings)?;
    let outcome = runtime.block_on(serve(config, until_stdin_closes));
    // A commit that hangs on a broken disk must not keep the process from ending.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    outcome
}

async fn serve(config: RouterConfig, until_stdin_closes: bool) -> Result<(), Failure> {
    let origin = &config.origin;
    begin::require_begun(&config)?;
    let signer = key_file::read(&config.ledger.signing_key_file, config.log_origin())
        .map_err(Failure::settings)?;
    key_file::refuse_open(&config.listener.private_key_file).map_err(Failure::settings)?;
    let files = tls_files(&config);
    let tls = ReloadingTls::from_files(files, origin, system_now()).map_err(Failure::settings)?;
    let engine = open_store(&config.data_directory)?;
    let exchange = Exchange::open(Arc::new(engine), settings(signer)).map_err(|error| {
        let mend = match &error {
            StartError::Empty => "run `safeconduct router init` first",
            StartError::OtherLog => {
                "put origin and ledger.origin back to what the log goes by: they change by a succession only"
            }
            StartError::NotEmpty
            | StartError::Invalid(_)
            | StartError::Recovery(_)
            | StartError::Storage(_)
            | StartError::Failed => "do not make a new store; restore the latest backup",
        };
        Failure::Settings(format!("{error}; {mend}"))
    })?;
    exchange.allow(config.limits.allowance());
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone()).map_err(Failure::settings)?;
    if until_stdin_closes {
        stop_when_stdin_closes(stop.clone());
    }

    let listener = Listener::bind(config.listener.address, tls.clone())
        .await
        .map_err(|error| address("listener.address", config.listener.address, &error))?;
    let admin = TcpListener::bind(config.admin.address)
        .await
        .map_err(|error| address("admin.address", config.admin.address, &error))?;
    let publishing = publish::bind(&config.publication).await?;
    let witnesses = publish::witnesses(&config.publication, &exchange)?;
    let published = publishing.as_ref().map(|it| it.listener.local_addr());
    let published = published.transpose().map_err(Failure::settings)?;
    let listening = listener.local_addr().map_err(Failure::settings)?;
    let admin_listening = admin.local_addr().map_err(Failure::settings)?;
    let serving = Serving {
        exchange,
        tls: tls.clone(),
        listener,
        admin: Some(admin),
        requests_max: config.limits.requests_max,
        reload_interval: Duration::from_secs(config.listener.reload_seconds),
        drain: Duration::from_secs(config.limits.drain_seconds),
        revocation_lists: Arc::new(move || tls.revocation_lists()),
        stop,
        publishing,
        witnesses,
    };
    tracing::info!(%listening, %admin_listening, "serving");
    // Connections are queued from the bind on, so whoever reads the line may connect. Nobody need read it, though.
    let mut out = std::io::stdout();
    let _ = writeln!(out, "listening on {listening}");
    let _ = writeln!(out, "admin on {admin_listening}");
    if let Some(published) = published {
        let _ = writeln!(out, "publication on {published}");
    }
    let _ = out.flush();
    match serving.serve().await {
        Ok(()) => Ok(()),
        Err(error @ (ServeError::Fatal | ServeError::Erasures(_))) => {
            Err(Failure::Store(error.to_string()))
        }
        Err(error @ ServeError::RevocationLists(_)) => Err(Failure::settings(error)),
        Err(error @ ServeError::Listener(_)) => Err(Failure::refused(error)),
    }
}

/// The TLS side of the settings.
pub(super) fn tls_files(config: &RouterConfig) -> TlsFiles {
    TlsFiles {
        chain: config.listener.certificate_file.clone(),
        key: config.listener.private_key_file.clone(),
        roots: config.listener.agency_roots_file.clone(),
        lists: config.listener.revocation_list_files.clone(),
    }
}

pub(super) fn settings(signer: NoteSigner) -> Settings {
    Settings {
        signer,
        clock: Arc::new(SystemClock::new()),
        random: Box::new(SystemRandom),
        deadline: Duration::from_secs(deadline::REQUEST_SECONDS_MAX),
    }
}

fn open_store(folder: &Path) -> Result<EmbeddedEngine, Failure> {
    EmbeddedEngine::open(folder, Options::default()).map_err(|error| {
        let mend = match error {
            OpenError::Locked => "; is a router running already?",
            _ => "",
        };
        Failure::Settings(mended(&format!("{}: {error}{mend}", folder.display())))
    })
}

fn address(setting: &str, address: std::net::SocketAddr, error: &std::io::Error) -> Failure {
    let mend = match error.kind() {
        ErrorKind::AddrInUse => "; is a router running already? If not, choose another port",
        ErrorKind::AddrNotAvailable => "; write an address of this machine",
        _ => "",
    };
    let text = format!("{setting}: cannot listen on {address}: {error}{mend}");
    Failure::Settings(mended(&text))
}

pub(super) fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("draining");
        stop.cancel();
    });
    Ok(())
}

/// Reads standard input to its end, which comes when the last process that could write to it is gone.
pub(super) fn stop_when_stdin_closes(stop: CancellationToken) {
    // A thread of its own, not the runtime's: a blocking read would hold up the end of the process.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        tracing::info!("standard input closed; draining");
        stop.cancel();
    });
}

/// No core dumps, which would hold keys and parcels; as many descriptors as the system lets us have.
fn limit_process() -> Result<(), Failure> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)
        .map_err(|error| Failure::Settings(format!("core dumps cannot be turned off: {error}")))?;
    let files = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the number of open files cannot be raised");
    }
    Ok(())
}
