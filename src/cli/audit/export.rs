//! Brings a folder up to date with a log: `audit export`, and the mirror of a live router.
//!
//! Only what is new is read from the source. It is written beside the folder's files, in `.new/`, hashed onto the
//! right edge of what the folder has, and moved into place when that gives the root of the new checkpoint; the
//! checkpoint comes last. A run that was stopped anywhere is taken up by the next one, which reads again only the
//! bundle it was in. Openings that the log has erased since are erased in the folder too,
//! as far as an auditor's watermark says that they were replayed: no tombstone alone destroys evidence.

use super::CannotCheck;
use super::copy::{Copied, Copy};
use super::drive::{self, Progress, run};
use crate::audit::finding::Problem;
use crate::audit::source::{AuditSource, SignedCheckpoint, SourceError};
use crate::audit::verify::Standing;
use crate::audit::{Audit, Level, Report};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::entry::{Actor, Entry, EntryBody, Erased};
use crate::ledger::layout;
use crate::ledger::note::NoteVerifier;
use crate::ledger::proof::verify_consistency;
use crate::ledger::tree::{Edge, TILE_WIDTH};
use std::collections::BTreeSet;
use std::path::Path;

const WIDTH: u64 = TILE_WIDTH as u64;

/// How a folder is brought up to date.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// The log's key: a checkpoint that it did not sign is not taken. None copies whatever the source gives, and is
    /// no audit.
    pub verifier: Option<&'a NoteVerifier>,
    /// Whether a new folder gets the openings; one that is there goes on as it is.
    pub openings: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Updated {
    /// What was found in what is new.
    pub report: Report,
    /// Entries that the folder had before.
    pub before: u64,
    /// Entries that it has now.
    pub size: u64,
    /// Whether the new checkpoint was taken; else the folder is as it was.
    pub adopted: bool,
}

/// Copies the log into a new folder, or brings one that is there up to date.
///
/// What is wrong with a log is copied as it is into a new folder without a key to check it by, and reported. Into a
/// folder that was right before nothing wrong is taken.
///
/// # Errors
///
/// [`CannotCheck`] when the source cannot be read, or the folder not used.
pub async fn update<S: AuditSource>(
    source: &mut S,
    folder: &Path,
    how: Update<'_>,
    progress: &Progress,
) -> Result<Updated, CannotCheck> {
    update_by(
        source,
        &mut Copy::open(folder, how.openings)?,
        how,
        progress,
    )
    .await
}

/// [`update`] through a folder that is open.
pub(super) async fn update_by<S: AuditSource>(
    source: &mut S,
    copy: &mut Copy,
    how: Update<'_>,
    progress: &Progress,
) -> Result<Updated, CannotCheck> {
    let given = source.checkpoint().await?;
    let before = copy.adopted()?;
    let old_size = before.as_ref().map_or(0, |(old, _)| old.size);
    let refused = |report: Report| Updated {
        report,
        before: old_size,
        size: old_size,
        adopted: false,
    };
    if let (Some(verifier), Some(named)) = (how.verifier, &given.vkey)
        && *named != verifier.vkey()
    {
        return Ok(refused(drive::of_checkpoint(Some(Problem::OtherKey))));
    }
    let keys = copy.vkey().zip(given.vkey.as_ref());
    if before.is_some() && keys.is_some_and(|(kept, named)| kept != *named) {
        return Err(CannotCheck::OtherKey);
    }
    let checkpoint = match how.verifier.map(|verifier| verifier.verify(&given.note)) {
        Some(Err(error)) => return Ok(refused(drive::unsigned(error))),
        Some(Ok(checkpoint)) => checkpoint,
        None => unverified(&given)?,
    };
    if let Some((old, _)) = &before {
        let problem = if old.origin != checkpoint.origin {
            return Err(CannotCheck::OtherLog);
        } else if checkpoint.size < old.size {
            Some(Problem::Shrunk)
        } else {
            let other = checkpoint.size == old.size && checkpoint.root != old.root;
            other.then_some(Problem::Forked)
        };
        if problem.is_some() {
            return Ok(refused(drive::of_checkpoint(problem)));
        }
    }
    let mut again = copy.has_leftovers();
    loop {
        let edge = before.as_ref().map(|(_, edge)| edge);
        let mut work = Work {
            source,
            copy,
            reuse: again,
            erased: BTreeSet::new(),
        };
        let mut report = work.fetch(edge, &checkpoint, progress).await?;
        let erased = work.erased;
        let right = !report
            .findings
            .iter()
            .any(|finding| breaks(&finding.problem));
        if right || (before.is_none() && how.verifier.is_none()) {
            copy.forget_openings(&erased, checkpoint.size)?;
            copy.adopt(&checkpoint, &given)?;
            progress.end();
            return Ok(Updated {
                report,
                before: old_size,
                size: checkpoint.size,
                adopted: true,
            });
        }
        copy.discard()?;
        if std::mem::take(&mut again) {
            continue;
        }
        if let Some((old, _)) = before.as_ref().filter(|(old, _)| old.size > 0) {
            let proof = source.consistency(old.size, checkpoint.size).await;
            let follows = proof.is_ok_and(|proof| {
                let (old_root, new_root) = (&old.root, &checkpoint.root);
                verify_consistency(old.size, checkpoint.size, old_root, new_root, &proof).is_ok()
            });
            if !follows {
                report.findings.push(Problem::Forked.overall());
            }
        }
        progress.end();
        return Ok(refused(report));
    }
}

