//! `safeconduct bench audit`: proofs from a long log, `audit verify` beside bare SHA-256, and `audit replay`.

pub mod long;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};

use self::long::{CachedTiles, LongLog};
use super::WorkFolder;
use super::subject::BenchError;
use crate::audit::Level;
use crate::audit::source::{AuditSource as _, RUN_MAX};
use crate::cli::audit::Run;
use crate::cli::audit::drive::Progress;
use crate::cli::audit::export::{Update, update};
use crate::cli::audit::folder::FolderSource;
use crate::cli::crash::workload::Dice;
use crate::cli::made::MadeLog;
use crate::ledger::hash::{Hash, leaf, node};
use crate::ledger::note::NoteVerifier;
use crate::ledger::proof::{consistency, inclusion, root_at, verify_consistency, verify_inclusion};
use crate::ledger::tree::Edge;

/// Measure what auditors do: proofs, verify, replay.
#[derive(Debug, clap::Args)]
pub struct AuditBench {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Builds a log's tiles in a folder, and times proofs from them at random places.
    Proofs {
        /// Entries of the log.
        #[arg(long, default_value_t = 10_000_000)]
        entries: u64,
        /// Proofs of each kind.
        #[arg(long, default_value_t = 10_000)]
        count: u64,
        /// Where the places are.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folder for the tiles, kept afterwards; a temporary one by default.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Times `audit verify` of an exported folder beside SHA-256 of the same bytes.
    Verify {
        /// Entries of the log.
        #[arg(long, default_value_t = 1_000_000)]
        entries: u64,
        /// Rounds; figures are medians over them.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Folder for the log, kept afterwards; a temporary one by default.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Times `audit replay` of an exported folder with signed bases, offers and openings.
    Replay {
        /// Disclosures in the log.
        #[arg(long, default_value_t = 100_000)]
        disclosures: usize,
        /// Folder for the log, kept afterwards; a temporary one by default.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Makes the log that `replay` reads, in a process of its own so that its memory does not count.
    #[command(hide = true)]
    Make {
        #[arg(long)]
        disclosures: usize,
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
}

impl AuditBench {
    /// Runs it; prints a table.
    ///
    /// # Errors
    ///
    /// [`BenchError`] when a folder cannot be used, or a proof or an audit is not right.
    pub async fn run(self) -> Result<(), BenchError> {
        match self.part {
            Part::Proofs {
                entries,
                count,
                seed,
                dir,
            } => {
                let folder = WorkFolder::new(dir)?;
                for line in proofs(&folder.path, entries, count, seed)? {
                    println!("{line}");
                }
                Ok(())
            }
            Part::Verify {
                entries,
                rounds,
                dir,
            } => {
                let folder = WorkFolder::new(dir)?;
                println!("{}", verify(&folder.path, entries, rounds).await?);
                Ok(())
            }
            Part::Replay { disclosures, dir } => {
                let folder = WorkFolder::new(dir)?;
                let mut make = Command::new(std::env::current_exe()?);
                make.args([
                    "bench",
                    "audit",
                    "make",
                    "--disclosures",
                    &disclosures.to_string(),
                    "--to",
                ]);
                if !make.arg(&folder.path).status()?.success() {
                    return Err(failed("the log was not made"));
                }
                println!("{}", replay(&folder.path, &made_key()?).await?);
                Ok(())
            }
            Part::Make { disclosures, to } => make(disclosures, &to).await,
        }
    }
}

fn failed(what: impl std::fmt::Display) -> BenchError {
    BenchError::Call(what.to_string())
}

/// Nanoseconds of one kind of act, in order.
struct Times(Vec<u64>);

impl Times {
    fn sorted(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    #[allow(clippy::cast_precision_loss)]
    fn mean_us(&self) -> f64 {
        self.0.iter().sum::<u64>() as f64 / self.0.len().max(1) as f64 / 1000.0
    }

    #[allow(clippy::cast_precision_loss)]
    fn quantile_us(&self, percent: usize) -> f64 {
        let at = self.0.len() * percent / 100;
        let time = self
            .0
            .get(at)
            .or(self.0.last())
            .copied()
            .unwrap_or_default();
        time as f64 / 1000.0
    }

    fn line(&self, what: &str) -> String {
        format!(
            "{what:<44} {:>8} {:>8.1} {:>8.1} {:>8.1}",
            self.0.len(),
            self.mean_us(),
            self.quantile_us(50),
            self.quantile_us(99)
        )
    }
}

/// Builds a log of `entries` in `folder`, and times `count` proofs of each kind, each checked.
///
/// # Errors
///
/// [`BenchError`].
pub fn proofs(
    folder: &Path,
    entries: u64,
    count: u64,
    seed: u64,
) -> Result<Vec<String>, BenchError> {
    let begun = Instant::now();
    let edge = LongLog::tiles(folder, entries)?;
    let took = begun.elapsed().as_secs_f64();
    let tiles = CachedTiles::new(folder.to_owned());
    let mut dice = Dice::new(seed, 0);
    let mut lines = vec![
        format!("{entries} entries hashed into tiles in {took:.1} s"),
        format!(
            "{:<44} {:>8} {:>8} {:>8} {:>8}",
            "proof", "count", "mean us", "p50", "p99"
        ),
    ];
    let root = edge.root();
    // The edge as after a restart: nothing in memory but what is in no full tile.
    let edge =
        Edge::from_partials(edge.size(), &edge.partials()).ok_or_else(|| failed("no edge"))?;
    let mut times = Vec::new();
    for _ in 0..count {
        let index = dice.roll(entries);
        let begun = Instant::now();
        let proof = inclusion(&edge, &tiles, index, entries).map_err(failed)?;
        times.push(nanos(begun));
        let leaf = LongLog::leaf_at(index);
        verify_inclusion(&leaf, index, entries, &proof, &root).map_err(failed)?;
    }
    lines.push(Times::sorted(std::mem::take(&mut times)).line("inclusion in the newest tree"));
    for _ in 0..count {
        let size = 1 + dice.roll(entries);
        let index = dice.roll(size);
        let begun = Instant::now();
        let proof = inclusion(&edge, &tiles, index, size).map_err(failed)?;
        times.push(nanos(begun));
        let root = root_at(&edge, &tiles, size).map_err(failed)?;
        verify_inclusion(&LongLog::leaf_at(index), index, size, &proof, &root).map_err(failed)?;
    }
    lines.push(Times::sorted(std::mem::take(&mut times)).line("inclusion in a tree of any size"));
    for _ in 0..count {
        let old = 1 + dice.roll(entries);
        let begun = Instant::now();
        let proof = consistency(&edge, &tiles, old, entries).map_err(failed)?;
        times.push(nanos(begun));
        let old_root = root_at(&edge, &tiles, old).map_err(failed)?;
        verify_consistency(old, entries, &old_root, &root, &proof).map_err(failed)?;
    }
    lines.push(Times::sorted(times).line("consistency from any size to the newest"));
    Ok(lines)
}

fn nanos(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Writes a log of `entries` into `folder`, and times `audit verify` and bare hashing of the same bytes in turn.
///
/// # Errors
///
/// [`BenchError`].
#[allow(clippy::cast_precision_loss)]
pub async fn verify(folder: &Path, entries: u64, rounds: usize) -> Result<String, BenchError> {
    let vkey = LongLog::folder(folder, entries)?;
    let vkey = NoteVerifier::parse(&vkey).map_err(failed)?;
    let (mut audits, mut trees, mut bare, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..rounds.max(1) {
        let begun = Instant::now();
        let run = Run {
            level: Some(Level::Verify),
            file: None,
            vkey: Some(vkey.clone()),
            resume: false,
            look_for: Default::default(),
        };
        let mut source = FolderSource::new(folder.to_owned());
        let outcome = run
            .check(&mut source, &Progress::hidden())
            .await
            .map_err(failed)?;
        if !outcome.report.intact || outcome.size != entries {
            return Err(failed("the log does not verify"));
        }
        audits.push(begun.elapsed().as_secs_f64());
        let (hashed, tree, plain) = hashing(folder, entries).await?;
        bytes = hashed;
        trees.push(tree);
        bare.push(plain);
    }
    let (audit, tree, plain) = (
        super::median(audits),
        super::median(trees),
        super::median(bare),
    );
    Ok(format!(
        "audit verify of {entries} entries ({bytes} bytes), medians of {} rounds:\n\
         {:<52} {audit:>8.2} s {:>12.0} entries/s\n\
         {:<52} {tree:>8.2} s\n\
         {:<52} {plain:>8.2} s {:>12.0} MB/s\n\
         verify takes {:.2} times the tree's hashes and {:.2} times bare SHA-256",
        rounds.max(1),
        "audit verify, reading the folder",
        entries as f64 / audit,
        "the tree's hashes alone: one leaf, one node an entry",
        "SHA-256 of the same bytes in one go",
        bytes as f64 / plain / 1e6,
        audit / tree,
        audit / plain
    ))
}

/// Bytes of the entries, seconds for the tree's hashes, seconds for SHA-256 of them in one go; reading not counted.
async fn hashing(folder: &Path, entries: u64) -> Result<(u64, f64, f64), BenchError> {
    let mut source = FolderSource::new(folder.to_owned());
    let (mut bytes, mut tree, mut plain) = (0, 0.0, 0.0);
    let (mut at, mut last): (u64, Option<Hash>) = (0, None);
    while at < entries {
        let run = source.entries(at, RUN_MAX).await.map_err(failed)?;
        at += run.len() as u64;
        let begun = Instant::now();
        for entry in &run {
            let hash = leaf(entry);
            last = Some(last.map_or(hash, |left| node(&left, &hash)));
        }
        tree += begun.elapsed().as_secs_f64();
        let whole = run.concat();
        bytes += whole.len() as u64;
        let begun = Instant::now();
        std::hint::black_box(digest(&SHA256, &whole));
        plain += begun.elapsed().as_secs_f64();
    }
    std::hint::black_box(last);
    Ok((bytes, tree, plain))
}

fn made_key() -> Result<NoteVerifier, BenchError> {
    NoteVerifier::parse(&MadeLog::signed(Vec::new()).vkey()).map_err(failed)
}

async fn make(disclosures: usize, to: &Path) -> Result<(), BenchError> {
    let mut log = MadeLog::of_disclosures(disclosures);
    let how = Update {
        verifier: None,
        openings: true,
    };
    let made = update(&mut log, to, how, &Progress::hidden()).await;
    made.map(|_| ()).map_err(failed)
}

/// Times `audit replay` of the log in `folder`.
///
/// # Errors
///
/// [`BenchError`], also when anything is found.
#[allow(clippy::cast_precision_loss)]
pub async fn replay(folder: &Path, vkey: &NoteVerifier) -> Result<String, BenchError> {
    let begun = Instant::now();
    let run = Run {
        level: Some(Level::Replay),
        file: None,
        vkey: Some(vkey.clone()),
        resume: false,
        look_for: Default::default(),
    };
    let mut source = FolderSource::new(folder.to_owned());
    let outcome = run
        .check(&mut source, &Progress::hidden())
        .await
        .map_err(failed)?;
    let took = begun.elapsed().as_secs_f64();
    if let Some(finding) = outcome.report.violations().next() {
        return Err(failed(finding));
    }
    let counts = outcome.report.counts.unwrap_or_default();
    let peak = peak_kib().map_or_else(|| "unknown".into(), |kib| format!("{} MiB", kib / 1024));
    Ok(format!(
        "audit replay of {} entries: {} disclosures, {} covered; {took:.1} s, {:.0} disclosures/s, \
         peak resident {peak}",
        outcome.size,
        counts.disclosures,
        counts.covered,
        counts.disclosures as f64 / took
    ))
}

/// The most memory that this process ever had resident.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_measurement_runs_and_checks_what_it_measures() {
        let folder = tempfile::TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let lines = proofs(&at("tiles"), 70_000, 20, 1).unwrap();
        assert_eq!(lines.len(), 5);
        let said = verify(&at("verify"), 1_000, 1).await.unwrap();
        assert!(said.contains("1000 entries"), "{said}");
        make(8, &at("replay")).await.unwrap();
        let said = replay(&at("replay"), &made_key().unwrap()).await.unwrap();
        assert!(said.contains("8 disclosures, 8 covered"), "{said}");
    }
}
