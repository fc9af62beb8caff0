//! The request for a release, and the release: the share, sealed to a key whose words were read out.

use super::spoken::spoken;
use super::{CarriedError, Share};
use crate::domain::random::Random;
use crate::domain::transcript::transcript;
use crate::envelope::hpke::{self, SealingSeed};
use crate::envelope::keys::{b64u, sha256};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Words of a fingerprint: 80 bits, read out once.
pub(super) const FINGERPRINT_WORDS: usize = 5;

/// What a non-member sends to the source: which file, and the key to seal to. Public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRequest {
    file: [u8; 32],
    public_key: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRequest {
    carried_request: u8,
    file: String,
    key: String,
}

fn digest(text: &str) -> Option<[u8; 32]> {
    BASE64URL_NOPAD
        .decode(text.as_bytes())
        .ok()?
        .try_into()
        .ok()
}

impl ReleaseRequest {
    /// A request for `file`, to be released to `seed`'s public key.
    #[must_use]
    pub fn new(file: &[u8], seed: &SealingSeed) -> Self {
        Self {
            file: sha256(file),
            public_key: seed.public_key(),
        }
    }

    /// SHA-256 of the file that is asked about.
    #[must_use]
    pub const fn file(&self) -> &[u8; 32] {
        &self.file
    }

    /// What identifies the request, in the ledger and in the seal.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        sha256(&transcript(&[
            b"safeconduct/v1/carried-request",
            &self.file,
            &self.public_key,
        ]))
    }

    /// The words to read out by phone. Both sides hear them: one alone proves nothing.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        spoken(
            self.digest()
                .get(..2 * FINGERPRINT_WORDS)
                .unwrap_or_default(),
        )
    }

    /// As a file.
    ///
    /// # Panics
    ///
    /// Never: three texts can be written.
    #[must_use]
    pub fn to_text(&self) -> String {
        let written = WrittenRequest {
            carried_request: 1,
            file: b64u(&self.file),
            key: b64u(&self.public_key),
        };
        serde_json::to_string(&written).expect("three texts can be written") + "\n"
    }

    /// From a file.
    ///
    /// # Errors
    ///
    /// [`CarriedError::Malformed`].
    pub fn parse(text: &[u8]) -> Result<Self, CarriedError> {
        let written: WrittenRequest =
            serde_json::from_slice(text).map_err(|_| CarriedError::Malformed)?;
        let public_key = BASE64URL_NOPAD.decode(written.key.as_bytes());
        let file = digest(&written.file).filter(|_| written.carried_request == 1);
        Ok(Self {
            file: file.ok_or(CarriedError::Malformed)?,
            public_key: public_key.map_err(|_| CarriedError::Malformed)?,
        })
    }
}

/// The share, sealed to one request's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    request: [u8; 32],
    pub(super) enc: Vec<u8>,
    pub(super) sealed: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRelease {
    carried_release: u8,
    request: String,
    enc: String,
    sealed: String,
}

impl Release {
    /// Seals `share` to the key of `request`.
    ///
    /// # Errors
    ///
    /// [`CarriedError::Malformed`] if the request holds no key.
    pub fn seal(
        share: &Share,
        request: &ReleaseRequest,
        random: &mut dyn Random,
    ) -> Result<Self, CarriedError> {
        let digest = request.digest();
        let sealed = hpke::seal(
            &request.public_key,
            &release_info(&digest),
            share.expose(),
            random,
        );
        let (enc, sealed) = sealed.map_err(|_| CarriedError::Malformed)?;
        Ok(Self {
            request: digest,
            enc,
            sealed,
        })
    }

    /// The share, if it was released for this file to this seed.
    pub(super) fn share(&self, file: &[u8], seed: &SealingSeed) -> Result<Share, CarriedError> {
        let asked = ReleaseRequest::new(file, seed).digest();
        if asked != self.request {
            return Err(CarriedError::Closed);
        }
        let opened = hpke::open(seed, &self.enc, &release_info(&asked), &self.sealed);
        let opened = opened.ok_or(CarriedError::Closed)?;
        let bytes: [u8; 32] = opened
            .as_slice()
            .try_into()
            .map_err(|_| CarriedError::Closed)?;
        Ok(Share(Zeroizing::new(bytes)))
    }

    /// As a file.
    ///
    /// # Panics
    ///
    /// Never: four texts can be written.
    #[must_use]
    pub fn to_text(&self) -> String {
        let written = WrittenRelease {
            carried_release: 1,
            request: b64u(&self.request),
            enc: b64u(&self.enc),
            sealed: b64u(&self.sealed),
        };
        serde_json::to_string(&written).expect("four texts can be written") + "\n"
    }

    /// From a file.
    ///
    /// # Errors
    ///
    /// [`CarriedError::Malformed`].
    pub fn parse(text: &[u8]) -> Result<Self, CarriedError> {
        let written: WrittenRelease =
            serde_json::from_slice(text).map_err(|_| CarriedError::Malformed)?;
        let bytes = |text: &str| {
            BASE64URL_NOPAD
                .decode(text.as_bytes())
                .map_err(|_| CarriedError::Malformed)
        };
        let request = digest(&written.request).filter(|_| written.carried_release == 1);
        Ok(Self {
            request: request.ok_or(CarriedError::Malformed)?,
            enc: bytes(&written.enc)?,
            sealed: bytes(&written.sealed)?,
        })
    }
}

fn release_info(request: &[u8; 32]) -> Vec<u8> {
    transcript(&[b"safeconduct/v1/carried-release", request])
}
