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

    /// Deposits everything that is due now.
    ///
    /// # Errors
    ///
    /// The first [`ClientError`]; what was deposited before stays.
    pub async fn catch_up(&self) -> Result<Vec<DepositedByAgent>, ClientError> {
        let plans: Vec<Plan> = self.plans().values().cloned().collect();
        let mut deposited = Vec::new();
        for plan in plans {
            let view = self.desk.referral(plan.referral).await?;
            for offer in view.offers {
                let Some(later) = plan.recipients.get(&offer.recipient) else {
                    continue;
                };
                for (stage, fields) in &later.stages {
                    if !stage_open(offer.state, *stage) || offer.deposited.contains(stage) {
                        continue;
                    }
                    self.desk
                        .deposit(
                            offer.offer,
                            &later.basis,
                            plan.purpose,
                            *stage,
                            fields.clone(),
                        )
                        .await?;
                    let recipient = offer.recipient.clone();
                    deposited.push(DepositedByAgent {
                        offer: offer.offer,
                        recipient,
                        stage: *stage,
                    });
                }
            }
        }
        Ok(deposited)
    }

    /// Listens and deposits until something happens that waiting does not mend; `told` hears of each deposit and of
    /// what failed for now and will be tried at the next ring.
    ///
    /// # Errors
    ///
    /// [`ClientError::Log`] at once and loudly; otherwise as [`super::watch::Doorbells::next`].
    pub async fn run(
        &self,
        told: impl Fn(Result<DepositedByAgent, ClientError>) + Send,
    ) -> Result<(), ClientError> {
        let mut doorbells = self.desk.watch(String::new());
        loop {
            let ring = doorbells.next().await?;
            let relevant = match &ring {
                Doorbell::Missed => true,
                Doorbell::Ring { kind, .. } => *kind == crate::proto::v1::EventKind::OfferChanged,
            };
            if !relevant {
                continue;
            }
            match self.catch_up().await {
                Ok(deposited) => deposited.into_iter().for_each(|one| told(Ok(one))),
                Err(error @ ClientError::Log(_)) => return Err(error),
                Err(error) => told(Err(error)),
            }
        }
    }
}
