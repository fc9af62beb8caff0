//! The whole router, killed at random moments under load, and everything that it acknowledged looked for afterwards.
//!
//! Nothing is pretended: a router process on the embedded store, agencies over mutual TLS that several at once record
//! bases, refer, open, acknowledge, hold, accept, decline, deposit, withdraw and send papers piece by piece. Each notes
//! what it sent and what was acknowledged; after each restart that is compared with what the router shows.

pub mod acts;
pub mod caller;
pub mod check;
pub mod diary;
pub mod faults;
pub mod full;
pub mod images;
pub mod load;
pub mod order;
pub mod oversight;
pub mod papers;
pub mod trace;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use self::check::Checker;
use self::diary::Diary;
use self::load::Cast;
use self::papers::Uploads;
use super::CrashError;
use super::workload::Dice;
use crate::client::retry::RetryPolicy;
use crate::demo::town::{Town, TownError, TownOptions};

/// A campaign against a router.
#[derive(Debug, Clone)]
pub struct RouterCampaign {
    /// The program.
    pub binary: PathBuf,
    /// Where the town is built.
    pub folder: PathBuf,
    /// How many kills.
    pub count: u32,
    /// What happens when.
    pub seed: u64,
    /// Agencies at work at the same time.
    pub workers: u64,
    /// Longest time of load before a kill.
    pub load_max: Duration,
}

impl RouterCampaign {
    /// The usual campaign.
    #[must_use]
    pub fn new(binary: PathBuf, folder: PathBuf, count: u32, seed: u64) -> Self {
        Self {
            binary,
            folder,
            count,
            seed,
            workers: 12,
            load_max: Duration::from_millis(700),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Kills survived.
    pub kills: u32,
    /// Of them while the router was starting.
    pub while_starting: u32,
    /// Starts without an index.
    pub index_deletions: u32,
    /// Requests and disclosures acknowledged, none of which was lost.
    pub acknowledged: usize,
    /// Of them disclosures.
    pub opened: usize,
    /// Of them withdrawals.
    pub withdrawn: usize,
    /// Requests refused for a reason, such as no places.
    pub refused: u64,
    /// Requests cut off by a kill, and finished by being sent again.
    pub cut_off: usize,
    /// What became of papers that were being sent.
    pub uploads: Uploads,
    /// Entries of the log at the end.
    pub entries: u64,
    /// How long it took.
    pub taken: Duration,
    /// Longest time from start to `listening`.
    pub start_max: Duration,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} kills ({} while starting), {} starts without the index, {:.0} s",
            self.kills,
            self.while_starting,
            self.index_deletions,
            self.taken.as_secs_f64()
        )?;
        writeln!(
            f,
            "{} operations acknowledged ({} disclosures, {} withdrawals), lost = 0",
            self.acknowledged, self.opened, self.withdrawn
        )?;
        writeln!(
            f,
            "{} cut off by a kill and finished by asking again; {} refused for a reason",
            self.cut_off, self.refused
        )?;
        writeln!(f, "{}", self.uploads)?;
        write!(
            f,
            "{} entries; audit verify, openings and replay found nothing; slowest start {:.2} s",
            self.entries,
            self.start_max.as_secs_f64()
        )
    }
}

pub(crate) fn broken(error: TownError) -> CrashError {
    CrashError::Broken(error.to_string())
}

/// Starts a town of those who act and an ombudsperson.
pub(crate) async fn town(binary: &Path, folder: &Path) -> Result<Town, CrashError> {
    let mut options = TownOptions::new(binary.to_owned(), folder.to_owned());
    options.log_filter = "warn".into();
    options.policy = RetryPolicy {
        deadline: Duration::from_secs(30),
        ..RetryPolicy::default()
    };
    options
        .members
        .retain(|member| ["alpha", "house1", "house2", "law", "ombud"].contains(&member.id));
    Town::start(options).await.map_err(broken)
}

