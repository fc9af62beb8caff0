//! What a source does.

use super::{Done, Kind, Planned, Players, Step, choose, planned};
use crate::domain::basis::Basis;
use crate::domain::id::AgencyId;
use crate::domain::vocabulary::{BasisKind, CloseReason, OfferState, Stage, Urgency};
use crate::envelope::statement::Forward;
use crate::exchange::ReferralName;
use crate::exchange::referral::grouping::{NewGroup, NewMember};
use crate::exchange::referral::{NewOffer, NewReferral};
use crate::exchange::tests::sequences::cast::{Draft, HOUSES, SOURCES, case_of, told_at};
use crate::exchange::tests::sequences::model::{Offer, over};
use crate::exchange::tests::town::id;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

impl Players {
    /// A candidate under a basis, with what it is told at once.
    fn candidate(&mut self, basis: &Basis) -> Option<NewOffer> {
        let purpose = *basis.allows.first()?.purposes.first()?;
        let recipient = &basis.recipient;
        let next = HOUSES.iter().filter(|house| **house != recipient.as_str());
        let forward = if HOUSES.contains(&recipient.as_str()) && basis.kind == BasisKind::Consent {
            Forward {
                recipients: next.map(|house| id(house)).collect(),
                hops: 2,
            }
        } else {
            Forward::default()
        };
        let draft = Draft {
            source: &basis.source,
            recipient,
            purpose,
            stage: Stage::Triage,
            chain: basis.chain,
            until: basis.allows.first()?.until,
            labels: told_at(basis.kind, recipient.as_str(), Stage::Triage),
            forward,
            supersedes: None,
            parent: None,
        };
        let deposits = vec![self.cast.deposit(draft)?];
        Some(NewOffer {
            recipient: recipient.clone(),
            deposits,
        })
    }

    pub(super) fn refer(&mut self, step: Step) -> Option<Planned> {
        let referable = |basis: &Basis| {
            let own = SOURCES.contains(&basis.source.as_str());
            let may = basis.kind != BasisKind::LegalDuty || step.wild;
            own && may && !basis.recipient.is_outside()
        };
        let bases = self.bases(referable);
        let Some(anchor) = choose(&bases, step.pick).cloned() else {
            return self.first(Kind::Consent, step);
        };
        let purpose = *anchor.allows.first()?.purposes.first()?;
        let mut chosen: Vec<Basis> = vec![anchor.clone()];
        for basis in bases {
            let same = basis.source == anchor.source
                && basis.case == anchor.case
                && basis.allows.first()?.purposes.first() == Some(&purpose);
            let twice = chosen
                .iter()
                .any(|other| other.recipient == basis.recipient);
            if same && !twice && chosen.len() < 3 {
                chosen.push(basis);
            }
        }
        let offers: Option<Vec<NewOffer>> =
            chosen.iter().map(|basis| self.candidate(basis)).collect();
        let urgency = match (step.kind, step.pick % 3) {
            (Kind::Queue, _) => Urgency::Urgent,
            (_, 0) => Urgency::Immediate,
            (_, 1) => Urgency::Emergency,
            _ => Urgency::Normal,
        };
        let place_by = (step.pick.is_multiple_of(5)).then(|| self.now().plus(HOUR * 20));
        let new = NewReferral {
            case: anchor.case,
            purpose,
            urgency,
            decide_by: None,
            place_by,
            parallel: None,
            offers: offers?,
        };
        let source = anchor.source;
        let caller = self.cast.staff(&source);
        Some(planned!(
            step.kind,
            true,
            [caller, source, new],
            |exchange, requested| {
                let made = exchange
                    .create_referral(&caller, &source, requested, new)
                    .await?;
                let mut names = vec![made.name.to_string()];
                names.extend(made.offers.iter().map(ToString::to_string));
                Ok(Done::named(names, &made.receipts))
            }
        ))
    }

