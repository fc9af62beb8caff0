mod damage;
mod report;
mod resume;
mod words;

use super::drive::Progress;
use super::folder::FolderSource;
use super::state::{StateError, StateFile};
use super::*;
use crate::audit::finding::Problem;
use crate::audit::fixture::{Memory, TRIAGE, Town};
use crate::domain::vocabulary::Stage;
use crate::ledger::decision::Decision;
use crate::ledger::entry::{Actor, EntryBody};
use clap::Parser;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    audit: AuditCommand,
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

fn exported(log: &Memory) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut log = log.clone();
    let updated = copied(&mut log, folder.path(), true);
    assert_eq!(updated.report.violations().count(), 0);
    folder
}

fn copied<S: AuditSource>(source: &mut S, folder: &Path, openings: bool) -> export::Updated {
    let how = export::Update {
        verifier: None,
        openings,
    };
    runtime()
        .block_on(export::update(source, folder, how, &Progress::hidden()))
        .unwrap()
}

fn checked(
    folder: &Path,
    level: Option<Level>,
    state: Option<&Path>,
) -> Result<Outcome, CannotCheck> {
    let file = state.map(|path| StateFile::new(path.to_owned()));
    let mut source = FolderSource::new(folder.to_owned());
    runtime().block_on(check(
        &mut source,
        level,
        file.as_ref(),
        None,
        &Progress::hidden(),
    ))
}

fn exit(line: &[&str]) -> String {
    let words = std::iter::once(&"safeconduct").chain(line);
    let command = Program::try_parse_from(words).unwrap().audit;
    format!("{:?}", runtime().block_on(command.run()))
}

/// More than one bundle and tile: a town, and enough ticks.
fn long() -> Memory {
    let mut town = Town::ordinary();
    while town.next() < 520 {
        if town.next().is_multiple_of(50) {
            town.push(Actor::Router, Decision::DeniedCounted { count: 1 });
        } else {
            town.push_body(Actor::Router, EntryBody::Tick);
        }
    }
    town.record_basis();
    let offer = town.offer(TRIAGE);
    town.open(offer, Stage::Triage);
    town.source()
}

