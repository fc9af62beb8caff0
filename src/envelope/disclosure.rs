//! One field of a parcel: its SD-JWT disclosure, its key and its padded ciphertext.

use super::jws::JwsError;
use super::keys::sha256;
use super::statement::{LabelledDigest, TAG_BYTES, size_class};
use crate::domain::id::ParcelId;
use crate::domain::label::Label;
use crate::domain::transcript::transcript;
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

/// Bytes of a disclosure's salt.
pub const SALT_BYTES: usize = 16;
/// Longest path, in bytes.
const PATH_BYTES_MAX: usize = 128;

/// A field in the clear.
#[derive(Clone, PartialEq)]
pub struct Field {
    /// Where it stands in the record: `group.field`, and `@CATEGORY` where a value has its own category.
    pub path: String,
    /// What kind of thing it tells, and how much.
    pub label: Label,
    /// The value.
    pub value: Value,
}

/// Prints the label only.
impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Field({})", self.label)
    }
}

/// A field with its salt: the text whose digest stands in the statement.
#[derive(Clone, PartialEq)]
pub struct Disclosure {
    text: Zeroizing<String>,
    field: Field,
}

impl std::fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Disclosure({})", self.field.label)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    v: Value,
    cat: String,
    form: String,
}

/// A path is a dotted one, so that it can be no claim of the statement itself.
fn is_path(path: &str) -> bool {
    let (fields, category) = match path.split_once('@') {
        Some((fields, category)) => (fields, Some(category)),
        None => (path, None),
    };
    let named = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    let cased = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_uppercase())
    };
    path.len() <= PATH_BYTES_MAX
        && fields.contains('.')
        && fields.split('.').all(named)
        && category.is_none_or(cased)
}

impl Disclosure {
    /// Salts a field.
    ///
    /// # Errors
    ///
    /// [`JwsError::Claims`] if the path is none, or the value cannot be written as JCS.
    pub fn new(salt: &[u8; SALT_BYTES], field: Field) -> Result<Self, JwsError> {
        if !is_path(&field.path) {
            return Err(JwsError::Claims);
        }
        let content = Content {
            v: field.value.clone(),
            cat: field.label.category().to_string(),
            form: field.label.form().to_string(),
        };
        let parts = (BASE64URL_NOPAD.encode(salt), &field.path, content);
        let json = serde_json_canonicalizer::to_vec(&parts).map_err(|_| JwsError::Claims)?;
        let text = Zeroizing::new(BASE64URL_NOPAD.encode(&Zeroizing::new(json)));
        Ok(Self { text, field })
    }

    /// Reads a disclosure; `None` if it is not exactly one.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let json = Zeroizing::new(BASE64URL_NOPAD.decode(text).ok()?);
        let (salt, path, content): (String, String, Content) =
            serde_json::from_slice(&json).ok()?;
        let salt = BASE64URL_NOPAD.decode(salt.as_bytes()).ok()?;
        if salt.len() != SALT_BYTES || !is_path(&path) {
            return None;
        }
        let label = Label::new(content.cat.parse().ok()?, content.form.parse().ok()?).ok()?;
        let text = Zeroizing::new(String::from_utf8(text.to_vec()).ok()?);
        Some(Self {
            text,
            field: Field {
                path,
                label,
                value: content.v,
            },
        })
    }

    /// The text `D`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The field.
    #[must_use]
    pub const fn field(&self) -> &Field {
        &self.field
    }

    /// SHA-256 of the text, and the label.
    #[must_use]
    pub fn labelled_digest(&self) -> LabelledDigest {
        LabelledDigest {
            digest: sha256(self.text.as_bytes()),
            label: self.field.label,
        }
    }

    /// The text with its length before it and zeros after it, up to its size class; `None` if it is too long.
    #[must_use]
    pub fn padded(&self) -> Option<Zeroizing<Vec<u8>>> {
        let text = self.text.as_bytes();
        let length = u32::try_from(text.len()).ok()?;
        let class = size_class(LENGTH_BYTES + text.len())?;
        let mut out = Zeroizing::new(Vec::with_capacity(class + TAG_BYTES));
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(text);
        out.resize(class, 0);
        Some(out)
    }

    /// What [`Disclosure::padded`] made; `None` if it did not.
    #[must_use]
    pub fn from_padded(padded: &[u8]) -> Option<Self> {
        let (length, rest) = padded.split_at_checked(LENGTH_BYTES)?;
        let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
        let (text, zeros) = rest.split_at_checked(length)?;
        let class = size_class(LENGTH_BYTES.checked_add(length)?)?;
        if class != padded.len() || zeros.iter().any(|&byte| byte != 0) {
            return None;
        }
        Self::parse(text)
    }
}

/// Bytes of the length before a disclosure.
const LENGTH_BYTES: usize = 4;

/// `T("safeconduct/v1/field", jti, d)`: what the key of one field is expanded with.
#[must_use]
pub fn field_info(parcel: ParcelId, digest: &[u8; 32]) -> Vec<u8> {
    transcript(&[
        b"safeconduct/v1/field",
        parcel.to_string().as_bytes(),
        digest,
    ])
}

/// `T("safeconduct/v1/field", jti, d, cat, form)`: what a ciphertext is bound to.
#[must_use]
pub fn field_aad(parcel: ParcelId, item: &LabelledDigest) -> Vec<u8> {
    transcript(&[
        b"safeconduct/v1/field",
        parcel.to_string().as_bytes(),
        &item.digest,
        item.label.category().name().as_bytes(),
        item.label.form().name().as_bytes(),
    ])
}

/// The key of one field. **Used for one ciphertext only**, hence its zero nonce.
#[must_use]
pub fn field_key(
    parcel_key: &[u8; 32],
    parcel: ParcelId,
    digest: &[u8; 32],
) -> Zeroizing<[u8; 32]> {
    let info = field_info(parcel, digest);
    let mut key = Zeroizing::new([0; 32]);
    Prk::new_less_safe(HKDF_SHA256, parcel_key)
        .expand(&[&info], KeyLength)
        .and_then(|okm| okm.fill(&mut *key))
        .expect("HKDF-SHA256 gives 32 bytes");
    key
}

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("a ChaCha20 key has 32 bytes");
    LessSafeKey::new(key)
}

/// Seals one padded field; the same key must never seal another.
#[must_use]
pub fn seal_field(
    parcel_key: &[u8; 32],
    parcel: ParcelId,
    item: &LabelledDigest,
    padded: &[u8],
) -> Vec<u8> {
    let key = field_key(parcel_key, parcel, &item.digest);
    let mut bytes = padded.to_vec();
    cipher(&key)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key([0; NONCE_LEN]),
            Aad::from(field_aad(parcel, item)),
            &mut bytes,
        )
        .expect("a field is shorter than ChaCha20's limit");
    bytes
}

/// Opens one field; `None` if its key, its label or its bytes do not fit.
#[must_use]
pub fn open_field(
    parcel_key: &[u8; 32],
    parcel: ParcelId,
    item: &LabelledDigest,
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let key = field_key(parcel_key, parcel, &item.digest);
    let mut bytes = Zeroizing::new(ciphertext.to_vec());
    let length = cipher(&key)
        .open_in_place(
            Nonce::assume_unique_for_key([0; NONCE_LEN]),
            Aad::from(field_aad(parcel, item)),
            &mut bytes,
        )
        .ok()?
        .len();
    bytes.truncate(length);
    Some(bytes)
}
