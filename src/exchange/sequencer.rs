//! The sequencer: one thread that takes prepared changes in order and makes one durable batch of those that stand.
//!
//! Changes are prepared concurrently and note the versions of what they relied on. Here those versions are checked
//! against the batch being built and the store; survivors get their index and time, their entries join the tree, and
//! one commit makes all of them durable. Only then is a checkpoint signed and anybody answered (invariants 2, 3, 5, 8).

mod batch;
pub mod change;
mod state;
mod tiles;

pub use batch::DOORBELLS_KEPT;
pub use change::{Change, Doorbell, EntryDraft, Placed, Read, Row};
pub use state::{Listener, RecoveryError, State, restored};
pub use tiles::{StoredTiles, TileCache};

use super::receipt::Receipt;
use super::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::ledger::entry::Opening;
use crate::ledger::tree::{Edge, TileSource};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use tokio::sync::{oneshot, watch};

/// Changes that may wait; more are refused as [`SubmitError::Overloaded`].
pub const QUEUE_MAX: usize = 4_096;

/// Bytes that may wait, so that a full queue of the largest messages does not fill the memory.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Changes in one batch.
pub const BATCH_CHANGES_MAX: usize = 1_024;

/// Bytes of changes in one batch; a batch may go past it by its last change.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

/// A signed state of the log, with what proofs at its size need.
pub struct Published {
    /// The right edge of the tree.
    pub edge: Edge,
    /// The signed checkpoint; empty before the first entry.
    pub checkpoint: Arc<str>,
    /// Full tiles.
    pub tiles: Arc<dyn TileSource + Send + Sync>,
}

/// Why a change was not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Something that it relied on has changed: prepare it again.
    #[error("something that the change relied on has changed")]
    Stale,
    /// The time of the batch is outside its validity: prepare it again.
    #[error("the change is not valid at the time of its batch")]
    Expired,
    /// Too much is waiting.
    #[error("too much is waiting")]
    Overloaded,
    /// Nothing can be committed, or the outcome is not known.
    #[error("nothing can be committed")]
    Unavailable,
    /// An entry of it cannot be written.
    #[error("an entry cannot be written")]
    Invalid,
}

/// A change that is durable.
#[derive(Debug)]
pub struct Committed {
    /// Index of its first entry.
    pub first: u64,
    /// Time of its entries.
    pub at: Timestamp,
    entries: Vec<(Vec<u8>, Option<Opening>)>,
    published: Arc<Published>,
}

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Published({})", self.edge.size())
    }
}

impl Committed {
    /// Receipts of the entries at these positions of the change.
    ///
    /// # Errors
    ///
    /// [`Refusal::Internal`] when there is no such entry, or a tile cannot be had.
    pub fn receipts(mut self, shown: &[usize]) -> Result<Vec<Receipt>, Refusal> {
        let mut receipts = Vec::with_capacity(shown.len());
        for &at in shown {
            let (entry, opening) = self.entries.get_mut(at).ok_or(Refusal::Internal)?;
            receipts.push(Receipt::new(
                self.first + at as u64,
                std::mem::take(entry),
                opening.take(),
                Arc::clone(&self.published),
            )?);
        }
        Ok(receipts)
    }
}

type Answer = oneshot::Sender<Result<Committed, SubmitError>>;

/// A change and who waits for it.
pub(crate) struct Waiting {
    change: Change,
    answer: Answer,
}

/// The way to the sequencer's thread, which ends when this is dropped.
pub struct Sequencer {
    queue: SyncSender<Waiting>,
    queued_bytes: Arc<AtomicUsize>,
    published: watch::Receiver<Arc<Published>>,
    fatal: watch::Receiver<bool>,
}

impl Sequencer {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// [`std::io::Error`] when the system gives no thread.
    pub fn start(state: State) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(QUEUE_MAX);
        let (dying, fatal) = watch::channel(false);
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let published = state.published();
        let bytes = Arc::clone(&queued_bytes);
        std::thread::Builder::new()
            .name("sequencer".to_owned())
            .spawn(move || run(state, &waiting, &bytes, &dying))?;
        Ok(Self {
            queue,
            queued_bytes,
            published,
            fatal,
        })
    }

    /// Submits a change; answers when its batch is durable.
    ///
    /// # Errors
    ///
    /// [`SubmitError`].
    pub async fn submit(&self, change: Change) -> Result<Committed, SubmitError> {
        if *self.fatal.borrow() {
            return Err(SubmitError::Unavailable);
        }
        let bytes = change.bytes();
        let before = self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > QUEUE_BYTES_MAX {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(SubmitError::Overloaded);
        }
        let (answer, answered) = oneshot::channel();
        if let Err(error) = self.queue.try_send(Waiting { change, answer }) {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(match error {
                TrySendError::Full(_) => SubmitError::Overloaded,
                TrySendError::Disconnected(_) => SubmitError::Unavailable,
            });
        }
        answered.await.unwrap_or(Err(SubmitError::Unavailable))
    }

    /// The latest signed state of the log.
    #[must_use]
    pub fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published.borrow())
    }

    /// The first signed state that has entry `index`.
    ///
    /// # Errors
    ///
    /// [`SubmitError::Unavailable`] when the sequencer has ended.
    pub async fn published_past(&self, index: u64) -> Result<Arc<Published>, SubmitError> {
        let mut published = self.published.clone();
        let found = published.wait_for(|published| published.edge.size() > index);
        let found = found.await.map_err(|_| SubmitError::Unavailable)?;
        Ok(Arc::clone(&found))
    }

    /// Turns to `true` once nothing more can be committed: the process must exit.
    #[must_use]
    pub fn fatal(&self) -> watch::Receiver<bool> {
        self.fatal.clone()
    }
}

/// Takes what waits, in order, until nobody can submit any more or a commit has failed.
fn run(
    mut state: State,
    waiting: &Receiver<Waiting>,
    queued: &AtomicUsize,
    dying: &watch::Sender<bool>,
) {
    while let Ok(first) = waiting.recv() {
        let mut bytes = first.change.bytes();
        let mut batch = vec![first];
        while batch.len() < BATCH_CHANGES_MAX && bytes < BATCH_BYTES_MAX {
            let Ok(next) = waiting.try_recv() else { break };
            bytes += next.change.bytes();
            batch.push(next);
        }
        queued.fetch_sub(bytes, Ordering::Relaxed);
        // Whoever gave up waiting gets no effect, if it is not too late for that.
        batch.retain(|waiting| !waiting.answer.is_closed());
        if !state.process(batch) {
            dying.send_replace(true);
            break;
        }
    }
    // Those still in the queue are told by their answer's sender being dropped.
}

#[cfg(test)]
mod tests;
