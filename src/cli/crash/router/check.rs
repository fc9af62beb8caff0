//! What must be so after a restart.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use crate::cli::crash::CrashError;
use crate::cli::crash::workload::Dice;
use crate::client::agency::Desk;
use crate::client::log::Gap;
use crate::demo::town::Town;
use crate::domain::id::{OfferId, ReferralId};
use crate::domain::vocabulary::{StaffRole, Stage};
use crate::proto::v1;
use crate::proto::v1::audit_service_client::AuditServiceClient;

use super::caller::{self, NoReply};
use super::diary::{Acknowledged, Who};
use super::load::{Cast, POOLS};

/// Requests in flight while checking.
const AT_ONCE: usize = 12;

/// Papers that are opened again after each restart.
const PAPERS_AGAIN: usize = 4;

/// How far everything before has been checked.
#[derive(Debug, Default, Clone, Copy)]
pub struct Checked {
    acknowledged: usize,
    pub(super) opened: usize,
    withdrawn: usize,
    /// Entries of the log.
    pub size: u64,
}

/// Who checks, and how far they came.
pub struct Checker {
    pub(super) ombud: Desk,
    pub(super) checked: Checked,
}

pub(super) fn broken(what: impl Into<String>) -> CrashError {
    CrashError::Broken(what.into())
}

impl Checker {
    /// The ombudsperson of a town.
    ///
    /// # Errors
    ///
    /// [`CrashError::Broken`] when there is none.
    pub fn of(town: &Town) -> Result<Self, CrashError> {
        let ombud = town.desk("ombud", "crash", StaffRole::Auditor);
        let ombud = ombud.map_err(|error| broken(error.to_string()))?;
        let checked = Checked::default();
        Ok(Self { ombud, checked })
    }

    /// Everything since the last check, and a sample of everything before.
    ///
    /// # Errors
    ///
    /// [`CrashError::Broken`] with the first thing that is not as it must be.
    pub async fn check(
        &mut self,
        cast: &Cast,
        dice: &mut Dice,
        sample: usize,
    ) -> Result<(), CrashError> {
        self.no_complaint(cast)?;
        let size = self.checkpoint().await?;
        self.states(cast, dice, sample).await?;
        self.close_gaps(cast).await?;
        self.finish_pending(cast).await?;
        self.repeat_acknowledged(cast, dice, sample).await?;
        self.states(cast, dice, sample).await?;
        self.withdrawn(cast, dice, sample).await?;
        self.pools(cast).await?;
        self.papers(cast, dice, PAPERS_AGAIN).await?;
        self.openings(cast, size).await?;
        self.no_complaint(cast)?;
        let pages = cast.diary().pages();
        self.checked = Checked {
            acknowledged: pages.acknowledged.len(),
            opened: pages.opened.len(),
            withdrawn: pages.withdrawn.len(),
            size,
        };
        Ok(())
    }

