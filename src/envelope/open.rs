//! Opening: what only the recipient can check, and what it then holds.

use super::disclosure::{Disclosure, Field, open_field};
use super::hpke::{self, SeedStore};
use super::keys::SigningKey;
use super::record::Schema;
use super::seal::{message_info, parcel_info};
use super::statement::{MessageStatement, ParcelStatement, SealedParcel};
use crate::domain::id::{AgencyId, OfferId, ParcelId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{Alarm, Purpose, Stage};
use std::collections::BTreeSet;
use std::time::Duration;
use zeroize::Zeroizing;

/// What the recipient expects, from the offer that it opens.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Ourselves.
    pub recipient: &'a AgencyId,
    /// The offer's purpose.
    pub purpose: Purpose,
    /// The stage that was opened.
    pub stage: Stage,
    /// The time.
    pub now: Timestamp,
    /// How far the source's clock may be ahead.
    pub skew: Duration,
}

/// A field as the recipient holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenedField {
    /// Path, label and value.
    pub field: Field,
    /// The salted text, to be shown or passed on with the statement.
    pub disclosure: Disclosure,
    /// Whether our record schema knows the path, so that the label was recomputed from the value.
    pub recognised: bool,
}

/// A parcel in the clear.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenedParcel {
    /// The statement.
    pub statement: ParcelStatement,
    /// The fields, in the order of their paths.
    pub fields: Vec<OpenedField>,
}

/// Why a parcel is not opened. Safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Something is not what the source signed and sealed.
    #[error("the parcel is not what its source sealed")]
    Tampered,
    /// A field tells another kind of thing than its label says: an alarm to the source and the auditor.
    #[error("a field of the parcel is mislabelled")]
    Mislabelled,
    /// For another recipient, purpose or stage.
    #[error("the parcel is not for this offer")]
    NotForUs,
    /// Sealed to a key that we do not hold.
    #[error("the parcel is sealed to a key that is not held")]
    WrongKey,
    /// Not yet, or no longer.
    #[error("the parcel is not in time")]
    NotInTime,
    /// Its id came before under another statement.
    #[error("the parcel's id came before under another statement")]
    Replayed,
    /// It stands in the place of a parcel that was opened, and does not say that it corrects it.
    #[error("the parcel replaces one that was opened and does not say so")]
    Unsaid,
}

impl OpenError {
    /// The alarm to raise, if it is one.
    #[must_use]
    pub const fn alarm(self) -> Option<Alarm> {
        match self {
            Self::Tampered | Self::Unsaid => Some(Alarm::TamperedParcel),
            Self::Mislabelled => Some(Alarm::MislabelledField),
            Self::Replayed => Some(Alarm::ReplayedParcel),
            Self::NotForUs | Self::WrongKey | Self::NotInTime => None,
        }
    }
}

/// Opens a parcel that `source` is to have sealed.
///
/// `seen` answers, for a parcel id, the [`ParcelStatement::signed_digest`] under which it came before; the same
/// one again is a lawful retry.
///
/// # Errors
///
/// [`OpenError`] at the first thing that does not fit; no field is handed out then.
pub fn open(
    parcel: &SealedParcel,
    source: &SigningKey,
    expected: &Expected<'_>,
    seeds: &dyn SeedStore,
    seen: &dyn Fn(&ParcelId) -> Option<[u8; 32]>,
) -> Result<OpenedParcel, OpenError> {
    let statement = ParcelStatement::parse(&parcel.statement, source);
    let statement = statement.map_err(|_| OpenError::Tampered)?;
    let info = parcel_info(statement.claims());
    open_as(parcel, statement, &info, expected, seeds, seen)
}

/// Opens a message of `offer` that `sender` is to have sealed.
///
/// # Errors
///
/// As [`open`].
pub fn open_message(
    parcel: &SealedParcel,
    sender: &SigningKey,
    offer: OfferId,
    expected: &Expected<'_>,
    seeds: &dyn SeedStore,
    seen: &dyn Fn(&ParcelId) -> Option<[u8; 32]>,
) -> Result<OpenedParcel, OpenError> {
    let message = MessageStatement::parse(&parcel.statement, sender);
    let message = message.map_err(|_| OpenError::Tampered)?;
    if message.offer() != offer {
        return Err(OpenError::NotForUs);
    }
    let info = message_info(message.statement().claims(), offer);
    open_as(
        parcel,
        message.into_statement(),
        &info,
        expected,
        seeds,
        seen,
    )
}

fn open_as(
    parcel: &SealedParcel,
    statement: ParcelStatement,
    info: &[u8],
    expected: &Expected<'_>,
    seeds: &dyn SeedStore,
    seen: &dyn Fn(&ParcelId) -> Option<[u8; 32]>,
) -> Result<OpenedParcel, OpenError> {
    let claims = statement.claims();
    let for_us = claims.recipient == *expected.recipient
        && claims.purpose == expected.purpose
        && claims.stage == expected.stage;
    if !for_us {
        return Err(OpenError::NotForUs);
    }
    if !statement.stands(expected.now, expected.skew) {
        return Err(OpenError::NotInTime);
    }
    statement
        .check_parcel(parcel)
        .map_err(|_| OpenError::Tampered)?;
    if seen(&claims.parcel).is_some_and(|digest| digest != *statement.signed_digest()) {
        return Err(OpenError::Replayed);
    }
    let seed = seeds.seed(&claims.kid).ok_or(OpenError::WrongKey)?;
    let key = hpke::open(&seed, &parcel.enc, info, &parcel.wrapped);
    let key = key.ok_or(OpenError::Tampered)?;
    let key: [u8; 32] = key.as_slice().try_into().map_err(|_| OpenError::Tampered)?;
    let fields = open_fields(parcel, &statement, &Zeroizing::new(key))?;
    Ok(OpenedParcel { statement, fields })
}

fn open_fields(
    parcel: &SealedParcel,
    statement: &ParcelStatement,
    key: &[u8; 32],
) -> Result<Vec<OpenedField>, OpenError> {
    let mut fields = Vec::with_capacity(parcel.fields.len());
    let mut paths = BTreeSet::new();
    for (item, ciphertext) in parcel.labels.iter().zip(&parcel.fields) {
        let padded = open_field(key, statement.claims().parcel, item, ciphertext);
        let padded = padded.ok_or(OpenError::Tampered)?;
        let disclosure = Disclosure::from_padded(&padded).ok_or(OpenError::Tampered)?;
        let inside = disclosure.labelled_digest();
        if inside.digest != item.digest {
            return Err(OpenError::Tampered);
        }
        if inside.label != item.label {
            return Err(OpenError::Mislabelled);
        }
        let field = disclosure.field().clone();
        if !paths.insert(field.path.clone()) {
            return Err(OpenError::Tampered);
        }
        let recomputed = Schema::shared().label_of(&field.path, &field.value);
        let recomputed = recomputed.map_err(|_| OpenError::Mislabelled)?;
        if recomputed.is_some_and(|label| label != field.label) {
            return Err(OpenError::Mislabelled);
        }
        fields.push(OpenedField {
            field,
            disclosure,
            recognised: recomputed.is_some(),
        });
    }
    fields.sort_by(|a, b| a.field.path.cmp(&b.field.path));
    Ok(fields)
}

#[cfg(test)]
mod tests;
