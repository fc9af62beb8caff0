//! `safeconduct router init`, and whether it was run.

use super::settings;
use crate::cli::exit::Failure;
use crate::cli::home::mended;
use crate::cli::{key_file, origin};
use crate::config::RouterConfig;
use crate::domain::id::AgencyId;
use crate::exchange::{Exchange, Initialise};
use crate::storage::embedded::{EmbeddedEngine, Options};
use rustls::pki_types::pem::{PemObject, SectionKind};
use std::io::ErrorKind;
use std::path::Path;

/// What is left of a log, by its two parts that cannot be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parts {
    None,
    KeyOnly,
    StoreOnly,
    Both,
}

impl Parts {
    /// What cannot be looked at counts as there: whoever opens it says why it cannot be.
    fn of(config: &RouterConfig) -> Self {
        let key = config.ledger.signing_key_file.try_exists().unwrap_or(true);
        let store = match std::fs::read_dir(&config.data_directory) {
            Ok(mut items) => items.next().is_some(),
            Err(error) => error.kind() != ErrorKind::NotFound,
        };
        match (key, store) {
            (false, false) => Self::None,
            (true, false) => Self::KeyOnly,
            (false, true) => Self::StoreOnly,
            (true, true) => Self::Both,
        }
    }
}

fn wrong(text: &str) -> Failure {
    Failure::Settings(mended(text))
}

/// Refuses a deployment whose log has not begun, or of which a part is gone.
pub(super) fn require_begun(config: &RouterConfig) -> Result<(), Failure> {
    let key = config.ledger.signing_key_file.display();
    let store = config.data_directory.display();
    match Parts::of(config) {
        Parts::Both => Ok(()),
        Parts::None => Err(wrong(&format!(
            "there is no log yet: neither {key} nor {store} is there. Begin it with `safeconduct router init`, \
             or look at ledger.signing_key_file and data_directory"
        ))),
        Parts::KeyOnly => Err(wrong(&format!(
            "{store} holds no store, although {key} is there: restore the latest backup of the store"
        ))),
        Parts::StoreOnly => Err(wrong(&format!(
            "{key} is gone, and the log cannot go on without it: bring it back from the backup"
        ))),
    }
}

fn require_not_begun(config: &RouterConfig) -> Result<(), Failure> {
    let key = config.ledger.signing_key_file.display();
    let store = config.data_directory.display();
    match Parts::of(config) {
        Parts::None => Ok(()),
        Parts::Both => Err(wrong(&format!(
            "{key} is there already: this log has begun, and `router init` is for the first time only. Never \
             delete {key}; start with `safeconduct router run`"
        ))),
        Parts::KeyOnly => Err(wrong(&format!(
            "{key} is there already: this log has begun, and `router init` is for the first time only. Never \
             delete {key}. But {store} holds no store: restore the latest backup of it"
        ))),
        Parts::StoreOnly => Err(wrong(&format!(
            "{store} is not empty, and {key} is not there. If it is this log's store, bring {key} back from the \
             backup and start with `safeconduct router run`; a new log takes a new folder"
        ))),
    }
}

pub(super) fn init(
    config: &Path,
    administrators: &[std::path::PathBuf],
    operator: AgencyId,
) -> Result<(), Failure> {
    let config = RouterConfig::read(config).map_err(Failure::settings)?;
    let [first, second] = administrators else {
        return Err(wrong(
            "name exactly two administrators: what widens access takes two people",
        ));
    };
    require_not_begun(&config)?;
    if config.log_origin() != config.origin {
        return Err(wrong(
            "leave ledger.origin out: a log begins under the name of its trust domain",
        ));
    }
    let roots_file = &config.listener.agency_roots_file;
    let initialise = Initialise {
        origin: config.origin.clone(),
        administrators: [public_key(first)?, public_key(second)?],
        roots: text(roots_file)?,
        operator,
    };
    origin::fits_roots(&config.origin, &initialise.roots, roots_file).map_err(|e| wrong(&e))?;
    require_parent(&config.data_directory)?;
    let key = &config.ledger.signing_key_file;
    let signer = key_file::create(key, &config.origin).map_err(Failure::settings)?;
    let vkey = signer.vkey();
    let begun = EmbeddedEngine::create(&config.data_directory, Options::default())
        .map_err(|error| wrong(&format!("{}: {error}", config.data_directory.display())))
        .and_then(|engine| {
            Exchange::initialise(&engine, &mut settings(signer), &initialise).map_err(|error| {
                drop(engine);
                // It was empty a moment ago, and nothing was begun in it.
                let _ = std::fs::remove_dir_all(&config.data_directory);
                Failure::settings(error)
            })
        });
    if let Err(error) = begun {
        // The key signed nothing that anybody has seen.
        let _ = std::fs::remove_file(key);
        return Err(error);
    }
    println!("origin {}", config.origin);
    println!("vkey {vkey}");
    println!();
    println!("Next: back up {} off this machine,", key.display());
    println!("and write what agencies pin: safeconduct router trust");
    Ok(())
}

fn require_parent(store: &Path) -> Result<(), Failure> {
    match store.parent() {
        Some(parent) if parent != Path::new("") && !parent.exists() => Err(wrong(&format!(
            "data_directory: {0} is not there, and the store goes into it: make it with `install -d -m 0700 {0}`, \
             owned by the user that runs the router, or write another folder",
            parent.display()
        ))),
        _ => Ok(()),
    }
}

/// The text of an administrator's public key.
fn public_key(file: &Path) -> Result<String, Failure> {
    let text = text(file)?;
    match <(SectionKind, Vec<u8>)>::from_pem_slice(text.as_bytes()) {
        Ok((SectionKind::PublicKey, _)) => Ok(text),
        Ok((SectionKind::PrivateKey | SectionKind::EcPrivateKey, _)) => Err(wrong(&format!(
            "{0} is a private key, not a public key: give {0}.pub",
            file.display()
        ))),
        _ => Err(wrong(&format!(
            "{} is not a public key: give the FILE.pub that `safeconduct administrator key` wrote",
            file.display()
        ))),
    }
}

fn text(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| wrong(&format!("{}: {error}", file.display())))
}
