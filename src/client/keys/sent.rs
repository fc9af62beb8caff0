//! The bundle that was published last, and the one that was sent and not answered yet.
//!
//! The latter may stand in the directory or not. Another one in its place would not follow it, and the agency could
//! never publish again; so it is kept, with its request id, until the router has answered it.

use std::fs;
use std::io::ErrorKind;
use std::sync::PoisonError;

use super::{AgencyKeys, BUNDLE_FILE, KeyFileError, write_private};
use crate::client::session::request_id;
use crate::envelope::bundle::KeyBundle;

/// Its file in the key folder: the request id on a line, then the bundle.
const SENT_FILE: &str = "bundle.sent";

/// A bundle on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentBundle {
    /// The request that carries it, each time it is sent.
    pub request_id: String,
    /// Compact JWS.
    pub token: Vec<u8>,
}

impl AgencyKeys {
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

    /// Forgets it: the router has taken it, or refused it for good.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when the file cannot be removed.
    pub fn forget_sent(&self) -> Result<(), KeyFileError> {
        match fs::remove_file(self.folder.join(SENT_FILE)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}
