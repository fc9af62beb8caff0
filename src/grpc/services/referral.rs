//! `ReferralService`: the source's side.

use super::Services;
use crate::domain::id::ParcelId;
use crate::domain::vocabulary::{CloseReason, Purpose, Stage, Urgency};
use crate::exchange::referral::{NewOffer, NewReferral, OFFERS_MAX, Referral, SourceOffer};
use crate::grpc::call::Call;
use crate::grpc::fields::{self, Fields};
use crate::grpc::words::{Word, number_or_zero};
use crate::grpc::{convert, names};
use crate::proto::v1 as proto;
use proto::referral_service_server::ReferralService;
use tonic::{Request, Response, Status};

/// Most parcels deposited with one offer: one per stage.
const DEPOSITS_MAX: usize = 3;

#[tonic::async_trait]
impl ReferralService for Services {
    async fn create_referral(
        &self,
        request: Request<proto::CreateReferralRequest>,
    ) -> Result<Response<proto::CreateReferralResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let parent = fields.agency("parent", &message.parent);
        let referral = new_referral(&mut fields, message);
        let (requested, parent, referral) = fields.all((requested, parent, referral))?;
        let made = self
            .exchange
            .create_referral(call.caller(), &parent, requested, referral)
            .await?;
        Ok(Response::new(proto::CreateReferralResponse {
            name: made.name.to_string(),
            offers: made.offers.iter().map(ToString::to_string).collect(),
            receipts: call.receipts(&made.receipts)?,
        }))
    }

    async fn get_referral(
        &self,
        request: Request<proto::GetReferralRequest>,
    ) -> Result<Response<proto::GetReferralResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let name = fields.referral("name", &message.name);
        let (name,) = fields.all((name,))?;
        let referral = self.exchange.referral(call.caller(), &name).await;
        let referral = call.read(&self.exchange, referral).await?;
        let referral = Some(view(referral));
        Ok(Response::new(proto::GetReferralResponse { referral }))
    }

    async fn list_referrals(
        &self,
        request: Request<proto::ListReferralsRequest>,
    ) -> Result<Response<proto::ListReferralsResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let parent = fields.agency("parent", &message.parent);
        let page = fields.page(message.page_size, message.page_token);
        let (parent, page) = fields.all((parent, page))?;
        let referrals = self.exchange.referrals(call.caller(), &parent, page).await;
        let referrals = call.read(&self.exchange, referrals).await?;
        Ok(Response::new(proto::ListReferralsResponse {
            referrals: referrals.items.into_iter().map(view).collect(),
            next_page_token: referrals.next,
        }))
    }

    async fn add_offer(
        &self,
        request: Request<proto::AddOfferRequest>,
    ) -> Result<Response<proto::AddOfferResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let referral = fields.referral("referral", &message.referral);
        let offer = fields
            .present("offer", message.offer)
            .and_then(|offer| fields.within("offer", |fields| new_offer(fields, offer)));
        let (requested, referral, offer) = fields.all((requested, referral, offer))?;
        let (name, receipt) = self
            .exchange
            .add_offer(call.caller(), &referral, requested, offer)
            .await?;
        Ok(Response::new(proto::AddOfferResponse {
            name: name.to_string(),
            receipt: Some(call.receipt(&receipt)?),
        }))
    }

    async fn deposit_parcel(
        &self,
        request: Request<proto::DepositParcelRequest>,
    ) -> Result<Response<proto::DepositParcelResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let offer = fields.offer("offer", &message.offer);
        let deposit = fields
            .present("deposit", message.deposit)
            .and_then(|deposit| {
                fields.within("deposit", |fields| convert::deposit(fields, deposit))
            });
        let (requested, offer, deposit) = fields.all((requested, offer, deposit))?;
        let receipt = self
            .exchange
            .deposit_parcel(call.caller(), &offer, requested, deposit)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::DepositParcelResponse { receipt }))
    }

    async fn recall_referral(
        &self,
        request: Request<proto::RecallReferralRequest>,
    ) -> Result<Response<proto::RecallReferralResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.referral("name", &message.name);
        let (requested, name) = fields.all((requested, name))?;
        let receipts = self
            .exchange
            .recall_referral(call.caller(), &name, requested)
            .await?;
        let receipts = call.receipts(&receipts)?;
        Ok(Response::new(proto::RecallReferralResponse { receipts }))
    }

    async fn create_group_referral(
        &self,
        request: Request<proto::CreateGroupReferralRequest>,
    ) -> Result<Response<proto::CreateGroupReferralResponse>, Status> {
        self.create_group(request).await
    }

    async fn close_referral(
        &self,
        request: Request<proto::CloseReferralRequest>,
    ) -> Result<Response<proto::CloseReferralResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.referral("name", &message.name);
        let reason = fields.word::<CloseReason>("reason", message.reason);
        let (requested, name, reason) = fields.all((requested, name, reason))?;
        let receipt = self
            .exchange
            .close_referral(call.caller(), &name, requested, reason)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::CloseReferralResponse { receipt }))
    }

    async fn mark_entered_in_error(
        &self,
        request: Request<proto::MarkEnteredInErrorRequest>,
    ) -> Result<Response<proto::MarkEnteredInErrorResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.referral("name", &message.name);
        let (requested, name) = fields.all((requested, name))?;
        let receipt = self
            .exchange
            .mark_entered_in_error(call.caller(), &name, requested)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::MarkEnteredInErrorResponse { receipt }))
    }

    async fn amend_parcel(
        &self,
        request: Request<proto::AmendParcelRequest>,
    ) -> Result<Response<proto::AmendParcelResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let offer = fields.offer("offer", &message.offer);
        let deposit = fields
            .present("deposit", message.deposit)
            .and_then(|deposit| {
                fields.within("deposit", |fields| convert::deposit(fields, deposit))
            });
        let (requested, offer, deposit) = fields.all((requested, offer, deposit))?;
        let receipt = self
            .exchange
            .amend_parcel(call.caller(), &offer, requested, deposit)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::AmendParcelResponse { receipt }))
    }

    async fn answer_information(
        &self,
        request: Request<proto::AnswerInformationRequest>,
    ) -> Result<Response<proto::AnswerInformationResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let offer = fields.offer("offer", &message.offer);
        let (requested, offer) = fields.all((requested, offer))?;
        let receipt = self
            .exchange
            .answer_information(call.caller(), &offer, requested)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::AnswerInformationResponse { receipt }))
    }

    async fn create_forward(
        &self,
        request: Request<proto::CreateForwardRequest>,
    ) -> Result<Response<proto::CreateForwardResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let offer = fields.offer("offer", &message.offer);
        let referral = new_forward(&mut fields, message);
        let (requested, offer, referral) = fields.all((requested, offer, referral))?;
        let made = self
            .exchange
            .create_forward(call.caller(), &offer, requested, referral)
            .await?;
        Ok(Response::new(proto::CreateForwardResponse {
            name: made.name.to_string(),
            offer: made
                .offers
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
            receipt: call.receipts(&made.receipts)?.into_iter().next(),
        }))
    }

    async fn propose_transfer(
        &self,
        request: Request<proto::ProposeTransferRequest>,
    ) -> Result<Response<proto::ProposeTransferResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let offer = fields.offer("offer", &message.offer);
        let basis = fields.basis("basis", &message.basis);
        let (requested, offer, basis) = fields.all((requested, offer, basis))?;
        let receipt = self
            .exchange
            .propose_transfer(call.caller(), &offer, requested, basis)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::ProposeTransferResponse { receipt }))
    }
}

