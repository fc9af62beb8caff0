//! The parcel itself: bytes and labels, their sizes and digests.

use super::{ParcelStatement, STATEMENT_BYTES_MAX, StatementError};
use crate::domain::label::{Label, LabelSet};
use crate::envelope::keys::{SigningKey, b64u, sha256};

/// Bytes of an X-Wing encapsulation.
pub const ENCAPSULATED_KEY_BYTES: usize = 1120;
/// Bytes of the sealed 32-byte parcel key.
pub const WRAPPED_KEY_BYTES: usize = 48;
/// Most fields in a parcel.
pub const FIELDS_MAX: usize = 128;
/// Longest padded field, in bytes before the tag.
pub const FIELD_BYTES_MAX: usize = 256 * 1024;
/// Longest parcel by [`SealedParcel::byte_size`]: leaves 64 KiB of a 1 MiB message for what is around it.
pub const PARCEL_BYTES_MAX: usize = 960 * 1024;
/// Bytes of the authentication tag of a field.
pub const TAG_BYTES: usize = 16;

/// The least size class that holds `bytes`, before the tag; `None` beyond [`FIELD_BYTES_MAX`].
#[must_use]
pub const fn size_class(bytes: usize) -> Option<usize> {
    const STEP: usize = 16 * 1024;
    match bytes {
        0..=256 => Some(256),
        257..=1024 => Some(1024),
        1025..=4096 => Some(4096),
        4097..=FIELD_BYTES_MAX => Some(bytes.div_ceil(STEP) * STEP),
        _ => None,
    }
}

/// One field's digest and what kind of thing it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelledDigest {
    /// SHA-256 of the disclosure.
    pub digest: [u8; 32],
    /// Its label.
    pub label: Label,
}

/// A parcel as it travels and rests: opaque but for its labels.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedParcel {
    /// Compact JWS.
    pub statement: Vec<u8>,
    /// HPKE encapsulated key.
    pub enc: Vec<u8>,
    /// The parcel key, sealed.
    pub wrapped: Vec<u8>,
    /// Digests and labels, sorted by digest.
    pub labels: Vec<LabelledDigest>,
    /// Ciphertexts, in the order of the labels.
    pub fields: Vec<Vec<u8>>,
}

impl std::fmt::Debug for SealedParcel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SealedParcel({} fields, {} bytes)",
            self.fields.len(),
            self.byte_size()
        )
    }
}

/// The `labels` claim: SHA-256 of the JCS of `[{"cat":…,"d":…,"form":…},…]`.
#[must_use]
pub fn labels_digest(labels: &[LabelledDigest]) -> [u8; 32] {
    // All parts are ASCII without anything to escape, and the members stand in JCS order.
    let items: Vec<String> = labels.iter().map(label_json).collect();
    sha256(format!("[{}]", items.join(",")).as_bytes())
}

fn label_json(item: &LabelledDigest) -> String {
    let (category, form) = (item.label.category(), item.label.form());
    format!(
        r#"{{"cat":"{category}","d":"{}","form":"{form}"}}"#,
        b64u(&item.digest)
    )
}

/// The `hpke` claim: SHA-256 of the encapsulated and the wrapped key.
#[must_use]
pub fn sealed_key_digest(enc: &[u8], wrapped: &[u8]) -> [u8; 32] {
    sha256(&[enc, wrapped].concat())
}

impl SealedParcel {
    /// Verifies everything that can be verified without a private key.
    ///
    /// # Errors
    ///
    /// [`StatementError`] at the first thing that is not as signed or as agreed.
    pub fn verify(&self, signer: &SigningKey) -> Result<ParcelStatement, StatementError> {
        self.check_sizes()?;
        let statement = ParcelStatement::parse(&self.statement, signer)?;
        statement.check_parcel(self)?;
        Ok(statement)
    }

    /// The labels of its fields.
    #[must_use]
    pub fn label_set(&self) -> LabelSet {
        self.labels.iter().map(|item| item.label).collect()
    }

    /// Bytes of all parts: 40 for each label, and each part's own; the same on every machine.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        let fields: usize = self.fields.iter().map(Vec::len).sum();
        self.statement.len() + self.enc.len() + self.wrapped.len() + 40 * self.labels.len() + fields
    }

    pub(in crate::envelope) fn check_sizes(&self) -> Result<(), StatementError> {
        let counted =
            (1..=FIELDS_MAX).contains(&self.fields.len()) && self.fields.len() == self.labels.len();
        let keys =
            self.enc.len() == ENCAPSULATED_KEY_BYTES && self.wrapped.len() == WRAPPED_KEY_BYTES;
        let classed = self.fields.iter().all(|field| {
            let padded = field.len().checked_sub(TAG_BYTES);
            padded.is_some_and(|padded| size_class(padded) == Some(padded))
        });
        let bounded =
            self.statement.len() <= STATEMENT_BYTES_MAX && self.byte_size() <= PARCEL_BYTES_MAX;
        if counted && keys && classed && bounded {
            Ok(())
        } else {
            Err(StatementError::Size)
        }
    }
}
