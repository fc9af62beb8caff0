//! A group that came together: held for, accepted and declined together.

use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::log::{Known, LogViolation};
use crate::client::session::request_id;
use crate::client::words;
use crate::domain::id::{GroupId, OfferId, PoolId, RoomId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{DeclineReason, Decliner, OfferState};
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::offer_service_client::OfferServiceClient;

use super::OfferView;

/// One member's places, where they are not one place in the group's room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPlaces {
    /// The member's offer.
    pub offer: OfferId,
    /// Places.
    pub places: u32,
    /// A room of its own.
    pub room: Option<RoomId>,
}

/// Places for a group: one for each member who is still there, but for those that are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlaces {
    /// From which pool.
    pub pool: PoolId,
    /// In which room; the first that takes all, when none.
    pub room: Option<RoomId>,
    /// Who needs something else.
    pub members: Vec<MemberPlaces>,
}

impl GroupPlaces {
    /// One place each, in the first room that takes all.
    #[must_use]
    pub const fn from_pool(pool: PoolId) -> Self {
        Self {
            pool,
            room: None,
            members: Vec::new(),
        }
    }
}

/// What became of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedGroup {
    /// Those that it was about: who had left before is not among them.
    pub offers: Vec<OfferId>,
    /// When the holds end, for a hold.
    pub until: Option<Timestamp>,
    /// Whether nothing is decided until a second member of staff declines with OTHER too.
    pub awaits_second: bool,
}

impl Desk {
    /// The offers of one group, in the order received.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn group(&self, group: GroupId) -> Result<Vec<OfferView>, ClientError> {
        let mut offers = self.offers().await?;
        offers.retain(|offer| offer.group == Some(group));
        Ok(offers)
    }

    /// Holds places for everybody of a group who is still to be decided on, or for nobody.
    ///
    /// # Errors
    ///
    /// As any call; `NO_PLACES`.
    pub async fn hold_group(
        &self,
        group: GroupId,
        places: &GroupPlaces,
    ) -> Result<MovedGroup, ClientError> {
        let (pool, room, members) = self.to_proto(Some(places));
        let request = v1::HoldGroupRequest {
            name: words::group_name(self.agency().id(), group),
            request_id: request_id(),
            pool,
            room,
            members,
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel).hold_group(request).await
            })
            .await?;
        let offers = self.read_offers(&reply.offers)?;
        let held = |decision: &Decision, offer: &str| match decision {
            Decision::PlacesHeld { offer: named, .. } => named == offer,
            _ => false,
        };
        self.prove_each(&offers, &reply.receipts, known, held)
            .await?;
        Ok(MovedGroup {
            offers,
            until: reply.expire_time.as_ref().and_then(words::from_proto_time),
            awaits_second: false,
        })
    }

    /// Accepts everybody of a group who is still to be decided on, with places for all of them or for nobody.
    ///
    /// # Errors
    ///
    /// As any call; `NO_PLACES`.
    pub async fn accept_group(
        &self,
        group: GroupId,
        places: Option<&GroupPlaces>,
    ) -> Result<MovedGroup, ClientError> {
        let (pool, room, members) = self.to_proto(places);
        let request = v1::AcceptGroupRequest {
            name: words::group_name(self.agency().id(), group),
            request_id: request_id(),
            pool,
            room,
            members,
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel).accept_group(request).await
            })
            .await?;
        self.read_moved(&reply.offers, &reply.receipts, known, OfferState::Accepted)
            .await
    }

    /// Declines everybody of a group who is still to be decided on, with a true, coded reason. With OTHER the first
    /// member of staff only proposes it, and the entries that are proven say so; everybody stays as they are until a
    /// second one declines.
    ///
    /// # Errors
    ///
    /// As any call; `NEEDS_SECOND_PERSON` when the same person declines with OTHER again.
    pub async fn decline_group(
        &self,
        group: GroupId,
        reason: DeclineReason,
        decliner: Decliner,
    ) -> Result<MovedGroup, ClientError> {
        let request = v1::DeclineGroupRequest {
            name: words::group_name(self.agency().id(), group),
            request_id: request_id(),
            reason: words::decline_reason_number(reason),
            decliner: words::decliner_number(decliner),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel)
                    .decline_group(request)
                    .await
            })
            .await?;
        if reply.awaiting_confirmation && reason == DeclineReason::Other {
            let offers = self.read_offers(&reply.offers)?;
            let proposed = |decision: &Decision, offer: &str| match decision {
                Decision::DeclineProposed { offer: named, .. } => named == offer,
                _ => false,
            };
            self.prove_each(&offers, &reply.receipts, known, proposed)
                .await?;
            return Ok(MovedGroup {
                offers,
                until: None,
                awaits_second: true,
            });
        }
        self.read_moved(&reply.offers, &reply.receipts, known, OfferState::Declined)
            .await
    }

    async fn read_moved(
        &self,
        offers: &[String],
        receipts: &[v1::Receipt],
        known: Known,
        state: OfferState,
    ) -> Result<MovedGroup, ClientError> {
        let offers = self.read_offers(offers)?;
        self.prove_each(&offers, receipts, known, |decision, offer| {
            matches!(decision, Decision::OfferMoved { offer: named, to, .. }
                if named == offer && to == state.name())
        })
        .await?;
        Ok(MovedGroup {
            offers,
            until: None,
            awaits_second: false,
        })
    }

    fn to_proto(&self, places: Option<&GroupPlaces>) -> (String, String, Vec<v1::MemberPlaces>) {
        let Some(places) = places else {
            return Default::default();
        };
        let agency = self.agency().id();
        let text =
            |room: &Option<RoomId>| room.as_ref().map(ToString::to_string).unwrap_or_default();
        let members = places.members.iter().map(|member| v1::MemberPlaces {
            offer: words::offer_name(agency, member.offer),
            places: member.places,
            room: text(&member.room),
        });
        let pool = words::pool_name(agency, &places.pool);
        (pool, text(&places.room), members.collect())
    }

    fn read_offers(&self, names: &[String]) -> Result<Vec<OfferId>, ClientError> {
        names
            .iter()
            .map(|name| words::own_id(name, self.agency().id(), "offers"))
            .collect()
    }

    /// One receipt per offer, each of what was asked for.
    async fn prove_each(
        &self,
        offers: &[OfferId],
        receipts: &[v1::Receipt],
        known: Known,
        says: impl Fn(&Decision, &str) -> bool,
    ) -> Result<(), ClientError> {
        if offers.is_empty() || offers.len() != receipts.len() {
            return Err(LogViolation::NoReceipt.into());
        }
        for (offer, receipt) in offers.iter().zip(receipts) {
            let offer = offer.to_string();
            let proven = self.prove(Some(receipt), known).await?;
            proven.expect(|decision| says(decision, &offer))?;
        }
        Ok(())
    }
}
