//! `safeconduct check`: looks at a deployment before it is needed, and says what is wrong and how to mend it.

use super::exit::{Failure, ended};
use super::router::publish::under;
use super::router::tls_files;
use super::text::wrapped;
use super::{key_file, origin};
use crate::config::RouterConfig;
use crate::grpc::limits::CONNECTIONS_MAX;
use crate::grpc::tls::{ReloadingTls, TlsFiles, system_now};
use crate::storage::embedded::{EmbeddedEngine, OpenError, Options};
use crate::storage::engine::Engine;
use crate::storage::records::log::LogRecord;
use crate::storage::records::{Record, key};
use clap::Args;
use rustix::process::{Resource, getrlimit};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Days before a certificate's end at which it is time to renew it.
const CERTIFICATE_DAYS_MIN: i64 = 14;

/// Look at a router's deployment: files, modes, certificates, revocation lists, store.
#[derive(Debug, Args)]
pub struct CheckCommand {
    /// Settings (deploy/router.toml).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl CheckCommand {
    /// Does it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        ended(check(&self.config))
    }
}

/// What was looked at, line by line.
#[derive(Debug, Default)]
struct Findings {
    bad: usize,
}

impl Findings {
    fn note<T>(&mut self, what: &str, found: Result<T, String>) -> Option<T> {
        match found {
            Ok(value) => {
                println!("{}", wrapped("ok   ", what));
                Some(value)
            }
            Err(mend) => {
                self.bad += 1;
                println!("{}", wrapped("bad  ", &format!("{what}: {mend}")));
                None
            }
        }
    }
}

fn check(file: &Path) -> Result<(), Failure> {
    let mut findings = Findings::default();
    let config = RouterConfig::read(file).map_err(|error| error.to_string());
    let Some(config) = findings.note("settings", config) else {
        return Err(Failure::Settings("the settings cannot be used".into()));
    };
    let secret = |path: &Path| key_file::refuse_open(path).map_err(|error| error.to_string());
    findings.note(
        "the server's private key is its owner's alone",
        secret(&config.listener.private_key_file),
    );
    let signer = key_file::read(&config.ledger.signing_key_file, config.log_origin())
        .map_err(|error| error.to_string());
    if let Some(signer) = findings.note("the log's signing key", signer) {
        println!("{}", wrapped("     ", &format!("vkey {}", signer.vkey())));
    }
    certificates(&mut findings, tls_files(&config), &config.origin);
    let roots = &config.listener.agency_roots_file;
    if let Ok(pem) = std::fs::read_to_string(roots) {
        let fits = origin::fits_roots(&config.origin, &pem, roots);
        findings.note("origin is not another authority's trust domain", fits);
    }
    findings.note("the store's folder is its owner's alone", folder(&config));
    let runs = store(&mut findings, &config);
    publication(&mut findings, &config, runs);
    findings.note("open files", open_files());
    match findings.bad {
        0 => Ok(()),
        bad => Err(Failure::Refused(format!("{bad} to mend"))),
    }
}

fn certificates(findings: &mut Findings, files: TlsFiles, origin: &str) {
    let now = system_now();
    let tls =
        ReloadingTls::from_files(files, origin, now.clone()).map_err(|error| error.to_string());
    let what = "the server's certificate and key are a pair; roots and revocation lists are usable";
    let Some(tls) = findings.note(what, tls) else {
        return;
    };
    let status = tls.status();
    let days = |until: i64| (until - now().seconds()) / 86_400;
    let left = days(status.certificate_expires.seconds());
    let renew = format!("{left} days left: `safeconduct ca renew`");
    findings.note(
        "the server's certificate is not about to end",
        (left >= CERTIFICATE_DAYS_MIN).then_some(()).ok_or(renew),
    );
    let left = days(status.lists_expire.seconds());
    let renew = format!(
        "past half of their age, {left} days left: `safeconduct ca crl`, and run it by a timer"
    );
    findings.note(
        "the revocation lists are fresh",
        (!status.lists_half_aged).then_some(()).ok_or(renew),
    );
}

/// What to do where there is no store. A log that was succeeded has one to lose, and is never begun.
fn absent(config: &RouterConfig) -> &'static str {
    if config.log_origin() == config.origin {
        "for the first time: `safeconduct router init`; otherwise `safeconduct restore` (deploy/backup.md)"
    } else {
        "`safeconduct restore` brings it back (deploy/backup.md); ledger.origin says that this log is not a new one"
    }
}

fn folder(config: &RouterConfig) -> Result<(), String> {
    let path = config.data_directory.as_path();
    let metadata = std::fs::metadata(path)
        .map_err(|error| format!("{}: {error}; {}", path.display(), absent(config)))?;
    if metadata.mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(format!("chmod 700 {}", path.display()))
    }
}

