//! Messages, attachments and carried referrals: told as parcels are, or not at all.

use super::{Message, Model, Proposed, Wrong, must, over, word};
use crate::domain::id::BasisChainId;
use crate::domain::label::LabelSet;
use crate::domain::vocabulary::Stage;
use crate::exchange::tests::sequences::cast::{Book, labels};
use crate::ledger::decision::{Decision, LabelledDigest};
use crate::ledger::entry::{Actor, Entry};

fn told(labels: &[LabelledDigest]) -> Result<LabelSet, Wrong> {
    let labels = labels.iter();
    let labels = labels.map(|label| word(&format!("{}/{}", label.cat, label.form)));
    Ok(labels.collect::<Result<Vec<_>, _>>()?.into_iter().collect())
}

impl Model {
    /// Whether the person lets the recipient answer in its own words.
    fn may_reply(&self, entry: &Entry, offer: &str) -> Result<(), Wrong> {
        let of = self.offer(word(offer)?)?;
        let mut chains = of.parcels.values().map(|parcel| parcel.chain);
        let agreed = chains.any(|chain| {
            let mut bases = self.in_force(entry.at);
            bases.any(|basis| {
                let replies = basis.allows.iter().any(|allow| allow.reply);
                basis.chain == chain && basis.source == of.source && replies
            })
        });
        must!(agreed, "12: an answer that the person did not agree to");
        Ok(())
    }

    fn tells(
        &self,
        entry: &Entry,
        offer: &str,
        chain: BasisChainId,
        labels: LabelSet,
    ) -> Result<(), Wrong> {
        let of = self.offer(word(offer)?)?;
        must!(!over(of.at(entry.at)), "13: told when all was over");
        self.covered(&Proposed {
            source: &of.source,
            recipient: &of.recipient,
            case: of.case,
            purpose: of.purpose,
            labels,
            chain,
            at: entry.at,
        })
    }

    pub(super) fn said(
        &mut self,
        entry: &Entry,
        decision: &Decision,
        book: &Book,
    ) -> Result<(), Wrong> {
        let Actor::Agency(by) = &entry.by else {
            return Err("no agency acted".to_owned());
        };
        match decision {
            Decision::MessagePosted {
                offer,
                number,
                sealed,
                reply,
                ..
            } => {
                let mut kept = None;
                if let Some(sealed) = sealed {
                    let (chain, labels) = (word(&sealed.chain)?, told(&sealed.labels)?);
                    self.tells(entry, offer, chain, labels)?;
                    kept = Some((Some(chain), labels));
                }
                if let Some(reply) = reply {
                    self.may_reply(entry, offer)?;
                    kept = Some((None, told(&reply.labels)?));
                }
                let offer = self.offer_mut(offer)?;
                let next = offer.messages.len() + 1;
                must!(usize::try_from(*number) == Ok(next), "5: out of turn");
                offer.messages.push(Message {
                    from_source: offer.source == *by,
                    sealed: kept,
                });
                Ok(())
            }
            Decision::MessageOpened { offer, number, .. } => {
                let of = self.offer(word(offer)?)?;
                let at = usize::try_from(*number).unwrap_or_default();
                let message = of.messages.get(at.wrapping_sub(1)).ok_or("8: no message")?;
                let reader = if message.from_source {
                    &of.recipient
                } else {
                    &of.source
                };
                must!(reader == by, "15: not the one whom it is for");
                match message.sealed.as_ref().ok_or("8: a code")? {
                    (Some(chain), labels) => self.tells(entry, offer, *chain, *labels)?,
                    (None, _) => self.may_reply(entry, offer)?,
                }
                self.disclosures += 1;
                Ok(())
            }
            Decision::AttachmentDeposited {
                offer,
                attachment,
                stage,
                chain,
                ..
            } => {
                let copy = labels(&["DOCUMENTS/COPY"]);
                self.tells(entry, offer, word(chain)?, copy)?;
                let kept = (word(attachment)?, word(stage)?);
                self.offer_mut(offer)?.attachments.push(kept);
                Ok(())
            }
            Decision::AttachmentOpened {
                offer,
                attachment,
                stage,
                parcel,
                ..
            } => {
                let stage: Stage = word(stage)?;
                let of = self.offer(word(offer)?)?;
                let kept = of.attachments.contains(&(word(attachment)?, stage));
                must!(kept, "8: not all of it was there");
                must!(of.recipient == *by, "15: opened by somebody else");
                must!(of.held.get(&stage) == Some(parcel), "8: not in hand");
                let chain = of.parcels.get(&stage).ok_or("8: no parcel")?.chain;
                self.tells(entry, offer, chain, labels(&["DOCUMENTS/COPY"]))?;
                self.disclosures += 1;
                Ok(())
            }
            Decision::CarriedRecorded {
                carried, statement, ..
            } => {
                let name = (by.clone(), carried.clone(), statement.clone());
                self.outward(entry, statement, book)?;
                self.carried.push(name);
                Ok(())
            }
            Decision::CarriedReleased { carried, .. } => {
                let mut kept = self.carried.iter();
                let kept = kept.find(|(source, id, _)| source == by && id == carried);
                let statement = kept.ok_or("8: nothing was recorded")?.2.clone();
                self.outward(entry, &statement, book)?;
                self.disclosures += 1;
                Ok(())
            }
            _ => Err("nothing said".to_owned()),
        }
    }

    fn outward(&self, entry: &Entry, statement: &str, book: &Book) -> Result<(), Wrong> {
        let outward = book.carried.get(statement).ok_or("nobody signed this")?;
        must!(entry.at < outward.expires, "12: after its end");
        let name = (outward.source.clone(), *outward.chain.as_bytes());
        let chain = self.chains.get(&name).ok_or("12: no basis")?;
        self.covered(&Proposed {
            source: &outward.source,
            recipient: &outward.recipient,
            case: chain.last.case,
            purpose: outward.purpose,
            labels: outward.labels,
            chain: outward.chain,
            at: entry.at,
        })
    }
}
