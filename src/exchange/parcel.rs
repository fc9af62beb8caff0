//! Parcels as they are deposited: sealed, and opaque to the router.

use crate::domain::id::BasisChainId;
use crate::envelope::statement::SealedParcel;

/// A parcel with what opens its basis commitment; that part is never passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// The parcel.
    pub parcel: SealedParcel,
    /// Basis chain that covers it.
    pub chain: BasisChainId,
    /// Salt of the basis commitment.
    pub salt: [u8; 32],
}
