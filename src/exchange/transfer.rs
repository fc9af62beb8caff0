//! Transfer of responsibility: the source asks, the recipient answers, and both see who is responsible.

use super::event::EventKind;
use super::offer::view::OfferView;
use super::sequencer::Doorbell;
use super::snapshot::{Prepared, Snapshot};
use super::{BasisName, Exchange, OfferName, Receipt, Refusal, Requested};
use crate::domain::id::{AgencyId, BasisChainId};
use crate::domain::transfer::{self, Handover};
use crate::domain::vocabulary::{TransferAnswer, TransferState};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::Table;
use crate::storage::records;

impl OfferView {
    /// Where a transfer stands; none when none was proposed.
    pub(super) fn transfer(&self) -> Result<Option<TransferState>, Refusal> {
        Ok(records::optional(Table::Offer, &self.record.transfer)?)
    }

    /// Who is responsible for the case, as far as this offer goes. Alerts about it ring there, and at the source.
    pub(super) fn responsible(&self) -> Result<&AgencyId, Refusal> {
        let transferred = transfer::is_transferred(self.transfer()?);
        Ok(if transferred {
            &self.recipient
        } else {
            &self.source
        })
    }
}

/// Whether the person's consent, as it stands now, says so.
fn agreed(
    snapshot: &mut Snapshot<'_>,
    offer: &OfferView,
    chain: BasisChainId,
) -> Result<bool, Refusal> {
    snapshot.case(&offer.source, offer.case)?;
    let handover = Handover {
        source: &offer.source,
        recipient: &offer.recipient,
        case: offer.case,
    };
    let head = snapshot.basis(&offer.source, chain)?;
    // What a person said before they stopped the case is not said any more.
    let head = head.filter(|head| !head.paused);
    let basis = head.and_then(|head| head.basis);
    Ok(basis.is_some_and(|basis| transfer::agreed(&basis, &handover, snapshot.now)))
}

fn prepare_proposal(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &OfferName,
    requested: &Requested,
    basis: &BasisName,
) -> Result<Prepared<()>, Refusal> {
    name.owned_by(caller)?;
    basis.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let mut offer = OfferView::of_source(snapshot, name)?;
    if !transfer::may_propose(offer.state, offer.transfer()?) {
        return Err(Refusal::State(offer.state));
    }
    if !agreed(snapshot, &offer, basis.chain)? {
        return Err(Refusal::BasisNotAllowed);
    }
    offer.record.transfer = TransferState::Proposed.name().to_owned();
    offer.record.transfer_chain = basis.chain.to_string();
    let mut change = snapshot.change();
    let decision = Decision::TransferProposed {
        offer: offer.id.to_string(),
        chain: basis.chain.to_string(),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    change.writes.push(offer.put(snapshot.now, false));
    change.doorbells.push(Doorbell {
        agency: offer.recipient.clone(),
        resource: offer.recipient_name().to_string(),
        kind: EventKind::Transfer,
    });
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

fn prepare_answer(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &OfferName,
    requested: &Requested,
    answer: TransferAnswer,
) -> Result<Prepared<()>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let mut offer = OfferView::of_recipient(snapshot, name)?;
    let closed = Refusal::State(offer.state);
    let to = transfer::answered(offer.state, offer.transfer()?, answer);
    let to = to.ok_or_else(|| closed.clone())?;
    let chain = records::word(Table::Offer, &offer.record.transfer_chain)?;
    // A consent that ended since is no consent; the recipient hears no reason.
    if to == TransferState::Accepted && !agreed(snapshot, &offer, chain)? {
        return Err(closed);
    }
    offer.record.transfer = to.name().to_owned();
    let mut change = snapshot.change();
    let decision = Decision::TransferAnswered {
        offer: offer.id.to_string(),
        answer: answer.name().to_owned(),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    change.writes.push(offer.put(snapshot.now, false));
    change.doorbells.push(Doorbell {
        agency: offer.source.clone(),
        resource: offer.source_name().to_string(),
        kind: EventKind::Transfer,
    });
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

impl Exchange {
    /// Asks a recipient to become responsible for the case.
    ///
    /// # Errors
    ///
    /// [`Refusal::State`] unless the offer is accepted or in progress and none is proposed,
    /// [`Refusal::BasisNotAllowed`] unless the person's consent says so, [`Refusal::NotFound`].
    pub async fn propose_transfer(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
        basis: BasisName,
    ) -> Result<Receipt, Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            prepare_proposal(snapshot, &by, &name, &requested, &basis)
        };
        let done = self.perform_for(caller, "ProposeTransfer", prepare).await?;
        Ok(done.single()?.1)
    }

    /// Answers a proposed transfer.
    ///
    /// # Errors
    ///
    /// [`Refusal::State`] when none is proposed, the offer is over or the consent has ended; [`Refusal::NotFound`].
    pub async fn answer_transfer(
        &self,
        caller: &Caller,
        name: &OfferName,
        requested: Requested,
        answer: TransferAnswer,
    ) -> Result<Receipt, Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            prepare_answer(snapshot, &by, &name, &requested, answer)
        };
        let done = self.perform_for(caller, "AnswerTransfer", prepare).await?;
        Ok(done.single()?.1)
    }
}
