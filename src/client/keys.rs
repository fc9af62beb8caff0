//! An agency's private keys in files, behind the envelope's key traits, and their rotation.
//!
//! Chosen default: every private file is created with mode 0600 in a folder of mode 0700 and is not encrypted by
//! itself, so that an unattended process can start at night; the disk under it must be encrypted. An agency that
//! wants its keys elsewhere implements [`AgencySigner`] and [`SeedStore`] for that place.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::connect::{ClientIdentity, ConnectError, certificates};
use crate::domain::directory::AgencyFacts;
use crate::domain::id::AgencyId;
use crate::domain::random::Random;
use crate::domain::time::{Period, Timestamp};
use crate::envelope::bundle::{KeyBundle, KeyBundleDraft, SealingPublicKey};
use crate::envelope::error::StatementError;
use crate::envelope::hpke::{SealingSeed, SeedStore};
use crate::envelope::jws::digest_from_b64u;
use crate::envelope::keys::{CertifiedSigner, KeyError, KeyPairSigner, Signer};

/// How long a sealing key is sealed to before the next one takes over.
pub const ROTATE_AFTER: Duration = Duration::from_secs(30 * DAY);
/// How long a sealing key opens: its own 30 days and those of the last parcel sealed to it.
const KEY_VALIDITY: Duration = Duration::from_secs(60 * DAY);
/// How long a bundle stands.
const BUNDLE_VALIDITY: Duration = Duration::from_secs(34 * DAY);
/// A bundle is renewed when less than this is left of it.
const RENEW_BEFORE: Duration = Duration::from_secs(7 * DAY);
const DAY: u64 = 24 * 60 * 60;

mod kept;
mod sent;

pub use kept::{KeptKind, KeptStatement};
pub use sent::SentBundle;

/// Keys that cannot be loaded, kept or used. Never says anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// A certificate or key file cannot be used.
    #[error(transparent)]
    File(#[from] ConnectError),
    /// A key does not fit its certificate or its purpose.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A statement about keys could not be made or read back.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A file of the key folder is damaged.
    #[error("{0} in the key folder is damaged")]
    Damaged(&'static str),
    /// Another program publishes by the same folder.
    #[error(
        "another program of this agency is publishing its keys; wait until it is done and try again"
    )]
    Busy,
    /// A file of the key folder cannot be read or written.
    #[error("the key folder cannot be used: {0}")]
    Io(#[from] std::io::Error),
}

/// Where an agency's keys are.
#[derive(Debug, Clone)]
pub struct KeyFiles {
    /// TLS client certificate chain, PEM.
    pub tls_certificate: PathBuf,
    /// Its key, PEM.
    pub tls_key: PathBuf,
    /// Signing certificate chain, PEM.
    pub signing_certificate: PathBuf,
    /// Its key, PEM (PKCS #8).
    pub signing_key: PathBuf,
    /// Folder of the keys that the agency makes itself: sealing seeds, staff-token key, published bundles.
    pub own: PathBuf,
}

impl KeyFiles {
    /// The one layout: as `safeconduct ca issue agency` writes it, and `keys/` for what the agency makes itself.
    #[must_use]
    pub fn in_folder(home: &Path) -> Self {
        Self {
            tls_certificate: home.join("tls.pem"),
            tls_key: home.join("tls.key"),
            signing_certificate: home.join("signing.pem"),
            signing_key: home.join("signing.key"),
            own: home.join("keys"),
        }
    }
}

/// A seed on disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptSeed {
    seed: String,
    from: i64,
    until: i64,
}

impl Drop for KeptSeed {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

struct Held {
    seed: SealingSeed,
    public: SealingPublicKey,
}

/// An agency's keys, loaded.
pub struct AgencyKeys {
    agency: AgencyId,
    tls: ClientIdentity,
    signer: CertifiedSigner,
    staff: KeyPairSigner,
    staff_pkcs8: Zeroizing<Vec<u8>>,
    folder: PathBuf,
    seeds: RwLock<Vec<Held>>,
    published: RwLock<Option<KeyBundle>>,
    certificates: RwLock<Vec<[u8; 32]>>,
}

impl std::fmt::Debug for AgencyKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AgencyKeys({})", self.agency)
    }
}

