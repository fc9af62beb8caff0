//! Everything that can happen to an exported folder, and what it is called.

use super::super::*;
use super::{checked, exported, long};
use crate::audit::finding::Problem;
use crate::audit::fixture::Memory;
use crate::ledger::layout::{decode_bundle, encode_bundle};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// How an audit of the damaged folder ends.
enum Said {
    /// These violations, in order: index and code.
    Found(&'static [(Option<u64>, &'static str)]),
    /// It could not be checked: the message has this.
    Named(&'static str),
}

use Said::{Found, Named};

type Spoil = fn(&Path);

fn rewrite(folder: &Path, path: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let full = folder.join(path);
    fs::write(&full, change(fs::read(&full).unwrap())).unwrap();
}

fn entries(folder: &Path, path: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    rewrite(folder, path, |bytes| {
        let mut entries = decode_bundle(&bytes).unwrap();
        change(&mut entries);
        encode_bundle(&entries).unwrap()
    });
}

fn lines(folder: &Path, path: &str, change: impl FnOnce(&mut Vec<String>)) {
    rewrite(folder, path, |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
        change(&mut lines);
        lines.concat().into_bytes()
    });
}

fn exchange(folder: &Path, one: &str, other: &str) {
    let aside = folder.join("aside");
    fs::rename(folder.join(one), &aside).unwrap();
    fs::rename(folder.join(other), folder.join(one)).unwrap();
    fs::rename(aside, folder.join(other)).unwrap();
}

/// The folder has 523 entries: two whole bundles and one of 11; entries 0 to 4 are acts, most others ticks.
const DAMAGE: &[(&str, Spoil, Said)] = &[
    (
        "an entry changed",
        |f| entries(f, "tile/entries/001", |e| e[45] = e[46].clone()),
        Found(&[(Some(301), "CHANGED"), (None, "ROOT")]),
    ),
    (
        "two entries of a bundle swapped",
        |f| entries(f, "tile/entries/001", |e| e.swap(45, 47)),
        Found(&[
            (Some(301), "SWAPPED"),
            (Some(302), "TIME"),
            (Some(303), "TIME"),
            (None, "ROOT"),
        ]),
    ),
    (
        "two entries of two bundles swapped",
        |f| {
            let mut kept = Vec::new();
            entries(f, "tile/entries/000", |e| {
                kept = std::mem::take(&mut e[201])
            });
            entries(f, "tile/entries/001", |e| {
                std::mem::swap(&mut kept, &mut e[201])
            });
            entries(f, "tile/entries/000", |e| e[201] = kept);
        },
        Found(&[
            (Some(201), "SWAPPED"),
            (Some(202), "TIME"),
            (Some(457), "TIME"),
            (None, "ROOT"),
        ]),
    ),
    (
        "an entry dropped",
        |f| entries(f, "tile/entries/001", |e| drop(e.remove(10))),
        Named("tile/entries/001 has fewer entries than it must"),
    ),
    (
        "an entry doubled",
        |f| entries(f, "tile/entries/002.p/11", |e| e.push(e[10].clone())),
        Named("tile/entries/002.p/11 has more entries than it must"),
    ),
    (
        "two bundles swapped",
        |f| exchange(f, "tile/entries/000", "tile/entries/001"),
        Found(&[
            (Some(0), "TILES_SWAPPED"),
            (Some(256), "TIME"),
            (None, "ROOT"),
        ]),
    ),
    (
        "a bundle dropped",
        |f| fs::remove_file(f.join("tile/entries/001")).unwrap(),
        Named("tile/entries/001 is missing"),
    ),
    (
        "a bundle cut within an entry",
        |f| rewrite(f, "tile/entries/001", |b| b[..b.len() - 9].to_vec()),
        Named("tile/entries/001 is damaged"),
    ),
    (
        "two tiles swapped",
        |f| exchange(f, "tile/0/000", "tile/0/001"),
        Found(&[(None, "TILES_SWAPPED")]),
    ),
    (
        "a tile dropped",
        |f| fs::remove_file(f.join("tile/0/001")).unwrap(),
        Found(&[(None, "NO_TILE")]),
    ),
    (
        "a higher tile dropped",
        |f| fs::remove_file(f.join("tile/1/000.p/2")).unwrap(),
        Found(&[(None, "NO_TILE")]),
    ),
    (
        "a tile cut",
        |f| rewrite(f, "tile/0/001", |b| b[..b.len() - 32].to_vec()),
        Found(&[(None, "NO_TILE")]),
    ),
    (
        "a hash in a tile changed",
        |f| {
            rewrite(f, "tile/0/001", |mut b| {
                b[32 * 7] ^= 1;
                b
            })
        },
        Found(&[(Some(263), "TILE")]),
    ),
    (
        "a hash in a higher tile changed",
        |f| {
            rewrite(f, "tile/1/000.p/2", |mut b| {
                b[32] ^= 1;
                b
            })
        },
        Found(&[(None, "TILE")]),
    ),
    (
        "an opening dropped",
        |f| lines(f, "openings/000.jsonl", |l| drop(l.remove(2))),
        Found(&[(Some(2), "NO_OPENING")]),
    ),
    (
        "the openings of two entries exchanged",
        |f| {
            rewrite(f, "openings/000.jsonl", |b| {
                let text = String::from_utf8(b).unwrap();
                text.replacen("\"index\":1,", "\"index\":x,", 1)
                    .replacen("\"index\":2,", "\"index\":1,", 1)
                    .replacen("\"index\":x,", "\"index\":2,", 1)
                    .into_bytes()
            })
        },
        Named("openings/000.jsonl is out of order at line 3"),
    ),
    (
        "two lines of openings swapped",
        |f| lines(f, "openings/000.jsonl", |l| l.swap(1, 2)),
        Named("openings/000.jsonl is out of order at line 3"),
    ),
    (
        "an opening changed",
        |f| {
            lines(f, "openings/000.jsonl", |l| {
                l[1] = l[1].replacen("eyJ", "eyK", 1)
            })
        },
        Found(&[(Some(1), "WRONG_OPENING")]),
    ),
    (
        "an opening invented for a tick",
        |f| {
            lines(f, "openings/001.jsonl", |l| {
                let index = l[0]
                    .split("\"index\":")
                    .nth(1)
                    .unwrap()
                    .split(',')
                    .next()
                    .unwrap()
                    .parse::<u64>()
                    .unwrap();
                l[0] = l[0].replacen(
                    &format!("\"index\":{index},"),
                    &format!("\"index\":{},", index + 1),
                    1,
                );
            })
        },
        Found(&[(Some(300), "NO_OPENING"), (Some(301), "NOTHING_TO_OPEN")]),
    ),
    (
        "two files of openings swapped",
        |f| exchange(f, "openings/000.jsonl", "openings/001.jsonl"),
        Named("openings/000.jsonl is out of order at line 1"),
    ),
    (
        "a file of openings dropped",
        |f| fs::remove_file(f.join("openings/001.jsonl")).unwrap(),
        Found(&[
            (Some(300), "NO_OPENING"),
            (Some(350), "NO_OPENING"),
            (Some(400), "NO_OPENING"),
            (Some(450), "NO_OPENING"),
            (Some(500), "NO_OPENING"),
        ]),
    ),
    (
        "openings cut within a line",
        |f| rewrite(f, "openings/000.jsonl", |b| b[..b.len() - 3].to_vec()),
        Named("openings/000.jsonl is damaged at line"),
    ),
    (
        "the checkpoint dropped",
        |f| fs::remove_file(f.join("checkpoint")).unwrap(),
        Named("checkpoint is missing"),
    ),
    (
        "the checkpoint's size changed",
        |f| {
            rewrite(f, "checkpoint", |b| {
                String::from_utf8(b)
                    .unwrap()
                    .replacen("523", "524", 1)
                    .into_bytes()
            })
        },
        Found(&[(None, "CHECKPOINT")]),
    ),
    (
        "the checkpoint cut",
        |f| rewrite(f, "checkpoint", |b| b[..b.len() - 9].to_vec()),
        Found(&[(None, "CHECKPOINT")]),
    ),
    (
        "another key beside the log",
        |f| {
            rewrite(f, "log.vkey", |_| {
                let other = Memory {
                    log: Vec::new(),
                    seed: [9; 32],
                };
                format!("{}\n", other.vkey()).into_bytes()
            })
        },
        Found(&[(None, "OTHER_KEY")]),
    ),
];

