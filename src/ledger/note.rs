//! Signed notes: a text, and lines of signatures under it.
//!
//! # Source
//!
//! <https://c2sp.org/signed-note>; Ed25519 keys only (type 0x01). Witnesses' lines are another type, and verified by
//! [`super::cosignature`].

use super::checkpoint::Checkpoint;
use super::hash::sha256;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};
use std::fmt;

/// Longest note, in bytes.
pub const NOTE_BYTES_MAX: usize = 16 * 1024;

/// Most signature lines on a note: the log's and its witnesses'.
pub const SIGNATURES_MAX: usize = 16;

/// Key type of a plain Ed25519 signature.
const ED25519_TYPE: u8 = 0x01;

/// Why a note or a key was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a note: too long, a control character, no blank line, a broken signature line.
    #[error("not a signed note")]
    Malformed,
    /// More than [`SIGNATURES_MAX`] signature lines.
    #[error("too many signatures")]
    TooManySignatures,
    /// A name or a verifier key that is not well-formed.
    #[error("not a verifier key")]
    BadKey,
    /// No line is by the expected key.
    #[error("the note is not signed by the expected key")]
    NotSigned,
    /// A line is by the expected key, and its signature is wrong.
    #[error("the signature is wrong")]
    BadSignature,
    /// The text is not a checkpoint of the expected log.
    #[error("not a checkpoint of this log")]
    NotACheckpoint,
}

/// The first four bytes of `SHA-256(name ‖ "\n" ‖ type ‖ public key)`.
pub(super) fn key_id(name: &str, kind: u8, public_key: &[u8]) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), b"\n", &[kind], public_key]);
    let [a, b, c, d, ..] = *hash.as_bytes();
    [a, b, c, d]
}

pub(super) fn is_key_name(name: &str) -> bool {
    !name.is_empty()
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// Signs notes with an Ed25519 key.
pub struct NoteSigner {
    name: String,
    id: [u8; 4],
    keys: Ed25519KeyPair,
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteSigner")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl NoteSigner {
    /// From the key's name, which is the log's origin, and its seed. The signature is deterministic.
    ///
    /// # Errors
    ///
    /// [`NoteError::BadKey`] for a name that is empty or holds white space or `+`.
    pub fn ed25519(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::BadKey);
        }
        let keys = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::BadKey)?;
        let id = key_id(name, ED25519_TYPE, keys.public_key().as_ref());
        Ok(Self {
            name: name.to_owned(),
            id,
            keys,
        })
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The verifier key: `name+id+base64(type ‖ public key)`.
    #[must_use]
    pub fn vkey(&self) -> String {
        let public_key = self.keys.public_key();
        vkey(&self.name, self.id, ED25519_TYPE, public_key.as_ref())
    }

    /// The note over `checkpoint`.
    #[must_use]
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        self.sign_text(&checkpoint.text())
    }

    /// The note over `text`, which ends in a newline.
    pub(crate) fn sign_text(&self, text: &str) -> String {
        let line = line(
            &self.name,
            self.id,
            self.keys.sign(text.as_bytes()).as_ref(),
        );
        format!("{text}\n{line}")
    }
}

/// Verifies notes by one Ed25519 key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    id: [u8; 4],
    public_key: [u8; 32],
}

