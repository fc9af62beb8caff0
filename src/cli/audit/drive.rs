//! Drives one pass of an audit over a source.

use crate::audit::finding::Problem;
use crate::audit::source::{AuditSource, RUN_MAX, SealedOpening, SourceError};
use crate::audit::{Audit, Level, Report};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::hash::Hash;
use crate::ledger::layout::tile_path;
use crate::ledger::note::NoteError;
use crate::ledger::proof::verify_consistency;
use indicatif::{ProgressBar, ProgressStyle};

/// Shows how far a pass has come.
#[derive(Debug)]
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// On standard error, if that is a terminal.
    #[must_use]
    pub fn on_terminal() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} entries, {eta} left");
        Self(Some(
            style
                .map(|style| bar.clone().with_style(style))
                .unwrap_or(bar),
        ))
    }

    /// Nowhere.
    #[must_use]
    pub const fn hidden() -> Self {
        Self(None)
    }

    pub(super) fn begin(&self, size: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(size);
        }
    }

    pub(super) fn reached(&self, position: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(position);
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// The report on a checkpoint that does not verify.
pub(super) fn unsigned(error: NoteError) -> Report {
    Report {
        findings: vec![Problem::Checkpoint(error).overall()],
        ..empty()
    }
}

const fn empty() -> Report {
    Report {
        entries: 0,
        last_tick: None,
        counts: None,
        pins: None,
        findings: Vec::new(),
        intact: false,
    }
}

/// Reads every entry below the checkpoint, and checks it at `level`.
///
/// # Errors
///
/// [`SourceError`] when the source cannot be read; what is wrong with what it gives is in the report.
pub async fn audit<S: AuditSource>(
    source: &mut S,
    level: Level,
    checkpoint: &Checkpoint,
    saved: Option<Checkpoint>,
    progress: &Progress,
) -> Result<Report, SourceError> {
    let mut audit = Audit::new(level, saved);
    progress.begin(checkpoint.size);
    while audit.size() < checkpoint.size {
        let start = audit.size();
        let (entries, openings) =
            run(source, start, checkpoint.size, level >= Level::Openings).await?;
        for (entry, opening) in entries.iter().zip(openings) {
            for tile in audit.feed(entry, opening.as_ref()) {
                compare(source, &mut audit, tile.level, tile.index, &tile.hashes).await?;
            }
        }
        progress.reached(audit.size());
    }
    for (level, index, hashes) in audit.partial_tiles() {
        compare(source, &mut audit, level, index, &hashes).await?;
    }
    progress.end();
    Ok(audit.finish(checkpoint))
}

/// One run of entries from `start`, with as many openings.
pub(super) async fn run<S: AuditSource>(
    source: &mut S,
    start: u64,
    size: u64,
    open: bool,
) -> Result<(Vec<Vec<u8>>, Vec<Option<SealedOpening>>), SourceError> {
    let mut entries = source.entries(start, (size - start).min(RUN_MAX)).await?;
    entries.truncate(usize::try_from(size - start).unwrap_or(usize::MAX));
    if entries.is_empty() {
        return Err(SourceError::Damaged(format!(
            "the source gives no entry {start}, though its checkpoint has it"
        )));
    }
    let count = entries.len();
    if !open {
        return Ok((entries, vec![None; count]));
    }
    let mut openings: Vec<Option<SealedOpening>> = Vec::with_capacity(count);
    while openings.len() < count {
        let at = start + openings.len() as u64;
        let more = source.openings(at, (count - openings.len()) as u64).await?;
        if more.is_empty() {
            return Err(SourceError::Damaged(format!(
                "the source gives no answer for the opening of entry {at}"
            )));
        }
        openings.extend(more);
    }
    openings.truncate(count);
    Ok((entries, openings))
}

async fn compare<S: AuditSource>(
    source: &mut S,
    audit: &mut Audit,
    level: u8,
    index: u64,
    hashes: &[Hash],
) -> Result<(), SourceError> {
    let kept = source.tile(level, index, hashes.len()).await?;
    if kept.is_some_and(|kept| kept != hashes) {
        audit.wrong_tile(tile_path(level, index, hashes.len()));
    }
    Ok(())
}

/// Checks only that the checkpoint continues the saved one, by a proof.
pub(super) async fn checkpoint_only<S: AuditSource>(
    source: &mut S,
    checkpoint: &Checkpoint,
    saved: Option<Checkpoint>,
) -> Result<Report, SourceError> {
    let problem = match saved {
        None => None,
        Some(saved) if saved.size > checkpoint.size => Some(Problem::Shrunk),
        Some(saved) if saved.size == checkpoint.size => {
            (saved.root != checkpoint.root).then_some(Problem::Forked)
        }
        Some(saved) if saved.size == 0 => None,
        Some(saved) => {
            let proof = source.consistency(saved.size, checkpoint.size).await?;
            verify_consistency(
                saved.size,
                checkpoint.size,
                &saved.root,
                &checkpoint.root,
                &proof,
            )
            .err()
            .map(|_| Problem::Inconsistent)
        }
    };
    let findings: Vec<_> = problem.map(Problem::overall).into_iter().collect();
    Ok(Report {
        intact: findings.is_empty(),
        findings,
        ..empty()
    })
}