fn files(folder: &Path, under: &str) -> Vec<String> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder.join(under)).unwrap() {
        let item = item.unwrap();
        let name = item.file_name().into_string().unwrap();
        let path = if under.is_empty() {
            name
        } else {
            format!("{under}/{name}")
        };
        if item.file_type().unwrap().is_dir() {
            found.extend(files(folder, &path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn codes(outcome: &Outcome) -> Vec<&'static str> {
    outcome
        .report
        .violations()
        .map(|finding| finding.problem.code())
        .collect()
}

#[test]
fn an_export_is_laid_out_as_tlog_tiles_and_replays_clean() {
    let folder = exported(&long());
    assert_eq!(
        files(folder.path(), ""),
        [
            "checkpoint",
            "log.vkey",
            "openings/000.jsonl",
            "openings/001.jsonl",
            "openings/002.jsonl",
            "tile/0/000",
            "tile/0/001",
            "tile/0/002.p/11",
            "tile/1/000.p/2",
            "tile/entries/000",
            "tile/entries/001",
            "tile/entries/002.p/11",
        ]
    );
    let outcome = checked(folder.path(), Some(Level::Replay), None).unwrap();
    assert_eq!(outcome.report.findings, []);
    assert_eq!(outcome.report.counts.unwrap().covered, 3);
    assert_eq!(
        (outcome.past, outcome.pinned, outcome.exit_code()),
        (None, false, 3)
    );
}

#[test]
fn a_folder_exported_again_is_the_same() {
    let first = exported(&long());
    let second = TempDir::new().unwrap();
    let mut source = FolderSource::new(first.path().to_owned());
    copied(&mut source, second.path(), true);
    for path in files(first.path(), "") {
        assert_eq!(
            fs::read(first.path().join(&path)).unwrap(),
            fs::read(second.path().join(&path)).unwrap(),
            "{path}"
        );
    }
}

#[test]
fn the_second_run_verifies_against_the_past_and_keeps_the_state_up_to_date() {
    let town = long();
    let mut earlier = town.clone();
    earlier.log.truncate(300);
    let (old, new) = (exported(&earlier), exported(&town));
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    assert_eq!(
        checked(old.path(), Some(Level::Verify), Some(&state))
            .unwrap()
            .exit_code(),
        3
    );
    for level in [None, Some(Level::Openings), Some(Level::Verify)] {
        let outcome = checked(new.path(), level, Some(&state)).unwrap();
        assert!(outcome.pinned);
        assert_eq!(outcome.exit_code(), 0, "{:?}", outcome.report.findings);
    }
    let saved = StateFile::new(state.clone()).load().unwrap().unwrap();
    assert_eq!(saved.checkpoint, town.checkpoint());
    // Invariant 31: the older copy is now a log that has lost entries.
    for level in [None, Some(Level::Verify)] {
        let stale = checked(old.path(), level, Some(&state)).unwrap();
        assert_eq!((codes(&stale), stale.exit_code()), (vec!["SHRUNK"], 1));
        assert_eq!(stale.saved, None);
    }
    assert_eq!(StateFile::new(state).load().unwrap().unwrap(), saved);
}

#[test]
fn a_forked_log_signed_with_the_right_key_is_found_and_not_saved() {
    let town = long();
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    let mut earlier = town.clone();
    earlier.log.truncate(300);
    checked(exported(&earlier).path(), Some(Level::Verify), Some(&state)).unwrap();
    let mut forked = town;
    forked.log.remove(290);
    let folder = exported(&forked);
    for (level, code) in [(Some(Level::Verify), "FORKED"), (None, "INCONSISTENT")] {
        let outcome = checked(folder.path(), level, Some(&state)).unwrap();
        assert_eq!(
            (codes(&outcome), outcome.exit_code(), outcome.saved.clone()),
            (vec![code], 1, None)
        );
        let text = print::text(&outcome);
        assert!(text.contains("Result: 1 violation(s) found."), "{text}");
    }
}

#[test]
fn a_log_signed_by_another_key_is_not_believed() {
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    let mut log = long();
    checked(exported(&log).path(), Some(Level::Verify), Some(&state)).unwrap();
    log.seed = [1; 32];
    let outcome = checked(exported(&log).path(), Some(Level::Verify), Some(&state)).unwrap();
    assert_eq!(
        (codes(&outcome), outcome.exit_code()),
        (vec!["OTHER_KEY"], 1)
    );
}

/// What an audit of a tampered folder says: codes and texts, or why it could not check.
fn verdict(folder: &Path, state: &Path) -> (u8, String) {
    match checked(folder, Some(Level::Replay), Some(state)) {
        Ok(outcome) => (
            outcome.exit_code(),
            print::text(&outcome).replace("\n     ", " "),
        ),
        Err(error) => (2, error.to_string()),
    }
}

#[test]
fn a_flipped_bit_or_a_cut_in_any_file_is_found_and_named() {
    // Invariant 11.
    let folder = exported(&long());
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    assert_eq!(verdict(folder.path(), &state).0, 3);
    for path in files(folder.path(), "")
        .iter()
        .filter(|path| *path != "log.vkey")
    {
        let full = folder.path().join(path);
        let honest = fs::read(&full).unwrap();
        let mut spoiled: Vec<(String, Option<Vec<u8>>)> = vec![
            ("missing".into(), None),
            ("cut".into(), Some(honest[..honest.len() - 2].to_vec())),
            ("empty".into(), Some(Vec::new())),
        ];
        for at in [0, 1, honest.len() / 3, honest.len() / 2, honest.len() - 2] {
            let mut flipped = honest.clone();
            flipped[at] ^= 0x04;
            spoiled.push((format!("bit at {at}"), Some(flipped)));
        }
        for (how, bytes) in spoiled {
            match bytes {
                Some(bytes) => fs::write(&full, bytes).unwrap(),
                None => fs::remove_file(&full).unwrap(),
            }
            let (exit, text) = verdict(folder.path(), &state);
            assert!(exit == 1 || exit == 2, "{path}: {how}: {text}");
            // Named: by its path, or by the entry or checkpoint that it holds.
            let named = text.contains(path.as_str())
                || path == "checkpoint" && text.contains("checkpoint is")
                || path.starts_with("openings/")
                    && text.contains("!! ")
                    && text.contains(" entry ")
                || path.starts_with("tile/entries/")
                    && text.contains("root that the checkpoint signs");
            assert!(named, "{path}: {how}: {text}");
        }
        fs::write(&full, &honest).unwrap();
    }
    assert_eq!(verdict(folder.path(), &state).0, 0);
}

#[test]
fn swapped_entries_and_dropped_openings_are_found() {
    let log = long();
    let folder = exported(&log);
    let openings = folder.path().join("openings/000.jsonl");
    let honest = fs::read_to_string(&openings).unwrap();
    let without_third: Vec<&str> = honest
        .lines()
        .enumerate()
        .filter(|(at, _)| *at != 3)
        .map(|(_, line)| line)
        .collect();
    fs::write(&openings, without_third.join("\n") + "\n").unwrap();
    let outcome = checked(folder.path(), Some(Level::Openings), None).unwrap();
    let line: serde_json::Value = serde_json::from_str(honest.lines().nth(3).unwrap()).unwrap();
    let dropped = line["index"].as_u64().unwrap();
    assert_eq!(outcome.report.findings, [Problem::NoOpening.at(dropped)]);
    fs::write(&openings, honest).unwrap();

    let bundle = folder.path().join("tile/entries/000");
    let mut entries = crate::ledger::layout::decode_bundle(&fs::read(&bundle).unwrap()).unwrap();
    entries.swap(100, 101);
    fs::write(
        &bundle,
        crate::ledger::layout::encode_bundle(&entries).unwrap(),
    )
    .unwrap();
    let outcome = checked(folder.path(), Some(Level::Verify), None).unwrap();
    let codes = codes(&outcome);
    assert_eq!(codes, ["SWAPPED", "TIME", "ROOT"]);
}

#[test]
fn what_is_no_plain_file_in_a_folder_that_others_made_is_not_read() {
    // A device has no end, and a pipe is waited for: invariant 26.
    let log = long();
    let folder = exported(&log);
    let named = "tile/entries/000";
    fs::remove_file(folder.path().join(named)).unwrap();
    std::os::unix::fs::symlink("/dev/null", folder.path().join(named)).unwrap();
    let Err(error) = checked(folder.path(), Some(Level::Verify), None) else {
        panic!("it was read");
    };
    assert!(error.to_string().contains("not a plain file"), "{error}");
}

#[test]
fn a_folder_without_openings_says_so() {
    let folder = TempDir::new().unwrap();
    let mut log = long();
    copied(&mut log, folder.path(), false);
    assert_eq!(
        checked(folder.path(), Some(Level::Verify), None)
            .unwrap()
            .exit_code(),
        3
    );
    let refused = checked(folder.path(), Some(Level::Openings), None).unwrap_err();
    assert!(refused.to_string().contains("has no openings"));
}

#[test]
fn a_damaged_state_is_not_replaced() {
    let folder = exported(&long());
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    checked(folder.path(), Some(Level::Verify), Some(&state)).unwrap();
    let honest = fs::read_to_string(&state).unwrap();
    for spoiled in [
        honest.replacen("safeconduct", "safecondukt", 1),
        honest[..40].into(),
        String::new(),
    ] {
        fs::write(&state, &spoiled).unwrap();
        let refused = checked(folder.path(), Some(Level::Verify), Some(&state)).unwrap_err();
        assert!(
            matches!(refused, CannotCheck::State(StateError::Damaged(_))),
            "{refused}"
        );
        assert_eq!(fs::read_to_string(&state).unwrap(), spoiled);
    }
}

#[test]
fn exit_codes_are_those_documented() {
    let town = long();
    let folder = exported(&town);
    let at = folder.path().to_str().unwrap();
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    let state = state.to_str().unwrap();
    let code = |code: u8| format!("{:?}", ExitCode::from(code));
    assert_eq!(exit(&["replay", "--folder", at, "--state", state]), code(3));
    assert_eq!(exit(&["replay", "--folder", at, "--state", state]), code(0));
    assert_eq!(
        exit(&[
            "verify",
            "--folder",
            at,
            "--checkpoint-only",
            "--output",
            "json",
            "--state",
            state
        ]),
        code(0)
    );
    assert_eq!(exit(&["verify", "--folder", "/nowhere/at/all"]), code(2));
    assert_eq!(
        exit(&["verify", "--folder", at, "--vkey", "nonsense"]),
        code(2)
    );
    let used = kept.path().to_str().unwrap();
    assert_eq!(exit(&["export", "--folder", at, "--to", used]), code(2));
    let copy = kept.path().join("copy");
    assert_eq!(
        exit(&["export", "--folder", at, "--to", copy.to_str().unwrap()]),
        code(0)
    );
    fs::write(folder.path().join("tile/0/000"), [0; 32]).unwrap();
    assert_eq!(exit(&["verify", "--folder", at]), code(1));
    assert!(Program::try_parse_from(["safeconduct", "verify"]).is_err());
    assert!(Program::try_parse_from(["safeconduct", "verify", "--router", "https://x"]).is_err());
}

#[test]
fn what_is_printed_fits_eighty_columns_and_says_what_was_not_shown() {
    let folder = exported(&long());
    for level in [
        None,
        Some(Level::Verify),
        Some(Level::Openings),
        Some(Level::Replay),
    ] {
        let outcome = checked(folder.path(), level, None).unwrap();
        let text = print::text(&outcome);
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(
            text.contains("NOTHING WAS VERIFIED AGAINST THE PAST"),
            "{text}"
        );
        assert!(text.contains("Not shown:"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&print::json(&outcome)).unwrap();
        assert_eq!(
            (json["exit_code"].as_u64(), json["size"].as_u64()),
            (Some(3), Some(523))
        );
    }
}

#[test]
fn a_log_of_another_programs_tiles_is_read() {
    // The folder's own hashes, read by the tlog_tiles crate, give the signed root.
    let log = long();
    let folder = exported(&log);
    let size = log.log.len() as u64;
    let mut hashes = Vec::new();
    for index in 0..size.div_ceil(256) {
        let width = (size - index * 256).min(256);
        let tile = tlog_tiles::Tile::new(8, 0, index, u32::try_from(width).unwrap(), false);
        let path = tile.path().replacen("tile/8/", "tile/", 1);
        let data = fs::read(folder.path().join(path)).unwrap();
        for position in 0..width {
            let at = tlog_tiles::stored_hash_index(0, index * 256 + position);
            hashes.push(tile.hash_at_index(&data, at).unwrap());
        }
    }
    let expected: Vec<_> = log
        .log
        .iter()
        .map(|(entry, _)| tlog_tiles::record_hash(entry))
        .collect();
    assert_eq!(hashes, expected);
}

#[test]
fn an_exported_folder_is_verified_by_a_checker_written_from_the_specifications() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/tlog.py");
    let check = |folder: &Path| {
        let asked = std::process::Command::new("python3")
            .args(["-B", script, "folder"])
            .arg(folder)
            .output();
        match asked {
            Ok(output) if output.status.code() != Some(77) => Some(output),
            Ok(output) => {
                println!(
                    "skipped: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
                None
            }
            Err(error) => {
                println!("skipped: python3 does not start: {error}");
                None
            }
        }
    };
    let folder = exported(&long());
    let Some(output) = check(folder.path()) else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (found["size"].as_u64(), found["levels"].as_u64()),
        (Some(523), Some(2))
    );
    assert_eq!(found["tiles"].as_u64(), Some(4));
    // A changed entry, a changed tile and a missing one are noticed.
    for path in [
        "tile/entries/001",
        "tile/0/002.p/11",
        "tile/1/000.p/2",
        "checkpoint",
    ] {
        let path = folder.path().join(path);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[5] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert_eq!(
            check(folder.path()).unwrap().status.code(),
            Some(1),
            "{}",
            path.display()
        );
        fs::remove_file(&path).unwrap();
        assert_eq!(
            check(folder.path()).unwrap().status.code(),
            Some(1),
            "{}",
            path.display()
        );
        fs::write(&path, &good).unwrap();
    }
}
