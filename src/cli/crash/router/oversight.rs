//! What the ombudsperson looks for after a restart: an entry for each disclosure, one effect for
//! each request, and a log
//! that can be verified, opened and replayed.

use std::collections::BTreeSet;

use super::check::{Checker, broken};
use super::diary::{Opened, Who};
use super::load::Cast;
use crate::audit::Level;
use crate::audit::source::AuditSource as _;
use crate::cli::audit::check as audit;
use crate::cli::audit::drive::Progress;
use crate::cli::audit::state::StateFile;
use crate::cli::crash::CrashError;
use crate::client::audit::LiveSource;
use crate::demo::town::Town;
use crate::domain::id::ReferralId;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Opening;
use crate::ledger::note::NoteVerifier;

/// Entries read at once.
const PAGE: u64 = 500;

impl Checker {
    /// Every parcel that was disclosed has its entry, as the ombudsperson reads (invariant 8).
    pub(super) async fn openings(&self, cast: &Cast, size: u64) -> Result<(), CrashError> {
        let disclosed: Vec<Opened> = {
            let pages = cast.diary().pages();
            pages
                .opened
                .iter()
                .skip(self.checked.opened)
                .cloned()
                .collect()
        };
        let Some(first) = disclosed.iter().map(|one| one.index).min() else {
            return Ok(());
        };
        let session = self.ombud.agency().session().clone();
        let mut source = LiveSource::new(session, self.ombud.staff().clone());
        let mut recorded = BTreeSet::new();
        let mut start = first;
        while start < size {
            let run = source.openings(start, PAGE.min(size - start)).await;
            let run = run.map_err(|error| broken(format!("openings: {error}")))?;
            start += (run.len() as u64).max(1);
            for sealed in run.into_iter().flatten() {
                let opening = Opening::parse(&sealed.nonce, &sealed.decision);
                if let Ok(Opening {
                    decision: Decision::Opened { offer, stage, .. },
                    ..
                }) = opening
                {
                    recorded.insert((sealed.index, offer, stage));
                }
            }
        }
        for one in disclosed {
            let entry = (
                one.index,
                one.offer.to_string(),
                one.stage.name().to_owned(),
            );
            if !recorded.contains(&entry) {
                return Err(broken(format!("a disclosure has no entry {}", one.index)));
            }
        }
        Ok(())
    }

    /// One effect per request: the source has exactly the referrals that it was told of.
    ///
    /// # Errors
    ///
    /// [`CrashError::Broken`].
    pub async fn nothing_twice(&self, cast: &Cast) -> Result<(), CrashError> {
        let listed = cast.desk(Who::Alpha).referrals().await;
        let listed = listed.map_err(|error| broken(format!("referrals: {error}")))?;
        let found: BTreeSet<ReferralId> = listed.iter().map(|one| one.referral).collect();
        let told: BTreeSet<ReferralId> = {
            let pages = cast.diary().pages();
            let houses = pages.referrals.keys();
            houses.chain(&pages.asked).copied().collect()
        };
        if found != told || found.len() != listed.len() {
            return Err(broken(format!(
                "{} referrals are there, {} were acknowledged",
                listed.len(),
                told.len()
            )));
        }
        Ok(())
    }

    /// `audit verify`, `audit openings` and `audit replay`.
    ///
    /// # Errors
    ///
    /// [`CrashError::Broken`] with the first finding.
    pub async fn audit(&self, town: &Town) -> Result<(), CrashError> {
        let state = StateFile::new(town.home("ombud").join("audit-state"));
        let fail = |level: Level, why: String| broken(format!("audit {level:?}: {why}"));
        for level in [Level::Verify, Level::Openings, Level::Replay] {
            let session = self.ombud.agency().session().clone();
            let mut source = LiveSource::new(session, self.ombud.staff().clone());
            let key = NoteVerifier::parse(&town.trust().log_key)
                .map_err(|error| fail(level, error.to_string()))?;
            let outcome = audit(
                &mut source,
                Some(level),
                Some(&state),
                Some(key),
                &Progress::hidden(),
            )
            .await;
            let outcome = outcome.map_err(|error| fail(level, error.to_string()))?;
            if let Some(finding) = outcome.report.violations().next() {
                return Err(fail(level, finding.problem.to_string()));
            }
        }
        Ok(())
    }
}
