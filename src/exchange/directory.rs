//! The members' directory, visible by the viewer's kind, and the digest that proves it.

pub(super) mod digest;
mod publishing;

pub(super) use digest::DirectoryCache;

use super::agencies::AgencyView;
use super::receipt::broken;
use super::snapshot::{Prepared, Snapshot, own};
use super::{Exchange, Receipt, Refusal, Requested};
use crate::domain::directory::may_know;
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AgencyKind, DeclaredCapacity};
use crate::identity::caller::{Caller, Enrolled};
use crate::ledger::decision::Decision;
use crate::ledger::hash::Hash;
use crate::storage::records::agency::AgencyRecord;
use crate::storage::records::log::{CounterRecord, DigestRecord, ProtocolRecord};
use crate::storage::records::offer::MetRecord;
use crate::storage::records::{self, Record, key};
use std::sync::Arc;

/// Whether a viewer of `kind` may know of `agency`.
#[must_use]
pub const fn is_visible(kind: AgencyKind, agency: &AgencyView) -> bool {
    may_know(kind, agency.kind)
}

/// One directory record as a viewer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgencyEntry {
    /// The agency.
    pub agency: AgencyId,
    /// Kind.
    pub kind: AgencyKind,
    /// Parent authority.
    pub parent: Option<AgencyId>,
    /// Key bundle; empty before the first, and of an agency that is not visible but has made the caller an offer.
    pub bundle: Vec<u8>,
    /// SHA-256 of the bundle, where that itself is not for the caller.
    pub bundle_digest: Vec<u8>,
    /// Certificates that the agency may still sign with, each with its issuers, newest first; where the bundle is shown
    /// without the one in it.
    pub signers: Vec<Vec<Vec<u8>>>,
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

/// Which agencies a reader wants.
enum Wanted {
    All {
        known: u64,
    },
    /// Also one that is not visible, if it has made the caller an offer.
    One(AgencyId),
}

fn entry_of(view: &AgencyView, index: u64, digest: &digest::Built) -> Result<AgencyEntry, Refusal> {
    Ok(AgencyEntry {
        agency: view.id.clone(),
        kind: view.kind,
        parent: view.parent.clone(),
        bundle: view.record.bundle.clone(),
        bundle_digest: Vec::new(),
        // The newest one stands in the bundle.
        signers: chains(view).skip(1).collect(),
        proposal: view.record.proposal.clone(),
        approval: view.record.approval.clone(),
        capacity: view.capacity,
        suspended: view.record.suspended,
        digest_index: index,
        digest_proof: digest.inclusion(index).map_err(broken)?,
    })
}

fn chains(view: &AgencyView) -> impl Iterator<Item = Vec<Vec<u8>>> {
    view.signers().iter().map(|signer| signer.chain().to_vec())
}

/// The agencies wanted, under the latest digest; nothing when the directory has changed since that was made.
fn read_entries(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    wanted: &Wanted,
) -> Result<Option<(DigestRecord, Vec<AgencyEntry>)>, Refusal> {
    let changes = digest::changes(snapshot)?;
    let latest = digest::latest(snapshot)?;
    let Some(record) = latest.filter(|record| record.changes == changes) else {
        return Ok(None);
    };
    let built = snapshot.shared.directory.built(snapshot.shared, changes)?;
    let sees = |view: &AgencyView| view.id == *caller.agency() || is_visible(caller.kind(), view);
    let mut entries = Vec::new();
    let wants = |id: &AgencyId| match wanted {
        Wanted::All { known } => *known != record.number,
        Wanted::One(one) => id == one,
    };
    for (index, id) in built.agencies().iter().enumerate() {
        if !wants(id) {
            continue;
        }
        let view = snapshot.shared.register.agency(id)?;
        let view = view.ok_or_else(|| records::corrupt(AgencyRecord::TABLE))?;
        if sees(&view) {
            entries.push(entry_of(&view, index as u64, &built)?);
        }
    }
    if let (Wanted::One(one), true) = (wanted, entries.is_empty()) {
        entries.extend(correspondent(snapshot, caller, one, &built)?);
    }
    // What was read may be newer than the digest; then it is read again.
    let same = digest::changes(snapshot)? == changes;
    Ok(same.then_some((record, entries)))
}

