//! What a second run reads, and what it does not move past.

use super::super::*;
use super::{exported, long, runtime};
use crate::audit::finding::Problem;
use crate::audit::fixture::{Memory, TRIAGE, Town};
use crate::audit::source::SourceError;
use crate::audit::source::{SealedOpening, SignedCheckpoint};
use crate::cli::audit::state::StateError;
use crate::domain::protocol::RETENTION_DAYS;
use crate::domain::vocabulary::{AgencyKind, Stage};
use crate::ledger::entry::{Actor, EntryBody, Erased};
use crate::ledger::hash::Hash;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

/// A log that counts the entries that are read of it, and stops when told to.
struct Counted {
    log: Memory,
    read: Vec<u64>,
    until: u64,
}

impl Counted {
    fn of(log: &Memory) -> Self {
        Self {
            log: log.clone(),
            read: Vec::new(),
            until: u64::MAX,
        }
    }
}

impl AuditSource for Counted {
    async fn checkpoint(&mut self) -> Result<SignedCheckpoint, SourceError> {
        AuditSource::checkpoint(&mut self.log).await
    }

    async fn entries(&mut self, start: u64, count: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        if start >= self.until {
            return Err(SourceError::Unavailable("stopped".into()));
        }
        let run = self.log.entries(start, count).await?;
        self.read.extend(start..start + run.len() as u64);
        Ok(run)
    }

    async fn openings(
        &mut self,
        start: u64,
        count: u64,
    ) -> Result<Vec<Option<SealedOpening>>, SourceError> {
        self.log.openings(start, count).await
    }

    async fn consistency(&mut self, old: u64, new: u64) -> Result<Vec<Hash>, SourceError> {
        self.log.consistency(old, new).await
    }
}

fn until(log: &Memory, size: usize) -> Memory {
    let mut log = log.clone();
    log.log.truncate(size);
    log
}

fn run(source: &mut Counted, level: Level, state: &Path, resume: bool) -> Outcome {
    let run = Run {
        level: Some(level),
        file: Some(StateFile::new(state.to_owned())),
        vkey: None,
        resume,
        look_for: Default::default(),
    };
    runtime()
        .block_on(run.check(source, &drive::Progress::hidden()))
        .unwrap()
}

#[test]
fn verify_reads_only_what_is_new_and_the_deeper_levels_read_all() {
    let log = long();
    let kept = TempDir::new().unwrap();
    for size in [1usize, 255, 256, 300, 512, 522, 523] {
        let state = kept.path().join(format!("{size}.json"));
        let mut early = Counted::of(&until(&log, size));
        assert_eq!(run(&mut early, Level::Verify, &state, true).exit_code(), 3);
        let mut source = Counted::of(&log);
        let outcome = run(&mut source, Level::Verify, &state, true);
        assert_eq!(outcome.report.findings, []);
        assert_eq!(
            (outcome.report.resumed, outcome.report.entries),
            (size as u64, 523)
        );
        assert!(source.read.iter().copied().eq(size as u64..523));
        let text = print::text(&outcome);
        assert!(text.contains("--from-start reads them again"), "{text}");
        for (level, resume) in [(Level::Verify, false), (Level::Replay, true)] {
            let mut source = Counted::of(&log);
            let outcome = run(&mut source, level, &state, resume);
            assert_eq!((outcome.report.resumed, outcome.exit_code()), (0, 0));
            assert!(source.read.iter().copied().eq(0..523));
        }
    }
}

#[test]
fn a_state_is_not_moved_past_what_is_wrong_with_the_log() {
    let mut town = Town::ordinary();
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    run(
        &mut Counted::of(&town.source()),
        Level::Verify,
        &state,
        true,
    );
    let saved = fs::read(&state).unwrap();
    town.now = town.now.minus(std::time::Duration::from_secs(3600));
    let back = town.tick();
    for _ in 0..2 {
        let outcome = run(
            &mut Counted::of(&town.source()),
            Level::Verify,
            &state,
            true,
        );
        assert_eq!(
            outcome.report.violations().next(),
            Some(&Problem::Time.at(back))
        );
        assert_eq!((outcome.exit_code(), outcome.saved), (1, None));
        assert_eq!(fs::read(&state).unwrap(), saved);
    }
}

