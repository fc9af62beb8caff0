//! `safeconduct router trust`: what every agency pins by hand, as the store pinned it when the log began.

use crate::cli::exit::Failure;
use crate::cli::home::mended;
use crate::cli::key_file;
use crate::client::trust::{
    ADMINISTRATORS_FILE, DOMAIN_FILE, LOG_KEY_FILE, ROOTS_FILE, TrustAnchors,
};
use crate::config::RouterConfig;
use crate::envelope::keys::{VerifyingKey, b64u, sha256};
use crate::storage::embedded::{EmbeddedEngine, OpenError, Options};
use crate::storage::engine::Engine;
use crate::storage::records::log::LogRecord;
use crate::storage::records::{Record, key};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Writes the folder, and reads it back as an agency would.
pub(super) fn write(config: &Path, out: &Path) -> Result<(), Failure> {
    let config = RouterConfig::read(config).map_err(Failure::settings)?;
    super::begin::require_begun(&config)?;
    let signer = key_file::read(&config.ledger.signing_key_file, config.log_origin())
        .map_err(Failure::settings)?;
    let pinned = pinned(&config)?;
    if pinned.origin != config.origin || pinned.log_origin() != config.log_origin() {
        let text = "origin or ledger.origin is not what the store goes by: put that back";
        return Err(Failure::Settings(text.into()));
    }
    let unusable = |error: std::io::Error| Failure::Settings(format!("{}: {error}", out.display()));
    DirBuilder::new()
        .mode(0o755)
        .create(out)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                let shown = out.display();
                let text = format!(
                    "{shown} is there already: give --out a new folder, or remove it first"
                );
                Failure::Settings(mended(&text))
            }
            _ => unusable(error),
        })?;
    let administrators: String = pinned
        .administrators
        .iter()
        .map(|pem| format!("{}\n", pem.trim_end()))
        .collect();
    for (name, text) in [
        (LOG_KEY_FILE, format!("{}\n", signer.vkey())),
        (ADMINISTRATORS_FILE, administrators),
        (ROOTS_FILE, format!("{}\n", pinned.roots.trim_end())),
    ] {
        fs::write(out.join(name), text).map_err(unusable)?;
    }
    if config.log_origin() != config.origin {
        fs::write(out.join(DOMAIN_FILE), format!("{}\n", config.origin)).map_err(unusable)?;
    }
    let trust = TrustAnchors::read(out).map_err(Failure::settings)?;
    println!("wrote {} for {}", out.display(), trust.origin);
    println!("log            {}", trust.log_key);
    // In the order of `audit replay`, which prints the same from the log's first entry.
    let administrators: BTreeSet<String> = trust
        .administrators
        .iter()
        .map(VerifyingKey::spki_kid)
        .collect();
    for administrator in administrators {
        println!("administrator  {administrator}");
    }
    for root in &trust.roots {
        println!("authority      {}", b64u(&sha256(root)));
    }
    println!();
    println!("Next: give the folder to every agency as trust/ in its own folder, and have");
    println!("these lines compared by phone: whoever changes them can be the router.");
    Ok(())
}

fn pinned(config: &RouterConfig) -> Result<LogRecord, Failure> {
    let folder = &config.data_directory;
    let engine = EmbeddedEngine::open(folder, Options::default()).map_err(|error| {
        let mend = match error {
            OpenError::Locked => "stop the router, or copy the folder that was written before",
            _ => "`safeconduct check` says more",
        };
        Failure::Settings(mended(&format!("{}: {error}; {mend}", folder.display())))
    })?;
    let stored = engine
        .get(LogRecord::TABLE, key::LOG)
        .map_err(Failure::settings)?;
    let stored = stored
        .ok_or_else(|| Failure::Settings("the store is empty: `safeconduct router init`".into()))?;
    LogRecord::from_stored(&stored).map_err(Failure::settings)
}
