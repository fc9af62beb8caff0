//! What may be said: a sealed message as far as it can be seen from outside, and the gate's answer.

use crate::domain::basis::Basis;
use crate::domain::complaint;
use crate::domain::gate::{self, Permit, Proposal, Reply};
use crate::domain::id::{AgencyId, BasisChainId};
use crate::domain::label::LabelSet;
use crate::domain::message::MESSAGE_BYTES_MAX;
use crate::domain::vocabulary::{BasisKind, Stage};
use crate::envelope::statement::{MessageStatement, SealedParcel};
use crate::exchange::agencies::AgencyView;
use crate::exchange::amendment::over;
use crate::exchange::basis::statement_refusal;
use crate::exchange::offer::view::{OfferView, stages};
use crate::exchange::parcel::gate_refusal;
use crate::exchange::person::{CaseOf, ever_released};
use crate::exchange::snapshot::Snapshot;
use crate::exchange::{Refusal, SKEW};
use crate::storage::engine::Table;
use crate::storage::records::parcel::ParcelRecord;
use crate::storage::records::{self, key};
use std::sync::Arc;

/// The chains under which the parcels of an offer stand, each once.
pub(in crate::exchange) fn chains(
    snapshot: &mut Snapshot<'_>,
    offer: &OfferView,
) -> Result<Vec<BasisChainId>, Refusal> {
    let mut chains = Vec::new();
    for stage in stages(&offer.record.deposited) {
        let parcel = snapshot.get::<ParcelRecord>(key::parcel(offer.id, stage))?;
        let parcel = parcel.ok_or_else(|| records::corrupt(Table::Offer))?;
        let chain = records::word(Table::Parcel, &parcel.chain)?;
        if !chains.contains(&chain) {
            chains.push(chain);
        }
    }
    Ok(chains)
}

/// A permit, and the basis that it rests on.
pub(super) type Covered = (Permit, Option<Arc<Basis>>);

/// The gate for a message from the source.
pub(super) fn permit_sealed(
    snapshot: &mut Snapshot<'_>,
    offer: &OfferView,
    recipient: &AgencyView,
    stage: Stage,
    labels: LabelSet,
    chain: BasisChainId,
) -> Result<Covered, Refusal> {
    if !chains(snapshot, offer)?.contains(&chain) {
        return Err(Refusal::BasisNotAllowed);
    }
    let found = snapshot.basis(&offer.source, chain)?;
    let head = found.ok_or(Refusal::BasisNotAllowed)?;
    let proposal = Proposal {
        source: &offer.source,
        recipient: &offer.recipient,
        recipient_kind: recipient.kind,
        purpose: offer.purpose,
        stage,
        labels,
    };
    let protocol = snapshot.protocol()?;
    let decided = gate::permit_message(
        &proposal,
        offer.state,
        head.gate(),
        protocol.in_force()?,
        snapshot.now,
    );
    let permit = decided.map_err(gate_refusal)?;
    if head
        .basis
        .as_ref()
        .is_some_and(|basis| basis.kind == BasisKind::Complaint)
    {
        // As for a parcel: a complaint holds what was released, nothing more.
        let of = CaseOf {
            source: offer.source.clone(),
            case: offer.case,
        };
        let beyond = complaint::beyond(labels, ever_released(snapshot, &of)?);
        if !beyond.is_empty() {
            return Err(Refusal::ComplaintBeyondReleased(beyond));
        }
    }
    Ok((permit, head.basis))
}

/// The gate for a message from the recipient: any chain of the offer that lets words go back. One refusal for every
/// cause, since a recipient is told no reason.
pub(super) fn permit_reply(
    snapshot: &mut Snapshot<'_>,
    offer: &OfferView,
    recipient: &AgencyView,
    labels: LabelSet,
) -> Result<Covered, Refusal> {
    let reply = Reply {
        source: &offer.source,
        recipient: &offer.recipient,
        recipient_kind: recipient.kind,
        purpose: offer.purpose,
        labels,
    };
    let protocol = snapshot.protocol()?;
    for chain in chains(snapshot, offer)? {
        let Some(head) = snapshot.basis(&offer.source, chain)? else {
            continue;
        };
        let (state, now) = (offer.state, snapshot.now);
        let decided = gate::permit_reply(&reply, state, head.gate(), protocol.in_force()?, now);
        if let Ok(permit) = decided {
            return Ok((permit, head.basis));
        }
    }
    Err(Refusal::BasisNotAllowed)
}

/// Checks a sealed message as far as can be seen from outside: signature, parts, offer, recipient's key.
pub(super) fn verify(
    snapshot: &mut Snapshot<'_>,
    offer: &OfferView,
    own: &AgencyView,
    to: &AgencyId,
    parcel: &SealedParcel,
) -> Result<MessageStatement, Refusal> {
    let invalid = |error| statement_refusal(error, Refusal::StatementInvalid);
    if offer.state.is_terminal() {
        return Err(over(offer.state));
    }
    if offer.is_paused() {
        return Err(Refusal::BasisNotInForce);
    }
    if parcel.byte_size() > MESSAGE_BYTES_MAX {
        return Err(Refusal::InvalidField("parcel"));
    }
    let reader = snapshot.agency(to)?.ok_or(Refusal::RecipientUnavailable)?;
    let bundle = reader.available(snapshot.now)?;
    let signer = snapshot.signer_of(own, &parcel.statement)?;
    let message = parcel.verify_message(signer).map_err(invalid)?;
    let statement = message.statement();
    let claims = statement.claims();
    let meant = message.offer() == offer.id
        && claims.recipient == *to
        && claims.purpose == offer.purpose
        && statement.stands(snapshot.now, SKEW);
    if !meant {
        return Err(Refusal::StatementInvalid);
    }
    let key = bundle.sealing_key(&claims.kid);
    let key = key.ok_or(Refusal::StatementInvalid)?;
    statement.check_key(key).map_err(invalid)?;
    Ok(message)
}
