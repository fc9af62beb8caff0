//! One check of a log, and everything that it showed.

use super::state::StateFile;
use super::{CannotCheck, drive, freshness};
use super::{Eyes, LookFor};
use crate::audit::finding::Problem;
use crate::audit::source::{AuditSource, SignedCheckpoint};
use crate::audit::{Level, Report};
use crate::cli::text::printable;
use crate::domain::time::Timestamp;
use crate::ledger::note::NoteVerifier;
use std::path::PathBuf;

/// Everything that a run showed.
#[derive(Debug)]
pub struct Outcome {
    /// The level; none for a check of the checkpoint alone.
    pub level: Option<Level>,
    /// The log.
    pub origin: String,
    /// Key name and id.
    pub key: String,
    /// Whether the key is the auditor's own knowledge.
    pub pinned: bool,
    /// The saved checkpoint's size, or that of the mirror before, if there was one.
    pub past: Option<u64>,
    /// When that was saved, where a state says so.
    pub past_saved: Option<Timestamp>,
    /// The checkpoint's size.
    pub size: u64,
    /// What was found.
    pub report: Report,
    /// The state file that [`Outcome::keep`] brings up to date.
    pub saved: Option<PathBuf>,
    /// The signed note that was checked.
    pub note: String,
    /// The mirror that was checked, and how many entries were new in it.
    pub mirror: Option<(PathBuf, u64)>,
    /// Who besides the log's keeper saw the checkpoint.
    pub eyes: Eyes,
}

impl Outcome {
    /// Brings the saved state up to date, if the log is one with it: last, so that nothing that fails before has moved
    /// it.
    ///
    /// # Errors
    ///
    /// [`CannotCheck::State`] when it cannot be written.
    pub fn keep(&self) -> Result<(), CannotCheck> {
        let Some(path) = &self.saved else {
            return Ok(());
        };
        let verifier = NoteVerifier::parse(&self.key).map_err(|_| CannotCheck::Key)?;
        let standing = self.report.standing.as_ref();
        Ok(StateFile::new(path.clone()).save(&verifier, &self.note, standing)?)
    }

    /// The exit code, as `--help` documents it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.report.violations().next().is_some() {
            1
        } else if self.past.is_none() {
            3
        } else {
            0
        }
    }
}

/// Checks `source` at `level` (none: the checkpoint alone) against the saved state and the key given, from the first
/// entry on, and brings the saved state up to date if the log is one with it.
///
/// # Errors
///
/// [`CannotCheck`] when there is nothing to say; what is wrong with the log is in the outcome.
pub async fn check<S: AuditSource>(
    source: &mut S,
    level: Option<Level>,
    file: Option<&StateFile>,
    vkey: Option<NoteVerifier>,
    progress: &drive::Progress,
) -> Result<Outcome, CannotCheck> {
    let run = Run {
        level,
        file: file.cloned(),
        vkey,
        resume: false,
        look_for: LookFor::default(),
    };
    run.check(source, progress).await
}

/// That a checkpoint which `known` did not sign is what another log's key, which came with it, did sign.
fn other_log(given: &SignedCheckpoint, known: &NoteVerifier) -> Option<Problem> {
    let named = NoteVerifier::parse(given.vkey.as_deref()?).ok()?;
    let signed = named != *known && named.verify(&given.note).is_ok();
    signed.then(|| Problem::OtherLog(printable(named.name())))
}

/// One check: how deep, and against what.
#[derive(Debug, Clone)]
pub struct Run {
    /// The level; none for the checkpoint alone.
    pub level: Option<Level>,
    /// The saved state.
    pub file: Option<StateFile>,
    /// The log's key.
    pub vkey: Option<NoteVerifier>,
    /// Whether [`Level::Verify`] goes on from the saved state instead of the first entry.
    pub resume: bool,
    /// Whose word is asked for.
    pub look_for: LookFor,
}

impl Run {
    /// Checks `source`, and brings the saved state up to date if the log is one with it.
    ///
    /// A state is not moved past anything that is wrong with the log itself, so that the next run meets it again. It
    /// is moved past acts that were not covered: the checkpoint that holds them is the evidence to keep, and openings
    /// and replay begin at the first entry each time.
    ///
    /// # Errors
    ///
    /// [`CannotCheck`] when there is nothing to say; what is wrong with the log is in the outcome.
    pub async fn check<S: AuditSource>(
        self,
        source: &mut S,
        progress: &drive::Progress,
    ) -> Result<Outcome, CannotCheck> {
        let outcome = self.look(source, progress).await?;
        outcome.keep()?;
        Ok(outcome)
    }

    /// As [`Run::check`], and leaves the saved state to [`Outcome::keep`].
    ///
    /// # Errors
    ///
    /// [`CannotCheck`] when there is nothing to say; what is wrong with the log is in the outcome.
    pub async fn look<S: AuditSource>(
        self,
        source: &mut S,
        progress: &drive::Progress,
    ) -> Result<Outcome, CannotCheck> {
        let Self {
            level,
            file,
            vkey,
            resume,
            look_for,
        } = self;
        let state = file.as_ref().map(StateFile::load).transpose()?.flatten();
        let given = source.checkpoint().await?;
        let (verifier, pinned) = match (&state, vkey, &given.vkey) {
            (Some(state), Some(vkey), _) if state.verifier != vkey => {
                return Err(CannotCheck::OtherKey);
            }
            (Some(state), _, _) => (state.verifier.clone(), true),
            (None, Some(vkey), _) => (vkey, true),
            (None, None, Some(named)) => {
                let named = NoteVerifier::parse(named);
                (named.map_err(|_| CannotCheck::NamedKey)?, false)
            }
            (None, None, None) => return Err(CannotCheck::NoKey),
        };
        if let Some(policy) = &look_for.policy {
            policy.require_about(&verifier)?;
        }
        let past_saved = state.as_ref().map(|state| state.saved);
        let (saved, standing) = match state {
            Some(state) => (Some(state.checkpoint), state.standing),
            None => (None, None),
        };
        let past = saved.as_ref().map(|saved| saved.size);
        // Whole: its hash alone is 32 bits, for which somebody can make a second key.
        let key = verifier.vkey();
        let (size, mut report) = match verifier.verify(&given.note) {
            Err(error) => {
                let other = other_log(&given, &verifier);
                let unsigned = || drive::unsigned(error);
                (
                    0,
                    other.map_or_else(unsigned, |other| drive::of_checkpoint(Some(other))),
                )
            }
            Ok(checkpoint) => {
                let report = match level {
                    Some(level) => {
                        let past = drive::Past {
                            checkpoint: saved,
                            standing,
                            resume,
                        };
                        drive::audit(source, level, &checkpoint, &past, progress).await?
                    }
                    None => drive::checkpoint_only(source, &checkpoint, saved).await?,
                };
                (checkpoint.size, report)
            }
        };
        if size > 0 && given.vkey.is_some_and(|named| named != key) {
            report.findings.push(Problem::OtherKey.overall());
            report.intact = false;
        }
        let (eyes, findings) = freshness::look(&freshness::Shown {
            note: &given.note,
            log: &verifier,
            policy: look_for.policy.as_ref(),
            last_tick: report.last_tick,
            now: look_for.now,
        });
        report.findings.extend(findings);
        let kept = file.filter(|_| report.intact);
        let origin = verifier.name().to_owned();
        Ok(Outcome {
            level,
            origin,
            key,
            pinned,
            past,
            past_saved,
            size,
            report,
            saved: kept.map(|file| file.path().to_owned()),
            note: given.note,
            mirror: None,
            eyes,
        })
    }
}