    /// Entries of the log as last seen.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.checked.size
    }

    fn no_complaint(&self, cast: &Cast) -> Result<(), CrashError> {
        match cast.diary().pages().broken.first() {
            Some(what) => Err(broken(what.clone())),
            None => Ok(()),
        }
    }

    /// The checkpoint is consistent with every one that the ombudsperson saw before (invariant 10).
    async fn checkpoint(&self) -> Result<u64, CrashError> {
        let unproven = |why: String| broken(format!("the checkpoint after a restart: {why}"));
        let log = self.ombud.agency().log();
        let reply = self.ombud.agency().session();
        let reply = reply
            .call(
                self.ombud.staff(),
                v1::GetCheckpointRequest {},
                |channel, request| async move {
                    AuditServiceClient::new(channel)
                        .get_checkpoint(request)
                        .await
                },
            )
            .await
            .map_err(|error| unproven(error.to_string()))?;
        let gap = log.take_checkpoint(&reply.checkpoint);
        if let Some(gap) = gap.map_err(|violation| unproven(violation.to_string()))? {
            close(&self.ombud, gap, &reply.checkpoint)
                .await
                .map_err(unproven)?;
        }
        Ok(log.known().size)
    }

    /// Checkpoints that overtook each other while the router was being killed.
    async fn close_gaps(&self, cast: &Cast) -> Result<(), CrashError> {
        let gaps = std::mem::take(&mut cast.diary().pages().gaps);
        let closing = gaps.into_iter().map(|(who, gap, note)| {
            let cast = cast.clone();
            async move { close(cast.desk(who), gap, &note).await }
        });
        for closed in each(closing).await? {
            closed.map_err(|why| broken(format!("two checkpoints: {why}")))?;
        }
        Ok(())
    }

    /// Requests that were not answered are sent again: their effect happened or not, and now it has.
    async fn finish_pending(&self, cast: &Cast) -> Result<(), CrashError> {
        let pending = cast.diary().pages().pending.clone();
        let sending = pending.into_iter().map(|(number, sent)| {
            let cast = cast.clone();
            async move {
                let again = caller::send_patiently(cast.desk(sent.by), sent.request).await;
                (number, sent.by, again)
            }
        });
        for (number, by, again) in each(sending).await? {
            match again {
                Ok((reply, known)) => {
                    cast.diary().pages().acknowledge(number, &reply);
                    for receipt in &reply.receipts {
                        cast.take(by, receipt, known);
                    }
                }
                Err(NoReply::Refused(_)) => cast.diary().pages().refuse(number),
                Err(lost) => return Err(broken(format!("a request sent again: {lost}"))),
            }
        }
        Ok(())
    }

    /// What was acknowledged is answered the same, with a receipt under the new checkpoint (invariants 1 and 6).
    async fn repeat_acknowledged(
        &self,
        cast: &Cast,
        dice: &mut Dice,
        sample: usize,
    ) -> Result<(), CrashError> {
        let chosen: Vec<Acknowledged> = {
            let pages = cast.diary().pages();
            let all = &pages.acknowledged;
            let numbers = choose(self.checked.acknowledged, all.len(), sample, dice);
            numbers
                .into_iter()
                .filter_map(|at| all.get(at).cloned())
                .collect()
        };
        let sending = chosen.into_iter().map(|was| {
            let cast = cast.clone();
            async move {
                let again =
                    caller::send_patiently(cast.desk(was.sent.by), was.sent.request.clone()).await;
                (was, again)
            }
        });
        for (was, again) in each(sending).await? {
            match again {
                Ok((reply, known)) if reply.is_same(&was.reply) => {
                    for receipt in &reply.receipts {
                        cast.take(was.sent.by, receipt, known);
                    }
                }
                Ok(_) => {
                    return Err(broken(format!(
                        "answered otherwise than before: {:?}",
                        was.sent.effect
                    )));
                }
                Err(no) => return Err(broken(format!("lost: {:?}: {no}", was.sent.effect))),
            }
        }
        self.close_gaps(cast).await
    }

    /// By name, as source and as recipient, everything stands where it was acknowledged to stand.
    async fn states(&self, cast: &Cast, dice: &mut Dice, sample: usize) -> Result<(), CrashError> {
        let chosen: Vec<(ReferralId, [OfferId; 2])> = {
            let pages = cast.diary().pages();
            let acknowledged = pages.acknowledged.iter().skip(self.checked.acknowledged);
            let touched: BTreeSet<ReferralId> = acknowledged
                .filter_map(|one| match &one.sent.effect {
                    super::diary::Effect::Created { .. } => {
                        one.reply.names.first()?.rsplit('/').next()?.parse().ok()
                    }
                    super::diary::Effect::Moved(offer, _) => {
                        Some(pages.offers.get(offer)?.referral)
                    }
                    _ => None,
                })
                .collect();
            let all: Vec<_> = pages
                .referrals
                .iter()
                .map(|(id, offers)| (*id, *offers))
                .collect();
            let some = choose(all.len(), all.len(), sample, dice);
            let some = some.into_iter().filter_map(|at| all.get(at).copied());
            let touched = all.iter().filter(|(id, _)| touched.contains(id)).copied();
            touched.chain(some).collect()
        };
        let looking = chosen
            .into_iter()
            .map(|(referral, offers)| look(cast.clone(), referral, offers));
        for looked in each(looking).await? {
            looked.map_err(broken)?;
        }
        Ok(())
    }

    /// After an acknowledged withdrawal an opening finds nothing (invariant 13).
    async fn withdrawn(
        &self,
        cast: &Cast,
        dice: &mut Dice,
        sample: usize,
    ) -> Result<(), CrashError> {
        let chosen: Vec<(Who, OfferId)> = {
            let pages = cast.diary().pages();
            let numbers = choose(self.checked.withdrawn, pages.withdrawn.len(), sample, dice);
            let chains: BTreeSet<_> = numbers
                .into_iter()
                .filter_map(|at| pages.withdrawn.get(at))
                .collect();
            let offers = pages
                .offers
                .iter()
                .filter(|(_, note)| chains.contains(&note.chain));
            offers.map(|(offer, note)| (note.to, *offer)).collect()
        };
        let opening = chosen.into_iter().map(|(who, offer)| {
            let cast = cast.clone();
            async move {
                for stage in [Stage::Triage, Stage::Accepted] {
                    cast.finds_nothing(who, offer, stage).await?;
                }
                Ok::<(), NoReply>(())
            }
        });
        for found in each(opening).await? {
            found.map_err(|no| broken(format!("opening after a withdrawal: {no}")))?;
        }
        Ok(())
    }

    /// Every pool counts what the diary counts, and never more than there is (invariant 7).
    async fn pools(&self, cast: &Cast) -> Result<(), CrashError> {
        for who in [Who::House1, Who::House2] {
            let pools = cast.desk(who).pools().await;
            let pools = pools.map_err(|error| broken(format!("pools: {error}")))?;
            for (name, total) in POOLS {
                let Some(pool) = pools.iter().find(|pool| pool.pool.as_str() == name) else {
                    return Err(broken(format!("the pool {name} of {} is lost", who.id())));
                };
                let found = [pool.held, pool.taken, pool.occupied, pool.preparing];
                let expected = cast.diary().pages().places(who, name);
                let used: u64 = found.iter().copied().map(u64::from).sum();
                let is_sound = pool.total == total
                    && used <= u64::from(total)
                    && u64::from(pool.available) == u64::from(total) - used;
                if found != expected || !is_sound {
                    return Err(broken(format!(
                        "pool {name} of {}: {found:?} held, taken, occupied, prepared of {}, {} free; \
                         {expected:?} acknowledged",
                        who.id(),
                        pool.total,
                        pool.available
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Does all of `work`, several at a time.
async fn each<F>(work: impl Iterator<Item = F>) -> Result<Vec<F::Output>, CrashError>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    for one in work {
        if running.len() >= AT_ONCE
            && let Some(ended) = running.join_next().await
        {
            done.push(ended.map_err(|error| broken(error.to_string()))?);
        }
        running.spawn(one);
    }
    while let Some(ended) = running.join_next().await {
        done.push(ended.map_err(|error| broken(error.to_string()))?);
    }
    Ok(done)
}

/// Proves that one checkpoint extends the other.
async fn close(desk: &Desk, gap: Gap, note: &str) -> Result<(), String> {
    let sizes = v1::ProveConsistencyRequest {
        old_size: gap.old.0,
        new_size: gap.new.0,
    };
    let session = desk.agency().session();
    let reply = session
        .call(desk.staff(), sizes, |channel, request| async move {
            AuditServiceClient::new(channel)
                .prove_consistency(request)
                .await
        })
        .await
        .map_err(|error| error.to_string())?;
    let closed = desk.agency().log().close(gap, &reply.proof, note);
    closed.map(drop).map_err(|violation| violation.to_string())
}

/// One referral, as its source and its recipients see it.
async fn look(cast: Cast, referral: ReferralId, offers: [OfferId; 2]) -> Result<(), String> {
    let seen = cast.desk(Who::Alpha).referral(referral).await;
    let seen = seen.map_err(|error| format!("a referral is lost: {error}"))?;
    for offer in offers {
        let (note, is_pending) = {
            let pages = cast.diary().pages();
            (pages.offers.get(&offer).cloned(), pages.is_pending(offer))
        };
        let Some(note) = note else { continue };
        let view = cast.desk(note.to).offer(offer).await;
        let view = view.map_err(|error| format!("an offer is lost: {error}"))?;
        let at_source = seen
            .offers
            .iter()
            .find(|one| one.offer == offer)
            .map(|one| one.state);
        // A request without an answer may have had its effect.
        let is_there = view.state == note.state || (is_pending && !note.state.is_terminal());
        if !is_there || at_source != Some(view.state) {
            return Err(format!(
                "an offer is {} to its recipient and {} to its source; {} was acknowledged",
                view.state.name(),
                at_source.map_or("absent", |state| state.name()),
                note.state.name()
            ));
        }
    }
    Ok(())
}

/// All numbers from `from` to `to`, and `sample` of those before.
fn choose(from: usize, to: usize, sample: usize, dice: &mut Dice) -> BTreeSet<usize> {
    let mut chosen: BTreeSet<usize> = (from..to).collect();
    if from > 0 {
        let below = u64::try_from(from).unwrap_or(u64::MAX);
        let rolled = (0..sample).map(|_| usize::try_from(dice.roll(below)).unwrap_or(0));
        chosen.extend(rolled);
    }
    chosen
}
