//! `OfferService`: the recipient's side.

use super::Services;
use crate::domain::vocabulary::{
    Alarm, DeclineReason, Decliner, ErasureAnswer, Outcome, Question, Stage, TransferAnswer,
};
use crate::exchange::offer::Offer;
use crate::exchange::place::Wanted;
use crate::exchange::{OfferName, Requested};
use crate::grpc::call::Call;
use crate::grpc::fields::{self, Fields};
use crate::grpc::words::{Word, number_or_zero};
use crate::grpc::{convert, names};
use crate::proto::v1 as proto;
use proto::offer_service_server::OfferService;
use std::collections::BTreeSet;
use tonic::{Request, Response, Status};

/// Most places of one offer: a family or a group that travels together.
const PLACES_MAX: u32 = 64;

#[tonic::async_trait]
impl OfferService for Services {
    async fn list_offers(
        &self,
        request: Request<proto::ListOffersRequest>,
    ) -> Result<Response<proto::ListOffersResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let parent = fields.agency("parent", &message.parent);
        let page = fields.page(message.page_size, message.page_token);
        let (parent, page) = fields.all((parent, page))?;
        let offers = self.exchange.offers(call.caller(), &parent, page).await;
        let offers = call.read(&self.exchange, offers).await?;
        Ok(Response::new(proto::ListOffersResponse {
            offers: offers.items.into_iter().map(view).collect(),
            next_page_token: offers.next,
        }))
    }

    async fn get_offer(
        &self,
        request: Request<proto::GetOfferRequest>,
    ) -> Result<Response<proto::GetOfferResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let name = fields.offer("name", &message.name);
        let (name,) = fields.all((name,))?;
        let offer = self.exchange.offer(call.caller(), &name).await;
        let offer = call.read(&self.exchange, offer).await?;
        let offer = Some(view(offer));
        Ok(Response::new(proto::GetOfferResponse { offer }))
    }

    async fn open_parcel(
        &self,
        request: Request<proto::OpenParcelRequest>,
    ) -> Result<Response<proto::OpenParcelResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let name = fields.offer("name", &message.name);
        let stage = fields.word::<Stage>("stage", message.stage);
        let (name, stage) = fields.all((name, stage))?;
        let disclosure = self
            .exchange
            .open_parcel(call.caller(), &name, stage)
            .await?;
        let ancestors = disclosure.ancestors().to_vec();
        let (parcel, receipt) = disclosure.into_parts();
        Ok(Response::new(proto::OpenParcelResponse {
            ancestors,
            parcel: Some(convert::sealed(parcel)),
            receipt: Some(call.receipt(&receipt)?),
        }))
    }

    async fn acknowledge_offer(
        &self,
        request: Request<proto::AcknowledgeOfferRequest>,
    ) -> Result<Response<proto::AcknowledgeOfferResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let (name, requested) = named(&call, &message, &message.name, &message.request_id)?;
        let receipt = self
            .exchange
            .acknowledge_offer(call.caller(), &name, requested)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::AcknowledgeOfferResponse { receipt }))
    }

    async fn hold_places(
        &self,
        request: Request<proto::HoldPlacesRequest>,
    ) -> Result<Response<proto::HoldPlacesResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.offer("name", &message.name);
        let pool = fields.pool("pool", &message.pool);
        let room = fields.room("room", &message.room);
        let places = fields.when(
            "places",
            (1..=PLACES_MAX).contains(&message.places),
            "must be 1 to 64",
            message.places,
        );
        let (requested, name, pool, room, places) =
            fields.all((requested, name, pool, room, places))?;
        let wanted = Wanted { pool, room, places };
        let (until, receipt) = self
            .exchange
            .hold_places(call.caller(), &name, requested, wanted)
            .await?;
        Ok(Response::new(proto::HoldPlacesResponse {
            receipt: Some(call.receipt(&receipt)?),
            expire_time: Some(fields::time(until)),
        }))
    }

    async fn accept_offer(
        &self,
        request: Request<proto::AcceptOfferRequest>,
    ) -> Result<Response<proto::AcceptOfferResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.offer("name", &message.name);
        let places = wanted(&mut fields, &message.pool, &message.room, message.places);
        let (requested, name, places) = fields.all((requested, name, places))?;
        let receipt = self
            .exchange
            .accept_offer(call.caller(), &name, requested, places)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::AcceptOfferResponse { receipt }))
    }

    async fn decline_offer(
        &self,
        request: Request<proto::DeclineOfferRequest>,
    ) -> Result<Response<proto::DeclineOfferResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.offer("name", &message.name);
        let reason = fields.word::<DeclineReason>("reason", message.reason);
        let decliner = fields.word::<Decliner>("decliner", message.decliner);
        let (requested, name, reason, decliner) =
            fields.all((requested, name, reason, decliner))?;
        let receipt = self
            .exchange
            .decline_offer(call.caller(), &name, requested, reason, decliner)
            .await?;
        let awaiting_confirmation = receipt.is_proposed_decline();
        Ok(Response::new(proto::DeclineOfferResponse {
            receipt: Some(call.receipt(&receipt)?),
            awaiting_confirmation,
        }))
    }

    async fn request_information(
        &self,
        request: Request<proto::RequestInformationRequest>,
    ) -> Result<Response<proto::RequestInformationResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.offer("name", &message.name);
        let questions = questions(&mut fields, &message.questions);
        let (requested, name, questions) = fields.all((requested, name, questions))?;
        let receipt = self
            .exchange
            .request_information(call.caller(), &name, requested, questions)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::RequestInformationResponse { receipt }))
    }

    async fn waitlist_offer(
        &self,
        request: Request<proto::WaitlistOfferRequest>,
    ) -> Result<Response<proto::WaitlistOfferResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let (name, requested) = named(&call, &message, &message.name, &message.request_id)?;
        let receipt = self
            .exchange
            .waitlist_offer(call.caller(), &name, requested)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::WaitlistOfferResponse { receipt }))
    }

    async fn check_in(
        &self,
        request: Request<proto::CheckInRequest>,
    ) -> Result<Response<proto::CheckInResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let (name, requested) = named(&call, &message, &message.name, &message.request_id)?;
        let receipt = self
            .exchange
            .check_in(call.caller(), &name, requested)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::CheckInResponse { receipt }))
    }

    async fn complete_offer(
        &self,
        request: Request<proto::CompleteOfferRequest>,
    ) -> Result<Response<proto::CompleteOfferResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.offer("name", &message.name);
        let outcome = fields.word::<Outcome>("outcome", message.outcome);
        let (requested, name, outcome) = fields.all((requested, name, outcome))?;
        let receipt = self
            .exchange
            .complete_offer(call.caller(), &name, requested, outcome)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::CompleteOfferResponse { receipt }))
    }

    async fn confirm_erasure(
        &self,
        request: Request<proto::ConfirmErasureRequest>,
    ) -> Result<Response<proto::ConfirmErasureResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.offer("name", &message.name);
        let answer = fields.word::<ErasureAnswer>("answer", message.answer);
        let (requested, name, answer) = fields.all((requested, name, answer))?;
        let receipt = self
            .exchange
            .confirm_erasure(call.caller(), &name, requested, answer)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::ConfirmErasureResponse { receipt }))
    }

    async fn check_out(
        &self,
        request: Request<proto::CheckOutRequest>,
    ) -> Result<Response<proto::CheckOutResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let (name, requested) = named(&call, &message, &message.name, &message.request_id)?;
        let receipt = self
            .exchange
            .check_out(call.caller(), &name, requested)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::CheckOutResponse { receipt }))
    }

    async fn hold_group(
        &self,
        request: Request<proto::HoldGroupRequest>,
    ) -> Result<Response<proto::HoldGroupResponse>, Status> {
        self.hold_group_places(request).await
    }

    async fn accept_group(
        &self,
        request: Request<proto::AcceptGroupRequest>,
    ) -> Result<Response<proto::AcceptGroupResponse>, Status> {
        self.accept_whole_group(request).await
    }

    async fn decline_group(
        &self,
        request: Request<proto::DeclineGroupRequest>,
    ) -> Result<Response<proto::DeclineGroupResponse>, Status> {
        self.decline_whole_group(request).await
    }

    async fn raise_alarm(
        &self,
        request: Request<proto::RaiseAlarmRequest>,
    ) -> Result<Response<proto::RaiseAlarmResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.offer("name", &message.name);
        let stage = fields.word::<Stage>("stage", message.stage);
        let alarm = fields.word::<Alarm>("alarm", message.alarm);
        let (requested, name, stage, alarm) = fields.all((requested, name, stage, alarm))?;
        let receipt = self
            .exchange
            .raise_alarm(call.caller(), &name, requested, stage, alarm)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::RaiseAlarmResponse { receipt }))
    }

    async fn confirm_amendment(
        &self,
        request: Request<proto::ConfirmAmendmentRequest>,
    ) -> Result<Response<proto::ConfirmAmendmentResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.offer("name", &message.name);
        let stage = fields.word::<Stage>("stage", message.stage);
        let (requested, name, stage) = fields.all((requested, name, stage))?;
        let receipt = self
            .exchange
            .confirm_amendment(call.caller(), &name, requested, stage)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::ConfirmAmendmentResponse { receipt }))
    }

    async fn answer_transfer(
        &self,
        request: Request<proto::AnswerTransferRequest>,
    ) -> Result<Response<proto::AnswerTransferResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.offer("name", &message.name);
        let answer = fields.word::<TransferAnswer>("answer", message.answer);
        let (requested, name, answer) = fields.all((requested, name, answer))?;
        let receipt = self
            .exchange
            .answer_transfer(call.caller(), &name, requested, answer)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::AnswerTransferResponse { receipt }))
    }
}

