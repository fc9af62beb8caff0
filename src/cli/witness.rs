//! `safeconduct witness`: vouches for other people's logs. It cosigns a checkpoint only if it extends all that it
//! cosigned of that log before, so that a log which shows different people different histories finds no witness for
//! the second.
//!
//! Whoever runs one needs no trust from the log's operator and gives none: it reads hashes only. See C2SP tlog-witness.

pub mod kept;
pub mod serve;

use super::exit::{Failure, ended};
use super::home::mended;
use super::router::{stop_on_signals, stop_when_stdin_closes};
use super::{key_file, log};
use crate::config::Log;
use crate::grpc::panics;
use crate::ledger::cosignature::Cosigner;
use crate::ledger::note::NoteVerifier;
use crate::ledger::witness::KnownLogs;
use clap::{Args, Subcommand};
use kept::Kept;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The witness's name, in its folder.
const NAME_FILE: &str = "name";
/// The witness's seed, in its folder.
const KEY_FILE: &str = "witness.key";
/// The witness's verifier key, in its folder, to be handed out.
const VKEY_FILE: &str = "witness.vkey";
/// The logs' verifier keys, one file `*.vkey` each, in the witness's folder.
const LOGS_FOLDER: &str = "logs";
/// What was cosigned, in the witness's folder.
const STATE_FOLDER: &str = "state";

/// Vouch for logs: cosign each checkpoint that extends all that was cosigned before.
#[derive(Debug, Args)]
pub struct WitnessCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a witness's folder: its key, its state, and an empty folder `logs` for the keys of the logs that it vouches
    /// for (files named `*.vkey`). Prints the verifier key to hand to whoever relies on this witness.
    Init {
        /// New folder. Never copy it back from a backup: an old state would let a rewound log pass.
        #[arg(long, value_name = "DIR")]
        folder: PathBuf,
        /// The witness's name, such as witness.example/w1; it cannot change.
        #[arg(long, value_name = "NAME")]
        name: String,
    },
    /// Run the witness until SIGTERM. Prints one line, `listening on ADDRESS`, when it takes requests.
    Run {
        /// The witness's folder, made by `witness init`.
        #[arg(long, value_name = "DIR")]
        folder: PathBuf,
        /// Address and port to listen on; port 0 takes any free one and prints it.
        #[arg(long, value_name = "ADDRESS")]
        listen: SocketAddr,
        /// Certificate and intermediates (PEM, leaf first), to serve HTTPS; plain HTTP without, for use behind a proxy.
        #[arg(long, value_name = "FILE", requires = "private_key")]
        certificate: Option<PathBuf>,
        /// The certificate's private key (PEM), mode 0600.
        #[arg(long, value_name = "FILE", requires = "certificate")]
        private_key: Option<PathBuf>,
        /// Stop as well when standard input closes.
        #[arg(long)]
        until_stdin_closes: bool,
    },
}

impl WitnessCommand {
    /// Does it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        ended(match self.action {
            Action::Init { folder, name } => init(&folder, &name),
            Action::Run {
                folder,
                listen,
                certificate,
                private_key,
                until_stdin_closes,
            } => {
                let tls = certificate.zip(private_key);
                run(&folder, listen, tls, until_stdin_closes)
            }
        })
    }
}

fn wrong(text: &str) -> Failure {
    Failure::Settings(mended(text))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    wrong(&format!("{}: {error}", path.display()))
}

fn init(folder: &Path, name: &str) -> Result<(), Failure> {
    // The name is looked at before anything is made.
    Cosigner::ed25519(name, &[0; 32]).map_err(|_| {
        wrong("--name: write a name without spaces or +, such as witness.example/w1")
    })?;
    let make = |path: &Path| {
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(path)
            .map_err(|error| failed(path, &error))
    };
    make(folder)?;
    let write = |file: &str, text: String| {
        let path = folder.join(file);
        std::fs::write(&path, text).map_err(|error| failed(&path, &error))
    };
    write(NAME_FILE, format!("{name}\n"))?;
    let seed = key_file::create_seed(&folder.join(KEY_FILE)).map_err(Failure::settings)?;
    let cosigner = Cosigner::ed25519(name, &seed).map_err(Failure::settings)?;
    write(VKEY_FILE, format!("{}\n", cosigner.vkey()))?;
    make(&folder.join(LOGS_FOLDER))?;
    make(&folder.join(STATE_FOLDER))?;
    println!("vkey {}", cosigner.vkey());
    Ok(())
}

/// The witness in `folder`: its key, the logs that it knows, and what it cosigned of them.
fn open(folder: &Path) -> Result<(Cosigner, KnownLogs, Kept), Failure> {
    let name_file = folder.join(NAME_FILE);
    let name = std::fs::read_to_string(&name_file).map_err(|error| {
        let said = format!(
            "{}: {error}; make the folder with `witness init`",
            name_file.display()
        );
        wrong(&said)
    })?;
    let seed = key_file::read_seed(&folder.join(KEY_FILE)).map_err(Failure::settings)?;
    let cosigner = Cosigner::ed25519(name.trim_end_matches('\n'), &seed)
        .map_err(|_| wrong("the file `name` in the witness's folder holds no witness's name"))?;
    let known = known_logs(&folder.join(LOGS_FOLDER))?;
    let kept = Kept::open(&folder.join(STATE_FOLDER), &known)
        .map_err(|error| wrong(&error.to_string()))?;
    Ok((cosigner, known, kept))
}

fn known_logs(folder: &Path) -> Result<KnownLogs, Failure> {
    let mut known = KnownLogs::default();
    let files = std::fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    for file in files {
        let path = file.map_err(|error| failed(folder, &error))?.path();
        if path.extension().is_none_or(|extension| extension != "vkey") {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
        for vkey in text.lines().filter(|line| !line.is_empty()) {
            let verifier = NoteVerifier::parse(vkey).map_err(|_| {
                wrong(&format!(
                    "{} holds a line that is no log's verifier key",
                    path.display()
                ))
            })?;
            known.add(verifier);
        }
    }
    if known.origins().next().is_none() {
        return Err(wrong(&format!(
            "{} holds no log's verifier key: put the file log.vkey of each log in it, as its operator hands it out",
            folder.display()
        )));
    }
    Ok(known)
}

fn run(
    folder: &Path,
    listen: SocketAddr,
    tls: Option<(PathBuf, PathBuf)>,
    until_stdin_closes: bool,
) -> Result<(), Failure> {
    log::begin(&Log::default());
    panics::log_location_only();
    let (cosigner, known, kept) = open(folder)?;
    let tls = match tls {
        None => None,
        Some((certificate, key)) => {
            key_file::refuse_open(&key).map_err(Failure::settings)?;
            Some(serve::server_config(&certificate, &key).map_err(|error| wrong(&error))?)
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::settings)?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        stop_on_signals(stop.clone()).map_err(Failure::settings)?;
        if until_stdin_closes {
            stop_when_stdin_closes(stop.clone());
        }
        let tcp = TcpListener::bind(listen)
            .await
            .map_err(|error| wrong(&format!("--listen: cannot listen on {listen}: {error}")))?;
        let listening = tcp.local_addr().map_err(Failure::settings)?;
        for origin in known.origins() {
            tracing::info!(origin, size = kept.size(origin), "vouching");
        }
        let mut out = std::io::stdout();
        let _ = writeln!(out, "listening on {listening}");
        let _ = out.flush();
        let witness = serve::Witness {
            cosigner,
            known,
            kept,
            now: crate::grpc::tls::system_now(),
        };
        serve::serve(tcp, tls, Arc::new(witness), stop).await;
        Ok(())
    })
}
