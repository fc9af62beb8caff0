//! The town's files: who pins what, and who may read it.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::client::keys::KeyFiles;
use crate::client::trust::{ADMINISTRATORS_FILE, LOG_KEY_FILE, ROOTS_FILE, TrustAnchors};
use crate::envelope::keys::{KeyPairSigner, Signer};

use super::TownError;
use super::authority::TownAuthority;

/// Where an agency's keys are in its folder: as `safeconduct ca issue` writes them.
#[must_use]
pub fn key_files(home: &Path) -> KeyFiles {
    KeyFiles {
        tls_certificate: home.join("tls.pem"),
        tls_key: home.join("tls.key"),
        signing_certificate: home.join("signing.pem"),
        signing_key: home.join("signing.key"),
        own: home.join("keys"),
    }
}

/// An administrator's key, made on the spot; its public half is what `router init` pins.
pub(super) fn administrator(folder: &Path, number: u8) -> Result<KeyPairSigner, TownError> {
    let (signer, _) = KeyPairSigner::generate()?;
    let file = administrator_file(folder, number);
    write(
        &file,
        pem("PUBLIC KEY", &signer.verifying_key().spki()).as_bytes(),
    )?;
    Ok(signer)
}

/// Where an administrator's public key is.
pub(super) fn administrator_file(folder: &Path, number: u8) -> PathBuf {
    folder.join(format!("administrator-{number}.pem"))
}

/// Writes what every agency pins, and reads it back as an agency would.
pub(super) fn pin(
    folder: &Path,
    authority: &TownAuthority,
    administrators: &[KeyPairSigner; 2],
    log_key: &str,
) -> Result<TrustAnchors, TownError> {
    let trust = folder.join("trust");
    make_folder(&trust)?;
    let keys: String = administrators
        .iter()
        .map(|signer| pem("PUBLIC KEY", &signer.verifying_key().spki()))
        .collect();
    write(&trust.join(ADMINISTRATORS_FILE), keys.as_bytes())?;
    write(&trust.join(ROOTS_FILE), authority.root_pem().as_bytes())?;
    write(&trust.join(LOG_KEY_FILE), format!("{log_key}\n").as_bytes())?;
    Ok(TrustAnchors::read(&trust)?)
}

/// PEM as everything else writes it: lines of 64.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

pub(super) fn make_folder(path: &Path) -> Result<(), TownError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|cause| io(path, cause))
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), TownError> {
    fs::write(path, bytes).map_err(|cause| io(path, cause))
}

/// Writes a file that only its owner may read.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), TownError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|cause| io(path, cause))
}

pub(super) fn io(path: &Path, cause: std::io::Error) -> TownError {
    TownError::Io {
        path: path.display().to_string(),
        cause,
    }
}
