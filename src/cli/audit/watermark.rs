//! `safeconduct audit watermark`: replays a live router, and says so in its log.

use super::state::StateFile;
use super::{CannotCheck, check, drive, print};
use crate::audit::Level;
use crate::audit::source::SourceError;
use crate::cli::home::{CallerArgs, Checkpoints, open};
use crate::client::audit::LiveSource;
use crate::domain::vocabulary::StaffRole;
use crate::envelope::keys::sha256;
use crate::envelope::watermark::Watermark;
use crate::ledger::note::NoteVerifier;
use std::path::PathBuf;

fn unusable(error: impl std::fmt::Display) -> CannotCheck {
    CannotCheck::Source(SourceError::Unavailable(error.to_string()))
}

/// Replays everything, and records the watermark if nothing is wrong; gives the exit code.
pub(super) async fn run(caller: &CallerArgs, state: PathBuf) -> Result<u8, CannotCheck> {
    let agency = open(
        &caller.router,
        &caller.identity,
        caller.trust.as_deref(),
        caller.server_name.as_deref(),
        Checkpoints::InMemory,
    )
    .map_err(unusable)?;
    let desk = agency.desk(caller.staff.as_str(), StaffRole::Auditor);
    let desk = desk.map_err(unusable)?;
    let key = NoteVerifier::parse(&agency.trust().log_key).map_err(|_| CannotCheck::Key)?;
    let file = StateFile::new(state);
    let mut source = LiveSource::new(agency.session().clone(), desk.staff().clone());
    let progress = drive::Progress::on_terminal();
    let outcome = check(
        &mut source,
        Some(Level::Replay),
        Some(&file),
        Some(key),
        &progress,
    )
    .await?;
    println!("{}", print::text(&outcome));
    if outcome.report.violations().next().is_some() {
        println!("No watermark: what is wrong above must be explained first.");
        return Ok(1);
    }
    let Some(saved) = file.load()? else {
        return Err(CannotCheck::NoKey);
    };
    let watermark = Watermark {
        auditor: agency.id().clone(),
        origin: saved.checkpoint.origin.clone(),
        upto: saved.checkpoint.size,
        root: *saved.checkpoint.root.as_bytes(),
        report: sha256(print::json(&outcome).as_bytes()),
        issued: desk.now(),
    };
    let proven = desk.record_watermark(&watermark).await.map_err(unusable)?;
    println!(
        "entry {} of the log: replayed up to entry {}; what is past its retention below it may end",
        proven.index,
        watermark.upto.saturating_sub(1)
    );
    Ok(0)
}
