//! The members' directory, visible by the viewer's kind.

use super::{Exchange, Receipt, Refusal, Requested};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AgencyKind, DeclaredCapacity};
use crate::identity::caller::{Caller, Enrolled};
use crate::ledger::hash::Hash;
use std::sync::Arc;

/// One directory record as a viewer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgencyEntry {
    /// The agency.
    pub agency: AgencyId,
    /// Kind.
    pub kind: AgencyKind,
    /// Parent authority.
    pub parent: Option<AgencyId>,
    /// Key bundle; empty before the first.
    pub bundle: Vec<u8>,
    /// Proposal of the enrolment.
    pub proposal: Vec<u8>,
    /// Approval of the enrolment.
    pub approval: Vec<u8>,
    /// Own declaration of capacity, and when.
    pub capacity: Option<(DeclaredCapacity, Timestamp)>,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Index of the record under the digest's root.
    pub digest_index: u64,
    /// Inclusion proof under the digest's root.
    pub digest_proof: Vec<Hash>,
}

/// The digest that records are proved in, and its entry's receipt.
#[derive(Debug)]
pub struct Digest {
    /// Number, from 1.
    pub number: u64,
    /// Records under the root.
    pub size: u64,
    /// Root.
    pub root: Hash,
    /// Receipt of the digest's own entry.
    pub receipt: Receipt,
}

/// The visible part of the directory.
#[derive(Debug)]
pub struct Directory {
    /// Visible agencies, sorted by id; empty when the viewer knows the latest digest.
    pub agencies: Vec<AgencyEntry>,
    /// The digest.
    pub digest: Digest,
}

/// A published protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedProtocol {
    /// Version.
    pub version: u64,
    /// The TOML file, as signed.
    pub toml: String,
    /// Compact JWS of the proposal.
    pub proposal: Vec<u8>,
    /// Compact JWS of the approval.
    pub approval: Vec<u8>,
}

impl Exchange {
    /// What the register says of an agency, to authenticate its calls by. Cached; costs no read of the store.
    ///
    /// # Errors
    ///
    /// [`Refusal::Internal`] when the store is corrupt.
    pub fn enrolled(&self, _agency: &AgencyId) -> Result<Option<Arc<Enrolled>>, Refusal> {
        todo!()
    }

    /// The directory as the caller's kind may see it.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn directory(&self, _caller: &Caller, _known: u64) -> Result<Directory, Refusal> {
        todo!()
    }

    /// One agency.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], one answer for absent and not visible.
    pub async fn agency(
        &self,
        _caller: &Caller,
        _agency: &AgencyId,
    ) -> Result<(AgencyEntry, Digest), Refusal> {
        todo!()
    }

    /// Publishes an agency's next key bundle. `staff` may be absent for the first one only: the certificate suffices.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPermitted`], [`Refusal::KeyBundleInvalid`], [`Refusal::SignatureInvalid`].
    pub async fn publish_key_bundle(
        &self,
        _agency: &AgencyId,
        _staff: Option<&Caller>,
        _requested: Requested,
        _bundle: Vec<u8>,
    ) -> Result<Receipt, Refusal> {
        todo!()
    }

    /// Declares the caller's own capacity.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPermitted`].
    pub async fn declare_capacity(
        &self,
        _caller: &Caller,
        _agency: &AgencyId,
        _requested: Requested,
        _capacity: DeclaredCapacity,
    ) -> Result<Receipt, Refusal> {
        todo!()
    }

    /// A protocol; version zero for the one in force.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`].
    pub async fn protocol(&self, _version: u64) -> Result<PublishedProtocol, Refusal> {
        todo!()
    }
}
