//! `AuditService`: proofs for everyone, openings for those with a mandate.

use super::Services;
use crate::exchange::audit::RUN_MAX;
use crate::grpc::call::Call;
use crate::grpc::convert;
use crate::grpc::fields::Fields;
use crate::proto::v1 as proto;
use proto::audit_service_server::AuditService;
use tonic::{Request, Response, Status};

/// Entries or openings of a reply when the request does not say.
const RUN_DEFAULT: usize = 256;

#[tonic::async_trait]
impl AuditService for Services {
    async fn get_checkpoint(
        &self,
        request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        let (_, _) = Call::of(request)?;
        Ok(Response::new(proto::GetCheckpointResponse {
            checkpoint: self.exchange.checkpoint().to_string(),
            verifier_key: self.exchange.verifier_key().to_owned(),
        }))
    }

    async fn list_entries(
        &self,
        request: Request<proto::ListEntriesRequest>,
    ) -> Result<Response<proto::ListEntriesResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let count = fields.page_size(message.page_size, RUN_DEFAULT, RUN_MAX);
        let (count,) = fields.all((count,))?;
        let entries = self
            .exchange
            .entries(call.caller(), message.start, count)
            .await?;
        Ok(Response::new(proto::ListEntriesResponse { entries }))
    }

    async fn read_openings(
        &self,
        request: Request<proto::ReadOpeningsRequest>,
    ) -> Result<Response<proto::ReadOpeningsResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let count = fields.page_size(message.page_size, RUN_DEFAULT, RUN_MAX);
        let (count,) = fields.all((count,))?;
        let openings = self
            .exchange
            .openings(call.caller(), message.start, count)
            .await?;
        let openings = openings
            .into_iter()
            .map(|opening| proto::Opening {
                index: opening.index,
                nonce: opening.nonce,
                decision: opening.decision,
            })
            .collect();
        Ok(Response::new(proto::ReadOpeningsResponse { openings }))
    }

    async fn prove_inclusion(
        &self,
        request: Request<proto::ProveInclusionRequest>,
    ) -> Result<Response<proto::ProveInclusionResponse>, Status> {
        let (_, message) = Call::of(request)?;
        let proof = self
            .exchange
            .prove_inclusion(message.index, message.size)
            .await?;
        let proof = convert::hashes(proof.iter().map(|hash| hash.as_bytes()));
        Ok(Response::new(proto::ProveInclusionResponse { proof }))
    }

    async fn prove_consistency(
        &self,
        request: Request<proto::ProveConsistencyRequest>,
    ) -> Result<Response<proto::ProveConsistencyResponse>, Status> {
        let (_, message) = Call::of(request)?;
        let proof = self
            .exchange
            .prove_consistency(message.old_size, message.new_size)
            .await?;
        let proof = convert::hashes(proof.iter().map(|hash| hash.as_bytes()));
        Ok(Response::new(proto::ProveConsistencyResponse { proof }))
    }

    async fn record_watermark(
        &self,
        request: Request<proto::RecordWatermarkRequest>,
    ) -> Result<Response<proto::RecordWatermarkResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let parent = fields.agency("parent", &message.parent);
        let statement = fields.bytes(
            "statement",
            message.statement,
            convert::STATEMENT_BYTES_MAX,
            "must be a statement of at most 16 KiB",
        );
        let (requested, parent, statement) = fields.all((requested, parent, statement))?;
        let receipt = self
            .exchange
            .record_watermark(call.caller(), &parent, requested, statement)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::RecordWatermarkResponse { receipt }))
    }
}
