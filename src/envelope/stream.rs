//! Attachments: a file sealed in chunks, so that it can be sent, kept and read piece by piece.
//!
//! STREAM: each chunk of 64 KiB under one random key, its nonce the counter (11 bytes, big endian) and a flag that only
//! the last one has. Chunks cannot be reordered, dropped from the end, or joined with another file's. The content is
//! padded with zeros to whole chunks; its length stands in the parcel, with key and digest.
//!
//! # Source
//!
//! Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroizing;

/// Bytes of a chunk in the clear.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes of a sealed chunk: with its tag.
pub const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + 16;
/// Longest attachment in bytes: some forty pages scanned well.
pub const ATTACHMENT_BYTES_MAX: usize = 25 * 1024 * 1024;
/// Bound to every chunk, so that the key serves nothing else.
const LABEL: &[u8] = b"safeconduct/v1/attachment";

/// Why an attachment is not sealed or opened. Safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Empty or too long.
    #[error("an attachment has 1 byte to 25 MiB")]
    Size,
    /// Not what was sealed, or not in its place.
    #[error("the attachment is not what its source sealed")]
    Tampered,
}

/// A file sealed.
pub struct SealedFile {
    /// Every sealed chunk, one after the other.
    pub bytes: Vec<u8>,
    /// SHA-256 of them.
    pub digest: [u8; 32],
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("a key of 32 bytes");
    LessSafeKey::new(key)
}

fn nonce(counter: u32, is_last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    if let Some(at) = nonce.get_mut(7..11) {
        at.copy_from_slice(&counter.to_be_bytes());
    }
    if let Some(flag) = nonce.last_mut() {
        *flag = u8::from(is_last);
    }
    Nonce::assume_unique_for_key(nonce)
}

/// Chunks that `bytes` take.
#[must_use]
pub const fn chunks_of(bytes: usize) -> usize {
    bytes.div_ceil(CHUNK_BYTES)
}

/// Seals `content` under `key`, which must be fresh: it is never used for a second file.
///
/// # Errors
///
/// [`StreamError::Size`].
pub fn seal_file(key: &[u8; 32], content: &[u8]) -> Result<SealedFile, StreamError> {
    if content.is_empty() || content.len() > ATTACHMENT_BYTES_MAX {
        return Err(StreamError::Size);
    }
    let cipher = cipher(key);
    let count = chunks_of(content.len());
    let mut bytes = Vec::with_capacity(count * SEALED_CHUNK_BYTES);
    let mut digest = Context::new(&SHA256);
    for (counter, part) in (0_u32..).zip(content.chunks(CHUNK_BYTES)) {
        let mut chunk = Zeroizing::new(part.to_vec());
        chunk.resize(CHUNK_BYTES, 0);
        let is_last = counter as usize + 1 == count;
        let tag = cipher
            .seal_in_place_separate_tag(nonce(counter, is_last), Aad::from(LABEL), &mut chunk)
            .map_err(|_| StreamError::Tampered)?;
        digest.update(&chunk);
        digest.update(tag.as_ref());
        bytes.extend_from_slice(&chunk);
        bytes.extend_from_slice(tag.as_ref());
    }
    Ok(SealedFile {
        bytes,
        digest: finished(digest),
    })
}

fn finished(digest: Context) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.finish().as_ref());
    bytes
}

/// Opens an attachment chunk by chunk.
pub struct FileOpener {
    cipher: LessSafeKey,
    digest: Context,
    counter: u32,
    size_bytes: usize,
}

impl std::fmt::Debug for FileOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileOpener({})", self.counter)
    }
}

impl FileOpener {
    /// For a file of `size_bytes` in the clear.
    ///
    /// # Errors
    ///
    /// [`StreamError::Size`].
    pub fn new(key: &[u8; 32], size_bytes: usize) -> Result<Self, StreamError> {
        if size_bytes == 0 || size_bytes > ATTACHMENT_BYTES_MAX {
            return Err(StreamError::Size);
        }
        Ok(Self {
            cipher: cipher(key),
            digest: Context::new(&SHA256),
            counter: 0,
            size_bytes,
        })
    }

    /// Chunks opened so far.
    #[must_use]
    pub const fn opened(&self) -> u32 {
        self.counter
    }

    /// Opens the next chunk: what of it is content.
    ///
    /// # Errors
    ///
    /// [`StreamError::Tampered`].
    pub fn open(&mut self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StreamError> {
        let count = chunks_of(self.size_bytes);
        let at = self.counter as usize;
        if sealed.len() != SEALED_CHUNK_BYTES || at >= count {
            return Err(StreamError::Tampered);
        }
        self.digest.update(sealed);
        let mut chunk = Zeroizing::new(sealed.to_vec());
        self.cipher
            .open_in_place(
                nonce(self.counter, at + 1 == count),
                Aad::from(LABEL),
                &mut chunk,
            )
            .map_err(|_| StreamError::Tampered)?;
        let content = (self.size_bytes - at * CHUNK_BYTES).min(CHUNK_BYTES);
        let is_padded = chunk
            .get(content..CHUNK_BYTES)
            .is_some_and(|rest| rest.iter().all(|&byte| byte == 0));
        if !is_padded {
            return Err(StreamError::Tampered);
        }
        chunk.truncate(content);
        self.counter += 1;
        Ok(chunk)
    }

    /// Whether all chunks were opened and are those of `digest`.
    ///
    /// # Errors
    ///
    /// [`StreamError::Tampered`].
    pub fn finish(self, digest: &[u8; 32]) -> Result<(), StreamError> {
        let is_whole = self.counter as usize == chunks_of(self.size_bytes);
        if is_whole && finished(self.digest) == *digest {
            Ok(())
        } else {
            Err(StreamError::Tampered)
        }
    }
}

#[cfg(test)]
mod tests;
