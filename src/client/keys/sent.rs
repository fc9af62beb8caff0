//! The bundle that was published last, and the one that was sent and not answered yet.
//!
//! The latter may stand in the directory or not. Another one in its place would not follow it, and the agency could
//! never publish again; so it is kept, with its request id, until the router has answered it.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::PoisonError;

use super::{AgencyKeys, BUNDLE_FILE, KeyFileError, write_private};
use crate::client::session::request_id;
use crate::envelope::bundle::KeyBundle;

/// Its file in the key folder: the request id on a line, then the bundle.
const SENT_FILE: &str = "bundle.sent";

/// Its file in the key folder is locked by the program that publishes.
const PUBLISHING_FILE: &str = "publishing.lock";

/// A bundle on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentBundle {
    /// The request that carries it, each time it is sent.
    pub request_id: String,
    /// Compact JWS.
    pub token: Vec<u8>,
}

impl AgencyKeys {
    /// Keeps other programs of this agency from publishing by the same folder, until it is dropped: each would follow
    /// the same bundle, and forget what the other has sent. Then reads again what they published before.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Busy`]; otherwise as [`AgencyKeys::read_again`].
    pub fn publishing(&self) -> Result<File, KeyFileError> {
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(self.folder.join(PUBLISHING_FILE))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(KeyFileError::Busy),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        self.read_again()?;
        Ok(lock)
    }

    /// The bundle that this agency published last.
    #[must_use]
    pub fn published_bundle(&self) -> Option<KeyBundle> {
        let published = self
            .published
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        published.clone()
    }

    /// That bundle as a new request, byte for byte; none before the first.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when its file cannot be read.
    pub fn published_again(&self) -> Result<Option<SentBundle>, KeyFileError> {
        if self.published_bundle().is_none() {
            return Ok(None);
        }
        Ok(Some(SentBundle {
            request_id: request_id(),
            token: fs::read(self.folder.join(BUNDLE_FILE))?,
        }))
    }

    /// The bundle that was sent and not answered, if there is one.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when its file cannot be read or is damaged.
    pub fn sent(&self) -> Result<Option<SentBundle>, KeyFileError> {
        const DAMAGED: KeyFileError = KeyFileError::Damaged(SENT_FILE);
        let text = match fs::read_to_string(self.folder.join(SENT_FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (request_id, token) = text.split_once('\n').ok_or(DAMAGED)?;
        KeyBundle::parse(token.as_bytes()).map_err(|_| DAMAGED)?;
        Ok(Some(SentBundle {
            request_id: request_id.to_owned(),
            token: token.as_bytes().to_vec(),
        }))
    }

    /// Keeps a bundle, before it is sent.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when it cannot be written; then it must not be sent.
    pub fn keep_sent(&self, sent: &SentBundle) -> Result<(), KeyFileError> {
        let text = [sent.request_id.as_bytes(), b"\n", &sent.token].concat();
        Ok(write_private(&self.folder.join(SENT_FILE), &text)?)
    }

    /// Forgets the bundle `token`, if it is the one that was sent last: the router has taken it, or refused it for
    /// good.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when the file cannot be read or removed.
    pub fn forget_sent(&self, token: &[u8]) -> Result<(), KeyFileError> {
        if self.sent()?.is_none_or(|sent| sent.token != token) {
            return Ok(());
        }
        match fs::remove_file(self.folder.join(SENT_FILE)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}