impl NoteVerifier {
    /// From a verifier key: `name+id+base64(type ‖ public key)`.
    ///
    /// # Errors
    ///
    /// [`NoteError::BadKey`], also when the id is not that of the name and key.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let (name, id, public_key) = parse_vkey(vkey, ED25519_TYPE)?;
        Ok(Self {
            name: name.to_owned(),
            id,
            public_key,
        })
    }

    /// The key's name, which is the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The verifier key as text.
    #[must_use]
    pub fn vkey(&self) -> String {
        vkey(&self.name, self.id, ED25519_TYPE, &self.public_key)
    }

    /// The checkpoint in a note signed by this key; lines by other keys are ignored.
    ///
    /// # Errors
    ///
    /// [`NoteError`]; among them a checkpoint whose origin is not the key's name.
    pub fn verify(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let text = self.verify_text(note)?;
        let checkpoint = Checkpoint::parse(text).map_err(|_| NoteError::NotACheckpoint)?;
        if checkpoint.origin == self.name {
            Ok(checkpoint)
        } else {
            Err(NoteError::NotACheckpoint)
        }
    }

    /// The key's 32 bytes.
    #[must_use]
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// The text of a note signed by this key, with its final newline; what it says is not looked at.
    ///
    /// # Errors
    ///
    /// [`NoteError`].
    pub fn verify_text<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let (text, lines) = split(note)?;
        let mut signed = false;
        for (count, line) in lines.enumerate() {
            if count >= SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            let (name, id, signature) = signature_line(line)?;
            if name != self.name || id != self.id {
                continue;
            }
            UnparsedPublicKey::new(&ED25519, &self.public_key)
                .verify(text.as_bytes(), &signature)
                .map_err(|_| NoteError::BadSignature)?;
            signed = true;
        }
        if signed {
            Ok(text)
        } else {
            Err(NoteError::NotSigned)
        }
    }
}

/// A verifier key as text.
pub(super) fn vkey(name: &str, id: [u8; 4], kind: u8, public_key: &[u8]) -> String {
    let key: Vec<u8> = std::iter::once(kind)
        .chain(public_key.iter().copied())
        .collect();
    format!("{name}+{}+{}", HEXLOWER.encode(&id), BASE64.encode(&key))
}

/// The name, id and key of a verifier key of type `kind`; its id must be that of the name and key.
pub(super) fn parse_vkey(vkey: &str, kind: u8) -> Result<(&str, [u8; 4], [u8; 32]), NoteError> {
    let mut parts = vkey.trim_end_matches('\n').splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(NoteError::BadKey);
    };
    let key = BASE64
        .decode(key.as_bytes())
        .map_err(|_| NoteError::BadKey)?;
    let public_key = match key.split_first() {
        Some((&found, public_key)) if found == kind => public_key,
        _ => return Err(NoteError::BadKey),
    };
    let public_key: [u8; 32] = public_key.try_into().map_err(|_| NoteError::BadKey)?;
    let expected = key_id(name, kind, &public_key);
    if !is_key_name(name) || HEXLOWER.encode(&expected) != id {
        return Err(NoteError::BadKey);
    }
    Ok((name, expected, public_key))
}

/// One signature line, with its newline.
pub(super) fn line(name: &str, id: [u8; 4], signature: &[u8]) -> String {
    let bytes: Vec<u8> = id.iter().chain(signature).copied().collect();
    format!("\u{2014} {name} {}\n", BASE64.encode(&bytes))
}

/// The text of a note, with its final newline. Nothing is verified.
///
/// # Errors
///
/// [`NoteError::Malformed`].
pub fn unverified_text(note: &str) -> Result<&str, NoteError> {
    Ok(split(note)?.0)
}

/// The text with its final newline, and the signature lines.
pub(super) fn split(note: &str) -> Result<(&str, impl Iterator<Item = &str>), NoteError> {
    if note.len() > NOTE_BYTES_MAX || note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::Malformed);
    }
    let at = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
    let (text, rest) = note.split_at(at + 1);
    let lines = rest
        .strip_prefix('\n')
        .and_then(|rest| rest.strip_suffix('\n'));
    match lines {
        Some(lines) if !lines.is_empty() => Ok((text, lines.split('\n'))),
        _ => Err(NoteError::Malformed),
    }
}

/// The name, key id and signature of one line.
pub(super) fn signature_line(line: &str) -> Result<(&str, [u8; 4], Vec<u8>), NoteError> {
    let rest = line.strip_prefix("\u{2014} ").ok_or(NoteError::Malformed)?;
    let (name, encoded) = rest.split_once(' ').ok_or(NoteError::Malformed)?;
    let bytes = BASE64
        .decode(encoded.as_bytes())
        .map_err(|_| NoteError::Malformed)?;
    let (id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteError::Malformed)?;
    if !is_key_name(name) || signature.is_empty() {
        return Err(NoteError::Malformed);
    }
    Ok((name, *id, signature.to_vec()))
}

#[cfg(test)]
mod tests;
