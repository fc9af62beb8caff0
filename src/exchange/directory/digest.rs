//! Directory digests: a numbered Merkle root over every agency's record, and the protocol in force, as an entry.

use crate::domain::directory_record::DirectoryRecord;
use crate::domain::id::AgencyId;
use crate::envelope::bundle::KeyBundle;
use crate::exchange::agencies::AgencyView;
use crate::exchange::sequencer::{Change, EntryDraft};
use crate::exchange::snapshot::{Prepared, Snapshot};
use crate::exchange::start::Shared;
use crate::exchange::{Exchange, Refusal};
use crate::ledger::hash::{self, Hash};
use crate::ledger::proof::{self, ProofError};
use crate::ledger::tree::{Edge, KeptTile, TileError, TileSource};
use crate::storage::records::log::{CounterRecord, DigestRecord};
use crate::storage::records::{Record, key};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Full tiles of a directory, in memory.
#[derive(Default)]
struct Tiles(HashMap<(u8, u64), Arc<KeptTile>>);

impl TileSource for Tiles {
    fn full_tile(&self, level: u8, index: u64) -> Result<Option<Arc<KeptTile>>, TileError> {
        Ok(self.0.get(&(level, index)).cloned())
    }
}

/// The tree over the directory's records, agencies sorted by id.
pub(in crate::exchange) struct Built {
    changes: u64,
    agencies: Vec<AgencyId>,
    edge: Edge,
    tiles: Tiles,
}

impl Built {
    fn over(changes: u64, views: &[Arc<AgencyView>]) -> Self {
        let (mut edge, mut tiles) = (Edge::new(), Tiles::default());
        for view in views {
            for tile in edge.append(leaf_of(view)) {
                tiles
                    .0
                    .insert((tile.level, tile.index), Arc::new(tile.hashes.into()));
            }
        }
        Self {
            changes,
            agencies: views.iter().map(|view| view.id.clone()).collect(),
            edge,
            tiles,
        }
    }

    /// The agencies in the order of their leaves.
    pub(super) fn agencies(&self) -> &[AgencyId] {
        &self.agencies
    }

    /// The index of an agency's leaf.
    pub(super) fn index_of(&self, agency: &AgencyId) -> Option<u64> {
        let index = self.agencies.binary_search(agency).ok()?;
        u64::try_from(index).ok()
    }

    /// The proof that leaf `index` is under the root.
    pub(super) fn inclusion(&self, index: u64) -> Result<Vec<Hash>, ProofError> {
        proof::inclusion(&self.edge, &self.tiles, index, self.edge.size())
    }
}

/// The leaf of one agency.
fn leaf_of(view: &AgencyView) -> Hash {
    let signers = view.signers().iter();
    let signers: Vec<[u8; 32]> = signers.map(|signer| *signer.fingerprint()).collect();
    let record = DirectoryRecord {
        agency: &view.id,
        kind: view.kind,
        parent: view.parent.as_ref(),
        suspended: view.record.suspended,
        bundle: view.bundle.as_ref().map(KeyBundle::digest),
        signers: &signers,
        proposal: &view.record.proposal,
        approval: &view.record.approval,
    };
    hash::leaf(&record.bytes())
}

/// The tree of the directory as it last was.
#[derive(Default)]
pub(in crate::exchange) struct DirectoryCache(Mutex<Option<Arc<Built>>>);

impl DirectoryCache {
    /// The tree after `changes` changes. The caller checks that there were no more while it was built.
    pub(super) fn built(&self, shared: &Shared, changes: u64) -> Result<Arc<Built>, Refusal> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = lock().as_ref().filter(|built| built.changes == changes) {
            return Ok(Arc::clone(built));
        }
        let built = Arc::new(Built::over(changes, &shared.register.agencies()?));
        let after = shared
            .engine
            .get(CounterRecord::TABLE, key::DIRECTORY)?
            .map(|stored| CounterRecord::from_stored(&stored))
            .transpose()?;
        if after.unwrap_or_default().number == changes {
            *lock() = Some(Arc::clone(&built));
        }
        Ok(built)
    }
}

/// How often the directory or the protocol has changed; the change relies on that.
pub(in crate::exchange) fn changes(snapshot: &mut Snapshot<'_>) -> Result<u64, Refusal> {
    let counter = snapshot.get::<CounterRecord>(key::DIRECTORY.to_vec())?;
    Ok(counter.unwrap_or_default().number)
}

/// Writes down that the directory or the protocol changes.
///
/// The number is the entry's own, so that two changes of different agencies need not race for it.
pub(in crate::exchange) fn count_change(change: &mut Change) {
    change.late.push(Box::new(|placed| {
        let number = placed.first + 1;
        vec![CounterRecord { number }.put(key::DIRECTORY.to_vec())]
    }));
}

/// The latest digest, which the change relies on.
pub(in crate::exchange) fn latest(
    snapshot: &mut Snapshot<'_>,
) -> Result<Option<DigestRecord>, Refusal> {
    let Some(counter) = snapshot.get::<CounterRecord>(key::DIGEST.to_vec())? else {
        return Ok(None);
    };
    snapshot.peek::<DigestRecord>(&key::index(counter.number))
}

fn prepare(snapshot: &mut Snapshot<'_>, always: bool) -> Result<Prepared<()>, Refusal> {
    let changes = changes(snapshot)?;
    let latest = latest(snapshot)?;
    if !always
        && latest
            .as_ref()
            .is_some_and(|record| record.changes == changes)
    {
        return Ok(Prepared::Again((), Vec::new()));
    }
    let built = snapshot.shared.directory.built(snapshot.shared, changes)?;
    let number = latest.map_or(0, |record| record.number) + 1;
    let (size, root) = (built.edge.size(), built.edge.root());
    let protocol = snapshot.get::<CounterRecord>(key::PROTOCOL.to_vec())?;
    let protocol = protocol.unwrap_or_default().number;
    let mut change = snapshot.change();
    let digest = EntryDraft::digest(number, size, root, protocol);
    change.entries.push(digest);
    change.late.push(Box::new(move |placed| {
        let record = DigestRecord {
            number,
            size,
            root: root.as_bytes().to_vec(),
            index: placed.first,
            changes,
        };
        vec![
            record.put(key::index(number)),
            CounterRecord { number }.put(key::DIGEST.to_vec()),
        ]
    }));
    Ok(Prepared::New(change, (), Vec::new()))
}

impl Exchange {
    /// Publishes a directory digest, if the directory changed since the last one or `always`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub async fn publish_digest(&self, always: bool) -> Result<(), Refusal> {
        let done = self.perform(move |snapshot| prepare(snapshot, always));
        done.await.map(|_| ())
    }
}
