//! Flips every single bit of an exported log, one after the other: each flip is noticed, and says where it is.
//!
//! Auditing a whole folder for each of some ten million flips would take years. A flip is in one file, so only that
//! file and what rests on it are looked at again, through the functions that `audit verify` and `audit openings` read
//! the folder with: `decode_bundle`, `decode_tile`, `Damage`, `read_line` and `read_openings`, `open`,
//! `NoteVerifier::verify`. A sample goes through the whole audit as well, and must come to the same place.

mod honest;
mod look;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::CrashError;
use super::workload::Dice;
use crate::cli::audit::drive::Progress;
use crate::cli::audit::export::{Update, update};
use crate::cli::made::MadeLog;
use crate::ledger::note::NoteVerifier;
use honest::Honest;

/// Threads that flip.
const THREADS: usize = 2;

/// Bytes of a file flipped in one go.
const SLICE: usize = 2048;

/// How a campaign is run.
#[derive(Debug, Clone, Copy)]
pub struct Campaign {
    /// Entries of the log.
    pub entries: usize,
    /// Every how many bits one is flipped: 1 for all of them.
    pub every: usize,
    /// How many go through the whole audit too.
    pub sample: u64,
    /// Which those are.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Flips by how they were located: `entry`, `line` of a file, `file`.
    pub located: BTreeMap<&'static str, u64>,
    /// Those that went through the whole audit too.
    pub sampled: u64,
    /// Files of the folder.
    pub files: usize,
    /// Bytes of the folder.
    pub bytes: u64,
    /// How long the flipping took.
    pub took: Duration,
}

impl Tally {
    /// All flips.
    #[must_use]
    pub fn flips(&self) -> u64 {
        self.located.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bits flipped in {} files of {} bytes, each noticed and located: ",
            self.flips(),
            self.files,
            self.bytes
        )?;
        let by: Vec<String> = self
            .located
            .iter()
            .map(|(how, count)| format!("{count} by {how}"))
            .collect();
        let seconds = self.took.as_secs_f64();
        write!(
            f,
            "{}; {seconds:.1} s; {} of them through the whole audit",
            by.join(", "),
            self.sampled
        )
    }
}

fn broken(what: impl Into<String>) -> CrashError {
    CrashError::Broken(what.into())
}

fn wait<T>(work: impl Future<Output = T>) -> Result<T, CrashError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(runtime.block_on(work))
}

/// Makes a log, exports it into `folder`, and flips.
///
/// # Errors
///
/// [`CrashError::Broken`] with the first flip that nobody noticed, or that was found in another place.
pub fn run(folder: &Path, campaign: &Campaign, tell: &dyn Fn(&str)) -> Result<Tally, CrashError> {
    let mut log = MadeLog::of_entries(campaign.entries);
    let verifier = NoteVerifier::parse(&log.vkey()).map_err(|error| broken(error.to_string()))?;
    let how = Update {
        verifier: Some(&verifier),
        openings: true,
    };
    let made = wait(update(&mut log, folder, how, &Progress::hidden()))?;
    made.map_err(|error| broken(error.to_string()))?;
    let honest = Honest::read(folder, verifier, log)?;
    let mut tally = Tally {
        files: honest.parts.len(),
        bytes: honest
            .parts
            .iter()
            .map(|part| part.bytes.len() as u64)
            .sum(),
        ..Tally::default()
    };
    tell(&format!(
        "flipping in {} files of {} bytes",
        tally.files, tally.bytes
    ));
    let begun = Instant::now();
    tally.located = honest.flip_all(campaign.every.max(1))?;
    tally.took = begun.elapsed();
    let mut dice = Dice::new(campaign.seed, 0);
    for _ in 0..campaign.sample {
        honest.whole_audit(folder, &mut dice)?;
        tally.sampled += 1;
    }
    Ok(tally)
}
