//! The person's yes: recorded, replaced, taken back.

use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::log::Proven;
use crate::client::random::SystemRandom;
use crate::client::session::request_id;
use crate::client::words;
use crate::domain::basis::{Allow, Basis, ForChild};
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle};
use crate::domain::random::Random;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{BasisKind, ChildTold, GivenBy, InterpreterClass};
use crate::envelope::basis_statement::BasisStatement;
use crate::envelope::withdrawal::Withdrawal;
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::basis_service_client::BasisServiceClient;

/// What a person agreed to, for one recipient.
#[derive(Debug, Clone)]
pub struct BasisDraft {
    /// The source's random handle of the case.
    pub case: CaseHandle,
    /// Always one named agency.
    pub recipient: AgencyId,
    /// The ground.
    pub kind: BasisKind,
    /// What is allowed.
    pub allows: Vec<Allow>,
    /// Who gave it.
    pub given_by: GivenBy,
    /// Whether the person was asked alone.
    pub asked_alone: bool,
    /// Who interpreted.
    pub interpreter: InterpreterClass,
    /// Whether a child was told first.
    pub child_told: ChildTold,
    /// What else is recorded of a person who is treated as a child.
    pub for_child: ForChild,
    /// Salted digest of the rest of the record, which stays in this agency.
    pub evidence: [u8; 32],
}

/// The answers to the second and third question of a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlsoAsked {
    /// Ask the recipient to erase.
    pub erase: bool,
    /// The person leaves the service.
    pub leave: bool,
}

impl Desk {
    /// Records what the person agreed to, as the first statement of a new chain.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `BASIS_BOUNDS` when the ground cannot carry it; otherwise as any call.
    pub async fn record_basis(&self, draft: BasisDraft) -> Result<Basis, ClientError> {
        let now = self.now();
        let basis = Basis {
            chain: BasisChainId::from_random(SystemRandom.array()),
            source: self.agency().id().clone(),
            recipient: draft.recipient,
            case: draft.case,
            seq: 1,
            from: Timestamp::from_seconds(now.seconds()).unwrap_or(now),
            kind: draft.kind,
            allows: draft.allows,
            given_by: draft.given_by,
            asked_alone: draft.asked_alone,
            interpreter: draft.interpreter,
            child_told: draft.child_told,
            for_child: draft.for_child,
        };
        self.send_basis(basis, draft.evidence).await
    }

    /// Replaces what a basis allows, from now on: narrower or wider, as the person said.
    ///
    /// # Errors
    ///
    /// As [`Desk::record_basis`].
    pub async fn supersede_basis(
        &self,
        basis: &Basis,
        allows: Vec<Allow>,
        evidence: [u8; 32],
    ) -> Result<Basis, ClientError> {
        let now = self.now();
        let from = Timestamp::from_seconds(now.seconds()).unwrap_or(now);
        let next = Basis {
            seq: basis.seq.saturating_add(1),
            from,
            allows,
            ..basis.clone()
        };
        self.send_basis(next, evidence).await
    }

    async fn send_basis(&self, basis: Basis, evidence: [u8; 32]) -> Result<Basis, ClientError> {
        let statement = BasisStatement {
            basis,
            issued: self.now(),
            evidence,
        };
        let token = statement.sign(self.agency().keys().signer())?;
        let request = v1::RecordBasisRequest {
            parent: words::agency_name(self.agency().id()),
            request_id: request_id(),
            statement: token.clone(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                BasisServiceClient::new(channel).record_basis(request).await
            })
            .await?;
        self.prove(reply.receipt.as_ref(), known).await?.expect(|decision| {
            matches!(decision, Decision::BasisRecorded { statement, .. } if statement.as_bytes() == token)
        })?;
        Ok(statement.basis)
    }

    /// Takes a basis back, in one step. From the entry on, nothing more is disclosed under it.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn withdraw_basis(
        &self,
        basis: &Basis,
        also: AlsoAsked,
    ) -> Result<Proven, ClientError> {
        let withdrawal = Withdrawal {
            chain: basis.chain,
            source: basis.source.clone(),
            recipient: basis.recipient.clone(),
            case: basis.case,
            seq: basis.seq.saturating_add(1),
            issued: self.now(),
            erase: also.erase,
            leave: also.leave,
        };
        let token = withdrawal.sign(self.agency().keys().signer())?;
        let request = v1::WithdrawBasisRequest {
            name: words::basis_name(self.agency().id(), basis.chain),
            request_id: request_id(),
            statement: token.clone(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                BasisServiceClient::new(channel)
                    .withdraw_basis(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::BasisWithdrawn { statement, .. } if statement.as_bytes() == token)
        })?)
    }
}