fn new_forward(fields: &mut Fields, message: proto::CreateForwardRequest) -> Option<NewReferral> {
    let case = fields.case_handle("case_handle", &message.case_handle);
    let purpose = fields.word::<Purpose>("purpose", message.purpose);
    let urgency = fields.word::<Urgency>("urgency", message.urgency);
    let decide_by = match message.decide_by {
        None => Some(None),
        time => fields.time("decide_by", time).map(Some),
    };
    let offer = fields
        .present("forward", message.forward)
        .and_then(|offer| fields.within("forward", |fields| new_offer(fields, offer)));
    Some(NewReferral {
        case: case?,
        purpose: purpose?,
        urgency: urgency?,
        decide_by: decide_by?,
        parallel: None,
        place_by: None,
        offers: vec![offer?],
    })
}

fn new_referral(fields: &mut Fields, message: proto::CreateReferralRequest) -> Option<NewReferral> {
    let case = fields.case_handle("case_handle", &message.case_handle);
    let purpose = fields.word::<Purpose>("purpose", message.purpose);
    let urgency = fields.word::<Urgency>("urgency", message.urgency);
    let decide_by = match message.decide_by {
        None => Some(None),
        time => fields.time("decide_by", time).map(Some),
    };
    let place_by = match message.place_by {
        None => Some(None),
        time => fields.time("place_by", time).map(Some),
    };
    let parallel = match message.parallel_offers {
        0 => None,
        parallel => Some(parallel),
    };
    let few = (1..=OFFERS_MAX).contains(&message.offers.len());
    let offers = fields.when("offers", few, "must be 1 to 32", message.offers)?;
    let offers = fields.each("offers", offers, new_offer);
    Some(NewReferral {
        case: case?,
        purpose: purpose?,
        urgency: urgency?,
        decide_by: decide_by?,
        place_by: place_by?,
        parallel,
        offers: offers?,
    })
}

