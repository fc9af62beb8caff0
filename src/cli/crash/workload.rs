//! What is committed: a function of a seed and a batch's number, so that whoever checks knows what must be there.

use std::collections::BTreeMap;
use std::path::Path;

use super::CrashError;
use crate::storage::embedded::{EmbeddedEngine, Options};
use crate::storage::engine::{Batch, Engine, Life, Stored, Table, Write};

/// Rows of a workload live under so many keys.
const KEYS: u64 = 48;

/// Tables used, and how the rows of each are kept.
const TABLES: [(Table, Life); 3] = [
    (Table::Offer, Life::Record),
    (Table::Opening, Life::Decision),
    (Table::ParcelContent, Life::Content),
];

/// Numbers from a seed (SplitMix64): the same on every machine.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// A sequence of its own for each seed and turn.
    #[must_use]
    pub fn new(seed: u64, turn: u64) -> Dice {
        Dice(seed.rotate_left(32) ^ turn.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number less than `below`, which must not be 0.
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length.div_ceil(8))
            .flat_map(|_| self.roll(u64::MAX).to_le_bytes())
            .collect()
    }
}

/// The entry at `index`.
fn entry(seed: u64, index: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed ^ 0xe, index);
    let length = 40 + dice.roll(360);
    dice.bytes(length)
}

/// The `number`th batch, on a store of `size` entries.
#[must_use]
pub fn batch(seed: u64, number: u64, size: u64) -> Batch {
    let mut dice = Dice::new(seed, number);
    let operations = 1 + dice.roll(6);
    let mut batch = Batch::default();
    for _ in 0..operations {
        let (table, life) = TABLES[dice.roll(TABLES.len() as u64) as usize];
        let key = dice.roll(KEYS).to_be_bytes().to_vec();
        batch.writes.push(match dice.roll(8) {
            0 => Write::Delete { table, key },
            1 => Write::Erase { table, key },
            _ => {
                let length = dice.roll(3_000);
                Write::Put {
                    table,
                    key,
                    value: dice.bytes(length),
                    life,
                }
            }
        });
    }
    batch.entries = (size..size + dice.roll(4))
        .map(|index| entry(seed, index))
        .collect();
    batch.root.fill(dice.roll(256) as u8);
    batch.previous_checkpoint = dice.bytes(200);
    batch
}

/// Small segments and chunks, so that a campaign meets their edges often.
#[must_use]
pub fn options() -> Options {
    Options {
        first_segment_bytes: 1 << 20,
        segment_bytes: 1 << 20,
        chunk_slots: 256,
        keep_free_bytes: 1 << 20,
        ..Options::default()
    }
}

/// Opens or makes the store, commits up to batch `count`, and prints `ack N` after each.
///
/// # Errors
///
/// When the store does not open or fails.
pub fn commits(
    dir: &Path,
    seed: u64,
    count: u64,
    out: &mut impl std::io::Write,
) -> Result<(), CrashError> {
    let engine = if dir.exists() {
        EmbeddedEngine::open(dir, options())
    } else {
        EmbeddedEngine::create(dir, options())
    };
    let engine = engine.map_err(|error| CrashError::Broken(error.to_string()))?;
    let mut head = engine.head();
    while head.batches < count {
        head = engine
            .commit(&batch(seed, head.batches + 1, head.size))
            .map_err(|error| CrashError::Broken(error.to_string()))?;
        let line = format!("ack {}\n", head.batches);
        out.write_all(line.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

/// What must be in the store.
#[derive(Debug, Clone)]
pub struct Model {
    seed: u64,
    /// Batches so far.
    pub batches: u64,
    size: u64,
    root: Option<[u8; 32]>,
    rows: BTreeMap<(Table, Vec<u8>), Stored>,
}

impl Model {
    /// An empty store.
    #[must_use]
    pub fn new(seed: u64) -> Model {
        Model {
            seed,
            batches: 0,
            size: 0,
            root: None,
            rows: BTreeMap::new(),
        }
    }

    /// Goes forward to batch `number`.
    pub fn advance(&mut self, number: u64) {
        while self.batches < number {
            self.batches += 1;
            let batch = batch(self.seed, self.batches, self.size);
            self.size += batch.entries.len() as u64;
            self.root = Some(batch.root);
            for write in batch.writes {
                match write {
                    Write::Put {
                        table, key, value, ..
                    } => {
                        self.rows.insert(
                            (table, key),
                            Stored {
                                version: self.batches,
                                value,
                            },
                        );
                    }
                    Write::Delete { table, key } | Write::Erase { table, key } => {
                        self.rows.remove(&(table, key));
                    }
                }
            }
        }
    }

    /// The oracle: `engine` holds everything up to `acknowledged`, at most one batch more, and
    /// nothing else. The model goes
    /// forward to where the engine stands.
    ///
    /// # Errors
    ///
    /// [`CrashError::Broken`], naming the first difference.
    pub fn check(&mut self, engine: &impl Engine, acknowledged: u64) -> Result<(), CrashError> {
        let broken = |what: String| Err(CrashError::Broken(what));
        let head = engine.head();
        if head.batches < acknowledged {
            return broken(format!(
                "batch {acknowledged} acknowledged, {} there",
                head.batches
            ));
        }
        if head.batches > acknowledged.max(self.batches) + 1 {
            return broken(format!(
                "batch {acknowledged} was the last, {} there",
                head.batches
            ));
        }
        self.advance(head.batches);
        if head.size != self.size || self.root.is_some_and(|root| root != head.root) {
            return broken(format!(
                "{} entries expected, {} there",
                self.size, head.size
            ));
        }
        let corrupt = |error: crate::storage::engine::StorageError| {
            CrashError::Broken(format!("unreadable: {error}"))
        };
        for (table, _) in TABLES {
            let found = engine.scan(table, b"", None, usize::MAX).map_err(corrupt)?;
            let expected = self.rows.iter().filter(|((of, _), _)| *of == table);
            let expected: Vec<_> = expected
                .map(|((_, key), stored)| (key.clone(), stored.clone()))
                .collect();
            if found != expected {
                return broken(format!("{table:?} differs at batch {}", head.batches));
            }
        }
        let mut after: Option<Vec<u8>> = None;
        let mut index = 0_u64;
        loop {
            let page = engine
                .scan(Table::Entry, b"", after.as_deref(), 1_000)
                .map_err(corrupt)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (key, stored) in page {
                if key != index.to_be_bytes() || stored.value != entry(self.seed, index) {
                    return broken(format!("entry {index} differs"));
                }
                index += 1;
            }
        }
        if index != self.size {
            return broken(format!("{index} entries of {} are there", self.size));
        }
        Ok(())
    }
}
