//! An administrator's key in its file: P-256, PKCS #8 PEM, mode 0600, and the public half beside it.

use crate::cli::exit::Failure;
use crate::cli::home::mended;
use crate::cli::key_file;
use crate::cli::text::wrapped;
use crate::envelope::keys::{KeyPairSigner, Signer};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

fn unusable(file: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::Settings(mended(&format!("{}: {why}", file.display())))
}

/// FILE.pub.
fn public_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

/// Makes a key; overwrites nothing.
pub(super) fn make(file: &Path) -> Result<(), Failure> {
    let (signer, pkcs8) = KeyPairSigner::generate().map_err(Failure::refused)?;
    let public = public_file(file);
    if public.exists() {
        return Err(unusable(&public, "is there already: choose another file"));
    }
    let secret = Zeroizing::new(pem("PRIVATE KEY", pkcs8.expose_secret()));
    create(file, secret.as_bytes(), 0o600).map_err(|error| unusable(file, error))?;
    let spki = pem("PUBLIC KEY", &signer.verifying_key().spki());
    create(&public, spki.as_bytes(), 0o644).map_err(|error| unusable(&public, error))?;
    println!("made {} and {}", file.display(), public.display());
    println!("key id {}", signer.verifying_key().spki_kid());
    let next = format!(
        "Next: its owner keeps the first on a stick of their own, with a copy in a safe, and gives {} to whoever \
         runs `router init`, who compares the key id by phone.",
        public.display()
    );
    println!("{}", wrapped("", &next));
    Ok(())
}

/// The key in `file`.
pub(super) fn read(file: &Path) -> Result<KeyPairSigner, Failure> {
    key_file::refuse_open(file).map_err(|error| Failure::Settings(mended(&error.to_string())))?;
    let wrong = "not a private key as `safeconduct administrator key` writes it";
    let key = PrivateKeyDer::from_pem_file(file).map_err(|_| unusable(file, wrong))?;
    KeyPairSigner::from_pkcs8(key.secret_der()).map_err(|_| unusable(file, wrong))
}

fn create(file: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut out = options.write(true).create_new(true).mode(mode).open(file)?;
    out.write_all(bytes)?;
    out.sync_all()
}

/// PEM as everything else writes it: lines of 64.
fn pem(label: &str, der: &[u8]) -> String {
    let base64 = Zeroizing::new(data_encoding::BASE64.encode(der));
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, letter) in base64.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_made_is_a_key_read_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("first.key");
        make(&file).unwrap();
        let signer = read(&file).unwrap();
        let public = std::fs::read_to_string(public_file(&file)).unwrap();
        assert_eq!(public, pem("PUBLIC KEY", &signer.verifying_key().spki()));
        assert_eq!(make(&file).unwrap_err().code(), 78);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("chmod 600"));
    }
}
