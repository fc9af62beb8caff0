//! Parcels as they travel, and back: the bytes of the statement are never touched.

use super::error::ClientError;
use super::words;
use crate::domain::label::Label;
use crate::envelope::statement::{LabelledDigest, SealedParcel};
use crate::proto::v1;

/// A parcel as it travels.
#[must_use]
pub fn to_proto(parcel: SealedParcel) -> v1::Parcel {
    v1::Parcel {
        statement: parcel.statement.into(),
        encapsulated_key: parcel.enc.into(),
        wrapped_key: parcel.wrapped.into(),
        labels: parcel
            .labels
            .iter()
            .map(|item| v1::Label {
                digest: item.digest.to_vec(),
                category: words::category_number(item.label.category()),
                form: words::form_number(item.label.form()),
            })
            .collect(),
        fields: parcel.fields.into_iter().map(Into::into).collect(),
    }
}

/// A parcel as it travelled.
///
/// # Errors
///
/// [`ClientError::Reply`] on a label that is none.
pub fn from_proto(parcel: v1::Parcel) -> Result<SealedParcel, ClientError> {
    let labels = parcel.labels.iter().map(|label| {
        let category = words::category(label.category);
        let form = words::form(label.form);
        let digest = label.digest.as_slice().try_into().ok();
        category
            .zip(form)
            .and_then(|(category, form)| Label::new(category, form).ok())
            .zip(digest)
            .map(|(label, digest)| LabelledDigest { digest, label })
            .ok_or(ClientError::Reply("a label"))
    });
    Ok(SealedParcel {
        labels: labels.collect::<Result<_, _>>()?,
        statement: parcel.statement.to_vec(),
        enc: parcel.encapsulated_key.to_vec(),
        wrapped: parcel.wrapped_key.to_vec(),
        fields: parcel.fields.iter().map(|field| field.to_vec()).collect(),
    })
}