pub(super) fn new_offer(fields: &mut Fields, message: proto::NewOffer) -> Option<NewOffer> {
    let recipient = fields.agency("recipient", &message.recipient);
    let few = (1..=DEPOSITS_MAX).contains(&message.deposits.len());
    let expected = "must be 1 to 3, one per stage";
    let deposits = fields.when("deposits", few, expected, message.deposits)?;
    let deposits = fields.each("deposits", deposits, convert::deposit);
    Some(NewOffer {
        recipient: recipient?,
        deposits: deposits?,
    })
}

fn view(referral: Referral) -> proto::Referral {
    proto::Referral {
        name: referral.name.to_string(),
        case_handle: referral.case.to_string(),
        purpose: referral.purpose.number(),
        urgency: referral.urgency.number(),
        decide_by: Some(fields::time(referral.decide_by)),
        state: referral.state.number(),
        offers: referral.offers.into_iter().map(view_offer).collect(),
        create_time: Some(fields::time(referral.created)),
        group: referral
            .group
            .map(|group| group.to_string())
            .unwrap_or_default(),
        place_by: referral.place_by.map(fields::time),
        unplaced_time: referral.unplaced.map(fields::time),
        close_reason: number_or_zero(referral.closed),
    }
}

fn view_offer(offer: SourceOffer) -> proto::ReferralOffer {
    proto::ReferralOffer {
        name: offer.name.to_string(),
        recipient: names::agency(&offer.recipient),
        state: offer.state.number(),
        decline_reason: number_or_zero(offer.reason),
        decliner: number_or_zero(offer.decliner),
        outcome: number_or_zero(offer.outcome),
        deposited: offer.deposited.into_iter().map(Word::number).collect(),
        opened: offer.opened.into_iter().map(Word::number).collect(),
        update_time: Some(fields::time(offer.updated)),
        erasure_asked: offer.erasure_asked,
        erasure: number_or_zero(offer.erasure),
        responsible: names::agency(&offer.responsible),
        transfer: number_or_zero(offer.transfer),
        ask_time: offer.asked.map(fields::time),
        decide_by: offer.decide_by.map(fields::time),
        questions: offer.questions.into_iter().map(Word::number).collect(),
        corrections: offer.corrections.into_iter().map(correction).collect(),
        parcels: offer.parcels.into_iter().map(stage_parcel).collect(),
    }
}

fn correction((stage, confirmed): (Stage, bool)) -> proto::Correction {
    proto::Correction {
        stage: stage.number(),
        confirmed,
    }
}

fn stage_parcel((stage, parcel): (Stage, ParcelId)) -> proto::StageParcel {
    proto::StageParcel {
        stage: stage.number(),
        parcel: parcel.to_string(),
    }
}
