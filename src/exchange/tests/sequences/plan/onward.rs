//! Passing on, handing over, messages, attachments, and what is carried abroad.

use super::sources::is_house;
use super::{Done, Kind, Planned, Players, Step, choose, planned};
use crate::domain::attachment::SEALED_CHUNK_BYTES;
use crate::domain::basis::Basis;
use crate::domain::id::{AttachmentId, CarriedId};
use crate::domain::label::LabelSet;
use crate::domain::random::Random as _;
use crate::domain::vocabulary::{
    BasisKind, MessageCode, OfferState, Purpose, Stage, TransferAnswer, TransferState, Urgency,
};
use crate::envelope::keys::sha256;
use crate::envelope::outward::OutwardStatement;
use crate::envelope::statement::Forward;
use crate::exchange::attachment::UploadHeader;
use crate::exchange::message::Said;
use crate::exchange::referral::{NewOffer, NewReferral};
use crate::exchange::tests::sequences::cast::{
    ABROAD, Draft, SOURCES, case_of, digest_of, labels, told_at,
};
use crate::exchange::tests::sequences::model::{Offer, over};
use crate::exchange::tests::town::id;
use crate::exchange::{BasisName, CarriedName, SystemRandom};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Players {
    pub(super) fn forward(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let told = |offer: &Offer| {
            let parcel = offer.parcels.get(&Stage::Triage)?;
            let told = self.cast.book.sealed.get(&parcel.statement)?;
            let newest = offer.held.get(&Stage::Triage) == Some(&parcel.id);
            (newest && told.forward.hops > 0).then(|| (parcel.clone(), told.clone()))
        };
        let suits = |offer: &Offer| {
            is_house(&offer.recipient)
                && offer.opens(Stage::Triage, now)
                && told(offer).is_some()
                && self.basis_for(offer).is_some()
        };
        let Some(offer) = self.offer(step, suits) else {
            return self.first(Kind::Open, step);
        };
        let (parcel, told) = told(&offer)?;
        let next = choose(&told.forward.recipients, step.pick)?.clone();
        let house = offer.recipient.clone();
        let case = case_of(house.as_str(), u8::try_from(step.pick % 2).expect("few"));
        let bases = self.bases(|basis| {
            basis.source == house && basis.recipient == next && basis.kind == BasisKind::Consent
        });
        let Some(basis) = bases.first().cloned() else {
            let parties = (house.as_str(), next.as_str(), case);
            let kind = Kind::ConsentOnward;
            return Some(self.record(kind, parties, BasisKind::Consent, (2, false)));
        };
        if step.kind == Kind::ConsentOnward {
            let parties = (house.as_str(), next.as_str(), basis.case);
            return Some(self.record(step.kind, parties, BasisKind::Consent, (2, false)));
        }
        let rest = told
            .forward
            .recipients
            .iter()
            .filter(|other| **other != next);
        let mut recipients: Vec<_> = rest.cloned().collect();
        if step.wild {
            // Who is on nobody's list.
            recipients.push(id("law"));
        }
        let draft = Draft {
            source: &house,
            recipient: &next,
            purpose: Purpose::SafeAccommodation,
            stage: Stage::Triage,
            chain: basis.chain,
            until: basis.allows.first()?.until,
            labels: told_at(basis.kind, next.as_str(), Stage::Triage),
            forward: Forward {
                recipients,
                hops: told.forward.hops - 1,
            },
            supersedes: None,
            parent: Some((digest_of(&parcel.statement), told.disclosures)),
        };
        let deposit = self.cast.deposit(draft)?;
        let new = NewReferral {
            case: basis.case,
            purpose: Purpose::SafeAccommodation,
            urgency: Urgency::Emergency,
            decide_by: None,
            place_by: None,
            parallel: None,
            offers: vec![NewOffer {
                recipient: next,
                deposits: vec![deposit],
            }],
        };
        let caller = self.cast.staff(&house);
        let name = Self::name(&house, &offer);
        Some(planned!(
            Kind::Forward,
            true,
            [caller, name, new],
            |exchange, requested| {
                let made = exchange
                    .create_forward(&caller, &name, requested, new)
                    .await?;
                let mut names = vec![made.name.to_string()];
                names.extend(made.offers.iter().map(ToString::to_string));
                Ok(Done::named(names, &made.receipts))
            }
        ))
    }

    pub(super) fn transfer(&mut self, step: Step) -> Option<Planned> {
        let kind = step.kind;
        let agreed = |offer: &Offer| {
            let basis = self.basis_for(offer);
            basis.filter(|basis| basis.kind == BasisKind::Consent)
        };
        let suits = |offer: &Offer| {
            let state = match kind {
                Kind::AnswerTransfer => offer.transfer == Some(TransferState::Proposed),
                _ => matches!(offer.transfer, None | Some(TransferState::Declined)),
            };
            state && offer.placed() && agreed(offer).is_some()
        };
        let Some(offer) = self.offer(step, suits) else {
            let first = match kind {
                Kind::AnswerTransfer => Kind::ProposeTransfer,
                _ => Kind::Accept,
            };
            return self.first(first, step);
        };
        if kind == Kind::AnswerTransfer {
            let caller = self.cast.staff(&offer.recipient);
            let name = Self::name(&offer.recipient, &offer);
            let answer = match step.pick % 3 {
                0 => TransferAnswer::Decline,
                _ => TransferAnswer::Accept,
            };
            return Some(planned!(
                kind,
                true,
                [caller, name],
                |exchange, requested| {
                    let done = exchange.answer_transfer(&caller, &name, requested, answer);
                    Ok(Done::of(&done.await?))
                }
            ));
        }
        let basis = BasisName {
            agency: offer.source.clone(),
            chain: agreed(&offer)?.chain,
        };
        let caller = self.cast.staff(&offer.source);
        let name = Self::name(&offer.source, &offer);
        Some(planned!(
            kind,
            true,
            [caller, name, basis],
            |exchange, requested| {
                let done = exchange.propose_transfer(&caller, &name, requested, basis);
                Ok(Done::of(&done.await?))
            }
        ))
    }

    fn said(&mut self, kind: Kind, offer: &Offer, basis: &Basis) -> Option<Said> {
        let reply = kind == Kind::Reply;
        let (from, to) = if reply {
            (&offer.recipient, &offer.source)
        } else {
            (&offer.source, &offer.recipient)
        };
        let set: LabelSet = if reply {
            labels(&["STATEMENT/WHOLE"])
        } else {
            told_at(basis.kind, offer.recipient.as_str(), Stage::Triage)
        };
        let draft = Draft {
            source: from,
            recipient: to,
            purpose: offer.purpose,
            stage: Stage::Triage,
            chain: basis.chain,
            until: basis.allows.first()?.until,
            labels: set,
            forward: Forward::default(),
            supersedes: None,
            parent: None,
        };
        let sealed = self.cast.message(draft, offer.id, reply)?;
        Some(if reply {
            Said::Reply(sealed.parcel)
        } else {
            Said::Sealed(sealed.parcel, sealed.chain, sealed.salt)
        })
    }

    pub(super) fn post(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let kind = step.kind;
        let replies = |basis: &Basis| basis.allows.iter().any(|allow| allow.reply);
        let suits = |offer: &Offer| {
            let basis = self.basis_for(offer);
            let stands = offer.parcels.values().any(|parcel| {
                basis
                    .as_ref()
                    .is_some_and(|basis| basis.chain == parcel.chain)
            });
            let open = !over(offer.at(now)) && offer.state != OfferState::Queued && stands;
            match kind {
                Kind::PostCode => offer.state != OfferState::Queued,
                Kind::Reply => open && basis.as_ref().is_some_and(replies),
                _ => open && offer.forwards.is_none(),
            }
        };
        let Some(offer) = self.offer(step, suits) else {
            return self.first(Kind::Refer, step);
        };
        let said = match kind {
            Kind::PostCode => Said::Code(MessageCode::Noted),
            _ => {
                let basis = self.basis_for(&offer)?;
                self.said(kind, &offer, &basis)?
            }
        };
        let of_source =
            kind == Kind::PostSealed || (kind == Kind::PostCode && step.pick.is_multiple_of(2));
        let by = if of_source {
            &offer.source
        } else {
            &offer.recipient
        };
        let caller = self.cast.staff(by);
        let name = Self::name(by, &offer);
        Some(planned!(
            kind,
            true,
            [caller, name, said],
            |exchange, requested| {
                let done = exchange.post_message(&caller, &name, requested, said);
                let (number, receipt) = done.await?;
                Ok(Done::named(vec![number.to_string()], &[receipt]))
            }
        ))
    }

    pub(super) fn open_message(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let sealed = |offer: &Offer| offer.messages.iter().rposition(|it| it.sealed.is_some());
        let suits = |offer: &Offer| {
            sealed(offer).is_some() && !over(offer.at(now)) && self.basis_for(offer).is_some()
        };
        let Some(offer) = self.offer(step, suits) else {
            let kinds = [Kind::PostSealed, Kind::Reply];
            return self.first(kinds[step.pick % 2], step);
        };
        let at = sealed(&offer).unwrap_or_default();
        let from_source = offer.messages.get(at).is_some_and(|it| it.from_source);
        let by = if from_source {
            &offer.recipient
        } else {
            &offer.source
        };
        let caller = self.cast.staff(by);
        let name = Self::name(by, &offer);
        let number = u32::try_from(at).ok()? + 1;
        Some(planned!(
            Kind::OpenMessage,
            false,
            [caller, name],
            |exchange, requested| {
                let done = exchange.open_message(&caller, &name, number);
                Ok(Done::of(&done.await?.into_parts().1))
            }
        ))
    }

    pub(super) fn upload(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let suits = |offer: &Offer| {
            offer.recipient == id("law") && !over(offer.at(now)) && self.basis_for(offer).is_some()
        };
        let Some(offer) = self.offer(step, suits) else {
            let lawyers = self.bases(|basis| basis.recipient == id("law"));
            let source = SOURCES[step.pick % 2];
            let parties = (source, "law", case_of(source, 0));
            let Some(basis) = lawyers.first().cloned() else {
                return Some(self.record(Kind::Consent, parties, BasisKind::Consent, (2, false)));
            };
            return self.ask_one(&basis, step);
        };
        let mut random = SystemRandom;
        let mut chunk = vec![0; SEALED_CHUNK_BYTES];
        random.fill(&mut chunk);
        let header = UploadHeader {
            offer: Self::name(&offer.source, &offer),
            attachment: AttachmentId::from_random(self.cast.fresh_bytes()),
            stage: Stage::Accepted,
            chunks: 1,
            digest: sha256(&chunk),
            first_chunk: 0,
        };
        self.chunks.push(chunk.clone());
        let caller = self.cast.staff(&offer.source);
        Some(planned!(
            Kind::Upload,
            false,
            [caller, header, chunk],
            |exchange, requested| {
                let mut upload = exchange.begin_upload(&caller, header).await?;
                upload.append(chunk).await?;
                let kept = upload.finish().await?;
                Ok(kept.receipt.as_ref().map(Done::of).unwrap_or_default())
            }
        ))
    }

    /// Asks the recipient of one basis.
    pub(super) fn ask_one(&mut self, basis: &Basis, step: Step) -> Option<Planned> {
        let referable = self.bases(|basis| {
            let own = SOURCES.contains(&basis.source.as_str());
            own && basis.kind != BasisKind::LegalDuty && !basis.recipient.is_outside()
        });
        let pick = referable
            .iter()
            .position(|other| other.chain == basis.chain)?;
        self.plan(Step {
            kind: Kind::Refer,
            pick,
            wild: false,
            ..step
        })
    }

    pub(super) fn download(&mut self, step: Step) -> Option<Planned> {
        let kept = |offer: &Offer| !offer.attachments.is_empty() && self.basis_for(offer).is_some();
        let in_hand = |offer: &Offer| {
            let newest = offer.parcels.get(&Stage::Accepted).map(|parcel| &parcel.id);
            newest.is_some() && offer.held.get(&Stage::Accepted) == newest
        };
        let now = self.now();
        let suits = |offer: &Offer| kept(offer) && in_hand(offer) && offer.placed();
        let Some(offer) = self.offer(step, suits) else {
            // The copy, the parcel that tells of it, the yes, and the parcel in hand.
            let Some(offer) = self.offer(step, |offer| kept(offer) && !over(offer.at(now))) else {
                return self.first(Kind::Upload, step);
            };
            return self.towards_download(step, &offer);
        };
        let caller = self.cast.staff(&offer.recipient);
        let name = Self::name(&offer.recipient, &offer);
        let (attachment, _) = *offer.attachments.first()?;
        Some(planned!(
            Kind::Download,
            false,
            [caller, name],
            |exchange, requested| {
                let mut download = exchange.download(&caller, &name, attachment, 0).await?;
                let done = Done::of(download.receipt());
                while download.next().await?.is_some() {}
                Ok(done)
            }
        ))
    }

    fn towards_download(&mut self, step: Step, offer: &Offer) -> Option<Planned> {
        let all = &self.model.offers;
        let at = all.iter().position(|other| other.id == offer.id)?;
        let kind = if !offer.parcels.contains_key(&Stage::Accepted) {
            Kind::Deposit
        } else if !offer.placed() {
            Kind::Accept
        } else {
            Kind::Open
        };
        // Among all offers, this one; its highest stage that is open is the accepted one.
        let pick = Step {
            kind,
            pick: at,
            wild: true,
            ..step
        };
        self.plan(pick)
    }

    pub(super) fn carry(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let kind = step.kind;
        if kind == Kind::ReleaseCarried
            && let Some((source, carried, _)) = choose(&self.model.carried, step.pick).cloned()
        {
            let caller = self.cast.staff(&source);
            let name = CarriedName {
                agency: source,
                carried: carried.parse().ok()?,
            };
            return Some(planned!(
                kind,
                true,
                [caller, name],
                |exchange, requested| {
                    let done = exchange.release_carried(&caller, &name, requested, [3; 32]);
                    Ok(Done::of(&done.await?))
                }
            ));
        }
        let bases = self.bases(|basis| basis.recipient.is_outside());
        let Some(basis) = bases.first().cloned() else {
            let source = SOURCES[step.pick % 2];
            let parties = (source, ABROAD, case_of(source, 0));
            return Some(self.record(Kind::Consent, parties, BasisKind::Consent, (2, false)));
        };
        let carried = CarriedId::from_random(self.cast.fresh_bytes());
        let statement = self.cast.outward(OutwardStatement {
            carried,
            source: basis.source.clone(),
            recipient: basis.recipient.clone(),
            purpose: Purpose::MedicalCare,
            chain: basis.chain,
            labels: labels(&["LANGUAGE/WHOLE"]),
            issued: now,
            expires: now.plus(DAY * 5),
            file: [3; 32],
        });
        let source = basis.source;
        let caller = self.cast.staff(&source);
        Some(planned!(
            Kind::Carry,
            true,
            [caller, source, statement],
            |exchange, requested| {
                let done = exchange.record_carried(&caller, &source, requested, statement);
                let (name, receipt) = done.await?;
                Ok(Done::named(vec![name.to_string()], &[receipt]))
            }
        ))
    }
}
