//! `BasisService`: recording and withdrawing lawful bases.

use super::Services;
use crate::exchange::basis::{BasisHead, BasisState};
use crate::exchange::withdrawal::Wishes;
use crate::grpc::call::Call;
use crate::grpc::convert::STATEMENT_BYTES_MAX;
use crate::grpc::fields::Fields;
use crate::proto::v1 as proto;
use proto::basis_service_server::BasisService;
use tonic::{Request, Response, Status};

const STATEMENT: &str = "must be a statement of at most 16 KiB";

#[tonic::async_trait]
impl BasisService for Services {
    async fn record_basis(
        &self,
        request: Request<proto::RecordBasisRequest>,
    ) -> Result<Response<proto::RecordBasisResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let parent = fields.agency("parent", &message.parent);
        let statement = fields.bytes(
            "statement",
            message.statement,
            STATEMENT_BYTES_MAX,
            STATEMENT,
        );
        let (requested, parent, statement) = fields.all((requested, parent, statement))?;
        let (name, receipt) = self
            .exchange
            .record_basis(call.caller(), &parent, requested, statement)
            .await?;
        Ok(Response::new(proto::RecordBasisResponse {
            name: name.to_string(),
            receipt: Some(call.receipt(&receipt)?),
        }))
    }

    async fn get_basis(
        &self,
        request: Request<proto::GetBasisRequest>,
    ) -> Result<Response<proto::GetBasisResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let name = fields.basis("name", &message.name);
        let (name,) = fields.all((name,))?;
        let basis = self.exchange.basis(call.caller(), &name).await;
        let basis = call.read(&self.exchange, basis).await?;
        let basis = Some(view(basis));
        Ok(Response::new(proto::GetBasisResponse { basis }))
    }

    async fn list_bases(
        &self,
        request: Request<proto::ListBasesRequest>,
    ) -> Result<Response<proto::ListBasesResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let parent = fields.agency("parent", &message.parent);
        let case = match &*message.case_handle {
            "" => Some(None),
            text => fields.case_handle("case_handle", text).map(Some),
        };
        let page = fields.page(message.page_size, message.page_token);
        let (parent, case, page) = fields.all((parent, case, page))?;
        let bases = self
            .exchange
            .bases(call.caller(), &parent, case, page)
            .await;
        let bases = call.read(&self.exchange, bases).await?;
        Ok(Response::new(proto::ListBasesResponse {
            bases: bases.items.into_iter().map(view).collect(),
            next_page_token: bases.next,
        }))
    }

    async fn withdraw_basis(
        &self,
        request: Request<proto::WithdrawBasisRequest>,
    ) -> Result<Response<proto::WithdrawBasisResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.basis("name", &message.name);
        let statement = fields.bytes(
            "statement",
            message.statement,
            STATEMENT_BYTES_MAX,
            STATEMENT,
        );
        let (requested, name, statement) = fields.all((requested, name, statement))?;
        let receipt = self
            .exchange
            .withdraw_basis(call.caller(), &name, requested, statement)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::WithdrawBasisResponse { receipt }))
    }

    async fn ask_recipient(
        &self,
        request: Request<proto::AskRecipientRequest>,
    ) -> Result<Response<proto::AskRecipientResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.basis("name", &message.name);
        let (requested, name) = fields.all((requested, name))?;
        let wishes = Wishes {
            erase: message.erase,
            leave: message.leave,
        };
        let receipt = self
            .exchange
            .ask_recipient(call.caller(), &name, requested, wishes)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::AskRecipientResponse { receipt }))
    }

    async fn confirm_succession(
        &self,
        request: Request<proto::ConfirmSuccessionRequest>,
    ) -> Result<Response<proto::ConfirmSuccessionResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let parent = fields.agency("parent", &message.parent);
        let (requested, parent) = fields.all((requested, parent))?;
        let receipt = self
            .exchange
            .confirm_succession(call.caller(), &parent, requested)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::ConfirmSuccessionResponse { receipt }))
    }
}

fn view(basis: BasisHead) -> proto::Basis {
    let state = match basis.state {
        BasisState::Active => proto::BasisState::Active,
        BasisState::Withdrawn => proto::BasisState::Withdrawn,
        BasisState::Expired => proto::BasisState::Expired,
    };
    proto::Basis {
        name: basis.name.to_string(),
        sequence: basis.sequence,
        state: state.into(),
        statement: basis.statement,
    }
}
