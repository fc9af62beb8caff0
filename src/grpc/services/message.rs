//! `MessageService`: between the parties of an offer.

use super::Services;
use crate::domain::vocabulary::MessageCode;
use crate::exchange::message::{Header, Said};
use crate::grpc::call::Call;
use crate::grpc::fields::{self, Fields};
use crate::grpc::words::{Word, number_or_zero};
use crate::grpc::{convert, names};
use crate::proto::v1 as proto;
use proto::message_service_server::MessageService;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl MessageService for Services {
    async fn post_message(
        &self,
        request: Request<proto::PostMessageRequest>,
    ) -> Result<Response<proto::PostMessageResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let offer = fields.offer("offer", &message.offer);
        let said = said(&mut fields, message);
        let (requested, offer, said) = fields.all((requested, offer, said))?;
        let (number, receipt) = self
            .exchange
            .post_message(call.caller(), &offer, requested, said)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::PostMessageResponse {
            number,
            receipt,
        }))
    }

    async fn list_messages(
        &self,
        request: Request<proto::ListMessagesRequest>,
    ) -> Result<Response<proto::ListMessagesResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let offer = fields.offer("offer", &message.offer);
        let (offer,) = fields.all((offer,))?;
        let headers = self.exchange.messages(call.caller(), &offer).await;
        let headers = call.read(&self.exchange, headers).await?;
        let messages = headers.into_iter().map(view).collect();
        Ok(Response::new(proto::ListMessagesResponse { messages }))
    }

    async fn open_message(
        &self,
        request: Request<proto::OpenMessageRequest>,
    ) -> Result<Response<proto::OpenMessageResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let offer = fields.offer("offer", &message.offer);
        let number = fields.when(
            "number",
            message.number > 0,
            "must be at least 1",
            message.number,
        );
        let (offer, number) = fields.all((offer, number))?;
        let disclosure = self
            .exchange
            .open_message(call.caller(), &offer, number)
            .await?;
        let (parcel, receipt) = disclosure.into_parts();
        Ok(Response::new(proto::OpenMessageResponse {
            parcel: Some(convert::sealed(parcel)),
            receipt: Some(call.receipt(&receipt)?),
        }))
    }
}

/// A code or a parcel, one of the two; with a chain and its salt from the source, with neither from the recipient.
fn said(fields: &mut Fields, message: proto::PostMessageRequest) -> Option<Said> {
    let Some(parcel) = message.parcel else {
        return fields
            .word::<MessageCode>("code", message.code)
            .map(Said::Code);
    };
    let parcel = fields.within("parcel", |fields| convert::parcel(fields, parcel));
    let sealed_only = fields.when(
        "code",
        message.code == 0,
        "must not be set with a parcel",
        (),
    );
    if message.basis_chain.is_empty() && message.basis_salt.is_empty() {
        sealed_only?;
        return parcel.map(Said::Reply);
    }
    let chain = fields.basis_chain("basis_chain", &message.basis_chain);
    let salt = fields.array("basis_salt", &message.basis_salt, "must be 32 bytes");
    sealed_only?;
    Some(Said::Sealed(parcel?, chain?, salt?))
}

fn view(header: Header) -> proto::Message {
    proto::Message {
        number: header.number,
        sender: names::agency(&header.sender),
        time: Some(fields::time(header.time)),
        code: number_or_zero(header.code),
        stage: number_or_zero(header.stage),
        labels: header
            .labels
            .iter()
            .map(|label| proto::Label {
                digest: Vec::new(),
                category: label.category().number(),
                form: label.form().number(),
            })
            .collect(),
        size_bytes: header.bytes,
        opened: header.opened,
    }
}