/// An agency that the caller's kind may not see, but which has made it an offer: what its statements are verified
/// with, proved under the digest, and nothing that it says of itself.
///
/// The caller knows its name from the offer, and the person agreed that it learns the source. Without the key the
/// police could not check who sent them what. Both reads are made whatever is there.
fn correspondent(
    snapshot: &Snapshot<'_>,
    caller: &Caller,
    agency: &AgencyId,
    under: &digest::Built,
) -> Result<Option<AgencyEntry>, Refusal> {
    let met = snapshot.peek::<MetRecord>(&key::met(caller.agency(), agency))?;
    let view = snapshot.shared.register.agency(agency)?;
    let (Some(_), Some(view)) = (met, view) else {
        return Ok(None);
    };
    let (Some(bundle), Some(index)) = (&view.bundle, under.index_of(agency)) else {
        return Ok(None);
    };
    Ok(Some(AgencyEntry {
        agency: view.id.clone(),
        kind: view.kind,
        parent: view.parent.clone(),
        bundle: Vec::new(),
        bundle_digest: bundle.digest().to_vec(),
        signers: chains(&view).collect(),
        proposal: view.record.proposal.clone(),
        approval: view.record.approval.clone(),
        capacity: None,
        suspended: view.record.suspended,
        digest_index: index,
        digest_proof: under.inclusion(index).map_err(broken)?,
    }))
}

impl Exchange {
    /// What the register says of an agency, to authenticate its calls by. Kept in memory once read.
    ///
    /// # Errors
    ///
    /// [`Refusal::Internal`] when the store is corrupt.
    pub fn enrolled(&self, agency: &AgencyId) -> Result<Option<Arc<Enrolled>>, Refusal> {
        let view = self.shared.register.agency(agency)?;
        Ok(view.map(|view| Arc::clone(&view.enrolled)))
    }

    async fn look_up(
        &self,
        caller: &Caller,
        wanted: Wanted,
    ) -> Result<(Vec<AgencyEntry>, Digest), Refusal> {
        let wanted = Arc::new(wanted);
        for _ in 0..8 {
            let (by, what) = (caller.clone(), Arc::clone(&wanted));
            let read = self
                .read(move |snapshot| read_entries(snapshot, &by, &what))
                .await?;
            let Some((record, entries)) = read else {
                self.publish_digest(false).await?;
                continue;
            };
            let mut receipts = self.receipts_again(vec![record.index]).await?;
            let digest = Digest {
                number: record.number,
                size: record.size,
                root: Hash::from_slice(&record.root).ok_or(Refusal::Internal)?,
                receipt: receipts.pop().ok_or(Refusal::Internal)?,
            };
            return Ok((entries, digest));
        }
        Err(Refusal::Unavailable)
    }

    /// The directory as the caller's kind may see it; no agencies when `known` is the latest digest.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn directory(&self, caller: &Caller, known: u64) -> Result<Directory, Refusal> {
        let (agencies, digest) = self.look_up(caller, Wanted::All { known }).await?;
        Ok(Directory { agencies, digest })
    }

    /// One agency.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], one answer for absent and not visible.
    pub async fn agency(
        &self,
        caller: &Caller,
        agency: &AgencyId,
    ) -> Result<(AgencyEntry, Digest), Refusal> {
        let (mut entries, digest) = self.look_up(caller, Wanted::One(agency.clone())).await?;
        Ok((entries.pop().ok_or(Refusal::NotFound)?, digest))
    }

    /// Declares the caller's own capacity.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPermitted`].
    pub async fn declare_capacity(
        &self,
        caller: &Caller,
        agency: &AgencyId,
        requested: Requested,
        capacity: DeclaredCapacity,
    ) -> Result<Receipt, Refusal> {
        let (by, agency) = (caller.clone(), agency.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            own(&by, &agency)?;
            let view = snapshot.own_agency(&by)?;
            if let Some(record) = snapshot.recall(&agency, &requested)? {
                return Ok(Prepared::Again((), record.indexes));
            }
            let mut record = view.record.clone();
            record.capacity = capacity.name().to_owned();
            record.capacity_time = snapshot.now.millis();
            let mut change = snapshot.change();
            change.writes.push(record.put(key::agency(&agency)));
            let decision = Decision::CapacityDeclared {
                capacity: capacity.name().to_owned(),
                staff: by.staff().as_str().to_owned(),
            };
            change.entries.push(snapshot.entry_by(&by, decision));
            snapshot.remember(&mut change, &agency, &requested, Vec::new(), &[0], 0);
            Ok(Prepared::New(change, (), vec![0]))
        };
        let done = self.perform_for(caller, "DeclareCapacity", prepare).await?;
        Ok(done.single()?.1)
    }

    /// A protocol; version zero for the one in force.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`].
    pub async fn protocol(&self, version: u64) -> Result<PublishedProtocol, Refusal> {
        self.read(move |snapshot| {
            let version = if version == 0 {
                let current = snapshot.peek::<CounterRecord>(key::PROTOCOL)?;
                current.ok_or(Refusal::NotFound)?.number
            } else {
                version
            };
            let record = snapshot.peek::<ProtocolRecord>(&key::index(version))?;
            let record = record.ok_or(Refusal::NotFound)?;
            Ok(PublishedProtocol {
                version,
                toml: record.toml,
                proposal: record.proposal,
                approval: record.approval,
            })
        })
        .await
    }
}