/// The two fields of an act that needs no more.
fn named(
    call: &Call,
    message: &impl prost::Message,
    name: &str,
    request_id: &str,
) -> Result<(OfferName, Requested), Status> {
    let mut fields = Fields::new();
    let requested = call.requested(&mut fields, message, request_id);
    let name = fields.offer("name", name);
    Ok(fields.all((name, requested))?)
}

/// At least one question, each once.
fn questions(fields: &mut Fields, numbers: &[i32]) -> Option<Vec<Question>> {
    let distinct: BTreeSet<i32> = numbers.iter().copied().collect();
    let fits =
        distinct.len() == numbers.len() && (1..=Question::ALL.len()).contains(&numbers.len());
    fields.when("questions", fits, "must be 1 to 6 different questions", ())?;
    let questions: Vec<_> = numbers
        .iter()
        .map(|&number| fields.word("questions", number))
        .collect();
    questions.into_iter().collect()
}

/// A pool and places from it, or neither.
fn wanted(fields: &mut Fields, pool: &str, room: &str, places: u32) -> Option<Option<Wanted>> {
    if pool.is_empty() {
        let no_room = fields.when("room", room.is_empty(), "must be empty without a pool", ());
        let none = fields.when("places", places == 0, "must be zero without a pool", None);
        return no_room.and(none);
    }
    let pool = fields.pool("pool", pool);
    let room = fields.room("room", room);
    let fits = (1..=PLACES_MAX).contains(&places);
    let places = fields.when("places", fits, "must be 1 to 64 with a pool", places);
    Some(Some(Wanted {
        pool: pool?,
        room: room?,
        places: places?,
    }))
}

fn view(offer: Offer) -> proto::Offer {
    proto::Offer {
        name: offer.name.to_string(),
        source: names::agency(&offer.source),
        purpose: offer.purpose.number(),
        urgency: offer.urgency.number(),
        decide_by: Some(fields::time(offer.decide_by)),
        state: offer.state.number(),
        openable: offer.openable.into_iter().map(Word::number).collect(),
        decline_reason: number_or_zero(offer.reason),
        outcome: number_or_zero(offer.outcome),
        places: offer.places,
        forwarded_from: (offer.forwarded_from.as_ref())
            .map(names::agency)
            .unwrap_or_default(),
        responsible: names::agency(&offer.responsible),
        transfer: number_or_zero(offer.transfer),
        group: offer.group.map(|it| it.to_string()).unwrap_or_default(),
        keep_together: offer.together,
        pool: offer.pool.map(|it| it.to_string()).unwrap_or_default(),
        room: offer.room.map(|it| it.to_string()).unwrap_or_default(),
        questions: offer.questions.into_iter().map(Word::number).collect(),
        decline_proposed: offer.decline_proposed,
        notices: offer.notices.into_iter().map(Word::number).collect(),
        corrected: offer.corrected.into_iter().map(Word::number).collect(),
    }
}
