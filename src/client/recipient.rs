//! The recipient's side: see what is asked, open what may be opened, answer.

mod amendment;
mod group;
mod place;
mod signer;

pub use group::{GroupPlaces, MemberPlaces, MovedGroup};
pub use place::{PoolView, RoomView};

use std::time::Duration;

use crate::domain::id::{AgencyId, GroupId, OfferId, PoolId, RoomId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    Alarm, DeclineReason, Decliner, ErasureAnswer, OfferNotice, OfferState, Outcome, Purpose,
    Question, Stage, TransferState, Urgency,
};
use crate::envelope::ancestry;
use crate::envelope::jws::digest_from_b64u;
use crate::envelope::keys::sha256;
use crate::envelope::open::{Expected, OpenError, OpenedParcel, open};
use crate::envelope::statement::{ParcelStatement, SealedParcel};
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::offer_service_client::OfferServiceClient;

use super::agency::Desk;
use super::error::ClientError;
use super::log::Proven;
use super::parcel::from_proto;
use super::session::request_id;
use super::words;

/// How far a source's clock may be ahead.
pub(super) const SKEW: Duration = Duration::from_secs(5 * 60);

/// The recipient's view of one ask; no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferView {
    /// Its id.
    pub id: OfferId,
    /// Who asks.
    pub source: AgencyId,
    /// For what.
    pub purpose: Purpose,
    /// How soon.
    pub urgency: Urgency,
    /// Decide by.
    pub decide_by: Option<Timestamp>,
    /// State.
    pub state: OfferState,
    /// Stages that may be opened now.
    pub openable: Vec<Stage>,
    /// Places held or taken.
    pub places: u32,
    /// The group that it came in, as this agency knows it.
    pub group: Option<GroupId>,
    /// Whether that group is decided on together.
    pub keep_together: bool,
    /// The pool that the places are in.
    pub pool: Option<PoolId>,
    /// The room that they are in.
    pub room: Option<RoomId>,
    /// What has been said since the offer was made.
    pub notices: Vec<OfferNotice>,
    /// Of what another agency passes on: the original source, against whose signature the parcels are checked.
    pub forwarded_from: Option<AgencyId>,
    /// Who is responsible for the case, as far as this offer goes.
    pub responsible: AgencyId,
    /// Where a transfer of responsibility stands.
    pub transfer: Option<TransferState>,
    /// Stages corrected since they were opened: open and confirm.
    pub corrected: Vec<Stage>,
}