/// The checkpoint in a note whose signature is not looked at.
fn unverified(given: &SignedCheckpoint) -> Result<Checkpoint, SourceError> {
    let text = given
        .note
        .find("\n\n")
        .and_then(|end| given.note.get(..=end));
    text.and_then(|text| Checkpoint::parse(text).ok())
        .ok_or_else(|| SourceError::Damaged("the source's checkpoint cannot be read".into()))
}

/// Whether the entries are not those of the checkpoint. What is wrong with single entries is the auditor's to see.
const fn breaks(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::Root | Problem::Short | Problem::Forked | Problem::Shrunk
    )
}

/// One reading of what is new.
struct Work<'a, S> {
    source: &'a mut S,
    copy: &'a mut Copy,
    /// Whether what an earlier run left is taken.
    reuse: bool,
    /// Entries whose openings the new entries erase.
    erased: BTreeSet<u64>,
}

impl<S: AuditSource> Work<'_, S> {
    async fn fetch(
        &mut self,
        before: Option<&Edge>,
        checkpoint: &Checkpoint,
        progress: &Progress,
    ) -> Result<Report, CannotCheck> {
        let openings = self.copy.openings();
        let mut audit = match before {
            None => Audit::new(Level::Verify, None),
            Some(edge) => {
                let standing = Standing {
                    edge: edge.partials(),
                    ..Standing::default()
                };
                let saved = Checkpoint {
                    origin: checkpoint.origin.clone(),
                    size: edge.size(),
                    root: edge.root(),
                };
                Audit::resume(saved, &standing).expect("an edge has its own size and root")
            }
        };
        let mut bundle = self.copy.partial_bundle(audit.size(), before).await?;
        progress.begin(audit.size(), checkpoint.size);
        while audit.size() < checkpoint.size {
            let at = audit.size();
            let whole = self.reuse && at % WIDTH == 0 && checkpoint.size - at >= WIDTH;
            let left = if whole {
                self.copy.leftover(at / WIDTH)?
            } else {
                None
            };
            let (entries, opened) = match left {
                Some(left) => left,
                None => run(self.source, at, checkpoint.size, openings).await?,
            };
            for (entry, opening) in entries.into_iter().zip(opened) {
                for tile in audit.feed(&entry, None) {
                    let path = layout::tile_path(tile.level, tile.index, TILE_WIDTH);
                    self.copy.put(&path, &layout::encode_tile(&tile.hashes))?;
                }
                self.note_erased(&entry);
                bundle.push((entry, opening));
                if bundle.len() == TILE_WIDTH {
                    self.write(audit.size(), std::mem::take(&mut bundle))?;
                }
            }
            progress.reached(audit.size());
        }
        if !bundle.is_empty() {
            self.write(audit.size(), bundle)?;
        }
        for (level, index, hashes) in audit.partial_tiles() {
            let path = layout::tile_path(level, index, hashes.len());
            self.copy.put(&path, &layout::encode_tile(&hashes))?;
        }
        Ok(audit.finish(checkpoint))
    }

    fn write(&mut self, end: u64, bundle: Vec<Copied>) -> Result<(), CannotCheck> {
        self.copy.put_bundle((end - 1) / WIDTH, &bundle)
    }

    fn note_erased(&mut self, entry: &[u8]) {
        let Ok(entry) = Entry::parse(entry) else {
            return;
        };
        let keeper = matches!(entry.by, Actor::Router | Actor::Admin);
        if let EntryBody::Erased { of, indexes } = entry.body
            && of == Erased::Decision
            && keeper
        {
            self.erased.extend(indexes);
        }
    }
}
