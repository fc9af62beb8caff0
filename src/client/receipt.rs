//! Receipts under a later checkpoint: a reply's own is signed at once, and witnesses see it a little later.

use super::error::ClientError;
use super::log::LogViolation;
use super::session::Session;
use super::staff::Staff;
use crate::ledger::hash::Hash;
use crate::ledger::receipt_file::ReceiptFile;
use crate::proto::v1;
use crate::proto::v1::audit_service_client::AuditServiceClient;

impl Session {
    /// The same receipt under the checkpoint `note`, as [`Session::checkpoint`] gave it: with the cosignatures that the
    /// receipt had not yet when it was made, to be kept in its place.
    ///
    /// # Errors
    ///
    /// [`ClientError::Log`] when the router does not prove the entry there; otherwise as [`Session::call`].
    pub async fn prove_again(
        &self,
        staff: &Staff,
        receipt: &ReceiptFile,
        note: &str,
    ) -> Result<ReceiptFile, ClientError> {
        let verifier = self.log().verifier();
        let checkpoint = verifier.verify(note).map_err(|_| LogViolation::NotSigned)?;
        let wanted = v1::ProveInclusionRequest {
            index: receipt.index,
            size: checkpoint.size,
        };
        let reply = self
            .call(staff, wanted, |channel, request| async move {
                AuditServiceClient::new(channel)
                    .prove_inclusion(request)
                    .await
            })
            .await?;
        let proof = reply.proof.iter().map(|hash| Hash::from_slice(hash));
        let again = ReceiptFile {
            inclusion: proof
                .collect::<Option<_>>()
                .ok_or(LogViolation::NotIncluded)?,
            checkpoint: note.to_owned(),
            ..receipt.clone()
        };
        again
            .verify_under(checkpoint)
            .map_err(|_| LogViolation::NotIncluded)?;
        Ok(again)
    }
}
