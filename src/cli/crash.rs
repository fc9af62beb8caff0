//! `safeconduct crash`: campaigns that stop a store at bad moments and check that nothing acknowledged is lost.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Args, Subcommand};

pub mod figures;
pub mod flips;
pub mod images;
pub mod kills;
pub mod order;
pub mod router;
pub mod workload;

use kills::EngineCampaign;
use router::RouterCampaign;

/// Stop a store at bad moments, and check that nothing acknowledged is lost.
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct CrashCommand {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Kill a process that commits to the embedded engine, at random moments; delete its index now and then.
    Engine {
        /// How many times.
        #[arg(long, default_value_t = 200)]
        count: u32,
        /// What is committed, and when it is killed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folder for the store, kept afterwards; a temporary one by default.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Copy the image of a mounted file system right after an acknowledgement, and open the store in the copy.
    Images {
        /// How many copies.
        #[arg(long, default_value_t = 50)]
        count: u32,
        /// What is committed, and when it is copied.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Check by strace that each acknowledgement follows the sync of the last write to the journal.
    Order {
        /// How many commits.
        #[arg(long, default_value_t = 50)]
        count: u64,
    },
    /// Kill a router process under load from agencies over mutual TLS, at random moments; delete
    /// its index now and then.
    Router {
        /// How many times.
        #[arg(long, default_value_t = 200)]
        count: u32,
        /// What happens when.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folder for the town, kept afterwards; a temporary one by default.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Copy the mounted image of a router's file system right after an acknowledgement, and go on from the copy.
    RouterImages {
        /// How many copies.
        #[arg(long, default_value_t = 50)]
        count: u32,
        /// What happens when.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Check by strace that each reply of a router follows the sync of what it says.
    RouterOrder {
        /// How many times five requests.
        #[arg(long, default_value_t = 20)]
        rounds: u32,
    },
    /// Make writes and syncs of a router's journal fail, by strace.
    RouterFaults {
        /// How often each of the faults.
        #[arg(long, default_value_t = 5)]
        count: u32,
        /// What happens when.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Fill a router's disk, and free it.
    RouterFull,
    /// Flip every single bit of an exported log: each flip is noticed and located.
    AuditFlips {
        /// Entries of the log.
        #[arg(long, default_value_t = 2_000)]
        entries: usize,
        /// Every how many bits one is flipped.
        #[arg(long, default_value_t = 1)]
        every: usize,
        /// How many flips go through the whole audit too.
        #[arg(long, default_value_t = 200)]
        sample: u64,
        /// Which those are.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folder for the log, kept afterwards; a temporary one by default.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Measure commits, memory, and opening; best in a release build.
    Figures {
        /// How many operations.
        #[arg(long, default_value_t = 100_000)]
        operations: u64,
        /// The index's cache, in KiB; the default of the engine when left out.
        #[arg(long)]
        cache_kib: Option<u64>,
        /// Folder for the store; a temporary one by default.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Commit and print `ack N`, until killed. What the others run.
    #[command(hide = true)]
    Commits {
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        #[arg(long)]
        seed: u64,
        #[arg(long, default_value_t = u64::MAX)]
        count: u64,
    },
}

/// Why a campaign ended badly.
#[derive(Debug, thiserror::Error)]
pub enum CrashError {
    /// The store lost, changed or invented something, or did not open.
    #[error("{0}")]
    Broken(String),
    /// A file, process or tool failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// What it takes is not here.
    #[error("skipped: {0}")]
    Skipped(&'static str),
}

/// How the child that commits is started: store, seed, how many.
pub type ChildCommand = dyn Fn(&Path, u64, u64) -> std::io::Result<Command>;

/// This very program, as `crash commits`.
fn this_program(dir: &Path, seed: u64, count: u64) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["crash", "commits", "--seed", &seed.to_string()]);
    command
        .args(["--count", &count.to_string(), "--dir"])
        .arg(dir);
    Ok(command)
}

impl CrashCommand {
    /// Runs it, and says on standard output what came of it.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        match self.outcome() {
            Ok(()) => ExitCode::SUCCESS,
            Err(skipped @ CrashError::Skipped(_)) => {
                println!("{skipped}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("safeconduct: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn outcome(&self) -> Result<(), CrashError> {
        match &self.mode {
            Mode::Engine { count, seed, dir } => {
                let scratch = Scratch::new(dir.as_deref())?;
                let mut campaign = EngineCampaign::new(scratch.store(), *seed, &this_program)?;
                let tally = kills::run(&mut campaign, *count, *seed, &|line| println!("{line}"))?;
                println!("{tally}");
                Ok(())
            }
            Mode::Images { count, seed } => {
                let scratch = Scratch::new(None)?;
                let tally = images::run(&scratch.0, *count, *seed, &this_program)?;
                println!("{tally}");
                Ok(())
            }
            Mode::Order { count } => {
                let scratch = Scratch::new(None)?;
                let checked = order::run(&scratch.0, *count, &this_program)?;
                println!("{checked} acknowledgements, each after its sync");
                Ok(())
            }
            Mode::Router { count, seed, dir } => {
                let scratch = Scratch::new(dir.as_deref())?;
                let binary = std::env::current_exe()?;
                let campaign = RouterCampaign::new(binary, scratch.0.clone(), *count, *seed);
                let tally = wait(router::run(&campaign, &|line| println!("{line}")))?;
                println!("{tally}");
                Ok(())
            }
            Mode::RouterImages { count, seed } => {
                let scratch = Scratch::new(None)?;
                let binary = std::env::current_exe()?;
                let tell = |line: &str| println!("{line}");
                let tally = wait(router::images::run(
                    &binary, &scratch.0, *count, *seed, &tell,
                ))?;
                println!("{tally}");
                Ok(())
            }
            Mode::RouterOrder { rounds } => {
                let scratch = Scratch::new(None)?;
                let binary = std::env::current_exe()?;
                let seen = wait(router::order::run(&binary, &scratch.0, *rounds))?;
                println!("{seen} replies, each after its sync");
                Ok(())
            }
            Mode::RouterFaults { count, seed } => {
                let scratch = Scratch::new(None)?;
                let binary = std::env::current_exe()?;
                let met = wait(router::faults::run(&binary, &scratch.0, *count, *seed))?;
                println!(
                    "{met} faults: exit code 70, nothing of the failed batch acknowledged, nothing lost"
                );
                Ok(())
            }
            Mode::RouterFull => {
                let scratch = Scratch::new(None)?;
                let binary = std::env::current_exe()?;
                println!("{}", wait(router::full::run(&binary, &scratch.0))?);
                Ok(())
            }
            Mode::AuditFlips {
                entries,
                every,
                sample,
                seed,
                dir,
            } => {
                let scratch = Scratch::new(dir.as_deref())?;
                let campaign = flips::Campaign {
                    entries: *entries,
                    every: *every,
                    sample: *sample,
                    seed: *seed,
                };
                let tally = flips::run(&scratch.store(), &campaign, &|line| println!("{line}"))?;
                println!("{tally}");
                Ok(())
            }
            Mode::Figures {
                operations,
                cache_kib,
                dir,
            } => {
                let scratch = Scratch::new(dir.as_deref())?;
                figures::run(&scratch.store(), *operations, *cache_kib)
            }
            Mode::Commits { dir, seed, count } => {
                workload::commits(dir, *seed, *count, &mut std::io::stdout().lock())
            }
        }
    }
}

/// Runs what waits for the network.
fn wait<T>(work: impl Future<Output = Result<T, CrashError>>) -> Result<T, CrashError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// A folder that is removed afterwards, unless somebody named it.
pub(crate) struct Scratch(PathBuf, bool);

impl Scratch {
    /// `named`, or a new folder beside other temporary files.
    pub(crate) fn new(named: Option<&Path>) -> std::io::Result<Scratch> {
        if let Some(named) = named {
            std::fs::create_dir_all(named)?;
            return Ok(Scratch(named.to_owned(), false));
        }
        let name = format!("safeconduct-crash-{}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Scratch(path, true))
    }

    /// Where the store goes.
    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.1 {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[cfg(test)]
mod tests;