    pub(super) fn group(&mut self, step: Step) -> Option<Planned> {
        let source = SOURCES[step.pick % 2];
        let house = HOUSES[step.pick / 2 % 3];
        let mut members = Vec::new();
        for number in 0..2 {
            let case = case_of(source, number);
            let bases = self.bases(|basis| {
                basis.source == id(source)
                    && basis.recipient == id(house)
                    && basis.case == case
                    && basis.kind == BasisKind::Consent
            });
            let Some(basis) = bases.first() else {
                let parties = (source, house, case);
                return Some(self.record(Kind::Consent, parties, BasisKind::Consent, (2, false)));
            };
            members.push(NewMember {
                case,
                offers: vec![self.candidate(basis)?],
            });
        }
        let new = NewGroup {
            purpose: crate::domain::vocabulary::Purpose::SafeAccommodation,
            urgency: Urgency::Emergency,
            decide_by: None,
            together: !step.pick.is_multiple_of(4),
            members,
        };
        let source = id(source);
        let caller = self.cast.staff(&source);
        Some(planned!(
            Kind::Group,
            true,
            [caller, source, new],
            |exchange, requested| {
                let made = exchange
                    .create_group(&caller, &source, requested, new)
                    .await?;
                let mut names = vec![made.name.to_string()];
                for member in &made.members {
                    names.push(member.name.to_string());
                    names.extend(member.offers.iter().map(ToString::to_string));
                }
                Ok(Done::named(names, &made.receipts))
            }
        ))
    }

    fn ended(&self, offer: &Offer) -> bool {
        let name = (offer.source.clone(), *offer.referral.as_bytes());
        let siblings = self.model.offers.iter();
        let mut siblings = siblings.filter(|other| other.referral == offer.referral);
        self.model.ended.contains(&name)
            || siblings.any(|other| other.placed() || other.state == OfferState::Completed)
    }

    /// A bed asked for, and a basis for a house that was not asked yet.
    fn before_adding(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let own = |source: &AgencyId| SOURCES.contains(&source.as_str());
        let calm = Step {
            wild: false,
            ..step
        };
        let open =
            |offer: &Offer| own(&offer.source) && is_house(&offer.recipient) && !self.ended(offer);
        let Some(offer) = self.offer(calm, open) else {
            let bases = self.bases(|basis| {
                own(&basis.source) && is_house(&basis.recipient) && basis.kind == BasisKind::Consent
            });
            let Some(basis) = bases.first() else {
                let parties = ("ngo", "north", case_of("ngo", 0));
                let kind = Kind::Consent;
                return Some(self.record(kind, parties, BasisKind::Consent, (2, false)));
            };
            return self.ask_one(basis, calm);
        };
        let asked = |house: &str| {
            let mut siblings = self.model.offers.iter();
            siblings.any(|other| {
                other.referral == offer.referral
                    && other.recipient == id(house)
                    && !over(other.at(now))
            })
        };
        let house = HOUSES.into_iter().find(|house| !asked(house))?;
        let parties = (offer.source.as_str(), house, offer.case);
        Some(self.record(Kind::Consent, parties, BasisKind::Consent, (2, false)))
    }

    pub(super) fn add(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let to = |offer: &Offer| {
            let bases = self.bases(|basis| {
                let mut others = self.model.offers.iter();
                let asked = others.any(|other| {
                    other.referral == offer.referral
                        && other.recipient == basis.recipient
                        && !over(other.at(now))
                });
                basis.source == offer.source
                    && basis.case == offer.case
                    && basis
                        .allows
                        .first()
                        .map(|allow| allow.purposes.contains(&offer.purpose))
                        == Some(true)
                    && basis.recipient != offer.recipient
                    && !asked
            });
            bases.first().cloned()
        };
        let suits =
            |offer: &Offer| offer.forwards.is_none() && !self.ended(offer) && to(offer).is_some();
        let Some(offer) = self.offer(step, suits) else {
            return self.before_adding(step);
        };
        let basis = to(&offer)?;
        let new = self.candidate(&basis)?;
        let caller = self.cast.staff(&offer.source);
        let name = ReferralName {
            agency: offer.source,
            referral: offer.referral,
        };
        Some(planned!(
            Kind::AddOffer,
            true,
            [caller, name, new],
            |exchange, requested| {
                let made = exchange.add_offer(&caller, &name, requested, new);
                let (name, receipt) = made.await?;
                Ok(Done::named(vec![name.to_string()], &[receipt]))
            }
        ))
    }

    /// The basis in force that an offer's source has for its recipient.
    pub(super) fn basis_for(&self, offer: &Offer) -> Option<Basis> {
        let bases = self.bases(|basis| {
            let mut allows = basis.allows.iter();
            basis.source == offer.source
                && basis.recipient == offer.recipient
                && basis.case == offer.case
                && allows.any(|allow| allow.purposes.contains(&offer.purpose))
        });
        bases.last().cloned()
    }

