//! `safeconduct audit watermark`: replay a live router, and say in its log that this was done.

use super::state::StateFile;
use super::{CannotCheck, Run, STAFF, drive, freshness, print};
use crate::audit::Level;
use crate::audit::source::{AuditSource, SealedOpening, SignedCheckpoint, SourceError};
use crate::cli::home::{Checkpoints, TRUST, open};
use crate::cli::text::wrapped;
use crate::client::audit::LiveSource;
use crate::client::error::{ClientError, Reason};
use crate::domain::vocabulary::StaffRole;
use crate::envelope::keys::sha256;
use crate::envelope::watermark::Watermark;
use crate::ledger::hash::{Hash, leaf};
use crate::ledger::note::NoteVerifier;
use crate::ledger::tree::Edge;
use clap::Args;
use std::path::PathBuf;

/// Replay a live router and, if nothing is wrong, say so in its log: what is below may then end after its retention
#[derive(Debug, Args)]
pub(super) struct WatermarkArgs {
    /// The router, as https://host:port
    #[arg(long, value_name = "URL")]
    router: String,
    /// Folder with the auditor's certificates and keys
    #[arg(long, value_name = "DIR")]
    identity: PathBuf,
    /// Folder with log.vkey, administrators.pem and roots.pem, and perhaps a policy; trust/ in --identity if not given
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// Name in the router's certificate, if it is not the host
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// The auditor's pseudonym, as it will stand in the log
    #[arg(long, value_name = "NAME", default_value = STAFF)]
    staff: String,
    /// Your saved state of an earlier run: key and last checkpoint. Made if missing, and then nothing is recorded (3)
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Say so of the entries up to this one only, and leave what came later for another time
    #[arg(long, value_name = "INDEX")]
    upto: Option<u64>,
    #[command(flatten)]
    freshness: freshness::FreshnessArgs,
}

fn unusable(error: impl std::fmt::Display) -> CannotCheck {
    CannotCheck::Source(SourceError::Unavailable(error.to_string()))
}

/// Why no watermark was recorded, and how far an earlier one goes.
fn refused(error: ClientError) -> CannotCheck {
    match error {
        ClientError::Refused(refused) if refused.reason == Reason::WatermarkBehind => {
            let size: Option<u64> = refused.facts.get("size").and_then(|size| size.parse().ok());
            CannotCheck::WatermarkBehind(size.unwrap_or_default().saturating_sub(1))
        }
        ClientError::Refused(refused) if refused.reason == Reason::InvalidField => {
            CannotCheck::WatermarkRefused
        }
        error => unusable(error),
    }
}

/// A live log, with the tree over its first entries as they are replayed.
struct Rooted<'a> {
    live: &'a mut LiveSource,
    /// Entries to be vouched for; all of them if none.
    size: Option<u64>,
    edge: Edge,
}

impl Rooted<'_> {
    fn take(&mut self, start: u64, entries: &[Vec<u8>]) {
        for (index, entry) in (start..).zip(entries) {
            if index == self.edge.size() && self.size.is_none_or(|size| index < size) {
                let _ = self.edge.append(leaf(entry));
            }
        }
    }
}

impl AuditSource for Rooted<'_> {
    async fn checkpoint(&mut self) -> Result<SignedCheckpoint, SourceError> {
        self.live.checkpoint().await
    }

    async fn entries(&mut self, start: u64, count: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        let entries = self.live.entries(start, count).await?;
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        self.take(start, entries.get(..most).unwrap_or(&entries));
        Ok(entries)
    }

    async fn openings(
        &mut self,
        start: u64,
        count: u64,
    ) -> Result<Vec<Option<SealedOpening>>, SourceError> {
        self.live.openings(start, count).await
    }

    async fn tile(
        &mut self,
        level: u8,
        index: u64,
        width: usize,
    ) -> Result<Option<Vec<Hash>>, SourceError> {
        self.live.tile(level, index, width).await
    }

    async fn consistency(&mut self, old: u64, new: u64) -> Result<Vec<Hash>, SourceError> {
        self.live.consistency(old, new).await
    }
}

impl WatermarkArgs {
    /// Replays everything, and records the watermark if nothing is wrong; gives the exit code.
    pub(super) async fn run(&self) -> Result<u8, CannotCheck> {
        let trust = self.trust.clone();
        let trust = trust.unwrap_or_else(|| self.identity.join(TRUST));
        let agency = open(
            &self.router,
            &self.identity,
            Some(&trust),
            self.server_name.as_deref(),
            Checkpoints::InMemory,
        )
        .map_err(unusable)?;
        let desk = agency.desk(&self.staff, StaffRole::Auditor);
        let desk = desk.map_err(unusable)?;
        let key = NoteVerifier::parse(&agency.trust().log_key).map_err(|_| CannotCheck::Key)?;
        let mut live = LiveSource::new(agency.session().clone(), desk.staff().clone());
        let mut source = Rooted {
            live: &mut live,
            size: self.upto.map(|index| index.saturating_add(1)),
            edge: Edge::new(),
        };
        let run = Run {
            level: Some(Level::Replay),
            file: Some(StateFile::new(self.state.clone())),
            vkey: Some(key),
            resume: false,
            look_for: self.freshness.look_for(Some(&trust))?,
        };
        let progress = drive::Progress::on_terminal();
        let outcome = run.look(&mut source, &progress).await?;
        if outcome.report.violations().next().is_some() {
            outcome.keep()?;
            println!("{}", print::text(&outcome));
            println!("No watermark: what is wrong above must be explained first.");
            return Ok(1);
        }
        if let Some(upto) = self.upto.filter(|index| *index >= outcome.size) {
            return Err(CannotCheck::NoSuchEntry(upto, outcome.size));
        }
        if outcome.past.is_none() {
            outcome.keep()?;
            println!("{}", print::text(&outcome));
            println!("No watermark: it needs a saved state of an earlier run to compare with.");
            return Ok(3);
        }
        let watermark = Watermark {
            auditor: agency.id().clone(),
            origin: outcome.origin.clone(),
            upto: source.edge.size(),
            root: *source.edge.root().as_bytes(),
            report: sha256(print::json(&outcome).as_bytes()),
            issued: desk.now(),
        };
        let proven = desk.record_watermark(&watermark).await.map_err(refused)?;
        outcome.keep()?;
        println!("{}", print::text(&outcome));
        let said = format!(
            "Entry {} of the log says it: replayed up to entry {}. What is past its retention below that may end.",
            proven.index,
            watermark.upto.saturating_sub(1)
        );
        println!("{}", wrapped("", &said));
        Ok(0)
    }
}
