//! An auditor's mirror of a live router: brought up to date, and audited in the router's place.

use safeconduct::audit::Level;
use safeconduct::cli::audit::Run;
use safeconduct::cli::audit::drive::Progress;
use safeconduct::cli::audit::export::{Update, Updated, update};
use safeconduct::cli::audit::folder::FolderSource;
use safeconduct::cli::audit::state::StateFile;
use safeconduct::client::audit::LiveSource;
use safeconduct::domain::vocabulary::{StaffRole, Stage};
use safeconduct::ledger::note::NoteVerifier;
use std::path::Path;

use crate::harness::run;
use crate::harness::scene::{one_bed, open};
use crate::harness::simulated::{Simulated, simulated};

const TOWN: &[&str] = &["alpha", "house1", "house2", "ombud"];

async fn mirrored(town: &Simulated, folder: &Path, key: &NoteVerifier) -> Updated {
    let desk = town.world.desk("ombud", StaffRole::Auditor);
    let mut source = LiveSource::new(desk.agency().session().clone(), desk.staff().clone());
    let how = Update {
        verifier: Some(key),
        openings: true,
    };
    update(&mut source, folder, how, &Progress::hidden())
        .await
        .unwrap()
}

#[test]
fn a_mirror_of_a_live_router_takes_what_is_new_and_replays_without_it() {
    run(async {
        let town = simulated(TOWN).await;
        let key = NoteVerifier::parse(&town.world.trust.log_key).unwrap();
        let kept = tempfile::TempDir::new().unwrap();
        let (folder, state) = (kept.path().join("mirror"), kept.path().join("state"));
        let first = mirrored(&town, &folder, &key).await;
        assert!(first.adopted && first.before == 0);
        let check = |level| Run {
            level: Some(level),
            file: Some(StateFile::new(state.clone())),
            vkey: Some(key.clone()),
            resume: true,
            look_for: Default::default(),
        };
        let mut source = FolderSource::new(folder.clone());
        let hidden = Progress::hidden();
        let outcome = check(Level::Verify).check(&mut source, &hidden);
        assert_eq!(outcome.await.unwrap().exit_code(), 3);

        let (alpha, house1) = (town.world.source("alpha"), town.world.intake("house1"));
        let bed = one_bed(&alpha, "house1").await;
        open(&house1, bed.offer, Stage::Triage).await.unwrap();
        let second = mirrored(&town, &folder, &key).await;
        assert!(second.adopted && second.before == first.size && second.size > first.size);
        let mut source = FolderSource::new(folder);
        for (level, resumed) in [(Level::Verify, first.size), (Level::Replay, 0)] {
            let outcome = check(level).check(&mut source, &hidden).await.unwrap();
            let found: Vec<_> = outcome.report.violations().collect();
            assert_eq!(found, Vec::<&_>::new());
            assert_eq!(outcome.report.resumed, resumed);
            assert_eq!((outcome.exit_code(), outcome.size), (0, second.size));
        }
    });
}
