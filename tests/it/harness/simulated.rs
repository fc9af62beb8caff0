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
use safeconduct::domain::vocabulary::StaffRole;
use safeconduct::ledger::note::NoteVerifier;
use tempfile::TempDir;

use super::{World, members};

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
    simulated_of(members, next(21, 30)).await
}

/// A town of these members that begins at this time.
pub async fn simulated_of(members: Vec<MemberSpec>, begins: Timestamp) -> Simulated {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let simulation = Simulation {
        folder: folder.path().join("town"),
        members,
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
