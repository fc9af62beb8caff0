//! The recipient's side of an offer.

use super::{Exchange, OfferName, Page, Paged, PoolName, Receipt, Refusal, Requested};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    Alarm, DeclineReason, Decliner, OfferState, Outcome, Purpose, Stage, Urgency,
};
use crate::identity::caller::Caller;

/// The recipient's view of one offer; no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The recipient's name of the offer.
    pub name: OfferName,
    /// Source.
    pub source: AgencyId,
    /// Purpose.
    pub purpose: Purpose,
    /// Urgency.
    pub urgency: Urgency,
    /// Time to decide by, rounded to the minute.
    pub decide_by: Timestamp,
    /// State.
    pub state: OfferState,
    /// Stages that may be opened now.
    pub openable: Vec<Stage>,
    /// Reason, when declined.
    pub reason: Option<DeclineReason>,
    /// Outcome, when completed.
    pub outcome: Option<Outcome>,
    /// Places held or taken for this offer.
    pub places: u32,
}

impl Exchange {
    /// A recipient's offers, in the order received.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] for a page token that is not ours.
    pub async fn offers(
        &self,
        _caller: &Caller,
        _recipient: &AgencyId,
        _page: Page,
    ) -> Result<Paged<Offer>, Refusal> {
        todo!()
    }

    /// One offer.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`].
    pub async fn offer(&self, _caller: &Caller, _name: &OfferName) -> Result<Offer, Refusal> {
        todo!()
    }

    /// Acknowledges an offer.
    ///
    /// # Errors
    ///
    /// [`Refusal::State`], [`Refusal::Lapsed`], [`Refusal::NotFound`].
    pub async fn acknowledge_offer(
        &self,
        _caller: &Caller,
        _name: &OfferName,
        _requested: Requested,
    ) -> Result<Receipt, Refusal> {
        todo!()
    }

    /// Holds places for an offer; gives when the hold ends.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoPlaces`], [`Refusal::State`], [`Refusal::Lapsed`], [`Refusal::NotFound`].
    pub async fn hold_places(
        &self,
        _caller: &Caller,
        _name: &OfferName,
        _requested: Requested,
        _pool: &PoolName,
        _places: u32,
    ) -> Result<(Timestamp, Receipt), Refusal> {
        todo!()
    }

    /// Accepts an offer; its siblings close in the same batch. `places` are taken from the hold, or from `pool`.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoPlaces`], [`Refusal::State`], [`Refusal::Lapsed`], [`Refusal::NotFound`].
    pub async fn accept_offer(
        &self,
        _caller: &Caller,
        _name: &OfferName,
        _requested: Requested,
        _places: Option<(PoolName, u32)>,
    ) -> Result<Receipt, Refusal> {
        todo!()
    }

    /// Declines an offer.
    ///
    /// # Errors
    ///
    /// [`Refusal::State`], [`Refusal::Lapsed`], [`Refusal::NotFound`].
    pub async fn decline_offer(
        &self,
        _caller: &Caller,
        _name: &OfferName,
        _requested: Requested,
        _reason: DeclineReason,
        _decliner: Decliner,
    ) -> Result<Receipt, Refusal> {
        todo!()
    }

    /// Puts an offer on the waiting list.
    ///
    /// # Errors
    ///
    /// As [`Exchange::acknowledge_offer`].
    pub async fn waitlist_offer(
        &self,
        _caller: &Caller,
        _name: &OfferName,
        _requested: Requested,
    ) -> Result<Receipt, Refusal> {
        todo!()
    }

    /// Says that the person arrived.
    ///
    /// # Errors
    ///
    /// As [`Exchange::acknowledge_offer`].
    pub async fn check_in(
        &self,
        _caller: &Caller,
        _name: &OfferName,
        _requested: Requested,
    ) -> Result<Receipt, Refusal> {
        todo!()
    }

    /// Ends the service.
    ///
    /// # Errors
    ///
    /// As [`Exchange::acknowledge_offer`].
    pub async fn complete_offer(
        &self,
        _caller: &Caller,
        _name: &OfferName,
        _requested: Requested,
        _outcome: Outcome,
    ) -> Result<Receipt, Refusal> {
        todo!()
    }

    /// Reports what the recipient's own checks found.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`].
    pub async fn raise_alarm(
        &self,
        _caller: &Caller,
        _name: &OfferName,
        _requested: Requested,
        _stage: Stage,
        _alarm: Alarm,
    ) -> Result<Receipt, Refusal> {
        todo!()
    }
}
