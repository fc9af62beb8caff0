//! Drives one pass of an audit over a source.

use crate::audit::finding::Problem;
use crate::audit::source::{AuditSource, RUN_MAX, SealedOpening, SourceError};
use crate::audit::verify::Standing;
use crate::audit::{Audit, Level, Report};
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::hash::Hash;
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

    /// `start` entries were read before: they count as done, and not for how long the rest will take.
    pub(super) fn begin(&self, start: u64, size: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(size);
            if bar.position() < start {
                bar.set_position(start);
                bar.reset_eta();
            }
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
        resumed: 0,
        last_tick: None,
        counts: None,
        pins: None,
        findings: Vec::new(),
        intact: false,
        standing: None,
    }
}

/// What is known of the log from before, and whether to go on from there.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// The saved checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// Where the recomputation stood there.
    pub standing: Option<Standing>,
    /// Whether what was read before is not read again. Openings and replay read everything all the same: what they
    /// decide rests on all that came before.
    pub resume: bool,
}

impl Past {
    /// The audit that goes on where the saved one stood, if it may.
    fn resumed(&self, level: Level, checkpoint: &Checkpoint) -> Option<Audit> {
        let (saved, standing) = self.checkpoint.clone().zip(self.standing.as_ref())?;
        let continues = saved.size <= checkpoint.size && saved.origin == checkpoint.origin;
        let may = self.resume && continues && level == Level::Verify;
        may.then(|| Audit::resume(saved, standing)).flatten()
    }
}

/// Reads the entries below the checkpoint, and checks them at `level`.
///
/// What goes on from a saved state and finds something is done again from the first entry, so that it is named for
/// what it is.
///
/// # Errors
///
/// [`SourceError`] when the source cannot be read; what is wrong with what it gives is in the report.
pub async fn audit<S: AuditSource>(
    source: &mut S,
    level: Level,
    checkpoint: &Checkpoint,
    past: &Past,
    progress: &Progress,
) -> Result<Report, SourceError> {
    if let Some(audit) = past.resumed(level, checkpoint) {
        let report = pass(source, level, checkpoint, audit, progress).await?;
        if report.violations().next().is_none() {
            return Ok(report);
        }
    }
    let edge = past.standing.as_ref().map(|standing| standing.edge.clone());
    let audit = Audit::new(level, past.checkpoint.clone()).remembering(edge);
    pass(source, level, checkpoint, audit, progress).await
}

async fn pass<S: AuditSource>(
    source: &mut S,
    level: Level,
    checkpoint: &Checkpoint,
    mut audit: Audit,
    progress: &Progress,
) -> Result<Report, SourceError> {
    progress.begin(audit.size(), checkpoint.size);
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
    if let Some(kept) = kept.filter(|kept| kept != hashes) {
        audit.wrong_tile(level, index, hashes, kept);
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
    Ok(of_checkpoint(problem))
}

/// The report on a checkpoint alone.
pub(super) fn of_checkpoint(problem: Option<Problem>) -> Report {
    let findings: Vec<_> = problem.map(Problem::overall).into_iter().collect();
    Report {
        intact: findings.is_empty(),
        findings,
        ..empty()
    }
}
