//! The kill loop: start, let it work, `kill -9` at a random moment, check, again. What is killed is a [`Campaign`]'s
//! business.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::workload::{Dice, Model, options};
use super::{ChildCommand, CrashError};
use crate::storage::embedded::{EmbeddedEngine, OpenError};

/// Something that can be killed and checked.
pub trait Campaign {
    /// The process to start; it prints `ack N` for each acknowledgement, N ascending.
    ///
    /// # Errors
    ///
    /// When it cannot be named.
    fn command(&mut self, dice: &mut Dice) -> Result<Command, CrashError>;

    /// Called after each kill with the last acknowledgement of all so far (0: none).
    ///
    /// # Errors
    ///
    /// [`CrashError::Broken`] when something is not as it must be.
    fn check(&mut self, acknowledged: u64, dice: &mut Dice) -> Result<(), CrashError>;
}

/// What came of a campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rounds survived.
    pub rounds: u32,
    /// Acknowledgements checked.
    pub acknowledged: u64,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} rounds: ", self.rounds, self.rounds)?;
        write!(f, "{} acknowledged, 0 lost", self.acknowledged)
    }
}

/// A child whose acknowledgements are counted. Killed when dropped.
#[derive(Debug)]
pub struct Watched {
    pub(super) child: Child,
    last: Arc<AtomicU64>,
    reader: Option<JoinHandle<()>>,
}

/// How long a child may go without an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(60);

impl Watched {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start(mut command: Command) -> Result<Watched, CrashError> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let last = Arc::new(AtomicU64::new(0));
        let seen = last.clone();
        let Some(out) = child.stdout.take() else {
            return Err(CrashError::Broken("the child has no output".to_owned()));
        };
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // A test harness may print before it on the same line.
                let number = line
                    .rsplit_once("ack ")
                    .and_then(|(_, number)| number.parse().ok());
                if let Some(number) = number {
                    seen.fetch_max(number, Ordering::Release);
                }
            }
        });
        Ok(Watched {
            child,
            last,
            reader: Some(reader),
        })
    }

    /// The last acknowledgement read so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Waits for acknowledgement `number`.
    ///
    /// # Errors
    ///
    /// When the child ends first, or takes too long.
    pub fn wait_for(&mut self, number: u64) -> Result<(), CrashError> {
        let begun = Instant::now();
        while self.acknowledged() < number {
            if let Some(status) = self.child.try_wait()? {
                return Err(CrashError::Broken(format!(
                    "the child ended by itself: {status}"
                )));
            }
            if begun.elapsed() > PATIENCE {
                return Err(CrashError::Broken(
                    "the child acknowledges nothing".to_owned(),
                ));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// `kill -9`, and the last acknowledgement that it gave.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub fn kill(mut self) -> Result<u64, CrashError> {
        self.child.kill()?;
        self.child.wait()?;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        Ok(self.acknowledged())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Kills `campaign` `count` times.
///
/// # Errors
///
/// The first thing that is broken; the round is named.
pub fn run(
    campaign: &mut dyn Campaign,
    count: u32,
    seed: u64,
    tell: &dyn Fn(&str),
) -> Result<Tally, CrashError> {
    let mut tally = Tally::default();
    for round in 1..=count {
        let mut dice = Dice::new(seed, u64::from(round) << 40);
        let mut child = Watched::start(campaign.command(&mut dice)?)?;
        if dice.roll(8) > 0 {
            // While it works: some acknowledgements in, and somewhere between two.
            let target = tally.acknowledged + 1 + dice.roll(150);
            child
                .wait_for(target)
                .map_err(|error| in_round(round, error))?;
            std::thread::sleep(Duration::from_micros(dice.roll(2_000)));
        } else {
            // While it starts: recovery must survive being killed as well.
            std::thread::sleep(Duration::from_micros(dice.roll(40_000)));
        }
        tally.acknowledged = tally.acknowledged.max(child.kill()?);
        campaign
            .check(tally.acknowledged, &mut dice)
            .map_err(|error| in_round(round, error))?;
        tally.rounds = round;
        if round % 20 == 0 {
            tell(&format!(
                "{round} of {count}: {} acknowledged",
                tally.acknowledged
            ));
        }
    }
    Ok(tally)
}

fn in_round(round: u32, error: CrashError) -> CrashError {
    CrashError::Broken(format!("round {round}: {error}"))
}

/// The embedded engine alone.
pub struct EngineCampaign<'a> {
    dir: PathBuf,
    seed: u64,
    child: &'a ChildCommand,
    model: Model,
}

impl<'a> EngineCampaign<'a> {
    /// A new store in `dir`.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn new(
        dir: PathBuf,
        seed: u64,
        child: &'a ChildCommand,
    ) -> Result<EngineCampaign<'a>, CrashError> {
        EmbeddedEngine::create(&dir, options()).map_err(broken)?;
        Ok(EngineCampaign {
            dir,
            seed,
            child,
            model: Model::new(seed),
        })
    }
}

impl Campaign for EngineCampaign<'_> {
    fn command(&mut self, _: &mut Dice) -> Result<Command, CrashError> {
        Ok((self.child)(&self.dir, self.seed, u64::MAX)?)
    }

    fn check(&mut self, acknowledged: u64, dice: &mut Dice) -> Result<(), CrashError> {
        let index = self.dir.join("index");
        let is_deleted = dice.roll(4) == 0 && index.exists();
        if is_deleted {
            std::fs::remove_dir_all(&index)?;
        }
        let engine = EmbeddedEngine::open(&self.dir, options()).map_err(broken)?;
        if is_deleted && !engine.opening().rebuilt {
            return Err(CrashError::Broken(
                "a deleted index was believed".to_owned(),
            ));
        }
        self.model.check(&engine, acknowledged)
    }
}

pub(super) fn broken(error: OpenError) -> CrashError {
    CrashError::Broken(format!("does not open: {error}"))
}
