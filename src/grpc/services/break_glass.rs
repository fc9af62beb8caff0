//! `BreakGlassService`: asking, approving, releasing, opening, reviewing.

use super::Services;
use crate::domain::label::{Label, LabelSet};
use crate::domain::vocabulary::{AccessFinding, AccessReason};
use crate::exchange::access::AccessSeen;
use crate::exchange::{AccessName, Requested};
use crate::grpc::call::Call;
use crate::grpc::fields::{self, Fields};
use crate::grpc::words::{Word, number_or_zero};
use crate::grpc::{convert, names};
use crate::proto::v1 as proto;
use proto::break_glass_service_server::BreakGlassService;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl BreakGlassService for Services {
    async fn request_access(
        &self,
        request: Request<proto::RequestAccessRequest>,
    ) -> Result<Response<proto::RequestAccessResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let offer = fields.offer("offer", &message.offer);
        let reason = fields.word::<AccessReason>("reason", message.reason);
        let labels = labels(&mut fields, message.labels);
        let (requested, offer, reason, labels) = fields.all((requested, offer, reason, labels))?;
        let (access, receipt) = self
            .exchange
            .request_access(call.caller(), &offer, requested, reason, labels)
            .await?;
        Ok(Response::new(proto::RequestAccessResponse {
            access: Some(view(access)),
            receipt: Some(call.receipt(&receipt)?),
        }))
    }

    async fn approve_access(
        &self,
        request: Request<proto::ApproveAccessRequest>,
    ) -> Result<Response<proto::ApproveAccessResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let (name, requested) = named(&call, &message, &message.name, &message.request_id)?;
        let receipt = self
            .exchange
            .approve_access(call.caller(), &name, requested)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::ApproveAccessResponse { receipt }))
    }

    async fn refuse_access(
        &self,
        request: Request<proto::RefuseAccessRequest>,
    ) -> Result<Response<proto::RefuseAccessResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let (name, requested) = named(&call, &message, &message.name, &message.request_id)?;
        let receipt = self
            .exchange
            .refuse_access(call.caller(), &name, requested)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::RefuseAccessResponse { receipt }))
    }

    async fn release_access(
        &self,
        request: Request<proto::ReleaseAccessRequest>,
    ) -> Result<Response<proto::ReleaseAccessResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.access("name", &message.name);
        let sealed = fields.present("parcel", message.parcel);
        let sealed = sealed
            .and_then(|sealed| fields.within("parcel", |fields| convert::parcel(fields, sealed)));
        let salt = fields.array("salt", &message.salt, "must be 32 bytes");
        let (requested, name, sealed, salt) = fields.all((requested, name, sealed, salt))?;
        let (until, receipt) = self
            .exchange
            .release_access(call.caller(), &name, requested, sealed, salt)
            .await?;
        Ok(Response::new(proto::ReleaseAccessResponse {
            receipt: Some(call.receipt(&receipt)?),
            end_time: Some(fields::time(until)),
        }))
    }

    async fn open_access(
        &self,
        request: Request<proto::OpenAccessRequest>,
    ) -> Result<Response<proto::OpenAccessResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let name = fields.access("name", &message.name);
        let (name,) = fields.all((name,))?;
        let (parcel, receipt) = self.exchange.open_access(call.caller(), &name).await?;
        Ok(Response::new(proto::OpenAccessResponse {
            parcel: Some(convert::sealed(parcel)),
            receipt: Some(call.receipt(&receipt)?),
        }))
    }

    async fn review_access(
        &self,
        request: Request<proto::ReviewAccessRequest>,
    ) -> Result<Response<proto::ReviewAccessResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.access("name", &message.name);
        let finding = fields.word::<AccessFinding>("finding", message.finding);
        let (requested, name, finding) = fields.all((requested, name, finding))?;
        let receipt = self
            .exchange
            .review_access(call.caller(), &name, requested, finding)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::ReviewAccessResponse { receipt }))
    }

    async fn get_access(
        &self,
        request: Request<proto::GetAccessRequest>,
    ) -> Result<Response<proto::GetAccessResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let name = fields.access("name", &message.name);
        let (name,) = fields.all((name,))?;
        let access = self.exchange.access(call.caller(), &name).await;
        let access = call.read(&self.exchange, access).await?;
        let access = Some(view(access));
        Ok(Response::new(proto::GetAccessResponse { access }))
    }

    async fn list_accesses(
        &self,
        request: Request<proto::ListAccessesRequest>,
    ) -> Result<Response<proto::ListAccessesResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let parent = fields.agency("parent", &message.parent);
        let page = fields.page(message.page_size, message.page_token);
        let (parent, page) = fields.all((parent, page))?;
        let accesses = self.exchange.accesses(call.caller(), &parent, page).await;
        let accesses = call.read(&self.exchange, accesses).await?;
        Ok(Response::new(proto::ListAccessesResponse {
            accesses: accesses.items.into_iter().map(view).collect(),
            next_page_token: accesses.next,
        }))
    }
}

/// The two fields of an act that needs no more.
fn named(
    call: &Call,
    message: &impl prost::Message,
    name: &str,
    request_id: &str,
) -> Result<(AccessName, Requested), Status> {
    let mut fields = Fields::new();
    let requested = call.requested(&mut fields, message, request_id);
    let name = fields.access("name", name);
    Ok(fields.all((name, requested))?)
}

/// What is asked for: labels, each once.
fn labels(fields: &mut Fields, labels: Vec<proto::AccessLabel>) -> Option<LabelSet> {
    let count = labels.len();
    let few = (1..=Label::COUNT).contains(&count);
    fields.when("labels", few, "must be 1 to 34 labels", ())?;
    let labels = fields.each("labels", labels, |fields, message| {
        let category = fields.word("category", message.category)?;
        let form = fields.word("form", message.form)?;
        match Label::new(category, form) {
            Ok(label) => Some(label),
            Err(_) => fields.wrong("form", "must be a form of the category"),
        }
    })?;
    let set: LabelSet = labels.into_iter().collect();
    let once = usize::try_from(set.len()) == Ok(count);
    fields.when("labels", once, "must name each label once", set)
}

fn view(access: AccessSeen) -> proto::Access {
    let agency = |agency: Option<crate::domain::id::AgencyId>| {
        agency.as_ref().map(names::agency).unwrap_or_default()
    };
    proto::Access {
        name: access.name.to_string(),
        state: access.state.number(),
        reason: access.reason.number(),
        labels: access
            .labels
            .iter()
            .map(|label| proto::AccessLabel {
                category: label.category().number(),
                form: label.form().number(),
            })
            .collect(),
        requester: agency(access.requester),
        source: agency(access.source),
        offer: access
            .offer
            .map(|offer| offer.to_string())
            .unwrap_or_default(),
        purpose: access.purpose.number(),
        request_time: Some(fields::time(access.requested)),
        end_time: access.ends.map(fields::time),
        review_by: access.review_by.map(fields::time),
        call_duty_line: access.call_duty_line,
        duty_phone: access.duty_phone,
        finding: number_or_zero(access.finding),
        openings: access.openings,
    }
}
