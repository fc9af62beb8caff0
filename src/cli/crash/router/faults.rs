//! A write or a sync of the journal fails under a router at work: nobody in that batch is
//! acknowledged, the process ends
//! with its documented code, and the store opens again (invariant 3).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::check::Checker;
use super::diary::Diary;
use super::load::Cast;
use super::{broken, town, trace};
use crate::cli::crash::CrashError;
use crate::cli::crash::workload::Dice;
use crate::storage::embedded::{EmbeddedEngine, Options};
use crate::storage::engine::{Engine as _, Table};

/// The exit code for a store that failed.
const STORE_FAILED: i32 = 70;

/// How long a router may work before it meets its fault.
const FAULT_MAX: Duration = Duration::from_secs(60);

/// What is made to fail: the call, the error, and whether the batch is in the file all the same.
const FAULTS: [(&str, &str, bool); 4] = [
    ("fdatasync", "EIO", true),
    ("pwrite64", "EIO", false),
    ("fdatasync", "ENOSPC", true),
    ("pwrite64", "ENOSPC", false),
];

/// Meets every fault `count` times, each at another batch. Answers how many were met.
///
/// # Errors
///
/// [`CrashError::Skipped`] without `strace`; [`CrashError::Broken`] with the fault's name.
pub async fn run(binary: &Path, folder: &Path, count: u32, seed: u64) -> Result<u32, CrashError> {
    trace::is_possible()?;
    let mut town = town(binary, &folder.join("town")).await?;
    let cast = Cast::of(&town, Arc::new(Diary::default()))
        .await
        .map_err(broken)?;
    let made = cast.make_pools().await;
    made.map_err(|no| CrashError::Broken(format!("pools: {no}")))?;
    let mut checker = Checker::of(&town)?;
    let mut met = 0;
    for round in 0..count {
        for (number, (call, error, is_written)) in (0..).zip(FAULTS) {
            let mut dice = Dice::new(seed, u64::from(round) << 20 | number);
            let at = 3 + dice.roll(40);
            let fault = || format!("{call} {error} at the {at}th");
            let segment = town.router().store().join("journal/0000000001.segment");
            let (inject, path) = (
                format!("inject={call}:error={error}:when={at}"),
                segment.display().to_string(),
            );
            let file = folder.join("trace");
            let only = format!("trace={call}");
            let words = ["-P", &path, "-e", &only, "-e", &inject];
            town.router().run_under(trace::wrapper(&file, &words));
            town.restart().map_err(broken)?;
            let stop = Arc::new(AtomicBool::new(false));
            let workers: Vec<_> = (0..8)
                .map(|worker| {
                    let (cast, stop) = (cast.clone(), Arc::clone(&stop));
                    let dice = Dice::new(seed ^ at, worker);
                    tokio::spawn(async move { cast.live(dice, &stop).await })
                })
                .collect();
            let code = town.router().wait_for_exit(FAULT_MAX).await;
            stop.store(true, Ordering::Relaxed);
            for worker in workers {
                let _ = worker.await;
            }
            if code != Some(STORE_FAILED) {
                let what = format!("{}: exit code {code:?}", fault());
                return Err(CrashError::Broken(what));
            }
            if is_written {
                not_acknowledged(&town.router().store(), &cast)
                    .map_err(|what| CrashError::Broken(format!("{}: {what}", fault())))?;
            }
            town.router().run_under(Vec::new());
            town.router().start().map_err(broken)?;
            let checked = checker.check(&cast, &mut dice, 20).await;
            checked.map_err(|error| CrashError::Broken(format!("{}: {error}", fault())))?;
            met += 1;
        }
    }
    checker.nothing_twice(&cast).await?;
    checker.audit(&town).await?;
    Ok(met)
}

/// The last batch of the store is the one whose sync failed: no receipt may be of it.
fn not_acknowledged(store: &Path, cast: &Cast) -> Result<(), String> {
    let engine = EmbeddedEngine::open(store, Options::default());
    let engine = engine.map_err(|error| format!("the store does not open: {error}"))?;
    let last = engine.head().batches;
    let pages = cast.diary().pages();
    let receipts = pages
        .acknowledged
        .iter()
        .flat_map(|one| &one.reply.receipts);
    let told = receipts.map(|receipt| receipt.index);
    for index in told.chain(pages.opened.iter().map(|one| one.index)) {
        let found = engine.get(Table::Entry, &index.to_be_bytes());
        match found.map_err(|error| error.to_string())? {
            None => return Err(format!("entry {index} was acknowledged and is lost")),
            Some(entry) if entry.version == last => {
                return Err(format!(
                    "entry {index} of the failed batch was acknowledged"
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
