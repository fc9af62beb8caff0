//! `PersonService`: what a person may ask.

use super::Services;
use crate::domain::vocabulary::{Asked, BasisKind, InterpreterClass};
use crate::exchange::person::PersonsDisclosure;
use crate::grpc::call::Call;
use crate::grpc::fields::{self, Fields};
use crate::grpc::names;
use crate::grpc::words::{Word, number_or_zero};
use crate::proto::v1 as proto;
use proto::person_service_server::PersonService;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl PersonService for Services {
    async fn list_disclosures(
        &self,
        request: Request<proto::ListDisclosuresRequest>,
    ) -> Result<Response<proto::ListDisclosuresResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let parent = fields.agency("parent", &message.parent);
        let case = fields.case_handle("case_handle", &message.case_handle);
        let page = fields.page(message.page_size, message.page_token);
        let (parent, case, page) = fields.all((parent, case, page))?;
        let listed = self
            .exchange
            .disclosures(call.caller(), &parent, case, page)
            .await;
        let listed = call.read(&self.exchange, listed).await?;
        Ok(Response::new(proto::ListDisclosuresResponse {
            disclosures: listed.items.into_iter().map(view).collect(),
            next_page_token: listed.next,
        }))
    }
}

fn view(disclosure: PersonsDisclosure) -> proto::Disclosure {
    let label = |label: crate::domain::label::Label| proto::DisclosureLabel {
        category: label.category().number(),
        form: label.form().number(),
    };
    let ground = disclosure.ground.as_ref();
    let word = |word: Option<&'static str>| word.unwrap_or_default().to_owned();
    proto::Disclosure {
        kind: disclosure.kind.number(),
        time: Some(fields::time(disclosure.time)),
        discloser: names::agency(&disclosure.by),
        recipient: names::agency(&disclosure.recipient),
        purpose: number_or_zero(disclosure.purpose),
        stage: number_or_zero(disclosure.stage),
        labels: disclosure.labels.iter().map(label).collect(),
        ground: word(ground.map(|ground| BasisKind::name(ground.kind))),
        basis: ground
            .map(|ground| ground.basis.to_string())
            .unwrap_or_default(),
        asked: word(ground.map(|ground| Asked::name(ground.asked))),
        asked_alone: ground.is_some_and(|ground| ground.asked_alone),
        interpreter: word(ground.map(|ground| InterpreterClass::name(ground.interpreter))),
        offer: disclosure
            .offer
            .map(|offer| offer.to_string())
            .unwrap_or_default(),
        index: disclosure.index,
        specific_labels: ground.map_or_else(Vec::new, |ground| {
            ground.specific.iter().map(label).collect()
        }),
    }
}
