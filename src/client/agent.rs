//! The source's unattended process: when a candidate accepts, it seals and deposits what the accepted place needs.
//!
//! It does what a person has already decided: every parcel it seals stands in a [`Plan`] made at consent time, passes
//! the gate like any other, and goes to the acceptor alone. Plans live in memory here; a desk keeps
//! them with its cases.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::agency::Desk;
use super::error::ClientError;
use super::watch::Doorbell;
use crate::domain::basis::Basis;
use crate::domain::gate::stage_open;
use crate::domain::id::{AgencyId, OfferId, ReferralId};
use crate::domain::vocabulary::{Purpose, Stage};
use crate::envelope::disclosure::Field;

/// What one recipient gets at later stages, should it accept.
#[derive(Debug, Clone)]
pub struct LaterParcels {
    /// The basis that names the recipient.
    pub basis: Basis,
    /// Fields per stage.
    pub stages: Vec<(Stage, Vec<Field>)>,
}

/// What is to be deposited for one referral.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The referral.
    pub referral: ReferralId,
    /// Its purpose.
    pub purpose: Purpose,
    /// Per recipient.
    pub recipients: HashMap<AgencyId, LaterParcels>,
}

/// One parcel that the agent deposited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepositedByAgent {
    /// The offer.
    pub offer: OfferId,
    /// The acceptor.
    pub recipient: AgencyId,
    /// The stage.
    pub stage: Stage,
}

/// The agent. Cheap to clone; every clone has the same plans.
#[derive(Debug, Clone)]
pub struct SourceAgent {
    desk: Desk,
    plans: Arc<Mutex<HashMap<ReferralId, Plan>>>,
}

impl SourceAgent {
    /// An agent that acts through `desk`, whose role should be `PROCESS`.
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self {
            desk,
            plans: Arc::default(),
        }
    }

    /// Takes over a plan; replaces an earlier one of the same referral.
    pub fn plan(&self, plan: Plan) {
        self.plans().insert(plan.referral, plan);
    }

    /// Forgets a recipient: after a withdrawal, nothing more is sealed to it.
    pub fn forget(&self, referral: ReferralId, recipient: &AgencyId) {
        if let Some(plan) = self.plans().get_mut(&referral) {
            plan.recipients.remove(recipient);
        }
    }

    fn plans(&self) -> std::sync::MutexGuard<'_, HashMap<ReferralId, Plan>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deposits everything that is due now. What is refused for one offer holds up no other.
    ///
    /// # Errors
    ///
    /// The first [`ClientError`], when everything else is done; what was deposited stays.
    pub async fn catch_up(&self) -> Result<Vec<DepositedByAgent>, ClientError> {
        self.deposit_due().await?.into_iter().collect()
    }

    /// What became of every deposit that is due.
    ///
    /// # Errors
    ///
    /// [`ClientError::Log`] at once.
    async fn deposit_due(&self) -> Result<Vec<Result<DepositedByAgent, ClientError>>, ClientError> {
        let plans: Vec<Plan> = self.plans().values().cloned().collect();
        let mut done = Vec::new();
        for plan in plans {
            let view = match self.desk.referral(plan.referral).await {
                Ok(view) => view,
                Err(error @ ClientError::Log(_)) => return Err(error),
                Err(error) => {
                    done.push(Err(error));
                    continue;
                }
            };
            for offer in view.offers {
                let Some(later) = plan.recipients.get(&offer.recipient) else {
                    continue;
                };
                for (stage, fields) in &later.stages {
                    if !stage_open(offer.state, *stage) || offer.deposited.contains(stage) {
                        continue;
                    }
                    let (basis, fields) = (&later.basis, fields.clone());
                    let deposit =
                        (self.desk).deposit(offer.offer, basis, plan.purpose, *stage, fields);
                    match deposit.await {
                        Ok(_) => done.push(Ok(DepositedByAgent {
                            offer: offer.offer,
                            recipient: offer.recipient.clone(),
                            stage: *stage,
                        })),
                        Err(error) if error.is_alarm() => return Err(error),
                        Err(error) => done.push(Err(error)),
                    }
                }
            }
        }
        Ok(done)
    }

    /// Listens, keeps the mirror fresh and deposits until something happens that waiting does not mend; `told` hears of
    /// each deposit and of what failed for now and will be tried at the next ring.
    ///
    /// # Errors
    ///
    /// [`ClientError::is_alarm`] at once and loudly; otherwise as [`super::watch::Doorbells::next`].
    pub async fn run(
        &self,
        told: impl Fn(Result<DepositedByAgent, ClientError>) + Send,
    ) -> Result<(), ClientError> {
        use crate::proto::v1::EventKind;
        let mut doorbells = self.desk.watch(String::new());
        loop {
            let (mirrors, deposits) = match doorbells.next().await? {
                Doorbell::Missed => (true, true),
                Doorbell::Ring { kind, .. } => (
                    // Rung at least every hour, with the directory's next digest.
                    kind == EventKind::DirectoryChanged,
                    kind == EventKind::OfferChanged,
                ),
            };
            if mirrors {
                match self.desk.mirror().await {
                    Ok(_) => {}
                    Err(error @ ClientError::Log(_)) => return Err(error),
                    Err(error) => told(Err(error)),
                }
            }
            if deposits {
                self.deposit_due().await?.into_iter().for_each(&told);
            }
        }
    }
}