const STAFF_KEY_FILE: &str = "staff.key";
const BUNDLE_FILE: &str = "bundle.jws";
const SEED_SUFFIX: &str = "seed";
/// Base64url SHA-256 of every signing certificate that was published, one a line.
const CERTIFICATES_FILE: &str = "certificates";

impl AgencyKeys {
    /// Loads the keys of `agency`, and makes the staff-token key on first use.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] naming what cannot be used.
    pub fn load(agency: AgencyId, files: &KeyFiles) -> Result<Self, KeyFileError> {
        let tls = ClientIdentity::from_pem_files(&files.tls_certificate, &files.tls_key)?;
        let chain = certificates(&files.signing_certificate)?;
        let chain = chain.iter().map(|der| der.to_vec()).collect();
        let key = PrivateKeyDer::from_pem_file(&files.signing_key)
            .map_err(|_| KeyFileError::Key(KeyError::NotP256))?;
        let signer = CertifiedSigner::new(key.secret_der(), chain)?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&files.own)?;
        let staff_file = files.own.join(STAFF_KEY_FILE);
        let staff_pkcs8 = match fs::read(&staff_file) {
            Ok(pkcs8) => Zeroizing::new(pkcs8),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (_, pkcs8) = KeyPairSigner::generate()?;
                write_private(&staff_file, pkcs8.expose_secret())?;
                Zeroizing::new(pkcs8.expose_secret().clone())
            }
            Err(error) => return Err(error.into()),
        };
        let staff = KeyPairSigner::from_pkcs8(&staff_pkcs8)
            .map_err(|_| KeyFileError::Damaged(STAFF_KEY_FILE))?;
        let published = read_published(&files.own)?;
        Ok(Self {
            agency,
            tls,
            signer,
            staff,
            staff_pkcs8,
            folder: files.own.clone(),
            seeds: RwLock::new(read_seeds(&files.own)?),
            certificates: RwLock::new(read_certificates(&files.own, published.as_ref())?),
            published: RwLock::new(published),
        })
    }

    /// The agency.
    #[must_use]
    pub const fn agency(&self) -> &AgencyId {
        &self.agency
    }

    /// The TLS client certificate.
    #[must_use]
    pub const fn tls(&self) -> &ClientIdentity {
        &self.tls
    }

    /// The certified signing key.
    #[must_use]
    pub const fn signer(&self) -> &CertifiedSigner {
        &self.signer
    }

    /// The staff-token key, PKCS #8.
    #[must_use]
    pub fn staff_pkcs8(&self) -> &[u8] {
        &self.staff_pkcs8
    }

    /// Digest of the bundle that this agency published last: any other under its name is an alarm.
    #[must_use]
    pub fn published(&self) -> Option<[u8; 32]> {
        let published = self
            .published
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        published.as_ref().map(|bundle| *bundle.digest())
    }

    /// SHA-256 of every signing certificate that this agency published: any other under its name is an alarm.
    #[must_use]
    pub fn published_certificates(&self) -> Vec<[u8; 32]> {
        let certificates = &self.certificates;
        let certificates = certificates.read().unwrap_or_else(PoisonError::into_inner);
        certificates.clone()
    }

    /// Reads again what another program of this agency may have written into the same folder: `agency join` publishes,
    /// by a timer, while others run.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when a file cannot be read; what was held before is held then.
    pub fn read_again(&self) -> Result<(), KeyFileError> {
        let published = read_published(&self.folder)?;
        let certificates = read_certificates(&self.folder, published.as_ref())?;
        let seeds = read_seeds(&self.folder)?;
        fn put<T>(held: &RwLock<T>, value: T) {
            *held.write().unwrap_or_else(PoisonError::into_inner) = value;
        }
        put(&self.seeds, seeds);
        put(&self.certificates, certificates);
        put(&self.published, published);
        Ok(())
    }

    /// Remembers the certificate of a bundle that is published.
    fn remember_certificate(&self, bundle: &KeyBundle) -> Result<(), KeyFileError> {
        let fingerprint = bundle.signing_key().fingerprint;
        let certificates = &self.certificates;
        let mut certificates = certificates.write().unwrap_or_else(PoisonError::into_inner);
        if !certificates.contains(&fingerprint) {
            certificates.push(fingerprint);
            let lines = certificates.iter();
            let lines: String = lines
                .map(|digest| BASE64URL_NOPAD.encode(digest) + "\n")
                .collect();
            write_private(&self.folder.join(CERTIFICATES_FILE), lines.as_bytes())?;
        }
        Ok(())
    }

    /// Remembers `token` as published: after the router's receipt was verified, never before.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when it is no bundle or cannot be kept.
    pub fn remember_published(&self, token: &[u8]) -> Result<(), KeyFileError> {
        let bundle = KeyBundle::parse(token)?;
        self.remember_certificate(&bundle)?;
        // Another program of this agency may have heard of it first, and published the next one since.
        let newest = read_published(&self.folder)?;
        let newest = newest.filter(|newest| newest.content().seq > bundle.content().seq);
        if newest.is_none() {
            write_private(&self.folder.join(BUNDLE_FILE), token)?;
        }
        self.forget_sent(token)?;
        *self
            .published
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(newest.unwrap_or(bundle));
        Ok(())
    }
}

