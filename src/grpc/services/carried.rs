//! `CarriedService`: referrals that a person carries to who is no member.

use super::Services;
use crate::grpc::call::Call;
use crate::grpc::convert::STATEMENT_BYTES_MAX;
use crate::grpc::fields::Fields;
use crate::proto::v1 as proto;
use proto::carried_service_server::CarriedService;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl CarriedService for Services {
    async fn record_carried(
        &self,
        request: Request<proto::RecordCarriedRequest>,
    ) -> Result<Response<proto::RecordCarriedResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let parent = fields.agency("parent", &message.parent);
        let statement = fields.bytes(
            "statement",
            message.statement,
            STATEMENT_BYTES_MAX,
            "must be a statement of at most 16 KiB",
        );
        let (requested, parent, statement) = fields.all((requested, parent, statement))?;
        let recorded = self
            .exchange
            .record_carried(call.caller(), &parent, requested, statement);
        let (name, receipt) = recorded.await?;
        Ok(Response::new(proto::RecordCarriedResponse {
            name: name.to_string(),
            receipt: Some(call.receipt(&receipt)?),
        }))
    }

    async fn release_carried(
        &self,
        request: Request<proto::ReleaseCarriedRequest>,
    ) -> Result<Response<proto::ReleaseCarriedResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.carried("name", &message.name);
        let digest = fields.array::<32>(
            "request_digest",
            &message.request_digest,
            "must be 32 bytes",
        );
        let (requested, name, digest) = fields.all((requested, name, digest))?;
        let released = self
            .exchange
            .release_carried(call.caller(), &name, requested, digest);
        let receipt = Some(call.receipt(&released.await?)?);
        Ok(Response::new(proto::ReleaseCarriedResponse { receipt }))
    }
}
