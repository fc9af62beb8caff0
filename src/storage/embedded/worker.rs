//! The two threads beside the commits: one feeds the index, one makes segments and keys ahead of need and seals an idle
//! journal.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Shared;
use super::index::{Applied, IndexWriter};
use super::journal::is_full;

/// Changes gathered for one sled batch. They go in sorted, so a page that many of them share is read and written once;
/// keys are random, and a smaller batch would touch a page for nearly each of its rows.
const CHANGES_GATHERED: usize = 16_384;

/// How long changes are gathered at most: what a kill in between makes the next start read again from the journal.
const GATHERING_MAX: Duration = Duration::from_secs(1);

/// Batches on their way to the index.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    batches: VecDeque<Arc<Applied>>,
    /// Changes in them, those being applied included.
    changes: usize,
    is_stopped: bool,
    /// Somebody waits until nothing is left.
    is_hurried: bool,
    has_failed: bool,
}

/// The index cannot be written any more.
#[derive(Debug)]
pub(super) struct IndexFailed;

impl Queue {
    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, applied: Arc<Applied>) {
        let mut state = self.state();
        state.changes += applied.changes.len();
        state.batches.push_back(applied);
        self.changed.notify_all();
    }

    /// Waits until fewer than `max` changes wait.
    pub(super) fn wait_for_room(&self, max: usize) -> Result<(), IndexFailed> {
        let wait = |state: &mut Waiting| state.changes >= max && !state.has_failed;
        let state = self.changed.wait_while(self.state(), wait);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        if state.has_failed {
            Err(IndexFailed)
        } else {
            Ok(())
        }
    }

    pub(super) fn settle(&self) {
        let mut state = self.state();
        state.is_hurried = true;
        self.changed.notify_all();
        let wait = |state: &mut Waiting| state.changes > 0 && !state.has_failed;
        let state = self.changed.wait_while(state, wait);
        state.unwrap_or_else(PoisonError::into_inner).is_hurried = false;
    }

    pub(super) fn stop(&self) {
        self.state().is_stopped = true;
        self.changed.notify_all();
    }

    fn take(&self) -> Vec<Arc<Applied>> {
        let wait = |state: &mut Waiting| state.batches.is_empty() && !state.is_stopped;
        let state = self.changed.wait_while(self.state(), wait);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let gather = |state: &mut Waiting| {
            state.changes < CHANGES_GATHERED && !state.is_stopped && !state.is_hurried
        };
        let gathered = self
            .changed
            .wait_timeout_while(state, GATHERING_MAX, gather);
        let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        let mut changes = 0;
        while changes < CHANGES_GATHERED
            && let Some(applied) = state.batches.pop_front()
        {
            changes += applied.changes.len();
            taken.push(applied);
        }
        taken
    }

    fn done(&self, batches: &[Arc<Applied>]) {
        let changes: usize = batches.iter().map(|applied| applied.changes.len()).sum();
        let mut state = self.state();
        state.changes = state.changes.saturating_sub(changes);
        self.changed.notify_all();
    }

    fn fail(&self) {
        self.state().has_failed = true;
        self.changed.notify_all();
    }
}

/// Feeds the index until stopped; answers it, unless it failed.
pub(super) fn spawn_index(
    shared: Arc<Shared>,
    mut index: IndexWriter,
) -> io::Result<JoinHandle<Option<IndexWriter>>> {
    std::thread::Builder::new()
        .name("index".to_owned())
        .spawn(move || {
            loop {
                let batches = shared.queue.take();
                if batches.is_empty() {
                    return Some(index);
                }
                // sled panics on some of its errors.
                let done = catch_unwind(AssertUnwindSafe(|| index.apply(&batches)));
                match done {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tracing::error!(%error, "the index cannot be written");
                        shared.queue.fail();
                        return None;
                    }
                    Err(_) => {
                        tracing::error!("the index cannot be written");
                        shared.queue.fail();
                        return None;
                    }
                }
                // One at a time: the index has them all, and readers need not wait for the whole.
                for applied in &batches {
                    let overlay = shared.overlay.write();
                    overlay
                        .unwrap_or_else(PoisonError::into_inner)
                        .forget(applied);
                }
                shared.queue.done(&batches);
            }
        })
}

/// What the steward is asked for.
#[derive(Default)]
pub(super) struct Wants {
    state: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Default)]
struct Wanted {
    /// The segment after this one.
    after_segment: Option<u32>,
    /// Keys up to this slot.
    slot: Option<u64>,
    is_stopped: bool,
}

impl Wants {
    fn state(&self) -> MutexGuard<'_, Wanted> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ask(&self, after_segment: Option<u32>, slot: Option<u64>) {
        let mut state = self.state();
        state.after_segment = after_segment.or(state.after_segment);
        state.slot = slot.or(state.slot);
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.state().is_stopped = true;
        self.changed.notify_all();
    }

    fn take(&self, at_most: Duration) -> Wanted {
        let wait = |state: &mut Wanted| {
            state.after_segment.is_none() && state.slot.is_none() && !state.is_stopped
        };
        let waited = self.changed.wait_timeout_while(self.state(), at_most, wait);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_stopped = state.is_stopped;
        let wanted = std::mem::take(&mut *state);
        state.is_stopped = is_stopped;
        Wanted {
            is_stopped,
            ..wanted
        }
    }
}

/// Makes what is asked for until stopped.
pub(super) fn spawn_steward(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("steward".to_owned())
        .spawn(move || {
            let seal_after = shared.options.seal_after;
            let maker = shared.writer().journal.maker.clone();
            loop {
                let wanted = shared
                    .wants
                    .take(seal_after.unwrap_or(Duration::from_secs(60)));
                if wanted.is_stopped {
                    return;
                }
                let segment = wanted.after_segment.map_or(Ok(()), |current| {
                    shared
                        .segments
                        .next(current, |number| maker.make(number))
                        .map(drop)
                });
                let slots = wanted
                    .slot
                    .map_or(Ok(()), |slot| shared.keyring.grow_to(slot));
                for error in [segment, slots].into_iter().filter_map(Result::err) {
                    if is_full(&error) {
                        // Whoever needs it tries again, and is refused if that fails too.
                        tracing::warn!(%error, "the disk is nearly full");
                    } else {
                        let _ = shared.writer().journal.fail(error);
                    }
                }
                if let Some(seal_after) = seal_after {
                    seal_if_idle(&shared, seal_after);
                }
            }
        })
}

fn seal_if_idle(shared: &Shared, seal_after: Duration) {
    let mut writer = match shared.writer.try_lock() {
        Ok(writer) => writer,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return,
    };
    if writer.last_commit.elapsed() >= seal_after
        && let Err(error) = writer.journal.seal()
    {
        tracing::error!(%error, "the journal cannot be sealed");
    }
}