/// Kills the router of a new town again and again.
///
/// # Errors
///
/// [`CrashError::Broken`] with the first thing that is not as it must be; the kill is named.
pub async fn run(
    campaign: &RouterCampaign,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Tally, CrashError> {
    let begun = Instant::now();
    let mut town = town(&campaign.binary, &campaign.folder.join("town")).await?;
    let cast = Cast::of(&town, Arc::new(Diary::default()))
        .await
        .map_err(broken)?
        .with_papers(&town)
        .await
        .map_err(broken)?;
    let made = cast.make_pools().await;
    made.map_err(|no| CrashError::Broken(format!("pools: {no}")))?;
    // One paper is there before the first kill, however little a busy machine gets done.
    let sent = cast.paper(&mut Dice::new(campaign.seed, 0)).await;
    sent.map_err(|no| CrashError::Broken(format!("a paper: {no}")))?;
    let mut checker = Checker::of(&town)?;
    let mut tally = Tally::default();
    for kill in 1..=campaign.count {
        let mut dice = Dice::new(campaign.seed, u64::from(kill) << 40);
        let round = round(
            campaign,
            kill,
            &mut town,
            &cast,
            &mut checker,
            &mut dice,
            &mut tally,
        );
        round
            .await
            .map_err(|error| CrashError::Broken(format!("kill {kill}: {error}")))?;
        tally.kills = kill;
        if kill % 10 == 0 {
            let pages = cast.diary().pages();
            tell(&format!(
                "{kill} of {}: {} requests and {} disclosures acknowledged, 0 lost, {:.0} s",
                campaign.count,
                pages.acknowledged.len(),
                pages.opened.len(),
                begun.elapsed().as_secs_f64()
            ));
        }
    }
    checker.nothing_twice(&cast).await?;
    checker.audit(&town).await?;
    let pages = cast.diary().pages();
    tally.acknowledged = pages.acknowledged.len() + pages.opened.len();
    tally.opened = pages.opened.len();
    tally.withdrawn = pages.withdrawn.len();
    tally.refused = pages.refused;
    tally.uploads = pages.uploads;
    tally.entries = checker.size();
    tally.taken = begun.elapsed();
    Ok(tally)
}

/// Load, a kill at some moment, sometimes another while it starts, a start, and the check.
async fn round(
    campaign: &RouterCampaign,
    kill: u32,
    town: &mut Town,
    cast: &Cast,
    checker: &mut Checker,
    dice: &mut Dice,
    tally: &mut Tally,
) -> Result<(), CrashError> {
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..campaign.workers)
        .map(|worker| {
            let (cast, stop) = (cast.clone(), Arc::clone(&stop));
            let dice = Dice::new(campaign.seed ^ u64::from(kill), worker);
            tokio::spawn(async move { cast.live(dice, &stop).await })
        })
        .collect();
    let longest = u64::try_from(campaign.load_max.as_micros()).unwrap_or(u64::MAX);
    tokio::time::sleep(Duration::from_micros(20_000 + dice.roll(longest))).await;
    town.router().kill();
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker
            .await
            .map_err(|error| CrashError::Broken(format!("an agency: {error}")))?;
    }
    tally.cut_off += cast.diary().pages().pending.len();
    papers::tear(cast, &town.router().store(), dice)?;
    if dice.roll(8) == 0 {
        // Recovery must survive being killed as well.
        let after = Duration::from_micros(dice.roll(60_000));
        town.router().start_and_kill(after).map_err(broken)?;
        tally.while_starting += 1;
    }
    if dice.roll(4) == 0 {
        std::fs::remove_dir_all(town.router().store().join("index"))?;
        tally.index_deletions += 1;
    }
    let starting = Instant::now();
    town.router().start().map_err(broken)?;
    tally.start_max = tally.start_max.max(starting.elapsed());
    checker.check(cast, dice, 40).await
}