#[test]
fn a_state_whose_edge_or_times_were_changed_is_damaged() {
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    run(&mut Counted::of(&long()), Level::Verify, &state, true);
    let honest = fs::read_to_string(&state).unwrap();
    let digits = honest.find("\"last_ms\": ").unwrap() + "\"last_ms\": ".len();
    let hash = honest.find("\"edge\"").unwrap() + 30;
    for at in [digits, digits + 4, hash] {
        let mut bytes = honest.clone().into_bytes();
        bytes[at] ^= 1;
        fs::write(&state, &bytes).unwrap();
        assert!(
            matches!(
                StateFile::new(state.clone()).load(),
                Err(StateError::Damaged(_))
            ),
            "{at}"
        );
    }
}

fn mirror(source: &mut Counted, folder: &Path) -> Result<export::Updated, CannotCheck> {
    let verifier = NoteVerifier::parse(&source.log.vkey()).unwrap();
    let how = export::Update {
        verifier: Some(&verifier),
        openings: true,
    };
    runtime().block_on(export::update(
        source,
        folder,
        how,
        &drive::Progress::hidden(),
    ))
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = super::files(folder, "");
    names
        .into_iter()
        .map(|name| (name.clone(), fs::read(folder.join(name)).unwrap()))
        .collect()
}

#[test]
fn a_mirror_brought_up_to_date_is_the_same_as_a_new_export() {
    let log = long();
    let folder = TempDir::new().unwrap();
    let mut had = 0;
    for size in [1usize, 30, 255, 256, 257, 400, 512, 523, 523] {
        let mut source = Counted::of(&until(&log, size));
        let updated = mirror(&mut source, folder.path()).unwrap();
        assert!(updated.adopted && updated.before == had && updated.size == size as u64);
        assert!(source.read.iter().copied().eq(had..size as u64));
        assert_eq!(
            files(folder.path()),
            files(exported(&until(&log, size)).path()),
            "{size}"
        );
        had = size as u64;
    }
}

#[test]
fn an_update_stopped_anywhere_is_taken_up_and_leaves_the_folder_auditable() {
    let log = long();
    for (had, until_size) in [(0, 523usize), (300, 523), (300, 511)] {
        let log = until(&log, until_size);
        let mut steps = 0;
        loop {
            let folder = TempDir::new().unwrap();
            if had > 0 {
                mirror(&mut Counted::of(&until(&log, had)), folder.path()).unwrap();
            }
            let verifier = NoteVerifier::parse(&log.vkey()).unwrap();
            let how = export::Update {
                verifier: Some(&verifier),
                openings: true,
            };
            let mut source = Counted::of(&log);
            let stopped = {
                let mut copy = copy::Copy::open(folder.path(), true).unwrap();
                copy.steps_left = steps;
                let hidden = drive::Progress::hidden();
                let update = export::update_by(&mut source, &mut copy, how, &hidden);
                runtime().block_on(update).is_err()
            };
            if stopped && had > 0 {
                // Still the log that it was, or already the new one.
                let outcome = super::checked(folder.path(), Some(Level::Replay), None).unwrap();
                assert_eq!(outcome.report.violations().next(), None, "{steps}");
            }
            mirror(&mut Counted::of(&log), folder.path()).unwrap();
            assert_eq!(
                files(folder.path()),
                files(exported(&log).path()),
                "{steps}"
            );
            if !stopped {
                break;
            }
            steps += 1;
        }
        assert!(steps > 8, "{steps}");
    }
}

#[test]
fn an_update_that_was_stopped_reads_on_where_it_was() {
    let log = long();
    let folder = TempDir::new().unwrap();
    let mut source = Counted::of(&log);
    source.until = 500;
    assert!(mirror(&mut source, folder.path()).is_err());
    let mut again = Counted::of(&log);
    assert!(mirror(&mut again, folder.path()).unwrap().adopted);
    assert!(
        again.read.iter().copied().eq(256..523),
        "{:?}",
        again.read.first()
    );
    // What was left and is not of this log is thrown away.
    let folder = TempDir::new().unwrap();
    let mut other = log.clone();
    other.log.swap(40, 41);
    let mut source = Counted::of(&other);
    source.until = 500;
    assert!(mirror(&mut source, folder.path()).is_err());
    assert!(
        mirror(&mut Counted::of(&log), folder.path())
            .unwrap()
            .adopted
    );
    assert_eq!(files(folder.path()), files(exported(&log).path()));
}

