//! An evening on which more people come than there are beds, in simulated time over real connections.
//!
//! Twelve houses answer by simple rules: they give places while they have them, then decline or keep a list, and
//! sometimes they do not answer at all. What is shown is whether anybody was left without an answer (R7, R17): every
//! referral ends with a place, without one and with every reason, or before a person who was told to look.

mod arrival;
mod bells;
mod evening;
mod house;
pub mod picture;
mod source;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::audit::Level;
use crate::cli::audit::check;
use crate::cli::audit::drive::Progress;
use crate::client::audit::LiveSource;
use crate::client::retry::RetryPolicy;
use crate::demo::town::members::MemberSpec;
use crate::demo::town::simulated::{SimulatedRouter, Simulation, next};
use crate::demo::town::{Town, TownError};
use crate::domain::vocabulary::{AgencyKind, StaffRole};
use crate::ledger::note::NoteVerifier;

use evening::Evening;
use picture::Picture;

/// The national duty officer's agency.
const DUTY: &str = "duty-line";
/// Who checks the log at the end.
const OMBUD: &str = "ombud";

/// Most referrals in one surge: what a full country brings in a day.
pub const COUNT_MAX: usize = 10_000;

/// How patient the agencies are, in real time: a thousand at once on a small machine take turns.
const POLICY: RetryPolicy = RetryPolicy {
    deadline: Duration::from_secs(60),
    first_wait_max: Duration::from_millis(50),
    wait_max: Duration::from_secs(2),
};

/// What to play.
#[derive(Debug, Clone)]
pub struct Surge {
    /// Folder to build the town in, made if it is not there; must be empty.
    pub folder: PathBuf,
    /// Draws who comes and how houses answer.
    pub seed: u64,
    /// How many people come within the hour.
    pub count: usize,
}

impl Surge {
    /// Plays it to the end; `told` hears how far it has come.
    ///
    /// # Errors
    ///
    /// [`TownError`] when something fails that should not: what houses and clocks do is in the picture.
    pub async fn play(&self, told: impl Fn(&str)) -> Result<Picture, TownError> {
        let begun = Instant::now();
        told("building the town");
        let simulation = Simulation {
            folder: self.folder.clone(),
            members: members(),
            duty_line: DUTY,
            begins: next(21, 0),
            policy: POLICY,
        };
        let town = Town::simulated(&simulation).await?;
        let mut evening = Evening::begin(town, self.seed, self.count.min(COUNT_MAX)).await?;
        evening.pass(&told).await?;
        told("counting");
        let (town, mut picture) = evening.end().await?;
        told("replaying the log");
        (picture.entries, picture.audit_clean) = audit(&town).await?;
        picture.elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(picture)
    }
}

fn members() -> Vec<MemberSpec> {
    let mut all = source::members();
    all.extend(house::members());
    all.push(MemberSpec::new(DUTY, AgencyKind::Ngo));
    all.push(MemberSpec::new(OMBUD, AgencyKind::Ombudsperson));
    all
}

/// Replays the whole log, as the ombudsperson's own program would; how many entries, and whether all is in order.
async fn audit(town: &Town<SimulatedRouter>) -> Result<(u64, bool), TownError> {
    let desk = town.desk(OMBUD, "auditor-1", StaffRole::Auditor)?;
    let mut log = LiveSource::new(desk.agency().session().clone(), desk.staff().clone());
    let key = NoteVerifier::parse(&town.trust().log_key)
        .map_err(|error| TownError::Router(error.to_string()))?;
    let outcome = check(
        &mut log,
        Some(Level::Replay),
        None,
        Some(key),
        &Progress::hidden(),
    )
    .await;
    let outcome = outcome.map_err(|error| TownError::Router(error.to_string()))?;
    let clean = outcome.report.violations().next().is_none();
    Ok((outcome.size, clean))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_sixty_who_come_nobody_is_left_without_an_answer() {
        let folder = tempfile::tempdir().expect("a folder");
        let surge = Surge {
            folder: folder.path().join("town"),
            seed: 20_261_121,
            count: 60,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let picture = runtime.block_on(surge.play(|_| {})).expect("an evening");
        assert!(picture.holds(), "{:#?}", picture.lines());
        assert!(picture.outcomes.placed > 20, "{:#?}", picture.lines());
        for house in &picture.houses {
            assert!(house.accepted <= house.places, "{house:?}");
        }
    }
}
