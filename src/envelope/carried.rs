//! A referral that somebody carries to an agency which is no member: a sealed file, a code, and a share that stays.
//!
//! ```text
//! file  =  salt (16) ‖ ciphertext          every byte looks random; padded; no name, no id, no date
//! key   =  HKDF-SHA256(salt, Argon2id(code, salt) ‖ share)
//! ```
//!
//! The file and the code are carried; the share stays at the source, which gives it out sealed to a key whose
//! fingerprint was read out by phone. Neither file and code nor file and share open anything: the share has 256 bits,
//! the code 48 and a slow hash in front of it. Inside is a statement signed by the source with its certificates, so
//! that it can be checked without a line.
//!
//! # Source
//!
//! Argon2id: RFC 9106 §4, second recommended option. The seal to the requester's key: RFC 9180, as for parcels.

use super::claims::{time, word};
use super::disclosure::Field;
use super::hpke::SealingSeed;
use super::jws::{self, Header, JwsError, KeyReference, Unverified};
use super::keys::{AgencySigner, VerifyingKey};
use crate::domain::id::AgencyId;
use crate::domain::label::{Label, LabelSet};
use crate::domain::random::Random;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::Purpose;
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

mod release;
mod spoken;

pub use release::{Release, ReleaseRequest};
use spoken::{heard, spoken};

/// `typ` of what is inside.
pub const TYP: &str = "carried+jwt";

/// Bytes of the salt that a file begins with.
const SALT_BYTES: usize = 16;
/// Bytes of the authentication tag.
const TAG_BYTES: usize = 16;
/// Content is padded to a multiple of this many bytes: the length tells next to nothing.
const PAD_BYTES: usize = 16 * 1024;
/// Longest file taken, in bytes: a JWS of 64 KiB, padded.
pub const FILE_BYTES_MAX: usize = 96 * 1024;
/// Memory of the slow hash, in KiB: 64 MiB, what a telephone has.
const ARGON_KIB: u32 = 64 * 1024;
/// Passes of the slow hash.
const ARGON_PASSES: u32 = 3;
/// Lanes of the slow hash.
const ARGON_LANES: u32 = 4;
/// Most fields in one file.
pub const FIELDS_MAX: usize = 64;
/// Words of a code: 16 bits each.
const CODE_WORDS: usize = 3;

/// Why a carried referral does not open or is not made. Repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CarriedError {
    /// Not a file, a request or a release as we make them.
    #[error("the file is not as agreed, or was changed on the way")]
    Malformed,
    /// Code, share and file do not belong together.
    #[error("it does not open: the code, the file or the release is another")]
    Closed,
    /// Not a code.
    #[error("a code is three words of five letters: read it out again")]
    Code,
    /// The statement inside does not verify.
    #[error(transparent)]
    Statement(#[from] JwsError),
    /// The words that were heard are not the request's.
    #[error(
        "the words are not those of this request: release nothing, and call back on a number that you know"
    )]
    Fingerprint,
    /// The request is for another file.
    #[error("the request is for another file than this one")]
    OtherFile,
    /// Signed by who is not the source that it names, as far as the pinned authorities say.
    #[error(
        "the certificates inside do not lead to these authorities, or are of another agency: believe nothing of it"
    )]
    Certificate,
    /// Too many fields, too long, or none.
    #[error("nothing, or more than fits into one file")]
    Size,
}

/// What a person keeps in mind or on paper: three words that can be spoken.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(Zeroizing<[u8; 2 * CODE_WORDS]>);

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(..)")
    }
}

impl Code {
    /// The code as it is spoken: `lusab-babad-gutih`.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        Zeroizing::new(spoken(&*self.0))
    }
}

impl std::str::FromStr for Code {
    type Err = CarriedError;

