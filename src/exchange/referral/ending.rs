//! How a source ends its own referral, and how it answers a recipient that asked.

use super::{load, state_of};
use crate::domain::offer::OfferCommand;
use crate::domain::vocabulary::{CloseReason, OfferState, ReferralState};
use crate::exchange::event::EventKind;
use crate::exchange::offer::moves;
use crate::exchange::offer::view::OfferView;
use crate::exchange::sequencer::Doorbell;
use crate::exchange::snapshot::{Prepared, Snapshot};
use crate::exchange::{
    Exchange, OfferName, Receipt, ReferralName, Refusal, Requested, aftermath, turn,
};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::records::{Record, key};

/// What stands in an entry in the place of a reason to close.
const IN_ERROR: &str = "ENTERED_IN_ERROR";

/// Ends a referral that is nobody's place; none for a reason means that it should never have been made.
fn prepare_end(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &ReferralName,
    requested: &Requested,
    reason: Option<CloseReason>,
) -> Result<Prepared<()>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let mut record = load(snapshot, name)?;
    let now = snapshot.now;
    let offers = turn::offers(snapshot, &record, now)?;
    let states: Vec<OfferState> = offers.iter().map(|offer| offer.state).collect();
    let state = state_of(&record, &offers);
    let ended = match reason {
        Some(_) => !matches!(state, ReferralState::Open | ReferralState::Unplaced),
        None => record.in_error || offers.iter().any(turn::is_place),
    };
    if ended {
        return Err(Refusal::ReferralState);
    }
    match reason {
        Some(reason) => reason.name().clone_into(&mut record.closed),
        None => record.in_error = true,
    }
    let mut writes = aftermath::end_passed_on(snapshot, &name.agency, &offers)?;
    let (mut entries, mut doorbells) = (Vec::new(), Vec::new());
    for (offer, state) in offers.into_iter().zip(states) {
        if state.is_open() {
            let mut closed = moves::close(snapshot, offer, &OfferCommand::Close)?;
            writes.append(&mut closed.writes);
            entries.append(&mut closed.entries);
            doorbells.append(&mut closed.doorbells);
        }
    }
    writes.push(record.put(key::referral(&name.agency, name.referral)));
    let decision = Decision::ReferralClosed {
        referral: name.referral.to_string(),
        reason: reason.map_or(IN_ERROR, CloseReason::name).to_owned(),
        staff: caller.staff().as_str().to_owned(),
    };
    let mut change = snapshot.change();
    change.entries.push(snapshot.entry_by(caller, decision));
    change.entries.append(&mut entries);
    change.writes = writes;
    change.doorbells = doorbells;
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

fn prepare_answer(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &OfferName,
    requested: &Requested,
) -> Result<Prepared<()>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let mut offer = OfferView::of_source(snapshot, name)?;
    offer.apply(&OfferCommand::AnswerInformation)?;
    let decision = Decision::OfferMoved {
        offer: offer.id.to_string(),
        to: offer.state.name().to_owned(),
        reason: None,
        decliner: None,
        outcome: None,
        staff: caller.staff().as_str().to_owned(),
    };
    let mut change = snapshot.change();
    moves::while_undecided(&mut change, &offer);
    change.writes.push(offer.put(snapshot.now, true));
    change.entries.push(snapshot.entry_by(caller, decision));
    change.doorbells.push(Doorbell {
        agency: offer.recipient.clone(),
        resource: offer.recipient_name().to_string(),
        kind: EventKind::OfferChanged,
    });
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

impl Exchange {
    /// Ends a referral that is nobody's place: every offer of it closes, and nobody is asked any more, also not by
    /// those who passed it on. What they passed on to somebody who said yes stays.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::ReferralState`] when it is placed or ended already.
    pub async fn close_referral(
        &self,
        caller: &Caller,
        name: &ReferralName,
        requested: Requested,
        reason: CloseReason,
    ) -> Result<Receipt, Refusal> {
        let (by, of) = (caller.clone(), name.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            prepare_end(snapshot, &by, &of, &requested, Some(reason))
        };
        let done = self.perform_for(caller, "CloseReferral", prepare).await?;
        self.follow_end(name).await?;
        Ok(done.single()?.1)
    }

    /// Says that a referral should never have been made: every offer of it closes, and what was passed on of it.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::ReferralState`] when it is, or was, a place, or was so marked before.
    pub async fn mark_entered_in_error(
        &self,
        caller: &Caller,
        name: &ReferralName,
        requested: Requested,
    ) -> Result<Receipt, Refusal> {
        let (by, of) = (caller.clone(), name.clone());
        let prepare =
            move |snapshot: &mut Snapshot<'_>| prepare_end(snapshot, &by, &of, &requested, None);
        let done = self
            .perform_for(caller, "MarkEnteredInError", prepare)
            .await?;
        self.follow_end(name).await?;
        Ok(done.single()?.1)
    }

    /// Says that what a recipient asked for is answered, by a parcel or a message: it may decide again.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::State`], [`Refusal::Lapsed`].
    pub async fn answer_information(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
    ) -> Result<Receipt, Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let prepare =
            move |snapshot: &mut Snapshot<'_>| prepare_answer(snapshot, &by, &name, &requested);
        let done = self
            .perform_for(caller, "AnswerInformation", prepare)
            .await?;
        Ok(done.single()?.1)
    }
}
