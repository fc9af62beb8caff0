//! Parcels as they are deposited and disclosed: sealed, and opaque to the router.

use crate::domain::id::BasisChainId;
use crate::domain::label::Label;
use prost::bytes::Bytes;

/// The label of one sealed field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldLabel {
    /// SHA-256 of the disclosure.
    pub digest: [u8; 32],
    /// What the field tells.
    pub label: Label,
}

/// A signed statement and its sealed fields, for one recipient at one stage.
#[derive(Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Compact JWS.
    pub statement: Bytes,
    /// HPKE encapsulated key.
    pub encapsulated_key: Bytes,
    /// Sealed parcel key.
    pub wrapped_key: Bytes,
    /// Labels, sorted by digest.
    pub labels: Vec<FieldLabel>,
    /// Ciphertexts, paired with labels by index.
    pub fields: Vec<Bytes>,
}

impl std::fmt::Debug for Parcel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parcel({} fields)", self.fields.len())
    }
}

/// A parcel with what opens its basis commitment; that part is never passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// The parcel.
    pub parcel: Parcel,
    /// Basis chain that covers it.
    pub chain: BasisChainId,
    /// Salt of the basis commitment.
    pub salt: [u8; 32],
}
