//! Attachments: deposited on a basis that covers a copy, and opened beside the parcel that tells of it.

use super::contents::Content;
use super::parcels::{digest, word};
use super::{Act, Problem, Replay};
use crate::domain::attachment::CHUNKS_MAX;
use crate::domain::id::{AttachmentId, BasisChainId, OfferId, ParcelId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::vocabulary::{Category, Form, Stage};
use crate::ledger::decision::Decision;

/// The label that an attachment is told under.
fn copy_label() -> Result<LabelSet, Problem> {
    let label = Label::new(Category::Documents, Form::Copy).map_err(|_| Problem::Decision)?;
    Ok([label].into_iter().collect())
}

impl Replay {
    /// An attachment that is deposited or opened.
    pub(super) fn attachment(&mut self, act: Act<'_>, decision: &Decision) -> Result<(), Problem> {
        match decision {
            Decision::AttachmentDeposited {
                offer,
                attachment,
                stage,
                chunks,
                digest: sent,
                chain,
                protocol,
                gate,
                ..
            } => {
                self.counts.deposits += 1;
                digest(sent)?;
                let id: OfferId = word(offer)?;
                let stage: Stage = word(stage)?;
                let chain: BasisChainId = word(chain)?;
                let offer = self.offers.offer(&id)?;
                act.by(&offer.source)?;
                let mut standing = offer.parcels.values();
                let stands = standing.any(|parcel| {
                    let parcel = self.parcels.get(&(id, *parcel));
                    parcel.is_some_and(|parcel| parcel.chain == chain)
                });
                if *chunks == 0 || *chunks > CHUNKS_MAX || !stands {
                    return Err(Problem::Attachment);
                }
                let labels = copy_label()?;
                let versions = (*protocol, *gate);
                let decided = self.gate(
                    act, offer, stage, labels, &chain, versions.0, versions.1, false,
                );
                let is_over = offer.state_at(act.at).is_terminal();
                let at: (OfferId, AttachmentId) = (id, word(attachment)?);
                self.contents.carry(act, Content::Said(id, Some(chain)));
                if self.attachments.insert(at, stage).is_some() || is_over {
                    return Err(Problem::Attachment);
                }
                decided
            }
            Decision::AttachmentOpened {
                offer,
                attachment,
                stage,
                parcel,
                protocol,
                gate,
                ..
            } => {
                self.counts.disclosures += 1;
                let id: OfferId = word(offer)?;
                self.told_again(id);
                let (stage, parcel): (Stage, ParcelId) = (word(stage)?, word(parcel)?);
                let offer = self.offers.offer(&id)?;
                act.by(&offer.recipient)?;
                let deposited = self.attachments.get(&(id, word(attachment)?)) == Some(&stage);
                let in_hand = offer.held.get(&stage) == Some(&parcel)
                    && offer.parcels.get(&stage) == Some(&parcel);
                let told = self.parcels.get(&(id, parcel));
                let told = told.ok_or(Problem::NoParcel)?;
                let labels = copy_label()?;
                if !deposited || !in_hand || !labels.beyond(told.labels).is_empty() {
                    return Err(Problem::Attachment);
                }
                if act.at >= told.expires {
                    return Err(Problem::ParcelTime);
                }
                self.gate(
                    act,
                    offer,
                    stage,
                    labels,
                    &told.chain,
                    *protocol,
                    *gate,
                    true,
                )?;
                self.counts.covered += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
