//! An engine that forgets everything when it is dropped, for tests, and that fails when told to.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use super::engine::{Batch, Engine, Head, StorageError, Stored, Table, Write};
use super::limits::{self, EMPTY_ROOT};

/// What goes wrong with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Refused before anything happens; the next commit succeeds.
    Refuse,
    /// Fails with nothing kept; every later commit fails too.
    Fail,
    /// Fails with everything kept: what a lost acknowledgement looks like after a restart. Every later commit fails.
    FailKept,
    /// Hangs until [`MemoryEngine::release`], then succeeds.
    Block,
}

/// An engine in memory.
#[derive(Debug)]
pub struct MemoryEngine {
    state: RwLock<State>,
    /// Held for a whole commit: they are taken in turn, even behind one that hangs.
    turn: Mutex<()>,
    control: Mutex<Control>,
    released: Condvar,
    /// Of attachments' files; removed with the engine.
    folder: PathBuf,
}

impl Drop for MemoryEngine {
    fn drop(&mut self) {
        // It is there only if an attachment was kept.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[derive(Debug)]
struct State {
    head: Head,
    rows: BTreeMap<(Table, Vec<u8>), Stored>,
}

#[derive(Debug, Default)]
struct Control {
    /// Commits asked for so far.
    commits: u64,
    /// Faults by the number of the commit that they hit, from 1.
    faults: BTreeMap<u64, Fault>,
    blocked: bool,
    failed: bool,
    /// Decisions before this month have no key any more.
    expired: u32,
    refuses_expiry: bool,
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryEngine {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let head = Head {
            batches: 0,
            size: 0,
            root: EMPTY_ROOT,
        };
        MemoryEngine {
            state: RwLock::new(State {
                head,
                rows: BTreeMap::new(),
            }),
            turn: Mutex::default(),
            control: Mutex::default(),
            released: Condvar::new(),
            folder: std::env::temp_dir().join(format!("safeconduct-{}", uuid::Uuid::new_v4())),
        }
    }

    /// Makes the `nth` commit from now (1 is the next) go wrong.
    pub fn inject(&self, fault: Fault, nth: u64) {
        let mut control = self.control();
        let number = control.commits.saturating_add(nth.max(1));
        control.faults.insert(number, fault);
    }

    /// Whether a commit hangs at [`Fault::Block`] now.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.control().blocked
    }

    /// Lets a hanging commit go on.
    pub fn release(&self) {
        self.control().blocked = false;
        self.released.notify_all();
    }

    /// Commits asked for so far, whatever became of them.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.control().commits
    }

    /// Refuses the next [`Engine::expire_decisions`], as a stop just before it would.
    pub fn refuse_expiry(&self) {
        self.control().refuses_expiry = true;
    }

    /// The first month whose decisions still have a key.
    #[must_use]
    pub fn expired_before(&self) -> u32 {
        self.control().expired
    }

    /// Undoes [`Fault::Fail`], as a restart does: what was kept is kept.
    pub fn restart(&self) {
        let mut control = self.control();
        control.failed = false;
        control.faults.clear();
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, batch: &Batch) -> Head {
        let mut guard = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        let version = state.head.batches + 1;
        for (index, entry) in (state.head.size..).zip(&batch.entries) {
            let key = index.to_be_bytes().to_vec();
            state.rows.insert(
                (Table::Entry, key),
                Stored {
                    version,
                    value: entry.clone(),
                },
            );
        }
        for write in &batch.writes {
            match write {
                Write::Put {
                    table, key, value, ..
                } => {
                    let stored = Stored {
                        version,
                        value: value.clone(),
                    };
                    state.rows.insert((*table, key.clone()), stored);
                }
                Write::Delete { table, key } | Write::Erase { table, key } => {
                    state.rows.remove(&(*table, key.clone()));
                }
            }
        }
        let size = state.head.size + batch.entries.len() as u64;
        state.head = Head {
            batches: version,
            size,
            root: batch.root,
        };
        state.head
    }
}

