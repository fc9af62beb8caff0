//! What the sequencer's thread holds, and how one batch goes through it.

use super::batch::{Building, Versions};
use super::change::Read;
use super::tiles::StoredTiles;
use super::{Committed, Published, SubmitError, Waiting};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::exchange::clock::Watched;
use crate::ledger::checkpoint::CheckpointSigner;
use crate::ledger::entry::Entry;
use crate::ledger::hash::{self, Hash};
use crate::ledger::note::NoteSigner;
use crate::ledger::proof;
use crate::ledger::tree::{Edge, TileError};
use crate::storage::engine::{Engine, StorageError, Table};
use crate::storage::records::key;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Keys whose versions are kept in each of two generations, so that checking a fresh change reads nothing.
const RECENT_MAX: usize = 16_384;

/// Hears of every batch after it is durable and before anybody is answered.
pub trait Listener: Send {
    /// A batch wrote these keys and rang these agencies up to these numbers.
    fn committed(
        &self,
        written: &mut dyn Iterator<Item = (Table, &[u8])>,
        rung: &mut dyn Iterator<Item = (&AgencyId, u64)>,
    );
}

/// Why a store cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The store did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The tree cannot be rebuilt.
    #[error(transparent)]
    Tree(#[from] TileError),
    /// The tree over the entries is not the one that the store says it holds.
    #[error("the entries do not lead to the store's root")]
    OtherRoot,
    /// The checkpoint cannot be signed.
    #[error(transparent)]
    Sign(#[from] crate::ledger::checkpoint::SignError),
}

/// Versions of the keys written lately: all writes of batches after `horizon` are here.
#[derive(Default)]
struct Recent {
    young: HashMap<(Table, Vec<u8>), u64>,
    old: HashMap<(Table, Vec<u8>), u64>,
    horizon: u64,
    young_from: u64,
}

impl Recent {
    fn version(&self, key: &(Table, Vec<u8>)) -> Option<u64> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    fn record(&mut self, batch: u64, written: HashMap<(Table, Vec<u8>), bool>) {
        for (key, exists) in written {
            self.young.insert(key, if exists { batch } else { 0 });
        }
        if self.young.len() > RECENT_MAX {
            self.old = std::mem::take(&mut self.young);
            self.horizon = self.young_from;
            self.young_from = batch;
        }
    }
}

/// The edge of a store's tree, verified against its root, its full tiles, and the time of the last entry.
///
/// # Errors
///
/// [`RecoveryError`]: the store must not be written to.
pub fn restored(
    engine: &Arc<dyn Engine>,
) -> Result<(Edge, Arc<StoredTiles>, Timestamp), RecoveryError> {
    let head = engine.head();
    let tiles = Arc::new(StoredTiles::new(Arc::clone(engine)));
    let leaf = |index: u64| {
        let stored = engine
            .get(Table::Entry, &key::index(index))
            .map_err(|error| TileError::Source(Box::new(error)))?;
        let stored = stored.ok_or(TileError::Missing { level: 0, index })?;
        Ok(hash::leaf(&stored.value))
    };
    let edge = Edge::restore(head.size, tiles.as_ref(), leaf)?;
    if *edge.root().as_bytes() != head.root {
        return Err(RecoveryError::OtherRoot);
    }
    let mut last = Timestamp::from_millis(0).unwrap_or(Timestamp::MAX);
    if let Some(index) = head.size.checked_sub(1) {
        let stored = engine.get(Table::Entry, &key::index(index))?;
        let entry = stored.and_then(|stored| Entry::parse(&stored.value).ok());
        last = entry.ok_or(RecoveryError::OtherRoot)?.at;
    }
    Ok((edge, tiles, last))
}

/// What the sequencer's thread holds.
pub struct State {
    engine: Arc<dyn Engine>,
    tiles: Arc<StoredTiles>,
    signer: CheckpointSigner,
    clock: Arc<Watched>,
    listener: Box<dyn Listener>,
    published: watch::Sender<Arc<Published>>,
    last: Timestamp,
    recent: Recent,
    numbers: HashMap<(Table, AgencyId), u64>,
    frozen: bool,
    /// The store refused the last batch: until it takes one, changes go one by one, so that those which may use the
    /// headroom of a full disk are not refused with the others.
    full: bool,
}

impl State {
    /// Rebuilds the edge of the tree from tiles and entries, verifies it against the store's root, and signs it.
    ///
    /// # Errors
    ///
    /// [`RecoveryError`]: the store must not be written to.
    pub fn recover(
        engine: Arc<dyn Engine>,
        signer: NoteSigner,
        clock: Arc<Watched>,
        listener: Box<dyn Listener>,
    ) -> Result<Self, RecoveryError> {
        let head = engine.head();
        let (edge, tiles, last) = restored(&engine)?;
        let root = Hash::from_bytes(head.root);
        let (signer, checkpoint) = if head.size == 0 {
            (CheckpointSigner::begin(signer), String::new())
        } else {
            let mut signer = CheckpointSigner::resume(signer, head.size, root);
            let checkpoint = signer.advance(head.size, root, &[])?;
            (signer, checkpoint)
        };
        let published = Published {
            edge,
            checkpoint: checkpoint.into(),
            tiles: Arc::clone(&tiles) as _,
        };
        Ok(Self {
            tiles,
            signer,
            clock,
            listener,
            published: watch::Sender::new(Arc::new(published)),
            last,
            recent: Recent {
                horizon: head.batches,
                young_from: head.batches,
                ..Recent::default()
            },
            numbers: HashMap::new(),
            frozen: false,
            full: false,
            engine,
        })
    }

    /// Where the latest signed state is published.
    pub(super) fn published(&self) -> watch::Receiver<Arc<Published>> {
        self.published.subscribe()
    }

    /// Takes one batch through: check, commit, sign, answer. `false` when the process must end.
    pub(crate) fn process(&mut self, batch: Vec<Waiting>) -> bool {
        if self.full && batch.len() > 1 {
            let mut batch = batch.into_iter();
            return batch.all(|waiting| self.process(vec![waiting]));
        }
        let now = match self.clock.now() {
            Ok(now) => now,
            Err(parted) => {
                if !self.frozen {
                    tracing::error!(alarm = true, %parted, "commits are frozen");
                }
                self.frozen = true;
                refuse(batch.into_iter().map(|waiting| waiting.answer));
                return true;
            }
        };
        self.frozen = false;
        let at = now.max(self.last);
        let published = Arc::clone(&self.published.borrow());
        let mut building = Building::new(published.edge.clone(), at);
        for waiting in batch {
            building.add(waiting, self);
        }
        if building.survivors.is_empty() {
            return true;
        }
        let record = building.take_batch(&published.checkpoint);
        match self.engine.commit(&record) {
            Ok(head) => {
                self.full = false;
                self.conclude(building, head.batches)
            }
            Err(StorageError::Refused(reason)) => {
                tracing::warn!(reason, "the store refused a batch");
                self.full = true;
                refuse(building.survivors.into_iter().map(|it| it.answer));
                true
            }
            Err(error) => {
                tracing::error!(alarm = true, %error, "a commit failed; nothing of it is acknowledged");
                refuse(building.survivors.into_iter().map(|it| it.answer));
                false
            }
        }
    }

    /// The batch is durable: sign, publish, tell.
    fn conclude(&mut self, building: Building, version: u64) -> bool {
        let Building {
            edge,
            written,
            numbers,
            rung,
            survivors,
            ..
        } = building;
        let signed = self.sign(&edge);
        let checkpoint = match signed {
            Ok(checkpoint) => checkpoint,
            Err(reason) => {
                tracing::error!(alarm = true, reason, "a checkpoint was not signed");
                refuse(survivors.into_iter().map(|it| it.answer));
                return false;
            }
        };
        let published = Arc::new(Published {
            edge,
            checkpoint: checkpoint.into(),
            tiles: Arc::clone(&self.tiles) as _,
        });
        self.published.send_replace(Arc::clone(&published));
        self.numbers.extend(numbers);
        self.listener.committed(
            &mut written.keys().map(|(table, key)| (*table, key.as_slice())),
            &mut rung.iter().map(|(agency, number)| (agency, *number)),
        );
        self.recent.record(version, written);
        for survivor in survivors {
            self.last = self.last.max(survivor.placed.at);
            // Whoever is gone will ask again with the same request id.
            let _ = survivor.answer.send(Ok(Committed {
                first: survivor.placed.first,
                at: survivor.placed.at,
                entries: survivor.entries,
                published: Arc::clone(&published),
            }));
        }
        true
    }

    fn sign(&mut self, edge: &Edge) -> Result<String, String> {
        let old = self.signer.size();
        let proof = if old == 0 || old == edge.size() {
            Vec::new()
        } else {
            proof::consistency(edge, self.tiles.as_ref(), old, edge.size())
                .map_err(|error| error.to_string())?
        };
        if edge.size() == 0 {
            return Ok(String::new());
        }
        self.signer
            .advance(edge.size(), edge.root(), &proof)
            .map_err(|error| error.to_string())
    }
}

fn refuse(answers: impl Iterator<Item = super::Answer>) {
    for answer in answers {
        let _ = answer.send(Err(SubmitError::Unavailable));
    }
}

impl Versions for State {
    fn unchanged(&self, read: &Read, since: u64) -> Result<bool, StorageError> {
        let key = (read.table, read.key.clone());
        if let Some(version) = self.recent.version(&key) {
            return Ok(version == read.version);
        }
        if since >= self.recent.horizon && super::batch::is_versioned(read.table) {
            // Not written in any batch that the reader may have missed.
            return Ok(true);
        }
        let stored = self.engine.get(read.table, &read.key)?;
        Ok(stored.map_or(0, |stored| stored.version) == read.version)
    }

    fn last_number(&self, table: Table, agency: &AgencyId) -> Result<u64, StorageError> {
        if let Some(&number) = self.numbers.get(&(table, agency.clone())) {
            return Ok(number);
        }
        let last = self.engine.last(table, &key::of_agency(agency))?;
        Ok(last.and_then(|(key, _)| key::number(&key)).unwrap_or(0))
    }
}