#[test]
fn all_damage_to_a_folder_is_named_for_what_it_is_and_located() {
    // Invariant 11.
    let log = long();
    let kept = TempDir::new().unwrap();
    let state = kept.path().join("state.json");
    let first = checked(exported(&log).path(), Some(Level::Verify), Some(&state));
    assert_eq!(first.unwrap().exit_code(), 3);
    for (what, spoil, expected) in DAMAGE {
        let folder = exported(&log);
        spoil(folder.path());
        let before = fs::read(&state).unwrap();
        let level = if what.contains("opening") {
            Level::Openings
        } else {
            Level::Verify
        };
        match (checked(folder.path(), Some(level), Some(&state)), expected) {
            (Ok(outcome), Found(codes)) => {
                let found: Vec<_> = outcome
                    .report
                    .violations()
                    .map(|finding| (finding.index, finding.problem.code()))
                    .collect();
                assert_eq!(found, *codes, "{what}: {:?}", outcome.report.findings);
                assert_eq!(outcome.exit_code(), 1, "{what}");
            }
            (Err(error), Named(text)) => {
                assert!(error.to_string().contains(text), "{what}: {error}");
            }
            (other, _) => panic!("{what}: {other:?}"),
        }
        // What is wrong with the log itself does not move the state; openings are looked at again each time.
        assert!(
            level == Level::Openings || fs::read(&state).unwrap() == before,
            "{what}"
        );
    }
}

#[test]
fn a_fork_is_located_between_two_entries() {
    let log = long();
    let kept = TempDir::new().unwrap();
    for (removed, within) in [(520, (520, 520)), (290, (256, 511)), (20, (0, 255))] {
        let state = kept.path().join(format!("{removed}.json"));
        checked(exported(&log).path(), Some(Level::Verify), Some(&state)).unwrap();
        let mut forked = log.clone();
        forked.log.remove(removed);
        let last = forked.log[forked.log.len() - 1].clone();
        forked.log.extend([last.clone(), last]);
        // Resumed, and named all the same.
        let file = Some(StateFile::new(state));
        let run = Run {
            level: Some(Level::Verify),
            file,
            vkey: None,
            resume: true,
            look_for: Default::default(),
        };
        let folder = exported(&forked);
        let mut source = FolderSource::new(folder.path().to_owned());
        let outcome = super::runtime()
            .block_on(run.check(&mut source, &drive::Progress::hidden()))
            .unwrap();
        let codes: Vec<_> = outcome
            .report
            .findings
            .iter()
            .map(|finding| finding.problem.code())
            .collect();
        assert!(
            codes.contains(&"FORKED") && !codes.contains(&"ROOT"),
            "{codes:?}"
        );
        let place = outcome
            .report
            .findings
            .iter()
            .find_map(|finding| match finding.problem {
                Problem::ForkedWithin(last) => finding.index.map(|first| (first, last)),
                _ => None,
            });
        assert_eq!(place, Some(within));
        assert_eq!((outcome.exit_code(), outcome.saved), (1, None));
    }
}
