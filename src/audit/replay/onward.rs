//! What goes onward: parcels passed on, responsibility handed over, complaints; each rule decided again.

use super::offers::Offer;
use super::parcels::Parcel;
use super::{Act, Problem, Replay};
use crate::domain::complaint;
use crate::domain::forward::{Granted, Onward, covers};
use crate::domain::gate::{self, BasisHead, Proposal, stage_open};
use crate::domain::id::{BasisChainId, OfferId, ParcelId};
use crate::domain::label::LabelSet;
use crate::domain::transfer::{self, Handover};
use crate::domain::vocabulary::{BasisKind, TransferAnswer, TransferState};
use crate::envelope::keys::b64u;
use crate::envelope::statement::{LabelledDigest, ParcelClaims};

impl Replay {
    /// An offer with what it passes on: only who received an offer passes its parcels on.
    pub(super) fn passed_on(
        &self,
        mut offer: Offer,
        forwards: Option<&str>,
    ) -> Result<Offer, Problem> {
        let Some(forwards) = forwards else {
            return Ok(offer);
        };
        let id: OfferId = forwards.parse().map_err(|_| Problem::Decision)?;
        let received = self.offers.offer(&id)?;
        if received.recipient != offer.source {
            return Err(Problem::Forward);
        }
        offer.holders.clone_from(&received.holders);
        if offer.holders.is_empty() {
            offer.holders.push(received.source.clone());
        }
        offer.holders.push(offer.source.clone());
        offer.forwards = Some(id);
        Ok(offer)
    }

    /// The parcel that a deposit passes on, by every rule that the router asks; none for an ask of its own.
    pub(super) fn parent_of(
        &self,
        act: Act<'_>,
        offer: &Offer,
        claims: &ParcelClaims,
        items: &[LabelledDigest],
    ) -> Result<Option<(OfferId, ParcelId)>, Problem> {
        let (id, digest) = match (offer.forwards, claims.parent) {
            (None, None) => return Ok(None),
            (Some(id), Some(digest)) => (id, b64u(&digest)),
            _ => return Err(Problem::Forward),
        };
        let received = self.offers.offer(&id)?;
        if self.offers.end_of(Some(id)).is_some() {
            return Err(Problem::Ended);
        }
        // The parcel that stands for its stage: one that was superseded passes nothing on.
        let mut standing = received.parcels.values();
        let found = standing.find_map(|parcel| {
            let key = (id, *parcel);
            let parcel = self.parcels.get(&key)?;
            (parcel.statement_hash == digest).then_some((key, parcel))
        });
        let (key, parent) = found.ok_or(Problem::Forward)?;
        let granted = Granted {
            recipients: &parent.forward.recipients,
            hops: parent.forward.hops,
            labels: parent.labels,
        };
        let labels: LabelSet = items.iter().map(|item| item.label).collect();
        let onward = Onward {
            holders: &offer.holders,
            recipient: &offer.recipient,
            granted: Granted {
                recipients: &claims.forward.recipients,
                hops: claims.forward.hops,
                labels,
            },
        };
        covers(&granted, &onward).map_err(|_| Problem::Forward)?;
        let known = items.iter().all(|item| parent.items.contains(item));
        let open = stage_open(received.state_at(act.at), parent.stage) && act.at < parent.expires;
        if !(parent.opened && known && open) {
            return Err(Problem::Forward);
        }
        self.still_permitted(act, received, parent, labels)?;
        self.ancestors_stand(act, parent, labels)?;
        Ok(Some(key))
    }

    /// That everything a parcel rests on is the newest of its stage, and covered for `labels` at the act's time.
    pub(super) fn ancestors_stand(
        &self,
        act: Act<'_>,
        parcel: &Parcel,
        labels: LabelSet,
    ) -> Result<(), Problem> {
        let mut next = parcel.parent;
        while let Some((id, parcel)) = next {
            let offer = self.offers.offer(&id)?;
            let ancestor = self.parcels.get(&(id, parcel)).ok_or(Problem::Forward)?;
            if offer.parcels.get(&ancestor.stage) != Some(&parcel) {
                return Err(Problem::Forward);
            }
            self.still_permitted(act, offer, ancestor, labels)?;
            next = ancestor.parent;
        }
        Ok(())
    }