    fn from_str(text: &str) -> Result<Self, CarriedError> {
        let mut bytes = Zeroizing::new([0; 2 * CODE_WORDS]);
        let text = Zeroizing::new(text.to_ascii_lowercase());
        let mut words = text
            .split(|letter: char| !letter.is_ascii_alphabetic())
            .filter(|word| !word.is_empty());
        for pair in bytes.chunks_mut(2) {
            let word = words.next().and_then(heard).ok_or(CarriedError::Code)?;
            pair.copy_from_slice(&word.to_be_bytes());
        }
        if words.next().is_some() {
            Err(CarriedError::Code)
        } else {
            Ok(Self(bytes))
        }
    }
}

/// What is put into a carried referral.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// Who sealed it.
    pub source: AgencyId,
    /// For whom, as the source calls them.
    pub recipient: AgencyId,
    /// For what.
    pub purpose: Purpose,
    /// When it was sealed.
    pub issued: Timestamp,
    /// Until when the person agreed.
    pub expires: Timestamp,
    /// How to reach the source, as text for people: shown to whoever opened it.
    pub answer_to: String,
    /// The fields.
    pub fields: Vec<Field>,
}

impl Content {
    /// Every label of the fields.
    #[must_use]
    pub fn labels(&self) -> LabelSet {
        self.fields.iter().map(|field| field.label).collect()
    }
}

/// A sealed file, what is spoken, and what stays.
#[derive(Debug)]
pub struct Made {
    /// The file; its digest is in the statement to the router.
    pub file: Vec<u8>,
    /// For the person.
    pub code: Code,
    /// For the source's own keeping.
    pub share: Share,
}

/// The half of the key that stays at the source.
#[derive(Clone)]
pub struct Share(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Share(..)")
    }
}

impl Share {
    /// The share from where it was kept.
    #[must_use]
    pub const fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The bytes, to be kept.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
    purpose: String,
    answer_to: String,
    fields: Vec<FieldClaims>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldClaims {
    path: String,
    label: String,
    v: Value,
}

/// Seals `content`, signed by `signer`, whose certificates go inside.
///
/// # Errors
///
/// [`CarriedError::Size`], [`CarriedError::Statement`].
pub fn make(
    content: &Content,
    signer: &dyn AgencySigner,
    random: &mut dyn Random,
) -> Result<Made, CarriedError> {
    if content.fields.is_empty() || content.fields.len() > FIELDS_MAX {
        return Err(CarriedError::Size);
    }
    let fields = content.fields.iter().map(|field| FieldClaims {
        path: field.path.clone(),
        label: field.label.to_string(),
        v: field.value.clone(),
    });
    let claims = Claims {
        iss: content.source.to_string(),
        aud: content.recipient.to_string(),
        iat: content.issued.seconds(),
        exp: content.expires.seconds(),
        purpose: content.purpose.to_string(),
        answer_to: content.answer_to.clone(),
        fields: fields.collect(),
    };
    let header = Header {
        typ: TYP.to_owned(),
        key: KeyReference::Chain(signer.certificate_chain().to_vec()),
    };
    let token = Zeroizing::new(jws::sign(&header, &claims, signer)?);
    let mut code = Code(Zeroizing::new([0; 2 * CODE_WORDS]));
    random.fill(&mut *code.0);
    let mut share = Share(Zeroizing::new([0; 32]));
    random.fill(&mut *share.0);
    let mut salt = [0; SALT_BYTES];
    random.fill(&mut salt);
    let length = u32::try_from(token.len()).map_err(|_| CarriedError::Size)?;
    let mut plain = Zeroizing::new(length.to_be_bytes().to_vec());
    plain.extend_from_slice(&token);
    let padded = plain.len().div_ceil(PAD_BYTES) * PAD_BYTES;
    plain.resize(padded, 0);
    let key = key(&code, &share, &salt)?;
    let mut file = salt.to_vec();
    let mut sealed = plain.to_vec();
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed)
        .map_err(|_| CarriedError::Size)?;
    file.extend_from_slice(&sealed);
    Ok(Made { file, code, share })
}