impl Desk {
    /// Every offer to this agency.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn offers(&self) -> Result<Vec<OfferView>, ClientError> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListOffersRequest {
                parent: words::agency_name(self.agency().id()),
                page_size: 100,
                page_token,
            };
            let (reply, _) = self
                .call(request, |channel, request| async move {
                    OfferServiceClient::new(channel).list_offers(request).await
                })
                .await?;
            for offer in reply.offers {
                found.push(self.read_offer(offer)?);
            }
            page_token = reply.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// One offer as it stands.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn offer(&self, offer: OfferId) -> Result<OfferView, ClientError> {
        let name = words::offer_name(self.agency().id(), offer);
        let (reply, _) = self
            .call(
                v1::GetOfferRequest { name },
                |channel, request| async move {
                    OfferServiceClient::new(channel).get_offer(request).await
                },
            )
            .await?;
        self.read_offer(reply.offer.ok_or(ClientError::Reply("no offer"))?)
    }

    fn read_own<T: std::str::FromStr>(
        &self,
        name: &str,
        collection: &str,
    ) -> Result<Option<T>, ClientError> {
        if name.is_empty() {
            return Ok(None);
        }
        words::own_id(name, self.agency().id(), collection).map(Some)
    }

    fn read_offer(&self, offer: v1::Offer) -> Result<OfferView, ClientError> {
        Ok(OfferView {
            id: words::own_id(&offer.name, self.agency().id(), "offers")?,
            source: words::agency_of(&offer.source)?,
            purpose: words::purpose(offer.purpose).ok_or(ClientError::Reply("a purpose"))?,
            urgency: words::urgency(offer.urgency).ok_or(ClientError::Reply("an urgency"))?,
            decide_by: offer.decide_by.as_ref().and_then(words::from_proto_time),
            state: words::offer_state(offer.state).ok_or(ClientError::Reply("an offer's state"))?,
            openable: offer
                .openable
                .into_iter()
                .filter_map(words::stage)
                .collect(),
            places: offer.places,
            forwarded_from: match offer.forwarded_from.as_str() {
                "" => None,
                name => Some(words::agency_of(name)?),
            },
            responsible: words::agency_of(&offer.responsible)?,
            transfer: words::transfer_state(offer.transfer),
            group: self.read_own(&offer.group, "groups")?,
            keep_together: offer.keep_together,
            pool: self.read_own(&offer.pool, "pools")?,
            room: match offer.room.as_str() {
                "" => None,
                room => Some(room.parse().map_err(|_| ClientError::Reply("a room"))?),
            },
            notices: (offer.notices.into_iter())
                .filter_map(words::notice)
                .collect(),
            corrected: (offer.corrected.into_iter())
                .filter_map(words::stage)
                .collect(),
        })
    }

    /// Opens one stage's parcel: the router's receipt, the source's signature, the seal and every label are checked
    /// before a field is handed out. A parcel that is not what its source sealed raises the alarm by itself.
    ///
    /// # Errors
    ///
    /// [`ClientError::Parcel`] when a check fails, after the alarm; [`ClientError::Log`] when the opening is not in
    /// the log; [`ClientError::Refused`] with `NOT_FOUND` for absent, withdrawn, expired, closed or not yet.
    pub async fn open(&self, offer: &OfferView, stage: Stage) -> Result<OpenedParcel, ClientError> {
        let (parcel, ancestors) = self.fetch_with_ancestors(offer.id, stage).await?;
        let source = self
            .signing_key_behind(&parcel.statement, &offer.source)
            .await?;
        let mut opened = self.check(&parcel, &source, offer, stage);
        if let Ok(parcel) = &opened {
            opened = match self.check_ancestors(offer, parcel, &ancestors).await? {
                true => opened,
                false => Err(OpenError::Tampered),
            };
        }
        match opened {
            Ok(opened) => {
                let claims = opened.statement.claims();
                self.agency()
                    .remember_parcel(claims.parcel, *opened.statement.signed_digest());
                self.agency()
                    .remember_held((offer.id, stage), claims.parcel);
                Ok(opened)
            }
            Err(error) => {
                if let Some(alarm) = error.alarm() {
                    self.raise_alarm(offer.id, stage, alarm).await?;
                }
                Err(error.into())
            }
        }
    }

    /// Fetches one stage's parcel with the receipt of its opening verified, sealed as it is.
    ///
    /// # Errors
    ///
    /// As [`Desk::open`], but for the parcel's own checks.
    pub async fn fetch(&self, offer: OfferId, stage: Stage) -> Result<SealedParcel, ClientError> {
        Ok(self.fetch_with_ancestors(offer, stage).await?.0)
    }

    /// The parcel, and the statements of what it passes on.
    async fn fetch_with_ancestors(
        &self,
        offer: OfferId,
        stage: Stage,
    ) -> Result<(SealedParcel, Vec<Vec<u8>>), ClientError> {
        let name = words::offer_name(self.agency().id(), offer);
        let request = v1::OpenParcelRequest {
            name,
            stage: words::stage_number(stage),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel).open_parcel(request).await
            })
            .await?;
        let parcel = reply.parcel.ok_or(ClientError::Reply("no parcel"))?;
        let statement_digest = sha256(&parcel.statement);
        self.prove(reply.receipt.as_ref(), known)
            .await?
            .expect(|decision| match decision {
                Decision::Opened {
                    offer: named,
                    stage: at,
                    statement_hash,
                    ..
                } => {
                    *named == offer.to_string()
                        && at == stage.name()
                        && digest_from_b64u(statement_hash) == Some(statement_digest)
                }
                _ => false,
            })?;
        Ok((from_proto(parcel)?, reply.ancestors))
    }

    /// Whether what was passed on is what the original source let pass on, by its own signature and that of everybody
    /// between. A source's own parcel rests on nobody.
    async fn check_ancestors(
        &self,
        offer: &OfferView,
        parcel: &OpenedParcel,
        ancestors: &[Vec<u8>],
    ) -> Result<bool, ClientError> {
        let Some(original) = &offer.forwarded_from else {
            return Ok(ancestors.is_empty() && parcel.statement.claims().parent.is_none());
        };
        let mut statements = Vec::with_capacity(ancestors.len());
        let mut issuer = original.clone();
        // From the original source on, each was for the one who sealed the next.
        for token in ancestors.iter().rev() {
            let key = self.signing_key_behind(token, &issuer).await?;
            let Ok(statement) = ParcelStatement::parse(token, &key) else {
                return Ok(false);
            };
            issuer.clone_from(&statement.claims().recipient);
            statements.push(statement);
        }
        statements.reverse();
        let labels = parcel.fields.iter();
        let labels: Vec<_> = labels
            .map(|field| field.disclosure.labelled_digest())
            .collect();
        Ok(ancestry::check(&parcel.statement, &labels, &statements, original).is_ok())
    }

    /// The recipient's checks over a fetched parcel.
    ///
    /// # Errors
    ///
    /// [`crate::envelope::open::OpenError`] at the first that fails.
    pub fn check(
        &self,
        parcel: &SealedParcel,
        source: &crate::envelope::keys::SigningKey,
        offer: &OfferView,
        stage: Stage,
    ) -> Result<OpenedParcel, crate::envelope::open::OpenError> {
        let expected = Expected {
            recipient: self.agency().id(),
            purpose: offer.purpose,
            stage,
            now: self.now(),
            skew: SKEW,
        };
        let seen = |parcel: &_| self.agency().seen_parcel(parcel);
        let opened = open(parcel, source, &expected, self.agency().keys(), &seen)?;
        let claims = opened.statement.claims();
        // What this desk has in hand is replaced by a correction that says so, or not at all (R19).
        let held = self.agency().held_parcel(&(offer.id, stage));
        let replaced = held.filter(|&held| held != claims.parcel);
        let unsaid = replaced.is_some() && claims.supersedes != replaced;
        if unsaid || (offer.corrected.contains(&stage) && claims.supersedes.is_none()) {
            return Err(OpenError::Unsaid);
        }
        Ok(opened)
    }

    /// Acknowledges an offer: someone has it in hand.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn acknowledge(&self, offer: OfferId) -> Result<Proven, ClientError> {
        let name = words::offer_name(self.agency().id(), offer);
        let request = v1::AcknowledgeOfferRequest {
            name,
            request_id: request_id(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel)
                    .acknowledge_offer(request)
                    .await
            })
            .await?;
        self.prove_moved(reply.receipt.as_ref(), known, offer, OfferState::Received)
            .await
    }

    /// Holds places while deciding, for at most two hours.
    ///
    /// # Errors
    ///
    /// As any call; `NO_PLACES` when there are not enough.
    pub async fn hold(
        &self,
        offer: OfferId,
        pool: &PoolId,
        places: u32,
    ) -> Result<Proven, ClientError> {
        self.hold_in(offer, pool, None, places).await
    }

    /// As [`Desk::hold`], in a room of the pool, or in the first that suits.
    ///
    /// # Errors
    ///
    /// As [`Desk::hold`].
    pub async fn hold_in(
        &self,
        offer: OfferId,
        pool: &PoolId,
        room: Option<&RoomId>,
        places: u32,
    ) -> Result<Proven, ClientError> {
        let request = v1::HoldPlacesRequest {
            name: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
            pool: words::pool_name(self.agency().id(), pool),
            places,
            room: room.map(ToString::to_string).unwrap_or_default(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel).hold_places(request).await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::PlacesHeld { offer: named, pool: from, places: count, .. }
                if *named == offer.to_string() && from == pool.as_str() && *count == places)
        })?)
    }

    /// Accepts an offer; takes `places` from a pool when none are held.
    ///
    /// # Errors
    ///
    /// As any call; `NO_PLACES`, or `STATE` when another candidate was first.
    pub async fn accept(
        &self,
        offer: OfferId,
        places: Option<(&PoolId, u32)>,
    ) -> Result<Proven, ClientError> {
        self.accept_in(offer, None, places).await
    }

    /// As [`Desk::accept`], in a room of the pool, or in the first that suits.
    ///
    /// # Errors
    ///
    /// As [`Desk::accept`].
    pub async fn accept_in(
        &self,
        offer: OfferId,
        room: Option<&RoomId>,
        places: Option<(&PoolId, u32)>,
    ) -> Result<Proven, ClientError> {
        let agency = self.agency().id();
        let request = v1::AcceptOfferRequest {
            name: words::offer_name(agency, offer),
            request_id: request_id(),
            pool: places
                .map(|(pool, _)| words::pool_name(agency, pool))
                .unwrap_or_default(),
            places: places.map_or(0, |(_, count)| count),
            room: room.map(ToString::to_string).unwrap_or_default(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel).accept_offer(request).await
            })
            .await?;
        self.prove_moved(reply.receipt.as_ref(), known, offer, OfferState::Accepted)
            .await
    }

    /// Declines with a true, coded reason. With OTHER the first member of staff only proposes it, and the entry that is
    /// proven says so; the offer stays as it is until a second one declines.
    ///
    /// # Errors
    ///
    /// As any call; `NEEDS_SECOND_PERSON` when the same person declines with OTHER again.
    pub async fn decline(
        &self,
        offer: OfferId,
        reason: DeclineReason,
        decliner: Decliner,
    ) -> Result<Proven, ClientError> {
        let request = v1::DeclineOfferRequest {
            name: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
            reason: words::decline_reason_number(reason),
            decliner: words::decliner_number(decliner),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel)
                    .decline_offer(request)
                    .await
            })
            .await?;
        if reply.awaiting_confirmation && reason == DeclineReason::Other {
            let proven = self.prove(reply.receipt.as_ref(), known).await?;
            return Ok(proven.expect(|decision| {
                matches!(decision, Decision::DeclineProposed { offer: named, .. }
                    if *named == offer.to_string())
            })?);
        }
        self.prove_moved(reply.receipt.as_ref(), known, offer, OfferState::Declined)
            .await
    }

    /// Asks what must be known before deciding; the clock goes on.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn request_information(
        &self,
        offer: OfferId,
        questions: &[Question],
    ) -> Result<Proven, ClientError> {
        let questions = questions.iter().copied();
        let request = v1::RequestInformationRequest {
            name: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
            questions: questions.map(words::question_number).collect(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel)
                    .request_information(request)
                    .await
            })
            .await?;
        let state = OfferState::InformationRequested;
        self.prove_moved(reply.receipt.as_ref(), known, offer, state)
            .await
    }

    /// Puts an offer on the waiting list.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn waitlist(&self, offer: OfferId) -> Result<Proven, ClientError> {
        let name = words::offer_name(self.agency().id(), offer);
        let request = v1::WaitlistOfferRequest {
            name,
            request_id: request_id(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel)
                    .waitlist_offer(request)
                    .await
            })
            .await?;
        self.prove_moved(reply.receipt.as_ref(), known, offer, OfferState::Waitlisted)
            .await
    }

    /// The person arrived: places become occupied.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn check_in(&self, offer: OfferId) -> Result<Proven, ClientError> {
        let name = words::offer_name(self.agency().id(), offer);
        let request = v1::CheckInRequest {
            name,
            request_id: request_id(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel).check_in(request).await
            })
            .await?;
        self.prove_moved(reply.receipt.as_ref(), known, offer, OfferState::InProgress)
            .await
    }

    /// The person moved out: the places are being prepared, the service may go on.
    ///
    /// # Errors
    ///
    /// As any call; `NO_PLACES` when the offer occupies none.
    pub async fn check_out(&self, offer: OfferId) -> Result<Proven, ClientError> {
        let name = words::offer_name(self.agency().id(), offer);
        let request = v1::CheckOutRequest {
            name,
            request_id: request_id(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel).check_out(request).await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::CheckedOut { offer: named, .. } if *named == offer.to_string())
        })?)
    }

    /// Ends the service with its outcome.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn complete(&self, offer: OfferId, outcome: Outcome) -> Result<Proven, ClientError> {
        let request = v1::CompleteOfferRequest {
            name: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
            outcome: words::outcome_number(outcome),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel)
                    .complete_offer(request)
                    .await
            })
            .await?;
        self.prove_moved(reply.receipt.as_ref(), known, offer, OfferState::Completed)
            .await
    }

    /// Says what was done when this recipient was asked to erase.
    ///
    /// # Errors
    ///
    /// As any call; `STATE` when it was not asked, or has erased before.
    pub async fn confirm_erasure(
        &self,
        offer: OfferId,
        answer: ErasureAnswer,
    ) -> Result<Proven, ClientError> {
        let request = v1::ConfirmErasureRequest {
            name: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
            answer: words::erasure_number(answer),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel)
                    .confirm_erasure(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::ErasureAnswered { offer: named, answer: said, .. }
                if *named == offer.to_string() && said == answer.name())
        })?)
    }

    /// Tells the source and oversight what this recipient's checks found.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn raise_alarm(
        &self,
        offer: OfferId,
        stage: Stage,
        alarm: Alarm,
    ) -> Result<Proven, ClientError> {
        let request = v1::RaiseAlarmRequest {
            name: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
            stage: words::stage_number(stage),
            alarm: words::alarm_number(alarm),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel).raise_alarm(request).await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::AlarmRaised { offer: named, alarm: told, .. }
                if *named == offer.to_string() && told == alarm.name())
        })?)
    }

    async fn prove_moved(
        &self,
        receipt: Option<&v1::Receipt>,
        known: super::log::Known,
        offer: OfferId,
        state: OfferState,
    ) -> Result<Proven, ClientError> {
        let proven = self.prove(receipt, known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::OfferMoved { offer: named, to, .. }
                if *named == offer.to_string() && to == state.name())
        })?)
    }
}
