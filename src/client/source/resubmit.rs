//! After the router was restored from a backup: what this agency signed since is brought again, withdrawals above
//! all, and then said to be complete.

use crate::client::agency::Desk;
use crate::client::error::{ClientError, Reason, Refused};
use crate::client::keys::{KeptKind, KeptStatement};
use crate::client::log::Proven;
use crate::client::session::request_id;
use crate::client::words;
use crate::domain::id::BasisChainId;
use crate::domain::vocabulary::StaffRole;
use crate::envelope::keys::sha256;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::decision::Decision;
use crate::ledger::hash::Hash;
use crate::ledger::proof::verify_consistency;
use crate::proto::v1;
use crate::proto::v1::audit_service_client::AuditServiceClient;
use crate::proto::v1::basis_service_client::BasisServiceClient;
use tonic::Code;

/// What came of it.
#[derive(Debug)]
pub struct Resubmitted {
    /// Statements that the router did not have and took.
    pub taken: usize,
    /// Statements that it had.
    pub known: usize,
    /// Chains of which it holds an older statement than this agency signed, and did not take the newer one. While there
    /// is one, nothing is confirmed: it could be a withdrawal.
    pub stuck: Vec<(BasisChainId, Refused)>,
    /// Chains that the router does not have and did not take: nothing can be disclosed under them.
    pub absent: Vec<(BasisChainId, Refused)>,
    /// Such chains whose signature it did not believe. While there is one, nothing is confirmed: either the keys of
    /// this agency that it has are not the newest, or these statements can never come back.
    pub disbelieved: Vec<(BasisChainId, Refused)>,
    /// The confirmation, the same one when it is asked for again; none while a chain is stuck or disbelieved, or when
    /// the router says that there is nothing to confirm.
    pub confirmed: Option<Proven>,
}

impl Desk {
    /// Brings every kept statement that the router lacks, and confirms the succession. First the newest key bundle, if
    /// it was lost: statements may be signed with a certificate that stands in no other. Before all of that, the router
    /// must show a checkpoint of the pinned log: what is written into another one cannot be proved to this agency.
    ///
    /// # Errors
    ///
    /// [`ClientError::Log`] before anything was sent, when the log is not the pinned one; otherwise as any call; then
    /// it is done again from the start.
    pub async fn resubmit(&self) -> Result<Resubmitted, ClientError> {
        self.agency().session().checkpoint(self.staff()).await?;
        let pseudonym = self.staff().pseudonym.as_str();
        if let Ok(desk) = self.agency().desk(pseudonym, StaffRole::Administrator) {
            desk.bring_keys().await?;
        }
        let kept = self.agency().keys().kept()?;
        let mut done = Resubmitted {
            taken: 0,
            known: 0,
            stuck: Vec::new(),
            absent: Vec::new(),
            disbelieved: Vec::new(),
            confirmed: None,
        };
        for chain in kept.chunk_by(|a, b| a.chain == b.chain) {
            self.resubmit_chain(chain, &mut done).await?;
        }
        if done.stuck.is_empty() && done.disbelieved.is_empty() {
            done.confirmed = self.confirm_succession().await?;
        }
        Ok(done)
    }

    async fn resubmit_chain(
        &self,
        chain: &[KeptStatement],
        done: &mut Resubmitted,
    ) -> Result<(), ClientError> {
        let Some(first) = chain.first() else {
            return Ok(());
        };
        let mut head = self.head_of(first.chain).await?;
        for statement in chain {
            if head.is_some_and(|head| statement.sequence <= head) {
                done.known += 1;
                continue;
            }
            match self.bring(statement).await {
                Ok(()) => {
                    done.taken += 1;
                    head = Some(statement.sequence);
                }
                Err(ClientError::Refused(refused)) => {
                    let of = if head.is_some() {
                        &mut done.stuck
                    } else if refused.reason == Reason::SignatureInvalid {
                        &mut done.disbelieved
                    } else {
                        &mut done.absent
                    };
                    of.push((statement.chain, refused));
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The number of the chain's newest statement at the router; none when it has no such chain.
    async fn head_of(&self, chain: BasisChainId) -> Result<Option<u64>, ClientError> {
        let request = v1::GetBasisRequest {
            name: words::basis_name(self.agency().id(), chain),
        };
        let found = self
            .call(request, |channel, request| async move {
                BasisServiceClient::new(channel).get_basis(request).await
            })
            .await;
        match found {
            Ok((reply, _)) => Ok(reply.basis.map(|basis| basis.sequence)),
            Err(error) if error.reason() == Some(Reason::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn bring(&self, statement: &KeptStatement) -> Result<(), ClientError> {
        let token = statement.token.clone();
        let (receipt, known) = match statement.kind {
            KeptKind::Basis => {
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
                (reply.receipt, known)
            }
            KeptKind::Withdrawal => {
                let request = v1::WithdrawBasisRequest {
                    name: words::basis_name(self.agency().id(), statement.chain),
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
                (reply.receipt, known)
            }
        };
        let proven = self.prove(receipt.as_ref(), known).await?;
        proven.expect(|decision| match decision {
            Decision::BasisRecorded { statement, .. }
            | Decision::BasisWithdrawn { statement, .. } => statement.as_bytes() == token,
            _ => false,
        })?;
        Ok(())
    }

    /// Says that everything signed since the backup is with the router again; none when there was nothing to confirm.
    ///
    /// One request for one log: an answer that was lost is heard again.
    async fn confirm_succession(&self) -> Result<Option<Proven>, ClientError> {
        let vkey = self.agency().log().verifier().vkey();
        let mut of_log = [0; 16];
        for (to, from) in of_log.iter_mut().zip(sha256(vkey.as_bytes())) {
            *to = from;
        }
        let of_log = uuid::Builder::from_random_bytes(of_log).into_uuid();
        let request = v1::ConfirmSuccessionRequest {
            parent: words::agency_name(self.agency().id()),
            request_id: of_log.to_string(),
        };
        let answer = self
            .call(request, |channel, request| async move {
                BasisServiceClient::new(channel)
                    .confirm_succession(request)
                    .await
            })
            .await;
        let (reply, known) = match answer {
            Ok(answer) => answer,
            Err(ClientError::Refused(refused))
                if refused.code == Code::FailedPrecondition && refused.reason == Reason::State =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        let expected =
            |decision: &Decision| matches!(decision, Decision::SuccessionConfirmed { .. });
        Ok(Some(proven.expect(expected)?))
    }
}

impl Desk {
    /// Whether the log continues `before`, a checkpoint that this agency saved of the log that it succeeded.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn continues(&self, before: &Checkpoint) -> Result<bool, ClientError> {
        let known = self.agency().session().log().known();
        let Some(root) = known.root.filter(|_| before.size <= known.size) else {
            return Ok(false);
        };
        if before.size == 0 {
            return Ok(true);
        }
        let request = v1::ProveConsistencyRequest {
            old_size: before.size,
            new_size: known.size,
        };
        let (reply, _) = self
            .call(request, |channel, request| async move {
                AuditServiceClient::new(channel)
                    .prove_consistency(request)
                    .await
            })
            .await?;
        let proof: Option<Vec<Hash>> = reply
            .proof
            .iter()
            .map(|hash| Hash::from_slice(hash))
            .collect();
        let proof = proof.ok_or(ClientError::Reply("a hash is not 32 bytes"))?;
        let verified = verify_consistency(before.size, known.size, &before.root, &root, &proof);
        Ok(verified.is_ok())
    }
}
