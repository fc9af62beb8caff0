//! The source's side of a referral: what it asks, and what came of it.

mod ending;
pub mod grouping;
pub(super) mod making;

pub(super) use making::prepare_forward;

use super::forward::{self, PassedOn, Received};
use super::offer::moves;
use super::offer::view::{OfferView, stages};
use super::parcel::{self, Ask, Deposit};
use super::sequencer::Doorbell;
use super::snapshot::{Prepared, Snapshot, own};
use super::{
    Exchange, GroupName, OfferName, Page, Paged, Receipt, ReferralName, Refusal, Requested, turn,
};
use super::{aftermath, amendment};
use crate::domain::gate::stage_open;
use crate::domain::id::{AgencyId, CaseHandle, OfferId, ParcelId, ReferralId};
use crate::domain::offer::OfferCommand;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    CloseReason, DeclineReason, Decliner, DisclosureKind, ErasureAnswer, OfferState, Outcome,
    Purpose, Question, ReferralState, Stage, TransferState, Urgency,
};
use crate::exchange::event::EventKind;
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::{Table, Write};
use crate::storage::records::offer::OfferRecord;
use crate::storage::records::referral::{OutboxRecord, ReferralRecord};
use crate::storage::records::{self, Record, key};

/// Most offers of one referral.
pub const OFFERS_MAX: usize = 32;

/// One candidate and what it may open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOffer {
    /// Recipient.
    pub recipient: AgencyId,
    /// Parcels, one per stage at most; one for triage at least.
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
    /// When the person must be placed by; cuts every clock.
    pub place_by: Option<Timestamp>,
    /// How many candidates to ask at a time, if fewer than the urgency allows.
    pub parallel: Option<u32>,
    /// 1 to 32 offers, to different recipients, best first.
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
    /// Whether the recipient was asked to erase.
    pub erasure_asked: bool,
    /// What it answered.
    pub erasure: Option<ErasureAnswer>,
    /// Who is responsible for the case, as far as this offer goes.
    pub responsible: AgencyId,
    /// Where a transfer of responsibility stands.
    pub transfer: Option<TransferState>,
    /// When the recipient was asked; none while, or when, it never was.
    pub asked: Option<Timestamp>,
    /// When its time to decide is over; none while it is next in line.
    pub decide_by: Option<Timestamp>,
    /// What the recipient last asked for.
    pub questions: Vec<Question>,
    /// Stages corrected after they were opened, and whether the recipient confirmed.
    pub corrections: Vec<(Stage, bool)>,
    /// Of each stage deposited, the parcel that a correction must name.
    pub parcels: Vec<(Stage, ParcelId)>,
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
    /// The group that it was made with, as the source knows it.
    pub group: Option<GroupName>,
    /// When the person must be placed by.
    pub place_by: Option<Timestamp>,
    /// When nobody was left to ask; none while somebody is.
    pub unplaced: Option<Timestamp>,
    /// Why the source closed it.
    pub closed: Option<CloseReason>,
}

impl SourceOffer {
    fn of(snapshot: &Snapshot<'_>, view: &OfferView) -> Result<Self, Refusal> {
        let record = &view.record;
        Ok(Self {
            name: view.source_name(),
            recipient: view.recipient.clone(),
            state: view.state,
            reason: records::optional(Table::Offer, &record.reason)?,
            decliner: records::optional(Table::Offer, &record.decliner)?,
            outcome: records::optional(Table::Offer, &record.outcome)?,
            deposited: stages(&record.deposited),
            opened: stages(&record.opened),
            updated: records::time(Table::Offer, record.updated)?,
            erasure_asked: record.erasure_asked != 0,
            erasure: records::optional(Table::Offer, &record.erasure)?,
            responsible: view.responsible()?.clone(),
            transfer: view.transfer()?,
            asked: turn::optional_time(record.asked)?,
            decide_by: turn::optional_time(record.decide_by)?,
            questions: view.questions()?,
            corrections: amendment::corrections(view),
            parcels: amendment::correctable(snapshot, view)?,
        })
    }
}

/// Where a referral stands.
///
/// What happened to the person comes first, then what the source did, then that nobody is left. A withdrawal that
/// closed one of its offers counts once nobody else is left to decide. Who was turned away at the door was not placed.
fn state_of(record: &ReferralRecord, offers: &[OfferView]) -> ReferralState {
    let states = offers.iter().map(|offer| match offer.state {
        OfferState::Completed if !turn::is_place(offer) => OfferState::Declined,
        state => state,
    });
    let hope = offers.iter().any(|offer| offer.state.is_open());
    let closed = !record.closed.is_empty();
    let withdrawn = record.withdrawn && !hope && !closed && record.unplaced == 0;
    let state = ReferralState::derive(states, record.recalled || closed, withdrawn);
    match state {
        ReferralState::Placed | ReferralState::InProgress | ReferralState::Completed => state,
        _ if record.in_error => ReferralState::EnteredInError,
        _ if record.closed == CloseReason::TimeRanOut.name() => ReferralState::Expired,
        ReferralState::Open if record.unplaced != 0 => ReferralState::Unplaced,
        state => state,
    }
}