/// The next key bundle, with fresh sealing keys where they are due.
pub struct KeyRotation;

impl KeyRotation {
    /// Whether a new bundle should be published at `now`.
    #[must_use]
    pub fn is_due(keys: &AgencyKeys, now: Timestamp) -> bool {
        let published = keys
            .published
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let bundle_ends = published
            .as_ref()
            .is_none_or(|bundle| bundle.content().expires <= now.plus(RENEW_BEFORE));
        bundle_ends || newest(keys).is_none_or(|from| from.plus(ROTATE_AFTER) <= now)
    }

    /// Signs the next bundle at `now`, with a new sealing key if the newest is [`ROTATE_AFTER`] old; destroys the
    /// seeds whose last parcel has expired.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when a key cannot be kept or the bundle not signed.
    pub fn next_bundle(
        keys: &AgencyKeys,
        facts: AgencyFacts,
        now: Timestamp,
        random: &mut dyn Random,
    ) -> Result<Vec<u8>, KeyFileError> {
        destroy_ended(keys, now)?;
        if newest(keys).is_none_or(|from| from.plus(ROTATE_AFTER) <= now) {
            add_seed(keys, now, random)?;
        }
        let seeds = keys.seeds.read().unwrap_or_else(PoisonError::into_inner);
        let published = keys
            .published
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let draft = KeyBundleDraft {
            agency: keys.agency.clone(),
            seq: published
                .as_ref()
                .map_or(1, |bundle| bundle.content().seq.saturating_add(1)),
            prev: published.as_ref().map(|bundle| *bundle.digest()),
            issued: now,
            expires: now.plus(BUNDLE_VALIDITY),
            sealing_keys: seeds.iter().map(|held| held.public.clone()).collect(),
            staff_keys: vec![keys.staff.verifying_key().clone()],
            facts,
        };
        Ok(draft.sign(&keys.signer)?)
    }
}

