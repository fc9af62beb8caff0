//! Encrypts one value under its slot's key: AES-256-GCM with a random nonce, bound to table, key, batch and slot.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::keyring::Key;
use super::payload::Kept;

/// What a value is bound to.
pub(super) struct Binding<'a> {
    /// The key of the index, which begins with its table.
    pub(super) key: &'a [u8],
    pub(super) version: u64,
    pub(super) slot: u64,
    pub(super) kept: Kept,
}

impl Binding<'_> {
    fn aad(&self) -> Aad<Vec<u8>> {
        let mut aad = b"safeconduct/v1/value\0".to_vec();
        aad.push(self.kept as u8);
        aad.extend_from_slice(&self.version.to_be_bytes());
        aad.extend_from_slice(&self.slot.to_be_bytes());
        aad.extend_from_slice(self.key);
        Aad::from(aad)
    }
}

/// The cryptographic library failed, or the bytes are not what was sealed.
#[derive(Debug)]
pub(super) struct Unsound;

/// `nonce ‖ ciphertext ‖ tag`. A random nonce, since a torn frame's slots are taken again, and a month's key is shared
/// (by far fewer than 2³² values).
pub(super) fn seal(key: &Key, binding: &Binding<'_>, value: &[u8]) -> Result<Vec<u8>, Unsound> {
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key[..]).map_err(|_| Unsound)?);
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Unsound)?;
    let mut out = Vec::with_capacity(NONCE_LEN + value.len() + AES_256_GCM.tag_len());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(value);
    let sealed = out.get_mut(NONCE_LEN..).ok_or(Unsound)?;
    let tag = cipher
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), binding.aad(), sealed)
        .map_err(|_| Unsound)?;
    out.extend_from_slice(tag.as_ref());
    Ok(out)
}

/// Undoes [`seal`].
pub(super) fn open(key: &Key, binding: &Binding<'_>, sealed: Vec<u8>) -> Result<Vec<u8>, Unsound> {
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key[..]).map_err(|_| Unsound)?);
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Unsound)?;
    let mut rest = rest.to_vec();
    let plain = cipher
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            binding.aad(),
            &mut rest,
        )
        .map_err(|_| Unsound)?
        .len();
    rest.truncate(plain);
    Ok(rest)
}
