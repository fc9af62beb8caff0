//! What the source sees of its own referrals, and taking one back.

use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::log::Proven;
use crate::client::session::request_id;
use crate::client::words;
use crate::domain::id::{AgencyId, GroupId, OfferId, ParcelId, ReferralId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    CloseReason, DeclineReason, ErasureAnswer, OfferState, Outcome, Question, ReferralState, Stage,
    TransferState,
};
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::referral_service_client::ReferralServiceClient;

/// The source's view of one offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceOffer {
    /// Its id.
    pub offer: OfferId,
    /// Who was asked.
    pub recipient: AgencyId,
    /// Where the answer stands.
    pub state: OfferState,
    /// Why declined.
    pub decline_reason: Option<DeclineReason>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Stages deposited.
    pub deposited: Vec<Stage>,
    /// Stages opened.
    pub opened: Vec<Stage>,
    /// Whether the recipient was asked to erase what it opened.
    pub erasure_asked: bool,
    /// What it answered.
    pub erasure: Option<ErasureAnswer>,
    /// Who is responsible for the case, as far as this offer goes.
    pub responsible: AgencyId,
    /// Where a transfer of responsibility stands.
    pub transfer: Option<TransferState>,
    /// When its time to decide is over; none while it is next in line.
    pub decide_by: Option<Timestamp>,
    /// What the recipient last asked for.
    pub questions: Vec<Question>,
    /// Stages corrected after they were opened, and whether the recipient confirmed.
    pub corrections: Vec<(Stage, bool)>,
    /// Of each stage deposited, the parcel that a correction names.
    pub parcels: Vec<(Stage, ParcelId)>,
}

/// The source's view of one referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferralView {
    /// Its id.
    pub referral: ReferralId,
    /// State.
    pub state: ReferralState,
    /// Offers, in the order made.
    pub offers: Vec<SourceOffer>,
    /// The group that it was made with, as this agency knows it.
    pub group: Option<GroupId>,
}

impl Desk {
    /// Takes a referral back: every offer not accepted closes.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn recall(&self, referral: ReferralId) -> Result<Vec<Proven>, ClientError> {
        let request = v1::RecallReferralRequest {
            name: words::referral_name(self.agency().id(), referral),
            request_id: request_id(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                ReferralServiceClient::new(channel)
                    .recall_referral(request)
                    .await
            })
            .await?;
        let mut closed = Vec::with_capacity(reply.receipts.len());
        for receipt in &reply.receipts {
            closed.push(self.prove(Some(receipt), known).await?);
        }
        Ok(closed)
    }

    /// Ends a referral that is nobody's place: nobody is asked any more.
    ///
    /// # Errors
    ///
    /// As any call; `STATE` when it is placed or ended already.
    pub async fn close_referral(
        &self,
        referral: ReferralId,
        reason: CloseReason,
    ) -> Result<Proven, ClientError> {
        let request = v1::CloseReferralRequest {
            name: words::referral_name(self.agency().id(), referral),
            request_id: request_id(),
            reason: words::close_reason_number(reason),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                ReferralServiceClient::new(channel)
                    .close_referral(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| is_closed(decision, referral, reason.name()))?)
    }

    /// Says that a referral should never have been made.
    ///
    /// # Errors
    ///
    /// As any call; `STATE` when it is, or was, a place.
    pub async fn mark_entered_in_error(&self, referral: ReferralId) -> Result<Proven, ClientError> {
        let request = v1::MarkEnteredInErrorRequest {
            name: words::referral_name(self.agency().id(), referral),
            request_id: request_id(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                ReferralServiceClient::new(channel)
                    .mark_entered_in_error(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        let in_error = ReferralState::EnteredInError.name();
        Ok(proven.expect(|decision| is_closed(decision, referral, in_error))?)
    }

    /// Says that what a recipient asked for is answered, by a parcel or a message: it may decide again.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn answer_information(&self, offer: OfferId) -> Result<Proven, ClientError> {
        let request = v1::AnswerInformationRequest {
            offer: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                ReferralServiceClient::new(channel)
                    .answer_information(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::OfferMoved { offer: named, to, .. }
                if *named == offer.to_string() && to == OfferState::Received.name())
        })?)
    }

    /// One referral as it stands.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn referral(&self, referral: ReferralId) -> Result<ReferralView, ClientError> {
        let name = words::referral_name(self.agency().id(), referral);
        let (reply, _) = self
            .call(
                v1::GetReferralRequest { name },
                |channel, request| async move {
                    ReferralServiceClient::new(channel)
                        .get_referral(request)
                        .await
                },
            )
            .await?;
        self.read_referral(reply.referral.ok_or(ClientError::Reply("no referral"))?)
    }

    /// Every referral of this agency.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn referrals(&self) -> Result<Vec<ReferralView>, ClientError> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListReferralsRequest {
                parent: words::agency_name(self.agency().id()),
                page_size: 100,
                page_token,
            };
            let (reply, _) = self
                .call(request, |channel, request| async move {
                    ReferralServiceClient::new(channel)
                        .list_referrals(request)
                        .await
                })
                .await?;
            for referral in reply.referrals {
                found.push(self.read_referral(referral)?);
            }
            page_token = reply.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    fn read_referral(&self, referral: v1::Referral) -> Result<ReferralView, ClientError> {
        let offers = referral.offers.into_iter().map(|offer| {
            Ok(SourceOffer {
                offer: words::own_id(&offer.name, self.agency().id(), "offers")?,
                recipient: words::agency_of(&offer.recipient)?,
                state: words::offer_state(offer.state)
                    .ok_or(ClientError::Reply("an offer's state"))?,
                decline_reason: words::decline_reason(offer.decline_reason),
                outcome: words::outcome(offer.outcome),
                deposited: offer
                    .deposited
                    .into_iter()
                    .filter_map(words::stage)
                    .collect(),
                opened: offer.opened.into_iter().filter_map(words::stage).collect(),
                erasure_asked: offer.erasure_asked,
                erasure: words::erasure(offer.erasure),
                responsible: words::agency_of(&offer.responsible)?,
                transfer: words::transfer_state(offer.transfer),
                decide_by: offer.decide_by.as_ref().and_then(words::from_proto_time),
                questions: offer
                    .questions
                    .into_iter()
                    .filter_map(words::question)
                    .collect(),
                corrections: offer
                    .corrections
                    .into_iter()
                    .filter_map(|one| Some((words::stage(one.stage)?, one.confirmed)))
                    .collect(),
                parcels: offer
                    .parcels
                    .into_iter()
                    .filter_map(|one| Some((words::stage(one.stage)?, one.parcel.parse().ok()?)))
                    .collect(),
            })
        });
        Ok(ReferralView {
            referral: words::own_id(&referral.name, self.agency().id(), "referrals")?,
            state: words::referral_state(referral.state)
                .ok_or(ClientError::Reply("a referral's state"))?,
            offers: offers.collect::<Result<_, ClientError>>()?,
            group: match referral.group.as_str() {
                "" => None,
                name => Some(words::own_id(name, self.agency().id(), "groups")?),
            },
        })
    }
}

fn is_closed(decision: &Decision, referral: ReferralId, reason: &str) -> bool {
    matches!(decision, Decision::ReferralClosed { referral: named, reason: told, .. }
        if *named == referral.to_string() && told == reason)
}
