//! Cosignatures: a witness's word that a checkpoint extends all that it saw of that log before, and when it said so.
//!
//! # Source
//!
//! <https://c2sp.org/tlog-cosignature>; Ed25519 only (type 0x04). Lines of other types, such as ML-DSA-44 (0x06), are
//! by keys that nobody here knows, and are ignored.

use super::note::{self, NOTE_BYTES_MAX, NoteError, SIGNATURES_MAX};
use crate::domain::time::Timestamp;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fmt;

/// Key type of a timestamped Ed25519 cosignature.
const COSIGNATURE_TYPE: u8 = 0x04;

/// Longest answer of a witness that is read, in bytes: as many lines as a note may have.
pub const COSIGNATURES_BYTES_MAX: usize = NOTE_BYTES_MAX;

/// What is signed: the time is part of it, so that nobody can make an old word look fresh.
fn message(text: &str, seconds: u64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

/// Cosigns checkpoints with an Ed25519 key.
///
/// It signs whatever text it is handed: that the text extends what the witness saw before is for the witness to have
/// checked and kept.
pub struct Cosigner {
    name: String,
    id: [u8; 4],
    keys: Ed25519KeyPair,
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cosigner")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Cosigner {
    /// From the witness's name, such as `witness.example/w1`, and its key's seed.
    ///
    /// # Errors
    ///
    /// [`NoteError::BadKey`] for a name that is empty or holds white space or `+`.
    pub fn ed25519(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        if !note::is_key_name(name) {
            return Err(NoteError::BadKey);
        }
        let keys = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::BadKey)?;
        let id = note::key_id(name, COSIGNATURE_TYPE, keys.public_key().as_ref());
        Ok(Self {
            name: name.to_owned(),
            id,
            keys,
        })
    }

    /// The witness's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The verifier key: `name+id+base64(0x04 ‖ public key)`.
    #[must_use]
    pub fn vkey(&self) -> String {
        let public_key = self.keys.public_key();
        note::vkey(&self.name, self.id, COSIGNATURE_TYPE, public_key.as_ref())
    }

    /// The signature line over `text`, a checkpoint's whole text with its final newline, as of `at` in whole seconds.
    #[must_use]
    pub fn cosign(&self, text: &str, at: Timestamp) -> String {
        let seconds = at.seconds().unsigned_abs();
        let signature = self.keys.sign(message(text, seconds).as_bytes());
        let timestamped: Vec<u8> = seconds
            .to_be_bytes()
            .iter()
            .chain(signature.as_ref())
            .copied()
            .collect();
        note::line(&self.name, self.id, &timestamped)
    }
}

/// Verifies one witness's cosignatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignatureVerifier {
    name: String,
    id: [u8; 4],
    public_key: [u8; 32],
}

impl CosignatureVerifier {
    /// From a verifier key: `name+id+base64(0x04 ‖ public key)`.
    ///
    /// # Errors
    ///
    /// [`NoteError::BadKey`], also when the id is not that of the name and key, and for keys of other types.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let (name, id, public_key) = note::parse_vkey(vkey, COSIGNATURE_TYPE)?;
        Ok(Self {
            name: name.to_owned(),
            id,
            public_key,
        })
    }

    /// The witness's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The verifier key as text.
    #[must_use]
    pub fn vkey(&self) -> String {
        note::vkey(&self.name, self.id, COSIGNATURE_TYPE, &self.public_key)
    }

    /// The key's 32 bytes: two verifier keys over the same bytes are one witness.
    #[must_use]
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// When this witness last cosigned `note`; `None` if it did not. Lines by other keys are ignored.
    ///
    /// # Errors
    ///
    /// [`NoteError::BadSignature`] if a line is by this key and its signature is wrong: the whole note is then not to
    /// be used. [`NoteError`] otherwise if it is no note.
    pub fn verify(&self, note: &str) -> Result<Option<Timestamp>, NoteError> {
        Ok(self.newest(note)?.map(|(_, at)| at))
    }

    /// The newest line by this witness under `note`, with its newline, and its time; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`CosignatureVerifier::verify`].
    pub fn newest(&self, note: &str) -> Result<Option<(String, Timestamp)>, NoteError> {
        let (text, lines) = note::split(note)?;
        let mut newest: Option<(String, Timestamp)> = None;
        for (count, line) in lines.enumerate() {
            if count >= SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            let (name, id, timestamped) = note::signature_line(line)?;
            if name != self.name || id != self.id {
                continue;
            }
            let at = self.verify_one(text, &timestamped)?;
            if newest.as_ref().is_none_or(|(_, before)| *before < at) {
                newest = Some((format!("{line}\n"), at));
            }
        }
        Ok(newest)
    }

    fn verify_one(&self, text: &str, timestamped: &[u8]) -> Result<Timestamp, NoteError> {
        const WRONG: NoteError = NoteError::BadSignature;
        let (seconds, signature) = timestamped.split_first_chunk::<8>().ok_or(WRONG)?;
        let seconds = u64::from_be_bytes(*seconds);
        let at = i64::try_from(seconds)
            .ok()
            .and_then(Timestamp::from_seconds)
            .ok_or(WRONG)?;
        UnparsedPublicKey::new(&ED25519, &self.public_key)
            .verify(message(text, seconds).as_bytes(), signature)
            .map_err(|_| WRONG)?;
        Ok(at)
    }
}

#[cfg(test)]
mod tests;