impl Engine for MemoryEngine {
    fn attachments(&self) -> PathBuf {
        self.folder.clone()
    }

    fn head(&self) -> Head {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .head
    }

    fn expire_decisions(&self, month: u32) -> Result<(), StorageError> {
        let mut control = self.control();
        if std::mem::take(&mut control.refuses_expiry) {
            return Err(StorageError::Refused("a test asked for it".into()));
        }
        control.expired = control.expired.max(month);
        Ok(())
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Stored>, StorageError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Ok(state.rows.get(&(table, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Stored)>, StorageError> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded((table, after.to_vec())),
            _ => Bound::Included((table, prefix.to_vec())),
        };
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let rows = state.rows.range((start, Bound::Unbounded));
        Ok(rows
            .take_while(|((t, key), _)| *t == table && key.starts_with(prefix))
            .take(limit)
            .map(|((_, key), stored)| (key.clone(), stored.clone()))
            .collect())
    }

    fn last(&self, table: Table, prefix: &[u8]) -> Result<Option<(Vec<u8>, Stored)>, StorageError> {
        // Longer than any key that begins with the prefix, and above them all.
        let mut above = prefix.to_vec();
        above.resize(prefix.len() + super::engine::KEY_BYTES_MAX + 1, 0xff);
        let range = (table, prefix.to_vec())..=(table, above);
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let row = state.rows.range(range).next_back();
        Ok(row.map(|((_, key), stored)| (key.clone(), stored.clone())))
    }

    fn commit(&self, batch: &Batch) -> Result<Head, StorageError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut control = self.control();
        control.commits += 1;
        let number = control.commits;
        if control.failed {
            return Err(StorageError::Failed("an earlier commit failed".to_owned()));
        }
        limits::check(batch)?;
        match control.faults.remove(&number) {
            None => Ok(self.apply(batch)),
            Some(Fault::Refuse) => Err(StorageError::Refused("told to".to_owned())),
            Some(Fault::Fail) => {
                control.failed = true;
                Err(StorageError::Failed("told to".to_owned()))
            }
            Some(Fault::FailKept) => {
                control.failed = true;
                self.apply(batch);
                Err(StorageError::Failed("told to".to_owned()))
            }
            Some(Fault::Block) => {
                control.blocked = true;
                let control = self
                    .released
                    .wait_while(control, |control| control.blocked)
                    .unwrap_or_else(PoisonError::into_inner);
                let head = self.apply(batch);
                drop(control);
                Ok(head)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_injected_fault_hits_the_commit_it_was_meant_for() {
        let engine = MemoryEngine::new();
        engine.inject(Fault::Refuse, 2);
        engine.inject(Fault::FailKept, 3);
        let batch = Batch {
            entries: vec![b"entry".to_vec()],
            ..Batch::default()
        };
        assert_eq!(engine.commit(&batch).unwrap().size, 1);
        assert!(matches!(
            engine.commit(&batch),
            Err(StorageError::Refused(_))
        ));
        assert_eq!(engine.head().batches, 1);
        assert!(matches!(
            engine.commit(&batch),
            Err(StorageError::Failed(_))
        ));
        assert!(matches!(
            engine.commit(&batch),
            Err(StorageError::Failed(_))
        ));
        assert_eq!(engine.head().size, 2);
        engine.restart();
        assert_eq!(engine.commit(&batch).unwrap().size, 3);
    }

    #[test]
    fn a_blocked_commit_waits_for_its_release() {
        let engine = std::sync::Arc::new(MemoryEngine::new());
        engine.inject(Fault::Block, 1);
        let other = engine.clone();
        let thread = std::thread::spawn(move || other.commit(&Batch::default()));
        while !engine.is_blocked() {
            std::thread::yield_now();
        }
        assert_eq!(engine.head().batches, 0);
        engine.release();
        assert_eq!(thread.join().unwrap().unwrap().batches, 1);
    }
}