    fn sealed_for(
        &mut self,
        offer: &Offer,
        stage: Stage,
        supersedes: Option<crate::domain::id::ParcelId>,
    ) -> Option<crate::exchange::parcel::Deposit> {
        let basis = self.basis_for(offer)?;
        self.cast.deposit(Draft {
            source: &offer.source,
            recipient: &offer.recipient,
            purpose: offer.purpose,
            stage,
            chain: basis.chain,
            until: basis.allows.first()?.until,
            labels: told_at(basis.kind, offer.recipient.as_str(), stage),
            forward: Forward::default(),
            supersedes,
            parent: None,
        })
    }

    pub(super) fn deposit(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let stage = match step.kind {
            Kind::DepositForCare => Stage::InCare,
            _ => Stage::Accepted,
        };
        let suits = |offer: &Offer| {
            offer.forwards.is_none()
                && !over(offer.at(now))
                && !offer.held.contains_key(&stage)
                && self.basis_for(offer).is_some_and(|basis| {
                    let set = told_at(basis.kind, offer.recipient.as_str(), stage);
                    basis
                        .allows
                        .iter()
                        .any(|allow| set.beyond(allow.labels).is_empty())
                })
        };
        let Some(offer) = self.offer(step, suits) else {
            return self.first(Kind::Refer, step);
        };
        let deposit = self.sealed_for(&offer, stage, None)?;
        let caller = self.cast.staff(&offer.source);
        let name = Self::name(&offer.source, &offer);
        Some(planned!(
            step.kind,
            true,
            [caller, name, deposit],
            |exchange, requested| {
                let done = exchange.deposit_parcel(&caller, &name, requested, deposit);
                Ok(Done::of(&done.await?))
            }
        ))
    }

    pub(super) fn amend(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let suits = |offer: &Offer| {
            offer.forwards.is_none() && !over(offer.at(now)) && self.basis_for(offer).is_some()
        };
        let opened = |offer: &Offer| suits(offer) && !offer.held.is_empty();
        let Some(offer) = self.offer(step, opened).or_else(|| self.offer(step, suits)) else {
            return self.first(Kind::Open, step);
        };
        let (stage, parcel) = match offer.held.iter().next() {
            Some((stage, parcel)) => (*stage, parcel.clone()),
            None => {
                let (stage, parcel) = offer.parcels.iter().next()?;
                (*stage, parcel.id.clone())
            }
        };
        let deposit = self.sealed_for(&offer, stage, parcel.parse().ok())?;
        let caller = self.cast.staff(&offer.source);
        let name = Self::name(&offer.source, &offer);
        Some(planned!(
            Kind::Amend,
            true,
            [caller, name, deposit],
            |exchange, requested| {
                let done = exchange.amend_parcel(&caller, &name, requested, deposit);
                Ok(Done::of(&done.await?))
            }
        ))
    }

    pub(super) fn end(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let suits = |offer: &Offer| !self.ended(offer) && offer.undecided(now);
        let Some(offer) = self.offer(step, suits) else {
            return self.first(Kind::Refer, step);
        };
        let caller = self.cast.staff(&offer.source);
        let name = ReferralName {
            agency: offer.source,
            referral: offer.referral,
        };
        let kind = step.kind;
        Some(planned!(
            kind,
            true,
            [caller, name],
            |exchange, requested| {
                match kind {
                    Kind::Recall => {
                        let done = exchange.recall_referral(&caller, &name, requested);
                        Ok(Done::named(Vec::new(), &done.await?))
                    }
                    Kind::Close => {
                        let reason = CloseReason::HelpedOtherwise;
                        let done = exchange.close_referral(&caller, &name, requested, reason);
                        Ok(Done::of(&done.await?))
                    }
                    _ => {
                        let done = exchange.mark_entered_in_error(&caller, &name, requested);
                        Ok(Done::of(&done.await?))
                    }
                }
            }
        ))
    }

    pub(super) fn answer_question(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let asked = |offer: &Offer| offer.at(now) == OfferState::InformationRequested;
        let Some(offer) = self.offer(step, asked) else {
            return self.first(Kind::AskQuestion, step);
        };
        let caller = self.cast.staff(&offer.source);
        let name = Self::name(&offer.source, &offer);
        Some(planned!(
            Kind::AnswerQuestion,
            true,
            [caller, name],
            |exchange, requested| {
                let done = exchange.answer_information(&caller, &name, requested);
                Ok(Done::of(&done.await?))
            }
        ))
    }
}

/// Whoever may be a house.
pub(super) fn is_house(agency: &AgencyId) -> bool {
    HOUSES.contains(&agency.as_str())
}