/// The file's key. Used once, hence the zero nonce: share and salt are fresh for each file.
fn key(code: &Code, share: &Share, salt: &[u8]) -> Result<LessSafeKey, CarriedError> {
    let params = argon2::Params::new(ARGON_KIB, ARGON_PASSES, ARGON_LANES, Some(32));
    let params = params.map_err(|_| CarriedError::Malformed)?;
    let slow = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut both = Zeroizing::new([0; 64]);
    let (hashed, kept) = both.split_at_mut(32);
    slow.hash_password_into(&*code.0, salt, hashed)
        .map_err(|_| CarriedError::Malformed)?;
    kept.copy_from_slice(share.expose());
    let prk = Salt::new(HKDF_SHA256, salt).extract(&*both);
    let info = [b"safeconduct/v1/carried".as_slice()];
    let okm = prk
        .expand(&info, &CHACHA20_POLY1305)
        .map_err(|_| CarriedError::Malformed)?;
    Ok(LessSafeKey::new(UnboundKey::from(okm)))
}

/// Whether `file` could be one: nothing of it is believed.
///
/// # Errors
///
/// [`CarriedError::Malformed`].
pub fn check_file(file: &[u8]) -> Result<(), CarriedError> {
    let sealed = file.len().checked_sub(SALT_BYTES + TAG_BYTES);
    let fits = sealed.is_some_and(|sealed| sealed > 0 && sealed % PAD_BYTES == 0);
    if fits && file.len() <= FILE_BYTES_MAX {
        Ok(())
    } else {
        Err(CarriedError::Malformed)
    }
}

/// A carried referral that was opened: its signature holds, its certificates are still to be checked.
#[derive(Debug)]
pub struct Opened {
    /// What was in it.
    pub content: Content,
    /// The certificates inside, leaf first; the leaf's key signed the content.
    pub chain: Vec<Vec<u8>>,
}

/// Opens `file` with the code and what was released to `seed`.
///
/// # Errors
///
/// [`CarriedError`].
pub fn open(
    file: &[u8],
    code: &Code,
    release: &Release,
    seed: &SealingSeed,
) -> Result<Opened, CarriedError> {
    check_file(file)?;
    let share = release.share(file, seed)?;
    let (salt, sealed) = file
        .split_at_checked(SALT_BYTES)
        .ok_or(CarriedError::Malformed)?;
    let key = key(code, &share, salt)?;
    let plain = unseal(&key, sealed)?;
    let (length, rest) = plain.split_at_checked(4).ok_or(CarriedError::Malformed)?;
    let length: [u8; 4] = length.try_into().map_err(|_| CarriedError::Malformed)?;
    let length =
        usize::try_from(u32::from_be_bytes(length)).map_err(|_| CarriedError::Malformed)?;
    let token = rest.get(..length).ok_or(CarriedError::Malformed)?;
    let unverified = Unverified::parse(token)?;
    let KeyReference::Chain(chain) = unverified.header().key.clone() else {
        return Err(CarriedError::Malformed);
    };
    let leaf = chain.first().ok_or(CarriedError::Malformed)?;
    let signer = VerifyingKey::from_certificate(leaf).map_err(|_| CarriedError::Malformed)?;
    let claims: Claims = unverified.verify(&signer, TYP)?.claims()?;
    let content = parse(claims).ok_or(CarriedError::Malformed)?;
    Ok(Opened { content, chain })
}

fn unseal(key: &LessSafeKey, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CarriedError> {
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    let length = match key.open_in_place(nonce, Aad::empty(), &mut buffer) {
        Ok(plain) => plain.len(),
        Err(_) => return Err(CarriedError::Closed),
    };
    buffer.truncate(length);
    Ok(buffer)
}

fn parse(claims: Claims) -> Option<Content> {
    if claims.fields.is_empty() || claims.fields.len() > FIELDS_MAX {
        return None;
    }
    let fields = claims.fields.into_iter().map(|field| {
        let label: Label = word(&field.label).ok()?;
        Some(Field {
            path: field.path,
            label,
            value: field.v,
        })
    });
    Some(Content {
        source: word(&claims.iss).ok()?,
        recipient: word(&claims.aud).ok()?,
        purpose: word(&claims.purpose).ok()?,
        issued: time(claims.iat).ok()?,
        expires: time(claims.exp).ok()?,
        answer_to: claims.answer_to,
        fields: fields.collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests;
