//! Messages that several services share: parcels and deposits in, parcels and receipts out.

use super::fields::Fields;
use super::words::Word;
use crate::domain::label::Label;
use crate::exchange::parcel::Deposit;
use crate::exchange::{LabelledDigest, Receipt, Refusal, SealedParcel};
use crate::proto::v1 as proto;

/// Longest statement of a parcel or a basis, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 16 << 10;

/// Most sealed fields of a parcel.
pub const FIELDS_MAX: usize = 128;

/// Length of an X-Wing encapsulated key, in bytes.
const ENCAPSULATED_KEY_BYTES: usize = 1120;

/// Length of the sealed parcel key, in bytes: a key of 32 and a tag of 16.
const WRAPPED_KEY_BYTES: usize = 48;

/// A deposit, and everything that is wrong with it.
pub fn deposit(fields: &mut Fields, message: proto::Deposit) -> Option<Deposit> {
    let sealed = fields.present("parcel", message.parcel);
    let sealed = sealed.and_then(|sealed| fields.within("parcel", |fields| parcel(fields, sealed)));
    let chain = fields.basis_chain("basis_chain", &message.basis_chain);
    let salt = fields.array("basis_salt", &message.basis_salt, "must be 32 bytes");
    Some(Deposit {
        parcel: sealed?,
        chain: chain?,
        salt: salt?,
    })
}

/// A sealed parcel, and everything that is wrong with it.
pub fn parcel(fields: &mut Fields, message: proto::Parcel) -> Option<SealedParcel> {
    let statement = fields.bytes(
        "statement",
        message.statement,
        STATEMENT_BYTES_MAX,
        "must be a statement of at most 16 KiB",
    );
    let encapsulated_key = fields.when(
        "encapsulated_key",
        message.encapsulated_key.len() == ENCAPSULATED_KEY_BYTES,
        "must be 1,120 bytes",
        message.encapsulated_key,
    );
    let wrapped_key = fields.when(
        "wrapped_key",
        message.wrapped_key.len() == WRAPPED_KEY_BYTES,
        "must be 48 bytes",
        message.wrapped_key,
    );
    let count = message.labels.len();
    let few = fields.when(
        "labels",
        (1..=FIELDS_MAX).contains(&count),
        "must be 1 to 128",
        (),
    );
    let paired = fields.when(
        "fields",
        message.fields.len() == count,
        "must be as many as there are labels",
        message.fields,
    );
    few?;
    let labels = fields.each("labels", message.labels, label)?;
    let sorted = labels.is_sorted_by(|a, b| a.digest < b.digest);
    let labels = fields.when(
        "labels",
        sorted,
        "must be sorted by digest, each digest once",
        labels,
    );
    Some(SealedParcel {
        statement: statement?.into(),
        enc: encapsulated_key?.into(),
        wrapped: wrapped_key?.into(),
        labels: labels?,
        fields: paired?.into_iter().map(Into::into).collect(),
    })
}

fn label(fields: &mut Fields, message: proto::Label) -> Option<LabelledDigest> {
    let digest = fields.array("digest", &message.digest, "must be 32 bytes");
    let category = fields.word("category", message.category);
    let form = fields.word("form", message.form);
    let label = match Label::new(category?, form?) {
        Ok(label) => label,
        Err(_) => return fields.wrong("form", "must be a form of the category"),
    };
    Some(LabelledDigest {
        digest: digest?,
        label,
    })
}

/// A disclosed parcel, as it was deposited but for what opens its basis commitment.
#[must_use]
pub fn sealed(parcel: SealedParcel) -> proto::Parcel {
    proto::Parcel {
        statement: parcel.statement.into(),
        encapsulated_key: parcel.enc.into(),
        wrapped_key: parcel.wrapped.into(),
        labels: parcel
            .labels
            .into_iter()
            .map(|LabelledDigest { digest, label }| proto::Label {
                digest: digest.to_vec(),
                category: label.category().number(),
                form: label.form().number(),
            })
            .collect(),
        fields: parcel.fields.into_iter().map(Into::into).collect(),
    }
}

/// A receipt, with the proof that its checkpoint extends the log of `known` entries, where there is one.
///
/// # Errors
///
/// As [`Receipt::consistency_from`].
pub fn receipt(receipt: &Receipt, known: u64) -> Result<proto::Receipt, Refusal> {
    let consistency = receipt.consistency_from(known)?;
    let (nonce, decision) = receipt.opening().map_or_else(Default::default, |opening| {
        (opening.nonce.to_vec(), opening.decision_bytes())
    });
    Ok(proto::Receipt {
        index: receipt.index(),
        entry: receipt.entry().to_vec(),
        inclusion: hashes(receipt.inclusion().iter().map(|hash| hash.as_bytes())),
        checkpoint: receipt.checkpoint().to_owned(),
        nonce,
        decision,
        consistency_from: if consistency.is_some() { known } else { 0 },
        consistency: hashes(consistency.iter().flatten().map(|hash| hash.as_bytes())),
    })
}

/// Hashes as they travel.
#[must_use]
pub fn hashes<'a>(hashes: impl IntoIterator<Item = &'a [u8; 32]>) -> Vec<Vec<u8>> {
    hashes.into_iter().map(|hash| hash.to_vec()).collect()
}

#[cfg(test)]
mod tests;