    fn still_permitted(
        &self,
        act: Act<'_>,
        offer: &Offer,
        parcel: &Parcel,
        labels: LabelSet,
    ) -> Result<(), Problem> {
        let protocol = self.administration.protocol();
        let proposal = Proposal {
            source: &offer.source,
            recipient: &offer.recipient,
            recipient_kind: self.agencies.kind(&offer.recipient)?,
            purpose: offer.purpose,
            stage: parcel.stage,
            labels,
        };
        let head = self.bases.head(&offer.source, parcel.chain)?;
        let protocol = protocol.ok_or(Problem::ProtocolVersion)?;
        let permit = gate::permit(&proposal, head, protocol, act.at);
        permit.map(|_| ()).map_err(|_| Problem::Forward)
    }

    /// That a complaint holds what was released, and nothing more.
    pub(super) fn complaint(
        &self,
        offer: &Offer,
        chain: &BasisChainId,
        labels: LabelSet,
    ) -> Result<(), Problem> {
        let Ok(BasisHead::InForce(basis)) = self.bases.head(&offer.source, *chain) else {
            return Ok(());
        };
        let released = self.released.get(&(offer.source.clone(), offer.case));
        let beyond = complaint::beyond(labels, released.copied().unwrap_or_default());
        if basis.kind == BasisKind::Complaint && !beyond.is_empty() {
            return Err(Problem::Complaint(beyond));
        }
        Ok(())
    }

    /// The source asked the recipient to become responsible.
    pub(super) fn transfer_proposed(
        &mut self,
        act: Act<'_>,
        offer: &str,
        chain: &str,
    ) -> Result<(), Problem> {
        let id: OfferId = offer.parse().map_err(|_| Problem::Decision)?;
        let chain: BasisChainId = chain.parse().map_err(|_| Problem::Decision)?;
        let offer = self.offers.offer(&id)?;
        act.by(&offer.source)?;
        let before = offer.transfer.map(|(state, _)| state);
        let lawful = transfer::may_propose(offer.state_at(act.at), before)
            && self.handover_agreed(act, offer, chain);
        self.offers.offer_mut(&id)?.transfer = Some((TransferState::Proposed, chain));
        if lawful {
            Ok(())
        } else {
            Err(Problem::Transfer)
        }
    }

    /// The recipient answered.
    pub(super) fn transfer_answered(
        &mut self,
        act: Act<'_>,
        offer: &str,
        answer: &str,
    ) -> Result<(), Problem> {
        let id: OfferId = offer.parse().map_err(|_| Problem::Decision)?;
        let answer: TransferAnswer = answer.parse().map_err(|_| Problem::Decision)?;
        let offer = self.offers.offer(&id)?;
        act.by(&offer.recipient)?;
        let (state, chain) = offer.transfer.ok_or(Problem::Transfer)?;
        let to = transfer::answered(offer.state_at(act.at), Some(state), answer);
        let to = to.ok_or(Problem::Transfer)?;
        let lawful = to != TransferState::Accepted || self.handover_agreed(act, offer, chain);
        self.offers.offer_mut(&id)?.transfer = Some((to, chain));
        if lawful {
            Ok(())
        } else {
            Err(Problem::Transfer)
        }
    }

    fn handover_agreed(&self, act: Act<'_>, offer: &Offer, chain: BasisChainId) -> bool {
        let handover = Handover {
            source: &offer.source,
            recipient: &offer.recipient,
            case: offer.case,
        };
        matches!(
            self.bases.head(&offer.source, chain),
            Ok(BasisHead::InForce(basis)) if transfer::agreed(basis, &handover, act.at).is_some()
        )
    }
}
