//! The signing key of a log or of a witness in its file: an Ed25519 seed, base64 on one line, mode 0600.

use crate::ledger::note::NoteSigner;
use data_encoding::BASE64;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why a key file cannot be used, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be made or read.
    #[error("{file}: {cause}")]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Others may read it.
    #[error("{0} can be read by others than its owner: chmod 600 it, and ask who has read it")]
    Open(PathBuf),
    /// Not a seed.
    #[error(
        "{0} is not a signing key as `init` writes it: restore it, since nobody would know another one"
    )]
    Malformed(PathBuf),
}

/// Makes a new seed in `file`, which must not exist, and the signer of the log `origin` with it.
///
/// # Errors
///
/// [`KeyFileError`].
pub fn create(file: &Path, origin: &str) -> Result<NoteSigner, KeyFileError> {
    signer(file, origin, &*create_seed(file)?)
}

/// Makes a new seed in `file`, which must not exist.
///
/// # Errors
///
/// [`KeyFileError`].
pub fn create_seed(file: &Path) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed)
        .map_err(|cause| io(file, std::io::Error::other(cause.to_string())))?;
    let text = Zeroizing::new(BASE64.encode(&*seed));
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(|cause| io(file, cause))?;
    writeln!(out, "{}", *text)
        .and_then(|()| out.sync_all())
        .and_then(|()| sync_folder_of(file))
        .map_err(|cause| io(file, cause))?;
    Ok(seed)
}

/// The signer of the log `origin` with the seed in `file`.
///
/// # Errors
///
/// [`KeyFileError`].
pub fn read(file: &Path, origin: &str) -> Result<NoteSigner, KeyFileError> {
    signer(file, origin, &*read_seed(file)?)
}

/// The seed in `file`.
///
/// # Errors
///
/// [`KeyFileError`].
pub fn read_seed(file: &Path) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    refuse_open(file)?;
    let text = std::fs::read_to_string(file).map_err(|cause| io(file, cause))?;
    let text = Zeroizing::new(text);
    let bytes = BASE64
        .decode(text.trim_end_matches('\n').as_bytes())
        .map_err(|_| KeyFileError::Malformed(file.to_owned()))?;
    let bytes = Zeroizing::new(bytes);
    let seed: &[u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| KeyFileError::Malformed(file.to_owned()))?;
    Ok(Zeroizing::new(*seed))
}

/// Refuses a secret's file that others may read.
///
/// # Errors
///
/// [`KeyFileError`].
pub fn refuse_open(file: &Path) -> Result<(), KeyFileError> {
    let metadata = std::fs::metadata(file).map_err(|cause| io(file, cause))?;
    if metadata.mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(KeyFileError::Open(file.to_owned()))
    }
}

/// A name is durable only when its folder is.
fn sync_folder_of(file: &Path) -> std::io::Result<()> {
    match file.parent() {
        Some(folder) if folder != Path::new("") => std::fs::File::open(folder)?.sync_all(),
        _ => std::fs::File::open(".")?.sync_all(),
    }
}

fn signer(file: &Path, origin: &str, seed: &[u8; 32]) -> Result<NoteSigner, KeyFileError> {
    NoteSigner::ed25519(origin, seed).map_err(|_| KeyFileError::Malformed(file.to_owned()))
}

fn io(file: &Path, cause: std::io::Error) -> KeyFileError {
    KeyFileError::Io {
        file: file.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_made_is_a_key_read_and_is_never_made_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log.key");
        let made = create(&file, "safeconduct.example").expect("a new key");
        let again = read(&file, "safeconduct.example").expect("the same key");
        assert_eq!(made.vkey(), again.vkey());
        assert!(create(&file, "safeconduct.example").is_err());
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_damaged_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log.key");
        create(&file, "safeconduct.example").expect("a new key");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(matches!(
            read(&file, "safeconduct.example"),
            Err(KeyFileError::Open(_))
        ));
        std::fs::write(&file, "c2hvcnQ=\n").expect("write");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("chmod");
        assert!(matches!(
            read(&file, "safeconduct.example"),
            Err(KeyFileError::Malformed(_))
        ));
    }
}
