//! The ombudsperson: verifies, opens, decides again; and meets a router that hides an entry.

use std::path::PathBuf;

use crate::audit::Level;
use crate::audit::source::AuditSource;
use crate::cli::audit::drive::Progress;
use crate::cli::audit::state::StateFile;
use crate::cli::audit::{CannotCheck, Outcome, check};
use crate::client::agency::Agency;
use crate::client::audit::LiveSource;
use crate::client::keys::AgencyKeys;
use crate::client::staff::Staff;
use crate::demo::liar::{Copied, Lie, LyingRouter};
use crate::demo::narrate::Stop;
use crate::domain::vocabulary::StaffRole;
use crate::ledger::entry::Entry;
use crate::ledger::note::NoteVerifier;
use crate::proto::v1;

use super::Story;

impl Story {
    fn auditor(&mut self) -> Result<(LiveSource, Staff), Stop> {
        let desk = self.desk("ombud", "auditor-1", StaffRole::Auditor)?;
        let source = LiveSource::new(desk.agency().session().clone(), desk.staff().clone());
        Ok((source, desk.staff().clone()))
    }

    fn state_file(&self) -> PathBuf {
        self.town.home("ombud").join("audit-state")
    }

    /// The first look: what the log said when the ombudsperson began to watch.
    pub(super) async fn the_first_look(&mut self) -> Result<(), Stop> {
        let (mut source, _) = self.auditor()?;
        let outcome = self.check(&mut source, Level::Verify).await;
        let outcome = self
            .narrator
            .quietly("the ombudsperson looks at the log", outcome)?;
        self.narrator.step(
            "The ombudsperson verifies the young log and keeps its checkpoint.",
            outcome.report.violations().next().is_none() && outcome.saved.is_some(),
            Some(violations(&outcome)),
        );
        Ok(())
    }

    async fn check<S: AuditSource>(
        &self,
        source: &mut S,
        level: Level,
    ) -> Result<Outcome, CannotCheck> {
        let state = StateFile::new(self.state_file());
        let key = NoteVerifier::parse(&self.town.trust().log_key).map_err(|_| CannotCheck::Key)?;
        check(
            source,
            Some(level),
            Some(&state),
            Some(key),
            &Progress::hidden(),
        )
        .await
    }

    pub(super) async fn the_ombudsperson(&mut self) -> Result<(), Stop> {
        self.narrator.act("The ombudsperson checks, and is lied to");
        let (mut source, staff) = self.auditor()?;
        let levels = [
            (
                Level::Verify,
                "audit verify: every hash and signature again, and the log continues \
                             the checkpoint kept from before.",
            ),
            (
                Level::Openings,
                "audit openings: every commitment opens to its decision.",
            ),
            (
                Level::Replay,
                "audit replay: every disclosure decided again by the same gate, from \
                             the agencies' own signatures: each one was covered.",
            ),
        ];
        for (level, sentence) in levels {
            let outcome = self.check(&mut source, level).await;
            let outcome = self.narrator.quietly(sentence, outcome)?;
            let clean = outcome.report.violations().next().is_none();
            self.narrator
                .step(sentence, clean, Some(violations(&outcome)));
            if let (Level::Replay, Some(counts)) = (level, outcome.report.counts) {
                self.narrator.tell(&format!(
                    "{} entries: {} disclosures, {} of them covered; \
                 {} deposits, {} bases, {} refusals.",
                    outcome.report.entries,
                    counts.disclosures,
                    counts.covered,
                    counts.deposits,
                    counts.bases,
                    counts.denials
                ));
            }
        }
        let copied = copy(&mut source).await;
        let copied = self
            .narrator
            .quietly("an operator copies the log", copied)?;
        let hidden = copied.entries.iter().position(|entry| {
            Entry::parse(entry).is_ok_and(|entry| entry.body.event() == "opened")
        });
        let hidden = self
            .narrator
            .quietly("a disclosure to hide", hidden.ok_or("none"))?;
        self.lied_to(
            copied.clone(),
            hidden,
            Lie::Replace,
            &staff,
            "The operator hides one opening behind another entry: the root does not fit, and the ombudsperson is told.",
        )
        .await?;
        self.lied_to(
            copied,
            hidden,
            Lie::Rewrite,
            &staff,
            "It computes the whole log anew and signs it with the log's true key: it does not \
             continue the checkpoint that the ombudsperson kept, and she is told.",
        )
        .await
    }

    async fn lied_to(
        &mut self,
        copied: Copied,
        hidden: usize,
        lie: Lie,
        staff: &Staff,
        sentence: &str,
    ) -> Result<(), Stop> {
        let folder = self.town.router().folder().to_owned();
        let ca = self.town.folder().join("ca");
        let liar = LyingRouter::hide(copied, hidden, lie, &folder, &ca).await;
        let liar = self.narrator.quietly("a lying router runs", liar)?;
        let ombud = self.connect_to(&liar);
        let ombud = self
            .narrator
            .quietly("the ombudsperson connects to it", ombud)?;
        let mut source = LiveSource::new(ombud.session().clone(), staff.clone());
        let outcome = self.check(&mut source, Level::Verify).await;
        let (caught, said) = match &outcome {
            Ok(outcome) => (
                outcome.report.violations().next().is_some(),
                violations(outcome),
            ),
            Err(error) => (matches!(error, CannotCheck::Source(_)), error.to_string()),
        };
        self.narrator
            .step(sentence, caught, Some("nothing was noticed".into()));
        if caught {
            self.narrator.tell(&format!("It says: {said}."));
        }
        Ok(())
    }

    /// The ombudsperson's own keys at another address.
    fn connect_to(&self, liar: &LyingRouter) -> Result<Agency, crate::demo::town::TownError> {
        let home = self.town.home("ombud");
        let keys = AgencyKeys::load("ombud".parse()?, &crate::demo::town::key_files(&home))?;
        let trust = self.town.trust().clone();
        let log = crate::client::log::LogView::in_memory(&trust.log_key)?;
        Ok(Agency::connect(keys, &liar.address(), trust, log)?)
    }
}

fn violations(outcome: &Outcome) -> String {
    let told: Vec<String> = outcome
        .report
        .violations()
        .take(3)
        .map(|finding| finding.problem.to_string())
        .collect();
    told.join("; ")
}

/// Everything that the auditor may read: what an operator has on disk anyway.
async fn copy(source: &mut LiveSource) -> Result<Copied, crate::audit::source::SourceError> {
    let signed = source.checkpoint().await?;
    let size = signed
        .note
        .lines()
        .nth(1)
        .and_then(|line| line.parse::<u64>().ok())
        .unwrap_or_default();
    let (mut entries, mut openings) = (Vec::new(), Vec::new());
    while (entries.len() as u64) < size {
        let start = entries.len() as u64;
        entries.extend(source.entries(start, (size - start).min(1000)).await?);
    }
    while (openings.len() as u64) < size {
        let start = openings.len() as u64;
        let run = source.openings(start, (size - start).min(1000)).await?;
        openings.extend(
            run.into_iter()
                .enumerate()
                .map(|(at, opening)| match opening {
                    Some(opening) => v1::Opening {
                        index: opening.index,
                        nonce: opening.nonce,
                        decision: opening.decision,
                    },
                    None => v1::Opening {
                        index: start + at as u64,
                        ..Default::default()
                    },
                }),
        );
    }
    entries.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    openings.truncate(entries.len());
    let log_key = signed.vkey.unwrap_or_default();
    Ok(Copied {
        entries,
        openings,
        checkpoint: signed.note,
        log_key,
    })
}
