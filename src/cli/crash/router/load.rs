//! The load: agencies that live through referrals, several at once, and note what they sent and what was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::client::agency::Desk;
use crate::client::error::Reason;
use crate::client::random::SystemRandom;
use crate::client::session::request_id;
use crate::demo::town::{Town, TownError};
use crate::domain::id::{CaseHandle, OfferId};
use crate::domain::random::Random;
use crate::domain::vocabulary::{StaffRole, Stage};
use crate::proto::v1;

use super::caller::{self, NoReply, Reply, Request};
use super::diary::{Diary, Effect, Sent, Who};
use crate::cli::crash::workload::Dice;

/// Every house has a pool without end and one that is always short, and how many places they have.
pub const POOLS: [(&str, u32); 2] = [("wide", 10_000), ("tight", 4)];

/// Of so many lives, one sends a paper.
const LIVES_A_PAPER: u64 = 4;

/// What a life ends with: `Some` when a request was not answered or not allowed.
pub(super) type Step<T> = Result<T, NoReply>;

/// The agencies at their desks.
#[derive(Clone)]
pub struct Cast {
    desks: Arc<BTreeMap<Who, Desk>>,
    diary: Arc<Diary>,
    /// Characters in each field.
    pub(super) field_chars: usize,
    /// Who is sent papers, if anybody.
    lawyer: Option<Desk>,
}

