//! Figures of the embedded engine: commits a second, memory, and the time it takes to open.

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::CrashError;
use super::kills::broken;
use super::workload::Dice;
use crate::storage::embedded::{EmbeddedEngine, Options};
use crate::storage::engine::{Batch, Engine, Life, Table, Write};

/// Measures on a store in `dir`, and prints.
///
/// An operation: one content value of 2 KiB, one entry of 400 B, three small records.
///
/// # Errors
///
/// When the store does not open or fails.
pub fn run(dir: &Path, operations: u64, cache_kib: Option<u64>) -> Result<(), CrashError> {
    let mut options = Options::default();
    if let Some(kib) = cache_kib {
        options.index_cache_bytes = kib << 10;
    }
    let engine = EmbeddedEngine::create(dir, options.clone()).map_err(broken)?;
    println!("new store: {} resident", resident());
    let mut number = 0;
    for (group, count) in [(1, operations / 20), (64, operations - operations / 20)] {
        let mut times = Vec::new();
        let (begun, journal) = (Instant::now(), engine.journal_bytes());
        let mut done = 0;
        while done < count {
            let batch = batch(&mut number, group);
            let commit = Instant::now();
            engine
                .commit(&batch)
                .map_err(|error| CrashError::Broken(error.to_string()))?;
            times.push(commit.elapsed());
            done += group;
        }
        let rate = done as f64 / begun.elapsed().as_secs_f64();
        times.sort();
        let at = |part: usize| {
            times
                .get(times.len() * part / 100)
                .copied()
                .unwrap_or_default()
        };
        let bytes = (engine.journal_bytes() - journal) / done.max(1);
        println!(
            "{group} a batch: {rate:.0} operations/s, p50 {:?}, p99 {:?}, {bytes} B/operation",
            at(50),
            at(99)
        );
    }
    engine.settle();
    println!("after {number} operations: {} resident", resident());
    let begun = Instant::now();
    let mut dice = Dice::new(1, 1);
    for _ in 0..20_000 {
        let found = engine.get(Table::Offer, &key(1 + dice.roll(number)));
        found.map_err(|error| CrashError::Broken(error.to_string()))?;
    }
    println!("one read: {:?}", begun.elapsed() / 20_000);
    let begun = Instant::now();
    drop(engine);
    println!("clean stop: {:?}", begun.elapsed());
    timed_open(dir, "open after a clean stop", options.clone())?;
    timed_open(
        dir,
        "open with a rebuild",
        Options {
            rebuild: true,
            ..options
        },
    )?;
    println!("index: {} KiB", size(&dir.join("index"))? >> 10);
    println!("journal: {} KiB", size(&dir.join("journal"))? >> 10);
    Ok(())
}

fn timed_open(dir: &Path, what: &str, options: Options) -> Result<(), CrashError> {
    let begun = Instant::now();
    let engine = EmbeddedEngine::open(dir, options).map_err(broken)?;
    println!("{what}: {:?}, {} resident", begun.elapsed(), resident());
    drop(engine);
    Ok(())
}

fn batch(number: &mut u64, group: u64) -> Batch {
    let mut batch = Batch {
        previous_checkpoint: vec![7; 300],
        ..Batch::default()
    };
    for _ in 0..group {
        *number += 1;
        let key = key(*number);
        let put = |table, value: Vec<u8>, life| Write::Put {
            table,
            key: key.clone(),
            value,
            life,
        };
        batch.entries.push(vec![1; 400]);
        batch
            .writes
            .push(put(Table::ParcelContent, vec![2; 2_048], Life::Content));
        batch
            .writes
            .push(put(Table::Offer, vec![3; 100], Life::Record));
        batch
            .writes
            .push(put(Table::Referral, vec![4; 100], Life::Record));
        batch
            .writes
            .push(put(Table::Request, vec![5; 60], Life::Record));
    }
    batch
}

/// Keys as identifiers are: without any order.
fn key(number: u64) -> Vec<u8> {
    let mut dice = Dice::new(number, 0);
    let mut half = || dice.roll(u64::MAX).to_be_bytes();
    [half(), half()].concat()
}

fn resident() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap_or("unknown").trim().to_owned()
}

fn size(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for item in fs::read_dir(folder)? {
        let item = item?;
        let meta = item.metadata()?;
        bytes += if meta.is_dir() {
            size(&item.path())?
        } else {
            meta.len()
        };
    }
    Ok(bytes)
}
