//! Opening a parcel: the gate runs again, and the entry is durable before the first byte leaves.

use super::{Exchange, OfferName, Receipt, Refusal};
use crate::domain::vocabulary::Stage;
use crate::envelope::statement::SealedParcel;
use crate::identity::caller::Caller;

/// A parcel and the receipt of its opening: there is no other way to get one out.
#[derive(Debug)]
#[must_use]
pub struct Disclosure {
    parcel: SealedParcel,
    receipt: Receipt,
}

impl Disclosure {
    /// The parcel and the receipt.
    #[must_use]
    pub fn into_parts(self) -> (SealedParcel, Receipt) {
        (self.parcel, self.receipt)
    }
}

impl Exchange {
    /// Opens one stage's parcel. Never remembered: a repeated call runs the gate again and is a new entry.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] for absent, withdrawn, expired, closed or not yet.
    pub async fn open_parcel(
        &self,
        _caller: &Caller,
        _name: &OfferName,
        _stage: Stage,
    ) -> Result<Disclosure, Refusal> {
        todo!()
    }
}
