//! `safeconduct race`: many at once over mutual TLS, and whether exactly one wins.
//!
//! A router process of its own, real clients with connections of their own, and the ledger read at the end. What is
//! rolled by the seed is who starts when; what the machine makes of it is its own.

mod cast;
mod ledger;
mod rounds;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, ValueEnum};

use self::cast::Cast;
use crate::cli::crash::workload::Dice;
use crate::cli::crash::{CrashError, Scratch};

/// Race many clients for one place, a withdrawal against openings, and acceptances against each other.
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct RaceCommand {
    /// What is raced for.
    #[arg(long, value_enum)]
    kind: Kind,
    /// How many times.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// How many want the one place.
    #[arg(long, default_value_t = 200)]
    clients: usize,
    /// Who starts when.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the town, kept afterwards; a temporary one by default.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What is raced for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Many want one place: exactly one gets it.
    Place,
    /// A withdrawal against openings: none follows it.
    Withdraw,
    /// Three houses accept one person: exactly one does, and the others are closed.
    Acceptance,
    /// A family of four and one man want the same four places: all of the family, or the man.
    Group,
}

/// How often, and by how many.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What is raced for.
    pub kind: Kind,
    /// How many times.
    pub rounds: u32,
    /// How many want the one place.
    pub clients: usize,
    /// Who starts when.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Races that were run, each with its one winner.
    pub races: u64,
    /// Calls that raced.
    pub calls: u64,
    /// Races that the first to start won: a race that one side always wins is none.
    pub first_won: u64,
    /// Disclosures in the ledger, all before their withdrawals.
    pub disclosures: u64,
    /// Withdrawals in the ledger.
    pub withdrawals: u64,
    /// Entries of the ledger that were read.
    pub entries: u64,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} races, {} calls, {} won by the first to start; {} disclosures, {} withdrawals, {} entries read",
            self.races,
            self.calls,
            self.first_won,
            self.disclosures,
            self.withdrawals,
            self.entries
        )
    }
}

/// Something is not as it must be.
pub(crate) fn broken(what: impl std::fmt::Display) -> CrashError {
    CrashError::Broken(what.to_string())
}

impl RaceCommand {
    /// Runs it, and says on standard output what came of it.
    pub async fn run(self) -> ExitCode {
        let plan = Plan {
            kind: self.kind,
            rounds: self.rounds,
            clients: self.clients.max(2),
            seed: self.seed,
        };
        let started = Instant::now();
        let outcome = async {
            let scratch = Scratch::new(self.dir.as_deref())?;
            let binary = std::env::current_exe()?;
            run(&binary, &scratch.store(), plan, &|line| println!("{line}")).await
        };
        match outcome.await {
            Ok(tally) => {
                println!(
                    "{tally}; seed {}, {:.0} s",
                    plan.seed,
                    started.elapsed().as_secs_f64()
                );
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("safeconduct: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

/// Races as `plan` says, in a town of its own in `folder`.
///
/// # Errors
///
/// [`CrashError::Broken`] with the first thing that is not as it must be.
pub async fn run(
    binary: &Path,
    folder: &Path,
    plan: Plan,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Tally, CrashError> {
    let cast = Cast::build(binary, folder, plan.clients).await?;
    let mut dice = Dice::new(plan.seed, 0);
    let mut tally = Tally::default();
    match plan.kind {
        Kind::Place => rounds::place(&cast, plan, &mut dice, &mut tally, tell).await?,
        Kind::Withdraw => rounds::withdraw(&cast, plan, &mut dice, &mut tally, tell).await?,
        Kind::Acceptance => rounds::acceptance(&cast, plan, &mut dice, &mut tally, tell).await?,
        Kind::Group => rounds::group(&cast, plan, &mut dice, &mut tally, tell).await?,
    }
    ledger::check(&cast, &mut tally).await?;
    Ok(tally)
}
