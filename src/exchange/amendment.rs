//! Corrections: a parcel that supersedes another, and the recipient's confirmation that it has read it (R19).
//!
//! A correction names the parcel that the recipient has in hand, so that its reader can tell what is corrected; what
//! nobody opened is named by the one deposited last.

use super::event::EventKind;
use super::offer::view::{OfferView, stages};
use super::parcel::{Ask, Deposit, Role, admit_as};
use super::referral::making;
use super::sequencer::Doorbell;
use super::snapshot::{Prepared, Snapshot};
use super::{Exchange, OfferName, Receipt, Refusal, Requested};
use crate::domain::gate::stage_open;
use crate::domain::id::ParcelId;
use crate::domain::vocabulary::{OfferNotice, OfferState, Stage};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::Table;
use crate::storage::records::parcel::ParcelRecord;
use crate::storage::records::{self, key};

/// Stages corrected after they were opened, and whether the recipient confirmed.
pub(super) fn corrections(offer: &OfferView) -> Vec<(Stage, bool)> {
    let of =
        |numbers: &[u32], confirmed| stages(numbers).into_iter().map(move |at| (at, confirmed));
    let record = &offer.record;
    let mut all: Vec<_> = of(&record.corrected, false)
        .chain(of(&record.confirmed, true))
        .collect();
    all.sort_unstable_by_key(|(stage, _)| key::stage(*stage));
    all
}

/// Of each stage deposited, the parcel that a correction must name.
pub(super) fn correctable(
    snapshot: &Snapshot<'_>,
    offer: &OfferView,
) -> Result<Vec<(Stage, ParcelId)>, Refusal> {
    let mut found = Vec::new();
    for stage in stages(&offer.record.deposited) {
        let record = match offer.opened_parcel(stage) {
            Some(_) => None,
            None => snapshot.peek::<ParcelRecord>(&key::parcel(offer.id, stage))?,
        };
        let deposited = record.map(|record| record.parcel);
        let parcel = offer.opened_parcel(stage).map(str::to_owned).or(deposited);
        let parcel = parcel.ok_or_else(|| records::corrupt(Table::Offer))?;
        found.push((stage, records::word(Table::Parcel, &parcel)?));
    }
    Ok(found)
}

/// The refusal of an act on an offer that is over.
pub(super) const fn over(state: OfferState) -> Refusal {
    match state {
        OfferState::Lapsed => Refusal::Lapsed,
        state => Refusal::State(state),
    }
}

fn prepare_amend(
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
        return Err(over(offer.state));
    }
    if !offer.record.forwards.is_empty() {
        // What is passed on is corrected where it came from.
        return Err(Refusal::State(offer.state));
    }
    let recipient = making::recipient(snapshot, caller, &offer.recipient)?;
    let ask = Ask {
        source: &source,
        recipient: &recipient,
        case: offer.case,
        purpose: offer.purpose,
    };
    snapshot.case(&source.id, offer.case)?;
    let of = correctable(snapshot, &offer)?;
    for (stage, _) in &of {
        // Relied on: a recipient who opens one meanwhile makes this prepare again.
        snapshot.get::<ParcelRecord>(key::parcel(offer.id, *stage))?;
    }
    let admitted = admit_as(snapshot, &ask, None, deposit, Role::Amendment(&of))?;
    let stage = admitted.stage;
    let number = u32::from(key::stage(stage));
    let was_opened = offer.opened_parcel(stage).is_some();
    if was_opened && !offer.record.corrected.contains(&number) {
        offer.record.corrected.push(number);
        offer.record.confirmed.retain(|&at| at != number);
        offer.tell(OfferNotice::Corrected);
    }
    offer.count_replaced()?;
    let ready = stage_open(offer.state, stage);
    // The content that this replaces loses its key: the engine erases what is overwritten.
    snapshot.erase_parcel(offer.id, stage)?;
    let mut change = snapshot.change();
    change.within(admitted.validity);
    let decision = Decision::Amended {
        offer: offer.id.to_string(),
        deposit: admitted.decision.clone(),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    admitted.keep(&offer.source, offer.id, &mut change, 0);
    change.writes.push(offer.put(snapshot.now, false));
    let kind = match (was_opened, ready) {
        (true, _) => Some(EventKind::Corrected),
        (false, true) => Some(EventKind::ParcelReady),
        (false, false) => None,
    };
    change.doorbells.extend(kind.map(|kind| Doorbell {
        agency: offer.recipient.clone(),
        resource: offer.recipient_name().to_string(),
        kind,
    }));
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

fn prepare_confirm(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &OfferName,
    requested: &Requested,
    stage: Stage,
) -> Result<Prepared<()>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let mut offer = OfferView::of_recipient(snapshot, name)?;
    let record = snapshot.get::<ParcelRecord>(key::parcel(offer.id, stage))?;
    let record = record.ok_or(Refusal::NotFound)?;
    let number = u32::from(key::stage(stage));
    let read = offer.opened_parcel(stage) == Some(record.parcel.as_str());
    if !read || !offer.record.corrected.contains(&number) {
        return Err(Refusal::NotFound);
    }
    offer.record.corrected.retain(|&at| at != number);
    offer.record.confirmed.push(number);
    if offer.record.corrected.is_empty() {
        let said = &mut offer.record.notices;
        said.retain(|notice| notice != OfferNotice::Corrected.name());
    }
    let decision = Decision::AmendmentConfirmed {
        offer: offer.id.to_string(),
        stage: stage.name().to_owned(),
        parcel: record.parcel,
        staff: caller.staff().as_str().to_owned(),
    };
    let mut change = snapshot.change();
    change.entries.push(snapshot.entry_by(caller, decision));
    change.writes.push(offer.put(snapshot.now, false));
    change.doorbells.push(Doorbell {
        agency: offer.source.clone(),
        resource: offer.source_name().to_string(),
        kind: EventKind::OfferChanged,
    });
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

impl Exchange {
    /// Corrects one stage's parcel, opened or not.
    ///
    /// # Errors
    ///
    /// As [`Exchange::deposit_parcel`]; [`Refusal::StatementInvalid`] when the statement does not name the parcel
    /// that it corrects.
    pub async fn amend_parcel(
        &self,
        caller: &Caller,
        offer: &OfferName,
        requested: Requested,
        deposit: Deposit,
    ) -> Result<Receipt, Refusal> {
        let (by, name) = (caller.clone(), offer.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            prepare_amend(snapshot, &by, &name, &requested, &deposit)
        };
        let done = self.perform_for(caller, "AmendParcel", prepare).await?;
        Ok(done.single()?.1)
    }

    /// Confirms that a correction was read.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] when there is nothing to confirm, also before the correction was opened.
    pub async fn confirm_amendment(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
        stage: Stage,
    ) -> Result<Receipt, Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            prepare_confirm(snapshot, &by, &name, &requested, stage)
        };
        let done = self
            .perform_for(caller, "ConfirmAmendment", prepare)
            .await?;
        Ok(done.single()?.1)
    }
}
