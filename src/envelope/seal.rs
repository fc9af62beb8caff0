//! Sealing: one recipient, one stage, one parcel. Nothing in it is shared with another parcel.

use super::bundle::{SUITE, SealingPublicKey};
use super::disclosure::{Disclosure, Field, SALT_BYTES, seal_field};
use super::error::StatementError;
use super::hpke;
use super::jws::JwsError;
use super::keys::{AgencySigner, KeyError};
use super::statement::{
    COARSE, DIGEST_STEP, FIELDS_MAX, Forward, LabelledDigest, PARCEL_BYTES_MAX,
    PARCEL_VALIDITY_MAX, ParcelClaims, SealedParcel, basis_commitment, labels_digest,
    reply_commitment, sealed_key_digest,
};
use crate::domain::id::{AgencyId, BasisChainId, OfferId, ParcelId};
use crate::domain::random::Random;
use crate::domain::time::Timestamp;
use crate::domain::transcript::transcript;
use crate::domain::vocabulary::{Purpose, Stage};
use zeroize::Zeroizing;

/// What is to be sealed, to whom and on what basis. The gate has been asked before.
pub struct ParcelDraft<'a> {
    /// The source.
    pub source: &'a AgencyId,
    /// The one recipient.
    pub recipient: &'a AgencyId,
    /// Its key, from a verified bundle.
    pub key: &'a SealingPublicKey,
    /// What for.
    pub purpose: Purpose,
    /// From which stage on.
    pub stage: Stage,
    /// The basis chain; the recipient never learns it.
    pub chain: BasisChainId,
    /// The time.
    pub now: Timestamp,
    /// When it should end; cut to the key's end and to 30 days.
    pub until: Timestamp,
    /// To whom the recipient may pass it on.
    pub forward: Forward,
    /// The parcel that this one corrects.
    pub supersedes: Option<ParcelId>,
    /// SHA-256 of the statement that this one forwards from.
    pub parent: Option<[u8; 32]>,
    /// Fields, each salted afresh.
    pub fields: Vec<Field>,
    /// Disclosures of the parent parcel, passed on unchanged.
    pub carried: Vec<Disclosure>,
}

/// A sealed parcel and what opens its basis commitment to the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The parcel.
    pub parcel: SealedParcel,
    /// Its id.
    pub id: ParcelId,
    /// For the router only, never for the recipient.
    pub basis_salt: [u8; 32],
}

/// Why a parcel cannot be sealed. Safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No field, or too many, or one that is too long.
    #[error("the parcel has no field, too many, or one that is too long")]
    Size,
    /// Two fields at one path, or a path that is none.
    #[error("a field's path is not as agreed")]
    Path,
    /// The key or the period asked for has ended.
    #[error("the recipient's key or the period asked for has ended")]
    Ended,
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The statement could not be made.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

/// What the parcel key is bound to: `T("safeconduct/v1/parcel", suite, iss, aud, jti, kid, purpose, stage, exp)`.
#[must_use]
pub fn parcel_info(claims: &ParcelClaims) -> Vec<u8> {
    transcript(&[
        b"safeconduct/v1/parcel",
        SUITE.to_string().as_bytes(),
        claims.issuer.as_str().as_bytes(),
        claims.recipient.as_str().as_bytes(),
        claims.parcel.to_string().as_bytes(),
        claims.kid.as_bytes(),
        claims.purpose.name().as_bytes(),
        claims.stage.name().as_bytes(),
        claims.expires.seconds().to_string().as_bytes(),
    ])
}

