//! What an audit says the first time and later, whose word it asks for, and what it refuses before it begins.

use super::super::*;
use super::{Program, exported, long, runtime};
use crate::audit::fixture::Memory;
use crate::client::session::system_clock;
use crate::ledger::cosignature::Cosigner;
use crate::ledger::note::NoteSigner;
use crate::ledger::policy::Policy;
use clap::Parser as _;
use std::fs;
use tempfile::TempDir;

fn look(folder: &Path, state: &Path, look_for: LookFor) -> Result<Outcome, CannotCheck> {
    let run = Run {
        level: Some(Level::Verify),
        file: Some(StateFile::new(state.to_owned())),
        vkey: None,
        resume: true,
        look_for,
    };
    let mut source = FolderSource::new(folder.to_owned());
    runtime().block_on(run.check(&mut source, &drive::Progress::hidden()))
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A policy of one witness, for the log of this key.
fn policy(vkey: &str) -> (LookFor, Cosigner) {
    let witness = Cosigner::ed25519("witness.example", &[9; 32]).unwrap();
    let text = format!("log {vkey}\nwitness w {}\nquorum w\n", witness.vkey());
    let policy = Some(Policy::parse(&text).unwrap());
    (LookFor { policy, now: None }, witness)
}

fn cosigned(log: &Memory) -> (TempDir, LookFor) {
    let folder = exported(log);
    let (look_for, witness) = policy(&log.vkey());
    let file = folder.path().join("checkpoint");
    let note = fs::read_to_string(&file).unwrap();
    let line = witness.cosign(&log.checkpoint().text(), system_clock()());
    fs::write(file, note + &line).unwrap();
    (folder, look_for)
}

#[test]
fn the_first_run_says_that_the_state_was_made_now_and_the_second_of_when_it_is() {
    let folder = exported(&long());
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    let first = look(folder.path(), &state, LookFor::default()).unwrap();
    let said = flat(&print::text(&first));
    assert!(
        said.contains("state.json was made now, and the next run"),
        "{said}"
    );
    assert!(!said.contains("run again with --state"), "{said}");
    let second = look(folder.path(), &state, LookFor::default()).unwrap();
    let said = flat(&print::text(&second));
    let today = crate::cli::text::day(system_clock()());
    let wanted = format!("that you had saved on {today}");
    assert!(said.contains(&wanted), "{said}");
}

#[test]
fn under_a_quorums_eyes_it_is_not_said_that_others_may_be_shown_another_log() {
    const SENTENCE: &str = "whether others are shown another log";
    let log = long();
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    let (folder, look_for) = cosigned(&log);
    let alone = look(folder.path(), &state, LookFor::default()).unwrap();
    assert!(flat(&print::text(&alone)).contains(SENTENCE));
    assert_eq!(print::value(&alone)["witnesses_asked"], false);
    let seen = look(folder.path(), &state, look_for).unwrap();
    assert_eq!(seen.exit_code(), 0, "{:?}", seen.report.findings);
    let said = flat(&print::text(&seen));
    assert!(!said.contains(SENTENCE), "{said}");
    assert!(
        said.contains("policy's witnesses vouched for it at"),
        "{said}"
    );
    let json = print::value(&seen);
    assert_eq!(json["witnesses"][0]["name"], "w");
    assert!(json["witnesses"][0]["time_ms"].is_i64(), "{json}");
    assert!(json["vouched_ms"].is_i64(), "{json}");
}

#[test]
fn a_log_of_one_entry_is_not_told_in_the_plural() {
    assert_eq!(
        [0, 1, 2].map(print::entries),
        ["0 entries", "1 entry", "2 entries"]
    );
}

#[test]
fn a_folder_that_is_not_there_is_told_from_one_without_a_checkpoint() {
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    let nowhere = kept.path().join("nowhere");
    let said = |folder: &Path| {
        let error = look(folder, &state, LookFor::default()).unwrap_err();
        error.to_string()
    };
    let wanted = format!("{}: there is no such folder", nowhere.display());
    assert_eq!(said(&nowhere), wanted);
    assert_eq!(said(kept.path()), "checkpoint is missing");
}

#[test]
fn a_policy_of_another_log_is_refused_with_both_names_and_the_state_stays() {
    let folder = exported(&long());
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    let other = NoteSigner::ed25519("other.example", &[3; 32]).unwrap();
    let (look_for, _) = policy(&other.vkey());
    let error = look(folder.path(), &state, look_for).unwrap_err();
    assert!(matches!(error, CannotCheck::Policy(_)), "{error}");
    let said = error.to_string();
    let origin = long().checkpoint().origin;
    assert!(
        said.contains("other.example") && said.contains(&origin),
        "{said}"
    );
    assert!(!state.exists());
}

#[test]
fn a_folder_of_another_log_is_named_as_that_with_what_to_do_and_the_state_stays() {
    let (old, mut new) = (long(), long());
    new.seed = [7; 32];
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    look(exported(&new).path(), &state, LookFor::default()).unwrap();
    let before = fs::read(&state).unwrap();
    let folder = exported(&old);
    let outcome = look(folder.path(), &state, LookFor::default()).unwrap();
    assert_eq!(super::codes(&outcome), ["OTHER_KEY"]);
    assert_eq!(outcome.exit_code(), 1);
    let said = flat(&print::text(&outcome));
    assert!(said.contains("before or after a succession"), "{said}");
    assert_eq!(fs::read(&state).unwrap(), before);
    // What its own key did not sign either is not another log's.
    let file = folder.path().join("checkpoint");
    let note = fs::read_to_string(&file).unwrap();
    fs::write(&file, note.replacen("523", "524", 1)).unwrap();
    let outcome = look(folder.path(), &state, LookFor::default()).unwrap();
    assert_eq!(super::codes(&outcome), ["CHECKPOINT"]);
}

#[test]
fn a_report_that_cannot_be_written_or_signed_is_refused_before_the_audit_and_moves_no_state() {
    let folder = exported(&long());
    let kept = TempDir::new().unwrap();
    let (state, used) = (kept.path().join("state.json"), kept.path().join("used"));
    fs::create_dir(&used).unwrap();
    fs::write(used.join("x"), "x").unwrap();
    let new = kept.path().join("new");
    let path = |path: &Path| path.display().to_string();
    let nowhere = path(&kept.path().join("nowhere"));
    let (log, state_file, used) = (path(folder.path()), path(&state), path(&used));
    let of = ["report", "--folder", &log, "--state", &state_file, "--to"];
    let unwritable = [&of[..], &[&used]].concat();
    let to = path(&new);
    let unsigned = [&of[..], &[&to, "--sign-with", &nowhere]].concat();
    for line in [unwritable, unsigned] {
        assert!(super::exit(&line).contains('2'), "{line:?}");
        assert!(!state.exists(), "{line:?}");
    }
    assert!(!new.exists());
    let to = path(&new);
    let good = [&of[..], &[&to]].concat();
    assert!(super::exit(&good).contains('3'));
    assert!(state.exists() && new.join("report.html").exists());
}

#[test]
fn the_command_line_says_which_of_two_is_missing_and_which_two_exclude_each_other() {
    let refused = |line: &[&str]| {
        let words = std::iter::once(&"safeconduct").chain(line);
        let error = Program::try_parse_from(words).err().unwrap();
        flat(&error.to_string())
    };
    let neither = refused(&["receipt", "x.tlog-proof"]);
    for wanted in ["--policy <POLICY>", "--vkey <KEY>"] {
        assert!(neither.contains(wanted), "{neither}");
    }
    let both = refused(&["verify", "--folder", "a", "--mirror", "b"]);
    assert!(both.contains("cannot be used with"), "{both}");
}
