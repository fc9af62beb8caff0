//! The recipient's side of an offer: looking, and saying what happens.

pub(super) mod alarms;
mod closing;
pub(super) mod decline;
pub(super) mod moves;
pub(super) mod places;
pub(super) mod view;

use self::moves::Move;
use self::view::OfferView;
use super::place::{Wanted, pool_of};
use super::snapshot::{Snapshot, own};
use super::{Exchange, GroupName, OfferName, Page, Paged, PoolName, Receipt, Refusal, Requested};
use crate::domain::id::{AgencyId, OfferId, RoomId};
use crate::domain::offer::OfferCommand;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    Alarm, DeclineReason, Decliner, ErasureAnswer, OfferNotice, OfferState, Outcome, Purpose,
    Question, Stage, TransferState, Urgency,
};
use crate::identity::caller::Caller;
use crate::storage::engine::Table;
use crate::storage::records::offer::{InboxRecord, OfferRecord};
use crate::storage::records::{self, Record, key};

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
    /// The group that it came in, as this recipient knows it.
    pub group: Option<GroupName>,
    /// Whether that group is to be kept together.
    pub together: bool,
    /// The pool that the places are in.
    pub pool: Option<PoolName>,
    /// The room that they are in.
    pub room: Option<RoomId>,
    /// What the recipient last asked for.
    pub questions: Vec<Question>,
    /// Whether one of its staff proposed to decline with OTHER, and a second must confirm.
    pub decline_proposed: bool,
    /// What has been said since the offer was made.
    pub notices: Vec<OfferNotice>,
    /// Of what another agency passes on: the original source.
    pub forwarded_from: Option<AgencyId>,
    /// Who is responsible for the case.
    pub responsible: AgencyId,
    /// Where a transfer of responsibility stands.
    pub transfer: Option<TransferState>,
    /// Stages corrected since they were opened.
    pub corrected: Vec<Stage>,
}

impl Offer {
    fn of(view: &OfferView, now: Timestamp) -> Result<Self, Refusal> {
        let places = view.places(now);
        let (pool, room) = if places > 0 {
            let room = records::optional(Table::Offer, &view.record.room)?;
            (pool_of(view)?, room)
        } else {
            (None, None)
        };
        Ok(Self {
            name: view.recipient_name(),
            source: view.source.clone(),
            purpose: view.purpose,
            urgency: view.urgency,
            decide_by: view.decide_by,
            state: view.state,
            openable: view.openable(),
            reason: records::optional(Table::Offer, &view.record.reason)?,
            outcome: records::optional(Table::Offer, &view.record.outcome)?,
            forwarded_from: super::forward::holders(view)?.into_iter().next(),
            responsible: view.responsible()?.clone(),
            transfer: view.transfer()?,
            places,
            group: view.group()?.map(|group| GroupName {
                agency: view.recipient.clone(),
                group,
            }),
            together: view.record.together,
            pool,
            room,
            questions: view.questions()?,
            decline_proposed: !view.record.proposed_by.is_empty() && view.state.is_undecided(),
            notices: view.notices()?,
            corrected: view::stages(&view.record.corrected),
        })
    }
}

impl Exchange {
    /// A recipient's offers, in the order received.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] for a page token that is not ours.
    pub async fn offers(
        &self,
        caller: &Caller,
        recipient: &AgencyId,
        page: Page,
    ) -> Result<Paged<Offer>, Refusal> {
        own(caller, recipient)?;
        let recipient = recipient.clone();
        self.read(move |snapshot| {
            let tokens = &snapshot.shared.tokens;
            let after = tokens.read("offers", &recipient, &page.token)?;
            let prefix = key::of_agency(&recipient);
            let rows = snapshot.scan(Table::Inbox, &prefix, after.as_deref(), page.size + 1)?;
            let more = rows.len() > page.size;
            let mut items = Vec::with_capacity(page.size);
            let mut next = String::new();
            for (row, stored) in rows.into_iter().take(page.size) {
                let row_record = InboxRecord::from_stored(&stored)?;
                let id: OfferId = records::word(Table::Inbox, &row_record.offer)?;
                let record = snapshot.peek::<OfferRecord>(&key::offer(id))?;
                let record = record.ok_or_else(|| records::corrupt(Table::Inbox))?;
                let view = OfferView::parse(id, record, snapshot.now)?;
                items.push(Offer::of(&view, snapshot.now)?);
                if more {
                    next = tokens.make("offers", &recipient, &row);
                }
            }
            Ok(Paged { items, next })
        })
        .await
    }

    /// One offer.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`].
    pub async fn offer(&self, caller: &Caller, name: &OfferName) -> Result<Offer, Refusal> {
        name.owned_by(caller)?;
        let name = name.clone();
        self.read(move |snapshot| {
            let view = OfferView::of_recipient(snapshot, &name)?;
            Offer::of(&view, snapshot.now)
        })
        .await
    }