/// Looks at `[publication]`: its address, which a router that runs has open, and its witnesses.
fn publication(findings: &mut Findings, config: &RouterConfig, runs: bool) {
    let settings = &config.publication;
    if let Some(at) = settings.address {
        findings.note(
            "publication.address can be listened on",
            listens(config.listener.address, at, runs),
        );
    }
    let witnesses = under(settings).map(drop).map_err(|error| error.to_string());
    if settings.witnesses.is_empty() && witnesses.is_ok() {
        let text = "[publication] asks no witness: nobody vouches that everybody is shown one log";
        println!("{}", wrapped("?    ", text));
        return;
    }
    let count = settings.witnesses.len();
    let what = format!(
        "the {count} witnesses and their authorities are usable, and {} of them must cosign",
        settings.witnesses_required
    );
    findings.note(&what, witnesses);
}

fn listens(agencies: SocketAddr, at: SocketAddr, runs: bool) -> Result<(), String> {
    if at.port() != 0 && at == agencies {
        return Err(format!(
            "{at} is listener.address as well: give it a port of its own"
        ));
    }
    match TcpListener::bind(at) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && runs => Ok(()),
        Err(error) => Err(format!(
            "{at}: {error}; is another program there, or is it an address of another machine?"
        )),
        Ok(_) => Ok(()),
    }
}

/// Whether a router has it open.
fn store(findings: &mut Findings, config: &RouterConfig) -> bool {
    let opened = match EmbeddedEngine::open(&config.data_directory, Options::default()) {
        Ok(engine) => Ok(Some(engine)),
        Err(OpenError::Locked) => Ok(None),
        Err(error @ OpenError::Missing) => Err(format!("{error}; {}", absent(config))),
        Err(error) => Err(format!(
            "{error}; do not make a new one, restore the latest backup"
        )),
    };
    match findings.note("the store opens", opened) {
        Some(Some(engine)) => {
            println!("     {} entries in the log", engine.head().size);
            let began = began_with(&engine, config);
            findings.note("origin is the one that the log began with", began);
        }
        Some(None) => {
            let text = "a router has it open, so it was not looked into, and origin not compared";
            println!("{}", wrapped("     ", text));
            return true;
        }
        None => {}
    }
    false
}

fn began_with(engine: &EmbeddedEngine, config: &RouterConfig) -> Result<(), String> {
    let stored = engine
        .get(LogRecord::TABLE, key::LOG)
        .map_err(|error| error.to_string())?;
    let stored =
        stored.ok_or_else(|| format!("no log has begun in the store; {}", absent(config)))?;
    let log = LogRecord::from_stored(&stored).map_err(|error| error.to_string())?;
    let origin = &config.origin;
    if log.origin == *origin && log.log_origin() == config.log_origin() {
        return Ok(());
    }
    if log.origin == *origin {
        return Err(format!(
            "the log goes by {}: put that into ledger.origin",
            log.log_origin()
        ));
    }
    Err(format!(
        "origin is {origin}, and the log began as {0}: put origin = \"{0}\" back, since it can never change",
        log.origin
    ))
}

fn open_files() -> Result<(), String> {
    let needed = 2 * CONNECTIONS_MAX as u64;
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < needed => Err(format!(
            "the system allows {most}, and {needed} may be needed: raise LimitNOFILE"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_store_of_a_succeeded_log_is_never_begun_anew() {
        let text = include_str!("../../deploy/router.toml");
        let mut config = RouterConfig::parse(text, Path::new("/nowhere")).unwrap();
        config.data_directory = PathBuf::from("/nowhere/store");
        config.ledger.origin = None;
        let said = folder(&config).unwrap_err();
        assert!(
            said.contains("for the first time: `safeconduct router init`"),
            "{said}"
        );
        assert!(said.contains("otherwise `safeconduct restore`"), "{said}");
        config.ledger.origin = Some("2.safeconduct.example".to_owned());
        let said = folder(&config).unwrap_err();
        assert!(said.contains("`safeconduct restore`"), "{said}");
        assert!(!said.contains("init"), "{said}");
    }

    #[test]
    fn an_address_is_free_or_the_running_routers_and_never_the_agencies() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let taken = TcpListener::bind(any).unwrap();
        let taken = (taken.local_addr().unwrap(), taken);
        assert_eq!(listens(taken.0, any, false), Ok(()));
        assert_eq!(listens(any, taken.0, true), Ok(()));
        let said = listens(any, taken.0, false).unwrap_err();
        assert!(said.contains("another program"), "{said}");
        let said = listens(taken.0, taken.0, true).unwrap_err();
        assert!(said.contains("a port of its own"), "{said}");
    }
}
