//! A town whose time the test moves.

use std::time::Duration;

use safeconduct::audit::Level;
use safeconduct::cli::audit::check;
use safeconduct::cli::audit::drive::Progress;
use safeconduct::cli::audit::state::StateFile;
use safeconduct::client::audit::LiveSource;
use safeconduct::client::retry::RetryPolicy;
use safeconduct::demo::town::Town;
use safeconduct::demo::town::members::MemberSpec;
use safeconduct::demo::town::simulated::{SimulatedRouter, Simulation, next};
use safeconduct::domain::time::Timestamp;
use safeconduct::domain::vocabulary::{AgencyKind, StaffRole};
use safeconduct::ledger::note::NoteVerifier;
use tempfile::TempDir;

use super::eyes::{Eyes, Heard};
use super::record::needles;
use super::search::{files, search};
use super::{World, members};

/// A minute.
pub const MINUTE: Duration = Duration::from_secs(60);

/// The national duty officer's agency.
pub const DUTY: &str = "duty";

/// A simulated town of one's own, gone with the test.
pub struct Simulated {
    pub town: Town<SimulatedRouter>,
    pub world: World,
    // Dropped last: the router writes in it until it is gone.
    pub folder: TempDir,
}

/// A town of these members of [`members`], at half past nine in the evening.
pub async fn simulated(ids: &[&str]) -> Simulated {
    let mut members = members();
    members.retain(|member| ids.contains(&member.id));
    members.push(MemberSpec::new(DUTY, AgencyKind::Ngo));
    simulated_of(members, next(21, 30)).await
}

/// A town of these members that begins at this time.
pub async fn simulated_of(members: Vec<MemberSpec>, begins: Timestamp) -> Simulated {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let simulation = Simulation {
        folder: folder.path().join("town"),
        members,
        duty_line: DUTY,
        begins,
        policy: RetryPolicy::default(),
    };
    let town = Town::simulated(&simulation).await.unwrap();
    let world = World::of(&town, &simulation.members).await;
    Simulated {
        town,
        world,
        folder,
    }
}

impl Simulated {
    /// Lets time pass; what falls due happens in order.
    pub async fn pass(&mut self, by: Duration) {
        self.town.pass(by).await.unwrap();
    }

    /// Lets minutes pass.
    pub async fn minutes(&mut self, minutes: u64) {
        self.pass(Duration::from_secs(minutes * 60)).await;
    }

    /// Lets the ombudsperson verify, open and replay the whole log; nothing may be wrong.
    pub async fn assert_audits(&self) {
        let desk = self.world.desk("ombud", StaffRole::Auditor);
        let mut source = LiveSource::new(desk.agency().session().clone(), desk.staff().clone());
        let state = StateFile::new(self.folder.path().join("audit-state"));
        for level in [Level::Verify, Level::Openings, Level::Replay] {
            let key = NoteVerifier::parse(&self.world.trust.log_key).unwrap();
            let progress = Progress::hidden();
            let outcome = check(&mut source, Some(level), Some(&state), Some(key), &progress)
                .await
                .unwrap();
            let found: Vec<String> = outcome
                .report
                .violations()
                .map(ToString::to_string)
                .collect();
            assert!(found.is_empty(), "{level:?}: {found:#?}");
            assert!(outcome.saved.is_some(), "{level:?}: not intact");
        }
    }
}

impl Simulated {
    /// Ends a scenario: the log replays, nobody else saw anything, and nothing readable is in the router's folder.
    pub async fn ends(&self, eyes: &Eyes, heard: &Heard, canaries: &[&str]) {
        eyes.assert_saw_nothing(&self.world, heard).await;
        self.assert_audits().await;
        self.assert_unreadable(canaries);
    }

    /// None of these texts is in any file of the router.
    pub fn assert_unreadable(&self, canaries: &[&str]) {
        let sought: Vec<Vec<u8>> = canaries
            .iter()
            .flat_map(|canary| needles(canary.as_bytes()))
            .collect();
        let places: Vec<(String, Vec<u8>)> = files(self.town.router().folder())
            .into_iter()
            .map(|file| (file.display().to_string(), std::fs::read(file).unwrap()))
            .collect();
        assert_eq!(search(&places, &sought), None);
        let control = [b"agency:alpha".to_vec()];
        assert!(
            search(&places, &control).is_some(),
            "the search finds nothing at all"
        );
    }
}

impl Simulated {
    /// The next moment of the town at which clocks show this time.
    pub fn next(&self, hour: i64, minute: i64) -> Timestamp {
        let now = self.town.now().seconds();
        let midnight = now - now.rem_euclid(24 * 60 * 60);
        let at = midnight + (hour * 60 + minute) * 60;
        let at = if at > now { at } else { at + 24 * 60 * 60 };
        Timestamp::from_seconds(at).unwrap()
    }

    /// Lets time pass until clocks show this time.
    pub async fn until(&mut self, hour: i64, minute: i64) {
        let at = self.next(hour, minute);
        self.town.pass_until(at).await.unwrap();
    }
}