fn read_published(folder: &Path) -> Result<Option<KeyBundle>, KeyFileError> {
    match fs::read(folder.join(BUNDLE_FILE)) {
        Ok(token) => KeyBundle::parse(&token)
            .map(Some)
            .map_err(|_| KeyFileError::Damaged(BUNDLE_FILE)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn read_certificates(
    folder: &Path,
    published: Option<&KeyBundle>,
) -> Result<Vec<[u8; 32]>, KeyFileError> {
    let text = match fs::read_to_string(folder.join(CERTIFICATES_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.into()),
    };
    let digests = text.lines().map(digest_from_b64u);
    let digests: Option<Vec<_>> = digests.collect();
    let mut digests = digests.ok_or(KeyFileError::Damaged(CERTIFICATES_FILE))?;
    let current = published.map(|bundle| bundle.signing_key().fingerprint);
    digests.extend(current.filter(|digest| !digests.contains(digest)));
    Ok(digests)
}

fn newest(keys: &AgencyKeys) -> Option<Timestamp> {
    let seeds = keys.seeds.read().unwrap_or_else(PoisonError::into_inner);
    seeds.iter().map(|held| held.public.validity().from).max()
}

fn add_seed(
    keys: &AgencyKeys,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<(), KeyFileError> {
    let seed = SealingSeed::generate(random);
    // Whole seconds, as the bundle will say; a little back, for readers whose clocks are behind.
    let from = now
        .minus(Duration::from_secs(60))
        .coarse(Duration::from_secs(1));
    let validity = Period {
        from,
        until: from.plus(KEY_VALIDITY),
    };
    let public = SealingPublicKey::new(seed.public_key(), validity)?;
    let kept = KeptSeed {
        seed: BASE64URL_NOPAD.encode(seed.expose()),
        from: validity.from.seconds(),
        until: validity.until.seconds(),
    };
    let json = Zeroizing::new(
        serde_json::to_vec(&kept).map_err(|_| KeyFileError::Damaged("a sealing seed"))?,
    );
    write_private(&seed_file(&keys.folder, public.kid()), &json)?;
    let mut seeds = keys.seeds.write().unwrap_or_else(PoisonError::into_inner);
    seeds.push(Held { seed, public });
    Ok(())
}

fn destroy_ended(keys: &AgencyKeys, now: Timestamp) -> Result<(), KeyFileError> {
    let mut seeds = keys.seeds.write().unwrap_or_else(PoisonError::into_inner);
    for ended in seeds
        .iter()
        .filter(|held| held.public.validity().until <= now)
    {
        fs::remove_file(seed_file(&keys.folder, ended.public.kid()))?;
    }
    seeds.retain(|held| now < held.public.validity().until);
    Ok(())
}

impl SeedStore for AgencyKeys {
    fn seed(&self, kid: &str) -> Option<SealingSeed> {
        let seeds = self.seeds.read().unwrap_or_else(PoisonError::into_inner);
        let held = seeds.iter().find(|held| held.public.kid() == kid)?;
        Some(SealingSeed::from_bytes(Zeroizing::new(*held.seed.expose())))
    }
}

fn seed_file(folder: &Path, kid: &str) -> PathBuf {
    folder.join(format!("{kid}.{SEED_SUFFIX}"))
}

fn read_seeds(folder: &Path) -> Result<Vec<Held>, KeyFileError> {
    const DAMAGED: KeyFileError = KeyFileError::Damaged("a sealing seed");
    let mut seeds = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path
            .extension()
            .is_none_or(|extension| extension != SEED_SUFFIX)
        {
            continue;
        }
        let json = Zeroizing::new(fs::read(&path)?);
        let kept: KeptSeed = serde_json::from_slice(&json).map_err(|_| DAMAGED)?;
        let bytes = BASE64URL_NOPAD
            .decode(kept.seed.as_bytes())
            .map_err(|_| DAMAGED)?;
        let bytes: [u8; 32] = Zeroizing::new(bytes)
            .as_slice()
            .try_into()
            .map_err(|_| DAMAGED)?;
        let seed = SealingSeed::from_bytes(Zeroizing::new(bytes));
        let validity = Timestamp::from_seconds(kept.from)
            .zip(Timestamp::from_seconds(kept.until))
            .map(|(from, until)| Period { from, until })
            .ok_or(DAMAGED)?;
        let public = SealingPublicKey::new(seed.public_key(), validity)?;
        seeds.push(Held { seed, public });
    }
    Ok(seeds)
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let _ = fs::remove_file(&temporary);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    // A seed must outlive a power cut before anybody seals to its key: its name is durable when its folder is.
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
