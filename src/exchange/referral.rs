//! The source's side of a referral.

use super::parcel::Deposit;
use super::{Exchange, OfferName, Page, Paged, Receipt, ReferralName, Refusal, Requested};
use crate::domain::id::{AgencyId, CaseHandle};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    DeclineReason, Decliner, OfferState, Outcome, Purpose, ReferralState, Stage, Urgency,
};
use crate::identity::caller::Caller;

/// Most offers of one referral.
pub const OFFERS_MAX: usize = 32;

/// One candidate and what it may open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOffer {
    /// Recipient.
    pub recipient: AgencyId,
    /// Parcels, one per stage at most.
    pub deposits: Vec<Deposit>,
}

/// What a source asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReferral {
    /// Handle of the case.
    pub case: CaseHandle,
    /// Purpose.
    pub purpose: Purpose,
    /// Urgency.
    pub urgency: Urgency,
    /// Time to decide by, if sooner than the urgency's clock.
    pub decide_by: Option<Timestamp>,
    /// 1 to 32 offers, to different recipients.
    pub offers: Vec<NewOffer>,
}

/// What was made.
#[derive(Debug)]
pub struct CreatedReferral {
    /// Name of the referral.
    pub name: ReferralName,
    /// The source's names of the offers, in the order of the request.
    pub offers: Vec<OfferName>,
    /// Receipts, one per offer in the same order.
    pub receipts: Vec<Receipt>,
}

/// The source's view of one offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceOffer {
    /// The source's name of the offer.
    pub name: OfferName,
    /// Recipient.
    pub recipient: AgencyId,
    /// State.
    pub state: OfferState,
    /// Reason, when declined.
    pub reason: Option<DeclineReason>,
    /// Who declined.
    pub decliner: Option<Decliner>,
    /// Outcome, when completed.
    pub outcome: Option<Outcome>,
    /// Stages deposited.
    pub deposited: Vec<Stage>,
    /// Stages opened.
    pub opened: Vec<Stage>,
    /// When the state last changed.
    pub updated: Timestamp,
}

/// The source's view of one referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referral {
    /// Name.
    pub name: ReferralName,
    /// Handle of the case.
    pub case: CaseHandle,
    /// Purpose.
    pub purpose: Purpose,
    /// Urgency.
    pub urgency: Urgency,
    /// Time to decide by.
    pub decide_by: Timestamp,
    /// State.
    pub state: ReferralState,
    /// Offers in the order made.
    pub offers: Vec<SourceOffer>,
    /// When it was created.
    pub created: Timestamp,
}

impl Exchange {
    /// Creates a referral with its offers and their parcels, in one batch.
    ///
    /// # Errors
    ///
    /// The gate's refusals, [`Refusal::RecipientUnavailable`], [`Refusal::StatementInvalid`],
    /// [`Refusal::SignatureInvalid`], [`Refusal::InvalidField`].
    pub async fn create_referral(
        &self,
        _caller: &Caller,
        _source: &AgencyId,
        _requested: Requested,
        _referral: NewReferral,
    ) -> Result<CreatedReferral, Refusal> {
        todo!()
    }

    /// One referral.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`].
    pub async fn referral(
        &self,
        _caller: &Caller,
        _name: &ReferralName,
    ) -> Result<Referral, Refusal> {
        todo!()
    }

    /// A source's referrals, in the order made.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] for a page token that is not ours.
    pub async fn referrals(
        &self,
        _caller: &Caller,
        _source: &AgencyId,
        _page: Page,
    ) -> Result<Paged<Referral>, Refusal> {
        todo!()
    }

    /// Adds one candidate.
    ///
    /// # Errors
    ///
    /// As [`Exchange::create_referral`]; [`Refusal::ReferralState`], [`Refusal::TooMany`].
    pub async fn add_offer(
        &self,
        _caller: &Caller,
        _referral: &ReferralName,
        _requested: Requested,
        _offer: NewOffer,
    ) -> Result<(OfferName, Receipt), Refusal> {
        todo!()
    }

    /// Deposits one parcel, replacing an unopened one of its stage.
    ///
    /// # Errors
    ///
    /// As [`Exchange::create_referral`]; [`Refusal::State`].
    pub async fn deposit_parcel(
        &self,
        _caller: &Caller,
        _offer: &OfferName,
        _requested: Requested,
        _deposit: Deposit,
    ) -> Result<Receipt, Refusal> {
        todo!()
    }

    /// Takes a referral back: every offer not accepted closes. Receipts of the offers that closed.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::ReferralState`].
    pub async fn recall_referral(
        &self,
        _caller: &Caller,
        _name: &ReferralName,
        _requested: Requested,
    ) -> Result<Vec<Receipt>, Refusal> {
        todo!()
    }
}