impl Cast {
    /// Takes the desks of a town that has `alpha`, `house1` and `house2`, mirrors the directory, and makes the pools.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub async fn of(town: &Town, diary: Arc<Diary>) -> Result<Self, TownError> {
        let mut desks = BTreeMap::new();
        for who in Who::ALL {
            let role = match who {
                Who::Alpha => StaffRole::Caseworker,
                Who::House1 | Who::House2 => StaffRole::Intake,
            };
            desks.insert(who, town.desk(who.id(), "crash", role)?);
        }
        for desk in desks.values() {
            desk.mirror().await?;
        }
        let desks = Arc::new(desks);
        let field_chars = 24;
        Ok(Self {
            desks,
            diary,
            field_chars,
            lawyer: None,
        })
    }

    /// The same, with fields of so many characters.
    #[must_use]
    pub fn with_fields_of(mut self, chars: usize) -> Self {
        self.field_chars = chars;
        self
    }

    /// The same, with a lawyer who is sent papers.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub async fn with_papers(mut self, town: &Town) -> Result<Self, TownError> {
        let lawyer = town.desk("law", "crash", StaffRole::Intake)?;
        lawyer.mirror().await?;
        self.lawyer = Some(lawyer);
        Ok(self)
    }

    /// Who is sent papers.
    #[must_use]
    pub const fn lawyer(&self) -> Option<&Desk> {
        self.lawyer.as_ref()
    }

    /// One desk.
    ///
    /// # Panics
    ///
    /// Never: every [`Who`] has one.
    #[must_use]
    pub fn desk(&self, who: Who) -> &Desk {
        self.desks.get(&who).expect("every one has a desk")
    }

    /// Where everything is noted.
    #[must_use]
    pub fn diary(&self) -> &Diary {
        &self.diary
    }

    /// Makes both houses' pools.
    ///
    /// # Errors
    ///
    /// [`NoReply`].
    pub async fn make_pools(&self) -> Step<()> {
        for who in [Who::House1, Who::House2] {
            for (pool, total) in POOLS {
                let request = Request::UpdatePool(v1::UpdatePoolRequest {
                    name: self.pool_name(who, pool),
                    request_id: request_id(),
                    total,
                    ..v1::UpdatePoolRequest::default()
                });
                self.act(who, request, Effect::None).await?;
            }
        }
        Ok(())
    }

    pub(super) fn pool_name(&self, who: Who, pool: &str) -> String {
        format!("agencies/{}/pools/{pool}", who.id())
    }

    /// Sends, notes before and after, and takes the receipts into the sender's view of the log.
    ///
    /// # Errors
    ///
    /// [`NoReply`].
    pub async fn act(&self, by: Who, request: Request, effect: Effect) -> Step<Reply> {
        let sent = Sent {
            by,
            request: request.clone(),
            effect,
        };
        let number = self.diary.pages().begin(sent);
        match caller::send(self.desk(by), request).await {
            Ok((reply, known)) => {
                self.diary.pages().acknowledge(number, &reply);
                for receipt in &reply.receipts {
                    self.take(by, receipt, known);
                }
                Ok(reply)
            }
            Err(no @ NoReply::Refused(_)) => {
                self.diary.pages().refuse(number);
                Err(no)
            }
            // It stays pending: after the restart it is sent again.
            Err(lost) => Err(lost),
        }
    }

    /// Verifies a receipt; what its own proof does not tie to the checkpoints before is left for after the restart.
    pub fn take(&self, by: Who, receipt: &v1::Receipt, known: crate::client::log::Known) {
        match self.desk(by).agency().log().take(Some(receipt), known) {
            Ok((_, None)) => {}
            Ok((_, Some(gap))) => {
                let note = receipt.checkpoint.clone();
                self.diary.pages().gaps.push((by, gap, note));
            }
            Err(violation) => self
                .diary
                .pages()
                .complain(format!("a receipt: {violation}")),
        }
    }

    /// Lives until told to stop. A life that meets a missing answer is left as it is.
    pub async fn live(&self, mut dice: Dice, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let sends = self.lawyer.is_some() && dice.roll(LIVES_A_PAPER) == 0;
            let lived = if sends {
                self.paper(&mut dice).await
            } else {
                self.life(&mut dice).await
            };
            match lived {
                Ok(()) | Err(NoReply::Refused(Reason::NoPlaces)) => {}
                Err(NoReply::Refused(reason)) => {
                    let what = format!("a request was refused without cause: {reason}");
                    self.diary.pages().complain(what);
                }
                Err(NoReply::NotSent(why)) => {
                    self.diary
                        .pages()
                        .complain(format!("a request could not be made: {why}"));
                    return;
                }
                Err(NoReply::Lost(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// One case: a basis for each house, a referral to both, and what becomes of it.
    async fn life(&self, dice: &mut Dice) -> Step<()> {
        let case = CaseHandle::from_random(SystemRandom.array());
        let bases = [
            self.record_basis(case, Who::House1).await?,
            self.record_basis(case, Who::House2).await?,
        ];
        let offers = self.create(case, &bases).await?;
        let (first, second) = (offers[0], offers[1]);
        self.open(Who::House1, first, Stage::Triage).await?;
        self.acknowledge(Who::House1, first).await?;
        if dice.roll(2) == 0 {
            self.acknowledge(Who::House2, second).await?;
        }
        let pool = POOLS[usize::from(dice.roll(4) == 0)].0;
        let fate = dice.roll(8);
        if fate < 4 {
            self.hold(Who::House1, first, pool).await?;
        }
        let (winner, won) = match fate {
            0 | 1 => {
                self.accept(Who::House1, first, pool).await?;
                (Who::House1, first)
            }
            2 => {
                self.withdraw(&bases[0]).await?;
                self.finds_nothing(Who::House1, first, Stage::Triage)
                    .await?;
                self.accept(Who::House2, second, "wide").await?;
                (Who::House2, second)
            }
            3 | 4 => {
                self.decline(Who::House1, first).await?;
                self.accept(Who::House2, second, pool).await?;
                (Who::House2, second)
            }
            5 => return self.withdraw(&bases[1]).await,
            _ => match self.race(first, second).await? {
                Some(won) => won,
                None => return Ok(()),
            },
        };
        let basis = &bases[usize::from(winner == Who::House2)];
        self.deposit(won, basis).await?;
        self.open(winner, won, Stage::Accepted).await?;
        match dice.roll(4) {
            0 => {
                self.withdraw(basis).await?;
                self.finds_nothing(winner, won, Stage::Accepted).await
            }
            1 => Ok(()),
            _ => {
                self.check_in(winner, won).await?;
                let pool = self.diary.pages().pool_of(won);
                if dice.roll(2) == 0 {
                    self.check_out(winner, won).await?;
                }
                self.complete(winner, won).await?;
                match pool {
                    Some(pool) => self.finish_preparing(winner, &pool).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// Both houses accept at the same time: at most one may (invariant 7).
    async fn race(&self, first: OfferId, second: OfferId) -> Step<Option<(Who, OfferId)>> {
        let both = tokio::join!(
            self.accept(Who::House1, first, "wide"),
            self.accept(Who::House2, second, "wide"),
        );
        let lost = |outcome: &Step<()>| matches!(outcome, Err(NoReply::Refused(Reason::State)));
        match both {
            (Ok(()), Ok(())) => {
                let what = "both houses accepted one referral".to_owned();
                self.diary.pages().complain(what);
                Ok(None)
            }
            (Ok(()), other) if lost(&other) => Ok(Some((Who::House1, first))),
            (other, Ok(())) if lost(&other) => Ok(Some((Who::House2, second))),
            // Cut off by a kill: the other may have won without being told.
            (Err(lost @ NoReply::Lost(_)), _) | (_, Err(lost @ NoReply::Lost(_))) => Err(lost),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }
}