fn array<const N: usize>(random: &mut dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

/// Seals a parcel.
///
/// Randomness is taken in a fixed order (parcel id, basis salt, one salt a field, parcel key, decoys,
/// encapsulation), so that vectors can be reproduced.
///
/// # Errors
///
/// [`SealError`], before anything is sealed.
pub fn seal(
    draft: ParcelDraft<'_>,
    signer: &dyn AgencySigner,
    random: &mut dyn Random,
) -> Result<Sealed, SealError> {
    seal_as(Seals::Parcel, draft, signer, random)
}

/// Seals a message from the source of `offer` to its recipient, on the draft's basis chain.
///
/// # Errors
///
/// As [`seal`].
pub fn seal_message(
    offer: OfferId,
    draft: ParcelDraft<'_>,
    signer: &dyn AgencySigner,
    random: &mut dyn Random,
) -> Result<Sealed, SealError> {
    seal_as(Seals::Message(offer), draft, signer, random)
}

/// Seals a message from the recipient of `offer` to its source. The draft's chain is not looked at: who replies does
/// not know it.
///
/// # Errors
///
/// As [`seal`].
pub fn seal_reply(
    offer: OfferId,
    draft: ParcelDraft<'_>,
    signer: &dyn AgencySigner,
    random: &mut dyn Random,
) -> Result<Sealed, SealError> {
    seal_as(Seals::Reply(offer), draft, signer, random)
}

/// What is sealed.
#[derive(Clone, Copy)]
enum Seals {
    Parcel,
    Message(OfferId),
    Reply(OfferId),
}

/// What a message's key is bound to: `T("safeconduct/v1/message", offer, what a parcel's is bound to)`.
#[must_use]
pub fn message_info(claims: &ParcelClaims, offer: OfferId) -> Vec<u8> {
    transcript(&[
        b"safeconduct/v1/message",
        offer.to_string().as_bytes(),
        &parcel_info(claims),
    ])
}

fn seal_as(
    seals: Seals,
    draft: ParcelDraft<'_>,
    signer: &dyn AgencySigner,
    random: &mut dyn Random,
) -> Result<Sealed, SealError> {
    let issued = draft.now.coarse(COARSE);
    let expires = draft.until.min(draft.key.validity().until);
    let expires = expires.min(issued.plus(PARCEL_VALIDITY_MAX)).coarse(COARSE);
    if expires <= draft.now || !draft.key.validity().contains(draft.now) {
        return Err(SealError::Ended);
    }
    let id = ParcelId::from_random(array(random));
    let basis_salt: [u8; 32] = array(random);

    let mut disclosures = draft.carried;
    for field in draft.fields {
        let salt: [u8; SALT_BYTES] = array(random);
        disclosures.push(Disclosure::new(&salt, field).map_err(|_| SealError::Path)?);
    }
    check_paths(&disclosures)?;
    let mut items: Vec<(LabelledDigest, Zeroizing<Vec<u8>>)> = Vec::new();
    for disclosure in &disclosures {
        let padded = disclosure.padded().ok_or(SealError::Size)?;
        items.push((disclosure.labelled_digest(), padded));
    }
    items.sort_by_key(|(item, _)| item.digest);

    let parcel_key = Zeroizing::new(array::<32>(random));
    let labels: Vec<LabelledDigest> = items.iter().map(|(item, _)| *item).collect();
    let mut claims = ParcelClaims {
        issuer: draft.source.clone(),
        recipient: draft.recipient.clone(),
        parcel: id,
        issued,
        expires,
        purpose: draft.purpose,
        stage: draft.stage,
        kid: draft.key.kid().to_owned(),
        sealed_key: [0; 32],
        basis: basis_commitment(&basis_salt, &draft.chain),
        labels: labels_digest(&labels),
        forward: draft.forward,
        digests: with_decoys(&labels, random),
        supersedes: draft.supersedes,
        parent: draft.parent,
    };
    let info = match seals {
        Seals::Parcel => parcel_info(&claims),
        Seals::Message(offer) | Seals::Reply(offer) => message_info(&claims, offer),
    };
    if let Seals::Reply(offer) = seals {
        claims.basis = reply_commitment(id, offer);
    }
    let (enc, wrapped) = hpke::seal(draft.key.bytes(), &info, &*parcel_key, random)?;
    claims.sealed_key = sealed_key_digest(&enc, &wrapped);

    let seal_item = |(item, padded): &(LabelledDigest, Zeroizing<Vec<u8>>)| {
        seal_field(&parcel_key, id, item, padded)
    };
    let fields = items.iter().map(seal_item).collect();
    let statement = match seals {
        Seals::Parcel => claims.sign(signer)?,
        Seals::Message(offer) | Seals::Reply(offer) => claims.sign_message(offer, signer)?,
    };
    let parcel = SealedParcel {
        statement,
        enc,
        wrapped,
        labels,
        fields,
    };
    if parcel.byte_size() > PARCEL_BYTES_MAX {
        return Err(SealError::Size);
    }
    Ok(Sealed {
        parcel,
        id,
        basis_salt,
    })
}

fn check_paths(disclosures: &[Disclosure]) -> Result<(), SealError> {
    if !(1..=FIELDS_MAX).contains(&disclosures.len()) {
        return Err(SealError::Size);
    }
    let mut paths: Vec<&str> = disclosures
        .iter()
        .map(|disclosure| disclosure.field().path.as_str())
        .collect();
    paths.sort_unstable();
    if paths.is_sorted_by(|a, b| a < b) {
        Ok(())
    } else {
        Err(SealError::Path)
    }
}

/// The digests, and random ones beside them, so that their number says less.
fn with_decoys(labels: &[LabelledDigest], random: &mut dyn Random) -> Vec<[u8; 32]> {
    let mut digests: Vec<[u8; 32]> = labels.iter().map(|item| item.digest).collect();
    for _ in labels.len()..labels.len().next_multiple_of(DIGEST_STEP) {
        digests.push(array(random));
    }
    digests.sort_unstable();
    digests
}

impl From<JwsError> for SealError {
    fn from(error: JwsError) -> Self {
        Self::Statement(error.into())
    }
}

#[cfg(test)]
mod tests;