/// The offers of a referral, in the order made.
fn offers_of(
    snapshot: &mut Snapshot<'_>,
    record: &ReferralRecord,
    relied_on: bool,
) -> Result<Vec<OfferView>, Refusal> {
    let mut offers = Vec::with_capacity(record.offers.len());
    for id in &record.offers {
        let id: OfferId = records::word(Table::Referral, id)?;
        let offer = if relied_on {
            OfferView::load(snapshot, id)?
        } else {
            let record = snapshot.peek::<OfferRecord>(&key::offer(id))?;
            let parse = |record| OfferView::parse(id, record, snapshot.now);
            record.map(parse).transpose()?
        };
        offers.push(offer.ok_or_else(|| records::corrupt(Table::Referral))?);
    }
    Ok(offers)
}

fn referral_of(
    snapshot: &mut Snapshot<'_>,
    name: ReferralName,
    record: &ReferralRecord,
) -> Result<Referral, Refusal> {
    const TABLE: Table = Table::Referral;
    let views = offers_of(snapshot, record, false)?;
    let state = state_of(record, &views);
    let group = records::optional(TABLE, &record.group)?.map(|group| GroupName {
        agency: name.agency.clone(),
        group,
    });
    Ok(Referral {
        name,
        case: records::word(TABLE, &record.case)?,
        purpose: records::word(TABLE, &record.purpose)?,
        urgency: records::word(TABLE, &record.urgency)?,
        decide_by: records::time(TABLE, record.decide_by)?,
        state,
        offers: views
            .iter()
            .map(|view| SourceOffer::of(snapshot, view))
            .collect::<Result<_, _>>()?,
        created: records::time(TABLE, record.created)?,
        group,
        place_by: turn::optional_time(record.place_by)?,
        unplaced: turn::optional_time(record.unplaced)?,
        closed: records::optional(TABLE, &record.closed)?,
    })
}

/// A referral under its source's name, which the change will rely on.
fn load(snapshot: &mut Snapshot<'_>, name: &ReferralName) -> Result<ReferralRecord, Refusal> {
    let row = key::referral(&name.agency, name.referral);
    snapshot
        .get::<ReferralRecord>(row)?
        .ok_or(Refusal::NotFound)
}

fn prepare_recall(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &ReferralName,
    requested: &Requested,
) -> Result<Prepared<()>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let mut record = load(snapshot, name)?;
    let offers = offers_of(snapshot, &record, true)?;
    let mut writes: Vec<Write> = aftermath::end_passed_on(snapshot, &name.agency, &offers)?;
    let (mut entries, mut doorbells) = (Vec::new(), Vec::new());
    for offer in offers {
        if offer.state.is_open() {
            let mut closed = moves::close(snapshot, offer, &OfferCommand::Close)?;
            writes.append(&mut closed.writes);
            entries.append(&mut closed.entries);
            doorbells.append(&mut closed.doorbells);
        }
    }
    if entries.is_empty() || record.recalled {
        // Every change has an entry; there is nothing left to take back.
        return Err(Refusal::ReferralState);
    }
    record.recalled = true;
    writes.push(record.put(key::referral(&name.agency, name.referral)));
    let mut change = snapshot.change();
    let shown: Vec<usize> = (0..entries.len()).collect();
    change.writes = writes;
    change.entries = entries;
    change.doorbells = doorbells;
    snapshot.remember(
        &mut change,
        caller.agency(),
        requested,
        Vec::new(),
        &shown,
        0,
    );
    Ok(Prepared::New(change, (), shown))
}

