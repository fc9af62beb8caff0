//! A full disk under a router: new work is refused before anything is written, a withdrawal still commits through the
//! headroom, and when there is space again work goes on without a restart (invariants 9 and 28).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::broken;
use super::caller::NoReply;
use super::check::Checker;
use super::diary::{Diary, Who};
use super::images::MountedTown;
use super::load::{Cast, Step};
use crate::cli::crash::CrashError;
use crate::cli::crash::workload::Dice;
use crate::client::random::SystemRandom;
use crate::domain::basis::Basis;
use crate::domain::id::{CaseHandle, OfferId};
use crate::domain::random::Random as _;
use crate::domain::vocabulary::Stage;

/// Size of the file system in bytes: the first segment and what the store keeps free, but not a second segment.
const DISK_BYTES: u64 = 256 << 20;

/// Ballast in bytes, without which there is room for a second segment.
const BALLAST_BYTES: usize = 100 << 20;

/// Characters of a field, so that a segment is soon full.
const FIELD_CHARS: usize = 50_000;

/// Requests after which a segment must be full.
const REQUESTS_MAX: u32 = 400;

/// How long a refusal may take.
const REFUSAL_MAX: Duration = Duration::from_secs(10);

/// Withdrawals that must commit on a full disk.
const WITHDRAWALS: usize = 8;

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Referrals made until the disk was full.
    pub made: u32,
    /// Refused while it was.
    pub refused: u32,
    /// Withdrawals recorded while it was.
    pub withdrawn: usize,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} referrals until the disk was full, {} refused then, {} withdrawals recorded then; \
             went on without a restart",
            self.made, self.refused, self.withdrawn
        )
    }
}

/// Fills a disk, and frees it.
///
/// # Errors
///
/// [`CrashError::Skipped`] without root or loop devices; [`CrashError::Broken`].
pub async fn run(binary: &Path, folder: &Path) -> Result<Tally, CrashError> {
    let mut mounted = MountedTown::begin(binary, folder, DISK_BYTES).await?;
    let cast = Cast::of(&mounted.town, Arc::new(Diary::default()))
        .await
        .map_err(broken)?;
    let cast = cast.with_fields_of(FIELD_CHARS);
    let made = cast.make_pools().await;
    made.map_err(|no| CrashError::Broken(format!("pools: {no}")))?;
    let ballast = mounted.town.router().store().join("ballast");
    std::fs::write(&ballast, vec![1; BALLAST_BYTES])?;

    let mut tally = Tally::default();
    let mut open = Vec::new();
    while is_made(one(&cast).await, &mut open)? {
        tally.made += 1;
        if tally.made > REQUESTS_MAX {
            return Err(CrashError::Broken(
                "the disk does not become full".to_owned(),
            ));
        }
    }
    let mut refusing = Vec::new();
    for _ in 0..8 {
        let cast = cast.clone();
        refusing.push(tokio::spawn(async move {
            let begun = Instant::now();
            (one(&cast).await, begun.elapsed())
        }));
    }
    // In the middle of what is refused.
    for (basis, offer) in open.iter().rev().take(WITHDRAWALS) {
        withdraw(&cast, basis).await?;
        let found = cast.finds_nothing(Who::House1, *offer, Stage::Triage).await;
        // The refusal of an opening has an entry as well, for which there may be no space.
        let _ = found;
        tally.withdrawn += 1;
    }
    for refused in refusing {
        let (outcome, taken) = refused
            .await
            .map_err(|error| CrashError::Broken(error.to_string()))?;
        if is_made(outcome, &mut Vec::new())? {
            return Err(CrashError::Broken(
                "a referral was made on a full disk".to_owned(),
            ));
        }
        if taken > REFUSAL_MAX {
            let what = format!("a refusal took {:.1} s", taken.as_secs_f64());
            return Err(CrashError::Broken(what));
        }
        tally.refused += 1;
    }
    if !mounted.town.router().is_running() {
        return Err(CrashError::Broken(
            "the router ended on a full disk".to_owned(),
        ));
    }

    std::fs::remove_file(&ballast)?;
    if !is_made(one(&cast).await, &mut Vec::new())? {
        let what = "there is space again, and requests are still refused".to_owned();
        return Err(CrashError::Broken(what));
    }
    let mut checker = Checker::of(&mounted.town)?;
    let mut dice = Dice::new(1, 1);
    checker.check(&cast, &mut dice, 0).await?;
    mounted.town.restart().map_err(broken)?;
    checker.check(&cast, &mut dice, 100).await?;
    checker.nothing_twice(&cast).await?;
    checker.audit(&mounted.town).await?;
    Ok(tally)
}

/// A case with a large referral.
async fn one(cast: &Cast) -> Step<(Basis, OfferId)> {
    let case = CaseHandle::from_random(SystemRandom.array());
    let first = cast.record_basis(case, Who::House1).await?;
    let second = cast.record_basis(case, Who::House2).await?;
    let bases = [first, second];
    let [offer, _] = cast.create(case, &bases).await?;
    let [first, _] = bases;
    Ok((first, offer))
}

/// Whether it was made; anything but `UNAVAILABLE` in its stead is wrong.
fn is_made(
    outcome: Step<(Basis, OfferId)>,
    open: &mut Vec<(Basis, OfferId)>,
) -> Result<bool, CrashError> {
    match outcome {
        Ok(made) => {
            open.push(made);
            Ok(true)
        }
        Err(NoReply::Lost(why)) if why == "Unavailable UNAVAILABLE" => Ok(false),
        Err(no) => Err(CrashError::Broken(format!("on a full disk: {no}"))),
    }
}

/// Withdraws as an agency would: asks again when the router is busy.
async fn withdraw(cast: &Cast, basis: &Basis) -> Result<(), CrashError> {
    let mut last = String::new();
    for _ in 0..5 {
        match cast.withdraw(basis).await {
            Ok(()) | Err(NoReply::Refused(crate::client::error::Reason::BasisWithdrawn)) => {
                return Ok(());
            }
            Err(no) => last = no.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(CrashError::Broken(format!(
        "a withdrawal on a full disk: {last}"
    )))
}
