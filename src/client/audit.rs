//! The audit's source over the network: an auditor's session with a live router.
//!
//! Gives what it was given and believes none of it; each reading run is itself an entry of the log.

use tonic::Code;

use super::agency::Desk;
use super::error::ClientError;
use super::log::Proven;
use super::session::{Session, request_id};
use super::staff::Staff;
use super::words;
use crate::audit::source::{AuditSource, RUN_MAX, SealedOpening, SignedCheckpoint, SourceError};
use crate::envelope::watermark::Watermark;
use crate::ledger::decision::Decision;
use crate::ledger::hash::Hash;
use crate::proto::v1;
use crate::proto::v1::audit_service_client::AuditServiceClient;

/// Largest page asked for in one request.
const PAGE_MAX: u64 = RUN_MAX;

/// A live router as an auditor's member of staff sees it.
#[derive(Debug, Clone)]
pub struct LiveSource {
    session: Session,
    staff: Staff,
}

impl LiveSource {
    /// The router behind `session`, read by `staff`.
    #[must_use]
    pub const fn new(session: Session, staff: Staff) -> Self {
        Self { session, staff }
    }
}

impl LiveSource {
    /// The session, for what goes beyond reading the log.
    #[must_use]
    pub(super) const fn session(&self) -> &Session {
        &self.session
    }

    /// Who reads.
    #[must_use]
    pub(super) const fn staff(&self) -> &Staff {
        &self.staff
    }
}

impl LiveSource {
    /// The proof that entry `index` is in the tree of `size` leaves.
    ///
    /// # Errors
    ///
    /// [`SourceError`].
    pub async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, SourceError> {
        let request = v1::ProveInclusionRequest { index, size };
        let reply = self
            .session
            .call(&self.staff, request, |channel, request| async move {
                AuditServiceClient::new(channel)
                    .prove_inclusion(request)
                    .await
            })
            .await
            .map_err(unreadable)?;
        hashes(&reply.proof)
    }
}

fn hashes(proof: &[Vec<u8>]) -> Result<Vec<Hash>, SourceError> {
    let wrong = || SourceError::Damaged("a hash is not 32 bytes".into());
    let hashes = proof.iter().map(|hash| Hash::from_slice(hash));
    hashes.map(|hash| hash.ok_or_else(wrong)).collect()
}

pub(super) fn unreadable(error: ClientError) -> SourceError {
    match &error {
        ClientError::Refused(refused) if refused.code == Code::PermissionDenied => {
            SourceError::NotPermitted(error.to_string())
        }
        ClientError::Refused(refused) if refused.code == Code::OutOfRange => {
            SourceError::Damaged("the router has fewer entries than its checkpoint says".into())
        }
        ClientError::Reply(_) | ClientError::Log(_) => SourceError::Damaged(error.to_string()),
        _ => SourceError::Unavailable(error.to_string()),
    }
}

fn page(count: u64) -> i32 {
    i32::try_from(count.clamp(1, PAGE_MAX)).unwrap_or(1)
}

impl AuditSource for LiveSource {
    async fn checkpoint(&mut self) -> Result<SignedCheckpoint, SourceError> {
        let reply = self
            .session
            .call(
                &self.staff,
                v1::GetCheckpointRequest {},
                |channel, request| async move {
                    AuditServiceClient::new(channel)
                        .get_checkpoint(request)
                        .await
                },
            )
            .await
            .map_err(unreadable)?;
        Ok(SignedCheckpoint {
            note: reply.checkpoint,
            vkey: Some(reply.verifier_key),
        })
    }

    async fn entries(&mut self, start: u64, count: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        let request = v1::ListEntriesRequest {
            start,
            page_size: page(count),
        };
        let reply = self
            .session
            .call(&self.staff, request, |channel, request| async move {
                AuditServiceClient::new(channel).list_entries(request).await
            })
            .await
            .map_err(unreadable)?;
        Ok(reply.entries)
    }

    async fn openings(
        &mut self,
        start: u64,
        count: u64,
    ) -> Result<Vec<Option<SealedOpening>>, SourceError> {
        let request = v1::ReadOpeningsRequest {
            start,
            page_size: page(count),
        };
        let reply = self
            .session
            .call(&self.staff, request, |channel, request| async move {
                AuditServiceClient::new(channel)
                    .read_openings(request)
                    .await
            })
            .await
            .map_err(unreadable)?;
        let openings = reply.openings.into_iter().map(|opening| {
            let sealed = SealedOpening {
                index: opening.index,
                nonce: opening.nonce,
                decision: opening.decision,
            };
            (!sealed.nonce.is_empty() || !sealed.decision.is_empty()).then_some(sealed)
        });
        Ok(openings.collect())
    }

    async fn consistency(&mut self, old: u64, new: u64) -> Result<Vec<Hash>, SourceError> {
        let request = v1::ProveConsistencyRequest {
            old_size: old,
            new_size: new,
        };
        let reply = self
            .session
            .call(&self.staff, request, |channel, request| async move {
                AuditServiceClient::new(channel)
                    .prove_consistency(request)
                    .await
            })
            .await
            .map_err(unreadable)?;
        hashes(&reply.proof)
    }
}

impl Desk {
    /// Signs a replay watermark and has it recorded.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn record_watermark(&self, watermark: &Watermark) -> Result<Proven, ClientError> {
        let token = watermark.sign(self.agency().keys().signer())?;
        let request = v1::RecordWatermarkRequest {
            parent: words::agency_name(self.agency().id()),
            request_id: request_id(),
            statement: token.clone(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                AuditServiceClient::new(channel)
                    .record_watermark(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::WatermarkRecorded { statement, .. } if statement.as_bytes() == token)
        })?)
    }
}