fn prepare_deposit(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &OfferName,
    requested: &Requested,
    deposit: &Deposit,
) -> Result<Prepared<()>, Refusal> {
    name.owned_by(caller)?;
    let source = snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let mut offer = OfferView::of_source(snapshot, name)?;
    if offer.state.is_terminal() {
        return Err(match offer.state {
            OfferState::Lapsed => Refusal::Lapsed,
            state => Refusal::State(state),
        });
    }
    let recipient = making::recipient(snapshot, caller, &offer.recipient)?;
    let ask = Ask {
        source: &source,
        recipient: &recipient,
        case: offer.case,
        purpose: offer.purpose,
    };
    snapshot.case(&source.id, offer.case)?;
    let received = Received::behind(snapshot, &offer)?;
    let admitted = parcel::admit(snapshot, &ask, received.as_ref(), deposit)?;
    let passed_on = PassedOn {
        kind: DisclosureKind::PassedOn,
        by: source.id.clone(),
        recipient: recipient.id.clone(),
        purpose: offer.purpose,
        stage: Some(admitted.stage),
        labels: admitted.labels,
        cases: forward::cases(&admitted.ancestors)?,
    };
    let stage = admitted.stage;
    if stages(&offer.record.opened).contains(&stage) {
        return Err(Refusal::State(offer.state));
    }
    // Content that this replaces loses its key: the engine erases what is overwritten.
    if !offer.mark_deposited(stage) {
        offer.count_replaced()?;
        snapshot.erase_parcel(offer.id, stage)?;
    }
    let ready = stage_open(offer.state, stage);
    let mut change = snapshot.change();
    change.within(admitted.validity);
    let decision = Decision::Deposited {
        offer: offer.id.to_string(),
        deposit: admitted.decision.clone(),
        staff: caller.staff().as_str().to_owned(),
    };
    passed_on.tell(&mut change, 0);
    change.entries.push(snapshot.entry_by(caller, decision));
    admitted.keep(&offer.source, offer.id, &mut change, 0);
    change.writes.push(offer.put(snapshot.now, false));
    if ready {
        change.doorbells.push(Doorbell {
            agency: offer.recipient.clone(),
            resource: offer.recipient_name().to_string(),
            kind: EventKind::ParcelReady,
        });
    }
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
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
        caller: &Caller,
        source: &AgencyId,
        requested: Requested,
        referral: NewReferral,
    ) -> Result<CreatedReferral, Refusal> {
        let (by, source) = (caller.clone(), source.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            own(&by, &source)?;
            making::prepare_create(snapshot, &by, &requested, &referral)
        };
        let done = self.perform_for(caller, "CreateReferral", prepare).await?;
        let (name, offers) = done.value;
        Ok(CreatedReferral {
            name,
            offers,
            receipts: done.receipts,
        })
    }

    /// One referral.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`].
    pub async fn referral(
        &self,
        caller: &Caller,
        name: &ReferralName,
    ) -> Result<Referral, Refusal> {
        name.owned_by(caller)?;
        let name = name.clone();
        self.read(move |snapshot| {
            let record = load(snapshot, &name)?;
            referral_of(snapshot, name, &record)
        })
        .await
    }

    /// A source's referrals, in the order made.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] for a page token that is not ours.
    pub async fn referrals(
        &self,
        caller: &Caller,
        source: &AgencyId,
        page: Page,
    ) -> Result<Paged<Referral>, Refusal> {
        own(caller, source)?;
        let source = source.clone();
        self.read(move |snapshot| {
            let tokens = &snapshot.shared.tokens;
            let after = tokens.read("referrals", &source, &page.token)?;
            let prefix = key::of_agency(&source);
            let rows = snapshot.scan(Table::Outbox, &prefix, after.as_deref(), page.size + 1)?;
            let more = rows.len() > page.size;
            let mut items = Vec::with_capacity(page.size);
            let mut next = String::new();
            for (row, stored) in rows.into_iter().take(page.size) {
                let id = OutboxRecord::from_stored(&stored)?.referral;
                let id: ReferralId = records::word(Table::Outbox, &id)?;
                let record = snapshot.peek::<ReferralRecord>(&key::referral(&source, id))?;
                let record = record.ok_or_else(|| records::corrupt(Table::Outbox))?;
                let name = ReferralName {
                    agency: source.clone(),
                    referral: id,
                };
                items.push(referral_of(snapshot, name, &record)?);
                if more {
                    next = tokens.make("referrals", &source, &row);
                }
            }
            Ok(Paged { items, next })
        })
        .await
    }

    /// Adds one candidate.
    ///
    /// # Errors
    ///
    /// As [`Exchange::create_referral`]; [`Refusal::ReferralState`], [`Refusal::TooMany`].
    pub async fn add_offer(
        &self,
        caller: &Caller,
        referral: &ReferralName,
        requested: Requested,
        offer: NewOffer,
    ) -> Result<(OfferName, Receipt), Refusal> {
        let (by, name) = (caller.clone(), referral.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            making::prepare_add(snapshot, &by, &name, &requested, &offer)
        };
        self.perform_for(caller, "AddOffer", prepare)
            .await?
            .single()
    }

    /// Deposits one parcel, replacing an unopened one of its stage.
    ///
    /// # Errors
    ///
    /// As [`Exchange::create_referral`]; [`Refusal::State`], also when the stage was opened already.
    pub async fn deposit_parcel(
        &self,
        caller: &Caller,
        offer: &OfferName,
        requested: Requested,
        deposit: Deposit,
    ) -> Result<Receipt, Refusal> {
        let (by, name) = (caller.clone(), offer.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            prepare_deposit(snapshot, &by, &name, &requested, &deposit)
        };
        let done = self.perform_for(caller, "DepositParcel", prepare).await?;
        Ok(done.single()?.1)
    }

    /// Takes a referral back: every offer not accepted closes, and what was passed on of it. Receipts of the offers
    /// that closed.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::ReferralState`].
    pub async fn recall_referral(
        &self,
        caller: &Caller,
        name: &ReferralName,
        requested: Requested,
    ) -> Result<Vec<Receipt>, Refusal> {
        let (by, of) = (caller.clone(), name.clone());
        let prepare =
            move |snapshot: &mut Snapshot<'_>| prepare_recall(snapshot, &by, &of, &requested);
        let done = self.perform_for(caller, "RecallReferral", prepare).await?;
        self.follow_end(name).await?;
        Ok(done.receipts)
    }
}