    async fn moved(
        &self,
        caller: &Caller,
        method: &'static str,
        name: &OfferName,
        requested: Requested,
        act: Move,
    ) -> Result<(Timestamp, Receipt), Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            moves::prepare(snapshot, &by, &name, &requested, &act)
        };
        self.perform_for(caller, method, prepare).await?.single()
    }

    async fn commanded(
        &self,
        caller: &Caller,
        method: &'static str,
        name: &OfferName,
        requested: Requested,
        command: OfferCommand,
    ) -> Result<Receipt, Refusal> {
        let act = Move::Command(command, None);
        let (_, receipt) = self.moved(caller, method, name, requested, act).await?;
        Ok(receipt)
    }

    /// Acknowledges an offer.
    ///
    /// # Errors
    ///
    /// [`Refusal::State`], [`Refusal::Lapsed`], [`Refusal::NotFound`].
    pub async fn acknowledge_offer(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
    ) -> Result<Receipt, Refusal> {
        let command = OfferCommand::Acknowledge;
        self.commanded(caller, "AcknowledgeOffer", name, requested, command)
            .await
    }

    /// Holds places for an offer; gives when the hold ends.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoPlaces`], [`Refusal::State`], [`Refusal::Lapsed`], [`Refusal::NotFound`].
    pub async fn hold_places(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
        places: impl Into<Wanted>,
    ) -> Result<(Timestamp, Receipt), Refusal> {
        let act = Move::Hold(places.into());
        self.moved(caller, "HoldPlaces", name, requested, act).await
    }

    /// Accepts an offer; its siblings close in the same batch. Places are taken from the hold, or from the pool given.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoPlaces`], [`Refusal::State`], [`Refusal::Lapsed`], [`Refusal::NotFound`]; [`Refusal::Group`] when
    /// the others of a group that stays together are still to be decided on.
    pub async fn accept_offer(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
        places: Option<Wanted>,
    ) -> Result<Receipt, Refusal> {
        let act = Move::Command(OfferCommand::Accept, places);
        let moved = self.moved(caller, "AcceptOffer", name, requested, act);
        Ok(moved.await?.1)
    }

    /// Declines an offer; with OTHER the first call only proposes it, and the receipt says so.
    ///
    /// # Errors
    ///
    /// [`Refusal::State`], [`Refusal::Lapsed`], [`Refusal::NotFound`], [`Refusal::NeedsSecondPerson`].
    pub async fn decline_offer(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
        reason: DeclineReason,
        decliner: Decliner,
    ) -> Result<Receipt, Refusal> {
        let command = OfferCommand::Decline { reason, decliner };
        self.commanded(caller, "DeclineOffer", name, requested, command)
            .await
    }

    /// Asks what must be known before deciding; the clock goes on.
    ///
    /// # Errors
    ///
    /// As [`Exchange::acknowledge_offer`].
    pub async fn request_information(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
        questions: Vec<Question>,
    ) -> Result<Receipt, Refusal> {
        let act = Move::Ask(questions);
        let moved = self.moved(caller, "RequestInformation", name, requested, act);
        Ok(moved.await?.1)
    }

    /// Puts an offer on the waiting list.
    ///
    /// # Errors
    ///
    /// As [`Exchange::acknowledge_offer`].
    pub async fn waitlist_offer(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
    ) -> Result<Receipt, Refusal> {
        let command = OfferCommand::Waitlist;
        self.commanded(caller, "WaitlistOffer", name, requested, command)
            .await
    }

    /// Says that the person arrived.
    ///
    /// # Errors
    ///
    /// As [`Exchange::acknowledge_offer`].
    pub async fn check_in(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
    ) -> Result<Receipt, Refusal> {
        let command = OfferCommand::CheckIn;
        self.commanded(caller, "CheckIn", name, requested, command)
            .await
    }

    /// Says that the person moved out: the places are prepared for the next, the service may go on.
    ///
    /// # Errors
    ///
    /// As [`Exchange::acknowledge_offer`]; [`Refusal::NoPlaces`] when the offer occupies none.
    pub async fn check_out(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
    ) -> Result<Receipt, Refusal> {
        let moved = self.moved(caller, "CheckOut", name, requested, Move::CheckOut);
        Ok(moved.await?.1)
    }

    /// Ends the service.
    ///
    /// # Errors
    ///
    /// As [`Exchange::acknowledge_offer`].
    pub async fn complete_offer(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
        outcome: Outcome,
    ) -> Result<Receipt, Refusal> {
        let command = OfferCommand::Complete { outcome };
        self.commanded(caller, "CompleteOffer", name, requested, command)
            .await
    }

    /// Reports what the recipient's own checks found; the source and national oversight are rung.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`].
    pub async fn raise_alarm(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
        stage: Stage,
        alarm: Alarm,
    ) -> Result<Receipt, Refusal> {
        let act = Move::Alarm(stage, alarm);
        let moved = self.moved(caller, "RaiseAlarm", name, requested, act);
        Ok(moved.await?.1)
    }

    /// Says what was done when the recipient was asked to erase.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`]; [`Refusal::State`] when it was not asked, or the answer cannot be given.
    pub async fn confirm_erasure(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
        answer: ErasureAnswer,
    ) -> Result<Receipt, Refusal> {
        let act = Move::Erasure(answer);
        let moved = self.moved(caller, "ConfirmErasure", name, requested, act);
        Ok(moved.await?.1)
    }
}
