//! The honest folder: its files, each bit of which is flipped in turn, and back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::look::Place;
use super::{SLICE, THREADS, broken, wait};
use crate::audit::{Level, Report};
use crate::cli::audit::Run;
use crate::cli::audit::drive::Progress;
use crate::cli::audit::folder::{FolderSource, KEY_PATH};
use crate::cli::crash::CrashError;
use crate::cli::crash::workload::Dice;
use crate::cli::made::MadeLog;
use crate::ledger::layout::{self, CHECKPOINT_PATH, decode_bundle};
use crate::ledger::note::NoteVerifier;
use crate::ledger::tree::TILE_WIDTH;

const WIDTH: u64 = TILE_WIDTH as u64;

/// A file of the folder, and what rests on it.
#[derive(Debug)]
pub(super) enum Kind {
    Checkpoint,
    Key,
    Tile { level: u8, index: u64 },
    Bundle(u64),
    Openings(u64),
}

#[derive(Debug)]
pub(super) struct Part {
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
    /// Where each entry's bytes, or each opening's line, begin and end; the lengths and newlines lie between.
    pub(super) spans: Vec<(usize, usize)>,
}

/// The honest folder.
#[derive(Debug)]
pub(super) struct Honest {
    pub(super) verifier: NoteVerifier,
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) parts: Vec<Part>,
}

impl Honest {
    pub(super) fn read(
        folder: &Path,
        verifier: NoteVerifier,
        log: MadeLog,
    ) -> Result<Self, CrashError> {
        let size = log.log.len() as u64;
        let entries: Vec<Vec<u8>> = log.log.into_iter().map(|(entry, _)| entry).collect();
        let mut parts = Vec::new();
        let mut part = |path: String, kind: Kind| -> Result<(), CrashError> {
            let bytes = std::fs::read(folder.join(&path))?;
            let spans = match kind {
                Kind::Bundle(_) => entry_spans(&bytes),
                Kind::Openings(_) => line_spans(&bytes),
                _ => Vec::new(),
            };
            parts.push(Part {
                path,
                kind,
                bytes,
                spans,
            });
            Ok(())
        };
        part(CHECKPOINT_PATH.into(), Kind::Checkpoint)?;
        part(KEY_PATH.into(), Kind::Key)?;
        for level in 0..8u8 {
            let count = size >> (8 * u32::from(level));
            for index in 0..count.div_ceil(WIDTH) {
                let width =
                    usize::try_from((count - index * WIDTH).min(WIDTH)).unwrap_or(TILE_WIDTH);
                part(
                    layout::tile_path(level, index, width),
                    Kind::Tile { level, index },
                )?;
                if level == 0 {
                    part(layout::entries_path(index, width), Kind::Bundle(index))?;
                    part(layout::openings_path(index), Kind::Openings(index))?;
                }
            }
        }
        Ok(Self {
            verifier,
            entries,
            parts,
        })
    }

    pub(super) fn flip_all(&self, every: usize) -> Result<BTreeMap<&'static str, u64>, CrashError> {
        let slices: Vec<(&Part, usize)> = self
            .parts
            .iter()
            .flat_map(|part| {
                (0..part.bytes.len())
                    .step_by(SLICE)
                    .map(move |at| (part, at))
            })
            .collect();
        let next = AtomicUsize::new(0);
        let work = || -> Result<BTreeMap<&'static str, u64>, CrashError> {
            let mut located = BTreeMap::new();
            while let Some(&(part, from)) = slices.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut bytes = part.bytes.clone();
                let until = (from + SLICE).min(bytes.len());
                for bit in (from * 8..until * 8).filter(|bit| bit % every == 0) {
                    let place = self.flipped(part, &mut bytes, bit)?;
                    *located.entry(place.how()).or_insert(0) += 1;
                }
            }
            Ok(located)
        };
        let tallies = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended
                .map(|ended| ended.unwrap_or_else(|_| Err(broken("a thread ended"))))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let mut all = BTreeMap::new();
        for (how, count) in tallies.into_iter().flatten() {
            *all.entry(how).or_insert(0) += count;
        }
        Ok(all)
    }

    /// Flips one bit, looks, and flips it back.
    fn flipped(&self, part: &Part, bytes: &mut [u8], bit: usize) -> Result<Place, CrashError> {
        let at = bit / 8;
        let mask = 1 << (bit % 8);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= mask;
        }
        let place = self.look(part, bytes, at);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= mask;
        }
        place.ok_or_else(|| {
            broken(format!(
                "bit {bit} of {} was flipped, and nobody noticed",
                part.path
            ))
        })
    }

    /// The whole audit of the folder with one bit flipped comes to the same place.
    pub(super) fn whole_audit(&self, folder: &Path, dice: &mut Dice) -> Result<(), CrashError> {
        let all: u64 = self
            .parts
            .iter()
            .map(|part| part.bytes.len() as u64 * 8)
            .sum();
        let mut bit = dice.roll(all);
        let part = self.parts.iter().find(|part| {
            let own = part.bytes.len() as u64 * 8;
            let here = bit < own;
            if !here {
                bit -= own;
            }
            here
        });
        let part = part.ok_or_else(|| broken("the folder is empty"))?;
        let bit = usize::try_from(bit).map_err(|error| broken(error.to_string()))?;
        let mut bytes = part.bytes.clone();
        let expected = self.flipped(part, &mut bytes, bit)?;
        if let Some(byte) = bytes.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        let full: PathBuf = folder.join(&part.path);
        std::fs::write(&full, &bytes)?;
        let check = Run {
            level: Some(Level::Openings),
            file: None,
            vkey: Some(self.verifier.clone()),
            resume: false,
            look_for: Default::default(),
        };
        let mut source = FolderSource::new(folder.to_owned());
        let outcome = wait(check.check(&mut source, &Progress::hidden()))?;
        std::fs::write(&full, &part.bytes)?;
        let agrees = match &outcome {
            Ok(outcome) => told_by_report(&expected, &outcome.report, part),
            Err(error) => match &expected {
                Place::Line(text) => error.to_string() == *text,
                Place::File(path) => error.to_string().contains(path),
                Place::Entry(_) => false,
            },
        };
        let said = match outcome {
            Ok(outcome) => format!("{:?}", outcome.report.findings),
            Err(error) => error.to_string(),
        };
        let path = &part.path;
        agrees.then_some(()).ok_or_else(|| {
            broken(format!(
                "bit {bit} of {path}: expected at {expected:?}, the audit says: {said}"
            ))
        })
    }
}

fn told_by_report(expected: &Place, report: &Report, part: &Part) -> bool {
    let mut violations = report.violations();
    match expected {
        Place::Entry(index) => violations.any(|finding| finding.index == Some(*index)),
        Place::Line(_) => false,
        Place::File(path) => violations.any(|finding| {
            let code = finding.problem.code();
            finding.problem.to_string().contains(path)
                || matches!(part.kind, Kind::Checkpoint) && code == "CHECKPOINT"
                || matches!(part.kind, Kind::Key) && code == "OTHER_KEY"
        }),
    }
}

fn entry_spans(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut at = 0;
    for entry in decode_bundle(bytes).unwrap_or_default() {
        spans.push((at + 2, at + 2 + entry.len()));
        at += 2 + entry.len();
    }
    spans
}

fn line_spans(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' {
            spans.push((from, at));
            from = at + 1;
        }
    }
    spans
}