#[test]
fn a_mirror_takes_nothing_that_it_does_not_lead_to() {
    let log = long();
    let folder = TempDir::new().unwrap();
    mirror(&mut Counted::of(&until(&log, 300)), folder.path()).unwrap();
    let honest = files(folder.path());
    let mut forked = log.clone();
    forked.log.remove(290);
    let mut foreign = log.clone();
    foreign.seed = [1; 32];
    let verifier = NoteVerifier::parse(&log.vkey()).unwrap();
    let how = export::Update {
        verifier: Some(&verifier),
        openings: true,
    };
    for (lie, code) in [
        (until(&log, 200), "SHRUNK"),
        (forked, "FORKED"),
        (foreign, "OTHER_KEY"),
    ] {
        let mut source = Counted::of(&lie);
        let hidden = drive::Progress::hidden();
        let update = export::update(&mut source, folder.path(), how, &hidden);
        let updated = runtime().block_on(update).unwrap();
        let codes: Vec<_> = updated
            .report
            .violations()
            .map(|finding| finding.problem.code())
            .collect();
        assert!(
            !updated.adopted && codes.contains(&code),
            "{code}: {codes:?}"
        );
        let mut now = files(folder.path());
        now.retain(|(name, _)| !name.starts_with(copy::ASIDE));
        assert_eq!(now, honest, "{code}");
    }
}

/// A log whose last disclosure ended after so many days, after an auditor replayed it or not; as it was before, and the
/// disclosure.
fn ended(replayed: bool, days: u64) -> (Memory, Memory, u64) {
    let mut town = Town::ordinary();
    town.enrol("ombud", AgencyKind::Ombudsperson);
    town.record_basis();
    let offer = town.offer(TRIAGE);
    let opened = town.open(offer, Stage::Triage);
    let before = town.source();
    if replayed {
        let root = *before.edge().root().as_bytes();
        town.watermark("ombud", town.next(), root);
    }
    town.now = town.now.plus(Duration::from_secs(days * 24 * 3600));
    let body = EntryBody::Erased {
        of: Erased::Decision,
        indexes: vec![opened],
    };
    town.push_body(Actor::Router, body);
    let mut log = town.source();
    log.log[usize::try_from(opened).unwrap()].1 = None;
    (before, log, opened)
}

#[test]
fn what_the_log_erased_is_erased_in_the_mirror() {
    let (before, log, _) = ended(true, u64::from(RETENTION_DAYS) + 1);
    let folder = TempDir::new().unwrap();
    mirror(&mut Counted::of(&before), folder.path()).unwrap();
    mirror(&mut Counted::of(&log), folder.path()).unwrap();
    assert_eq!(files(folder.path()), files(exported(&log).path()));
    let outcome = super::checked(folder.path(), Some(Level::Replay), None).unwrap();
    assert_eq!(outcome.report.violations().next(), None);
}

#[test]
fn no_router_has_a_mirror_destroy_what_nobody_has_replayed() {
    let (before, log, opened) = ended(false, u64::from(RETENTION_DAYS) + 1);
    keeps(&before, &log, opened, &Problem::ErasedUnwatermarked(opened));
}

#[test]
fn no_router_has_a_mirror_destroy_what_should_still_be_open() {
    let (before, log, opened) = ended(true, u64::from(RETENTION_DAYS) - 1);
    keeps(&before, &log, opened, &Problem::EndedEarly(opened));
}

/// The mirror of the log goes on, keeps the opening as evidence, and a replay of it finds what is wrong.
fn keeps(before: &Memory, log: &Memory, opened: u64, wrong: &Problem) {
    let folder = TempDir::new().unwrap();
    mirror(&mut Counted::of(before), folder.path()).unwrap();
    assert!(
        mirror(&mut Counted::of(log), folder.path())
            .unwrap()
            .adopted
    );
    let mut kept = FolderSource::new(folder.path().to_owned());
    let kept = runtime().block_on(kept.openings(opened, 1)).unwrap();
    assert!(kept[0].is_some(), "the evidence is still there");
    let outcome = super::checked(folder.path(), Some(Level::Replay), None).unwrap();
    let found: Vec<_> = outcome.report.violations().map(|it| &it.problem).collect();
    assert!(found.contains(&wrong), "{found:?}");
}

#[test]
fn a_copy_is_for_its_owner_alone_whatever_its_folder_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    mirror(&mut Counted::of(&long()), folder.path()).unwrap();
    for name in super::files(folder.path(), "") {
        let mode = fs::metadata(folder.path().join(&name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}
