//! `AdministrationService`: what takes two administrators' signatures, and the one thing that takes one.

use super::Services;
use crate::grpc::call::Call;
use crate::grpc::convert::STATEMENT_BYTES_MAX;
use crate::grpc::fields::Fields;
use crate::grpc::names;
use crate::proto::v1 as proto;
use proto::administration_service_server::AdministrationService;
use tonic::{Request, Response, Status};

/// Longest signed act, in bytes: a whole protocol fits.
const ACT_BYTES_MAX: usize = 256 << 10;

const ACT: &str = "must be a signed act of at most 256 KiB";

#[tonic::async_trait]
impl AdministrationService for Services {
    async fn propose(
        &self,
        request: Request<proto::ProposeRequest>,
    ) -> Result<Response<proto::ProposeResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let act = fields.bytes("act", message.act, ACT_BYTES_MAX, ACT);
        let (requested, act) = fields.all((requested, act))?;
        let (proposal, receipt) = self.exchange.propose(call.caller(), requested, act).await?;
        Ok(Response::new(proto::ProposeResponse {
            name: names::proposal(proposal),
            receipt: Some(call.receipt(&receipt)?),
        }))
    }

    async fn approve(
        &self,
        request: Request<proto::ApproveRequest>,
    ) -> Result<Response<proto::ApproveResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.proposal("name", &message.name);
        let approval = fields.bytes(
            "approval",
            message.approval,
            STATEMENT_BYTES_MAX,
            "must be a signed approval of at most 16 KiB",
        );
        let (requested, name, approval) = fields.all((requested, name, approval))?;
        let receipt = self
            .exchange
            .approve(call.caller(), requested, name, approval)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::ApproveResponse { receipt }))
    }

    async fn suspend_agency(
        &self,
        request: Request<proto::SuspendAgencyRequest>,
    ) -> Result<Response<proto::SuspendAgencyResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let act = fields.bytes("act", message.act, ACT_BYTES_MAX, ACT);
        let (requested, act) = fields.all((requested, act))?;
        let receipt = self
            .exchange
            .suspend_agency(call.caller(), requested, act)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::SuspendAgencyResponse { receipt }))
    }
}
