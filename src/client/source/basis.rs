//! The person's yes: recorded, replaced, taken back.

use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::keys::{KeptKind, KeptStatement};
use crate::client::log::Proven;
use crate::client::random::SystemRandom;
use crate::client::session::request_id;
use crate::client::words;
use crate::domain::basis::{Allow, Basis, ForChild, is_dutiful};
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

/// One of this agency's own chains.
#[derive(Debug, Clone)]
pub struct BasisView {
    /// Its id.
    pub chain: BasisChainId,
    /// Where it stands.
    pub state: v1::BasisState,
    /// What its head says; none for a withdrawal, and for a statement signed under an earlier certificate.
    pub basis: Option<Basis>,
    /// When it was taken back, as the withdrawal says that this agency signed.
    pub withdrawn: Option<Timestamp>,
}

/// The answers to the second and third question of a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlsoAsked {
    /// Ask the recipient to erase.
    pub erase: bool,
    /// The person leaves the service.
    pub leave: bool,
}

/// The answers to the three questions of taking back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answers {
    /// Stop sharing.
    pub stop: bool,
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
        self.check_duty(&basis)?;
        let statement = BasisStatement {
            basis,
            issued: self.now(),
            evidence,
        };
        let token = statement.sign(self.agency().keys().signer())?;
        let kept = KeptStatement {
            chain: statement.basis.chain,
            sequence: statement.basis.seq,
            kind: KeptKind::Basis,
            signed: statement.issued,
            token: token.clone(),
        };
        let request = v1::RecordBasisRequest {
            parent: words::agency_name(self.agency().id()),
            request_id: request_id(),
            statement: token.clone(),
        };
        self.agency().keys().keep(&kept)?;
        let answer = self
            .call(request, |channel, request| async move {
                BasisServiceClient::new(channel).record_basis(request).await
            })
            .await;
        let (reply, known) = self.unless_refused(&kept, answer)?;
        self.prove(reply.receipt.as_ref(), known).await?.expect(|decision| {
            matches!(decision, Decision::BasisRecorded { statement, .. } if statement.as_bytes() == token)
        })?;
        Ok(statement.basis)
    }

    /// Forgets a kept statement that the router refused.
    fn unless_refused<T>(
        &self,
        kept: &KeptStatement,
        answer: Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        if let Err(ClientError::Refused(_)) = &answer {
            let keys = self.agency().keys();
            keys.keep_refused(kept.chain, kept.sequence)?;
        }
        answer
    }

    /// That a duty to notify is one which this agency has published.
    fn check_duty(&self, basis: &Basis) -> Result<(), ClientError> {
        if basis.kind != BasisKind::LegalDuty {
            return Ok(());
        }
        let directory = self.agency().directory()?;
        let own = directory.member(self.agency().id())?.bundle.as_deref();
        let duties = own.map_or(&[][..], |bundle| &bundle.content().facts.reports_to);
        let recipient = directory.member(&basis.recipient)?.kind;
        if is_dutiful(basis.kind, duties, recipient) {
            Ok(())
        } else {
            Err(ClientError::NoDuty)
        }
    }

    /// Every chain of one case, or of all: what each rests on, and where it stands.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn bases(&self, case: Option<CaseHandle>) -> Result<Vec<BasisView>, ClientError> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListBasesRequest {
                parent: words::agency_name(self.agency().id()),
                case_handle: case.map(|case| case.to_string()).unwrap_or_default(),
                page_size: 100,
                page_token,
            };
            let (reply, _) = self
                .call(request, |channel, request| async move {
                    BasisServiceClient::new(channel).list_bases(request).await
                })
                .await?;
            for basis in reply.bases {
                let own = self.agency().id();
                let signer = self.signing_key_behind(&basis.statement, own).await;
                let signer = match signer {
                    Ok(signer) => Some(signer),
                    Err(ClientError::UnknownCertificate(_)) => None,
                    Err(error) => return Err(error),
                };
                let (statement, signer) = (&basis.statement, signer.as_ref());
                let parsed = signer.and_then(|key| BasisStatement::parse(statement, key).ok());
                let withdrawal = signer.and_then(|key| Withdrawal::parse(statement, key).ok());
                found.push(BasisView {
                    chain: words::own_id(&basis.name, self.agency().id(), "bases")?,
                    state: basis.state(),
                    basis: parsed.map(|statement| statement.basis),
                    withdrawn: withdrawal.map(|withdrawal| withdrawal.issued),
                });
            }
            page_token = reply.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
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
        let kept = KeptStatement {
            chain: withdrawal.chain,
            sequence: withdrawal.seq,
            kind: KeptKind::Withdrawal,
            signed: withdrawal.issued,
            token: token.clone(),
        };
        self.agency().keys().keep(&kept)?;
        let request = v1::WithdrawBasisRequest {
            name: words::basis_name(self.agency().id(), basis.chain),
            request_id: request_id(),
            statement: token.clone(),
        };
        let answer = self
            .call(request, |channel, request| async move {
                BasisServiceClient::new(channel)
                    .withdraw_basis(request)
                    .await
            })
            .await;
        let (reply, known) = self.unless_refused(&kept, answer)?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::BasisWithdrawn { statement, .. } if statement.as_bytes() == token)
        })?)
    }

    /// Passes on what the person asks of a recipient, without taking the basis back, or after it was.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn ask_recipient(
        &self,
        basis: &Basis,
        also: AlsoAsked,
    ) -> Result<Proven, ClientError> {
        let request = v1::AskRecipientRequest {
            name: words::basis_name(self.agency().id(), basis.chain),
            request_id: request_id(),
            erase: also.erase,
            leave: also.leave,
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                BasisServiceClient::new(channel)
                    .ask_recipient(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::RecipientAsked { chain, erase, leave, .. }
                if *chain == basis.chain.to_string() && (*erase, *leave) == (also.erase, also.leave))
        })?)
    }

    /// The person takes something back: three separate questions, each answered by itself.
    ///
    /// # Errors
    ///
    /// As any call; `INVALID_FIELD` when every answer is no.
    pub async fn withdraw(&self, basis: &Basis, answers: Answers) -> Result<Proven, ClientError> {
        let also = AlsoAsked {
            erase: answers.erase,
            leave: answers.leave,
        };
        if answers.stop {
            self.withdraw_basis(basis, also).await
        } else {
            self.ask_recipient(basis, also).await
        }
    }
}
