//! What those do who were asked.

use super::sources::is_house;
use super::{Done, Kind, Planned, Players, Step, choose, planned};
use crate::domain::id::{AgencyId, OfferId};
use crate::domain::vocabulary::{
    Alarm, DeclaredCapacity, DeclineReason, Decliner, ErasureAnswer, OfferState, Outcome, Question,
    Stage,
};
use crate::exchange::group::GroupPlaces;
use crate::exchange::tests::sequences::cast::HOUSES;
use crate::exchange::tests::sequences::model::Offer;
use crate::exchange::tests::town::id;
use crate::exchange::{GroupName, PoolName};

fn beds(agency: &AgencyId) -> PoolName {
    PoolName {
        agency: agency.clone(),
        pool: "beds".parse().expect("a pool id"),
    }
}

impl Players {
    /// Whether an offer is of a group that is decided on as one, with others waiting.
    fn bound(&self, offer: &Offer) -> bool {
        let now = self.now();
        let waits = |other: &OfferId| {
            let other = self.model.offer(*other);
            other.is_ok_and(|other| other.id != offer.id && other.undecided(now))
        };
        let mut groups = self.model.groups.iter();
        groups.any(|group| {
            group.together && group.offers.contains(&offer.id) && group.offers.iter().any(waits)
        })
    }

    pub(super) fn open(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let onward = step.kind == Kind::OpenForwarded;
        let stage = |offer: &Offer| {
            let mut stages = offer.parcels.keys().rev().copied();
            stages.find(|stage| offer.opens(*stage, now))
        };
        let suits = |offer: &Offer| {
            stage(offer).is_some()
                && offer.forwards.is_some() == onward
                && self.basis_for(offer).is_some()
        };
        let Some(offer) = self.offer(step, suits) else {
            let first = if onward { Kind::Forward } else { Kind::Refer };
            return self.first(first, step);
        };
        let stage = stage(&offer).unwrap_or(Stage::Accepted);
        let caller = self.cast.staff(&offer.recipient);
        let name = Self::name(&offer.recipient, &offer);
        let kind = if offer.forwards.is_some() {
            Kind::OpenForwarded
        } else {
            Kind::Open
        };
        Some(planned!(
            kind,
            false,
            [caller, name],
            |exchange, requested| {
                let done = exchange.open_parcel(&caller, &name, stage);
                Ok(Done::of(&done.await?.into_parts().1))
            }
        ))
    }

    pub(super) fn decide(&mut self, step: Step) -> Option<Planned> {
        use OfferState as S;
        let now = self.now();
        let kind = step.kind;
        let suits = |offer: &Offer| {
            let state = offer.at(now);
            match kind {
                Kind::Acknowledge => state == S::Offered,
                Kind::Waitlist | Kind::AskQuestion => state == S::Received,
                Kind::Accept | Kind::Decline | Kind::DeclineOther => {
                    offer.undecided(now) && !self.bound(offer)
                }
                Kind::CheckIn => state == S::Accepted,
                Kind::Complete => offer.placed(),
                _ => !offer.held.is_empty(),
            }
        };
        let proposed = |offer: &Offer| suits(offer) && offer.proposed_by.is_some();
        let found = match kind {
            Kind::DeclineOther => self.offer(step, proposed),
            _ => None,
        };
        let Some(offer) = found.or_else(|| self.offer(step, suits)) else {
            let first = match kind {
                Kind::Waitlist | Kind::AskQuestion => Kind::Acknowledge,
                Kind::CheckIn | Kind::Complete => Kind::Accept,
                Kind::Alarm => Kind::Open,
                _ => Kind::Refer,
            };
            return self.first(first, step);
        };
        let mut caller = self.cast.staff(&offer.recipient);
        if offer.proposed_by.is_some() && !step.wild {
            caller = caller.with_staff("staff-2");
        }
        let name = Self::name(&offer.recipient, &offer);
        let reasons = [
            DeclineReason::NoCapacity,
            DeclineReason::NoInterpreter,
            DeclineReason::RequiresPoliceReport,
            DeclineReason::PersonDeclinedOffer,
        ];
        let reason = reasons[step.pick % reasons.len()];
        let outcomes = [
            Outcome::ServiceProvided,
            Outcome::TurnedAwayAtDoor,
            Outcome::PersonLeft,
            Outcome::ChildMissing,
        ];
        let outcome = outcomes[step.pick % outcomes.len()];
        let person = Decliner::Person;
        Some(planned!(
            kind,
            true,
            [caller, name],
            |exchange, requested| {
                let (by, name) = (&caller, &name);
                let done = match kind {
                    Kind::Acknowledge => exchange.acknowledge_offer(by, name, requested).await,
                    Kind::Waitlist => exchange.waitlist_offer(by, name, requested).await,
                    Kind::AskQuestion => {
                        let questions = vec![Question::NeedsAge];
                        exchange
                            .request_information(by, name, requested, questions)
                            .await
                    }
                    Kind::Accept => exchange.accept_offer(by, name, requested, None).await,
                    Kind::Decline => {
                        exchange
                            .decline_offer(by, name, requested, reason, person)
                            .await
                    }
                    Kind::DeclineOther => {
                        let (reason, who) = (DeclineReason::Other, Decliner::Agency);
                        exchange
                            .decline_offer(by, name, requested, reason, who)
                            .await
                    }
                    Kind::CheckIn => exchange.check_in(by, name, requested).await,
                    Kind::Complete => exchange.complete_offer(by, name, requested, outcome).await,
                    _ => {
                        let (stage, alarm) = (Stage::Triage, Alarm::MislabelledField);
                        exchange
                            .raise_alarm(by, name, requested, stage, alarm)
                            .await
                    }
                };
                Ok(Done::of(&done?))
            }
        ))
    }

    /// A house whose pool has a place left.
    fn has_bed(&self, agency: &AgencyId) -> bool {
        let pool = self.model.pools.get(agency);
        pool.is_some_and(|pool| {
            let (held, taken, occupied, preparing) = pool.counts(self.now());
            held + taken + occupied + preparing + pool.closed < pool.total
        })
    }

    pub(super) fn lodge(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let kind = step.kind;
        let suits = |offer: &Offer| {
            let decides = kind == Kind::Hold || !self.bound(offer);
            is_house(&offer.recipient)
                && offer.undecided(now)
                && decides
                && self.has_bed(&offer.recipient)
        };
        let Some(offer) = self.offer(step, suits) else {
            let waits = |offer: &Offer| is_house(&offer.recipient) && offer.undecided(now);
            let asked = self.model.offers.iter().any(waits);
            let first = if asked { Kind::UpdatePool } else { Kind::Refer };
            return self.first(first, step);
        };
        let caller = self.cast.staff(&offer.recipient);
        let name = Self::name(&offer.recipient, &offer);
        let places = (
            beds(&offer.recipient),
            1 + u32::from(step.pick.is_multiple_of(5)),
        );
        Some(planned!(
            kind,
            true,
            [caller, name, places],
            |exchange, requested| {
                if kind == Kind::Hold {
                    let done = exchange.hold_places(&caller, &name, requested, places);
                    return Ok(Done::of(&done.await?.1));
                }
                let done = exchange.accept_offer(&caller, &name, requested, Some(places.into()));
                Ok(Done::of(&done.await?))
            }
        ))
    }

    pub(super) fn check_out(&mut self, step: Step) -> Option<Planned> {
        let lives = |offer: &Offer| {
            let pool = self.model.pools.get(&offer.recipient);
            pool.is_some_and(|pool| pool.occupied.contains_key(offer.id.as_bytes()))
        };
        let taken = |offer: &Offer| {
            let pool = self.model.pools.get(&offer.recipient);
            pool.is_some_and(|pool| pool.taken.contains_key(offer.id.as_bytes()))
        };
        let Some(offer) = self.offer(step, lives) else {
            let Some(offer) = self.offer(step, taken) else {
                return self.first(Kind::AcceptInPlaces, step);
            };
            let caller = self.cast.staff(&offer.recipient);
            let name = Self::name(&offer.recipient, &offer);
            return Some(planned!(
                Kind::CheckIn,
                true,
                [caller, name],
                |exchange, requested| {
                    Ok(Done::of(
                        &exchange.check_in(&caller, &name, requested).await?,
                    ))
                }
            ));
        };
        let caller = self.cast.staff(&offer.recipient);
        let name = Self::name(&offer.recipient, &offer);
        Some(planned!(
            Kind::CheckOut,
            true,
            [caller, name],
            |exchange, requested| {
                Ok(Done::of(
                    &exchange.check_out(&caller, &name, requested).await?,
                ))
            }
        ))
    }

    pub(super) fn confirm_amendment(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let read = |offer: &Offer| {
            let mut stages = offer.corrected.iter();
            stages
                .find(|stage| {
                    let newest = offer.parcels.get(stage).map(|parcel| &parcel.id);
                    offer.held.get(stage) == newest
                })
                .copied()
        };
        let unread = |offer: &Offer| {
            let mut stages = offer.corrected.iter();
            stages.find(|stage| offer.opens(**stage, now)).copied()
        };
        if let Some(offer) = self.offer(step, |offer| read(offer).is_some()) {
            let stage = read(&offer).unwrap_or(Stage::Triage);
            let caller = self.cast.staff(&offer.recipient);
            let name = Self::name(&offer.recipient, &offer);
            let kind = Kind::ConfirmAmendment;
            return Some(planned!(
                kind,
                true,
                [caller, name],
                |exchange, requested| {
                    let done = exchange.confirm_amendment(&caller, &name, requested, stage);
                    Ok(Done::of(&done.await?))
                }
            ));
        }
        let Some(offer) = self.offer(step, |offer| unread(offer).is_some()) else {
            return self.first(Kind::Amend, step);
        };
        let stage = unread(&offer)?;
        let caller = self.cast.staff(&offer.recipient);
        let name = Self::name(&offer.recipient, &offer);
        Some(planned!(
            Kind::Open,
            false,
            [caller, name],
            |exchange, requested| {
                let done = exchange.open_parcel(&caller, &name, stage);
                Ok(Done::of(&done.await?.into_parts().1))
            }
        ))
    }

    pub(super) fn confirm_erasure(&mut self, step: Step) -> Option<Planned> {
        let asked = |offer: &Offer| {
            let mut chains = offer.parcels.values().filter_map(|parcel| {
                let name = (offer.source.clone(), *parcel.chain.as_bytes());
                self.model.chains.get(&name)
            });
            let answered = offer.erasure.as_deref() == Some("ERASED");
            !offer.held.is_empty() && !answered && chains.any(|chain| chain.erase)
        };
        let Some(offer) = self.offer(step, asked) else {
            return self.first(Kind::AskErase, step);
        };
        let caller = self.cast.staff(&offer.recipient);
        let name = Self::name(&offer.recipient, &offer);
        let answer = match step.pick % 3 {
            0 => ErasureAnswer::KeptLegalDuty,
            _ => ErasureAnswer::Erased,
        };
        Some(planned!(
            Kind::ConfirmErasure,
            true,
            [caller, name],
            |exchange, requested| {
                let done = exchange.confirm_erasure(&caller, &name, requested, answer);
                Ok(Done::of(&done.await?))
            }
        ))
    }

    pub(super) fn decide_group(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let kind = step.kind;
        let groups = self.model.groups.iter();
        let waiting = groups.filter(|group| {
            let mut offers = group.offers.iter();
            step.wild
                || offers.any(|offer| self.model.offer(*offer).is_ok_and(|it| it.undecided(now)))
        });
        let waiting: Vec<_> = waiting.collect();
        let Some(group) = choose(&waiting, step.pick) else {
            return self.first(Kind::Group, step);
        };
        let name = GroupName {
            agency: group.recipient.clone(),
            group: group.id.parse().ok()?,
        };
        let roomy = self.has_bed(&name.agency);
        if kind == Kind::HoldGroup && !roomy {
            return self.first(Kind::UpdatePool, step);
        }
        let places = GroupPlaces {
            pool: beds(&name.agency),
            room: None,
            members: Vec::new(),
        };
        let taken = (roomy && step.pick.is_multiple_of(2)).then(|| places.clone());
        let mut caller = self.cast.staff(&name.agency);
        let other = step.pick % 3 == 1;
        let mut offers = group.offers.iter();
        let proposed = |id: &OfferId| {
            self.model
                .offer(*id)
                .is_ok_and(|it| it.proposed_by.is_some())
        };
        if other && !step.wild && offers.any(proposed) {
            caller = caller.with_staff("staff-2");
        }
        Some(planned!(
            kind,
            true,
            [caller, name, places, taken],
            |exchange, requested| {
                let (by, name) = (&caller, &name);
                let done = match kind {
                    Kind::HoldGroup => exchange.hold_group(by, name, requested, places).await,
                    Kind::AcceptGroup => exchange.accept_group(by, name, requested, taken).await,
                    _ => {
                        let who = Decliner::Agency;
                        let reason = if other {
                            DeclineReason::Other
                        } else {
                            DeclineReason::NoCapacity
                        };
                        exchange
                            .decline_group(by, name, requested, reason, who)
                            .await
                    }
                };
                let done = done?;
                let names = done.offers.iter().map(ToString::to_string);
                Ok(Done::named(names.collect(), &done.receipts))
            }
        ))
    }

    pub(super) fn pool(&mut self, step: Step) -> Option<Planned> {
        let kind = step.kind;
        if kind == Kind::UpdatePool {
            let house = id(HOUSES[step.pick % 3]);
            let caller = self.cast.staff(&house);
            let name = beds(&house);
            let total = 2 + u32::try_from(step.pick % 6).expect("few");
            let closed = u32::from(step.pick % 4 == 3);
            return Some(planned!(
                kind,
                true,
                [caller, name],
                |exchange, requested| {
                    let done = exchange.update_pool(&caller, &name, requested, (total, closed));
                    Ok(Done::of(&done.await?.1))
                }
            ));
        }
        let pools = self.model.pools.iter();
        let dirty: Vec<&AgencyId> = pools
            .filter(|(_, pool)| pool.preparing > 0 || step.wild)
            .map(|(house, _)| house)
            .collect();
        let Some(house) = choose(&dirty, step.pick).map(|house| (*house).clone()) else {
            return self.first(Kind::CheckOut, step);
        };
        let caller = self.cast.staff(&house);
        let name = beds(&house);
        Some(planned!(
            kind,
            true,
            [caller, name],
            |exchange, requested| {
                let done = exchange.finish_preparing(&caller, &name, requested, None, 1);
                Ok(Done::of(&done.await?.1))
            }
        ))
    }

    pub(super) fn declare(&mut self, step: Step) -> Option<Planned> {
        let house = id(HOUSES[step.pick % 3]);
        let caller = self.cast.staff(&house);
        let all = DeclaredCapacity::ALL;
        let capacity = all[step.pick / 3 % all.len()];
        Some(planned!(
            Kind::DeclareCapacity,
            true,
            [caller, house],
            |exchange, requested| {
                let done = exchange.declare_capacity(&caller, &house, requested, capacity);
                Ok(Done::of(&done.await?))
            }
        ))
    }

    pub(super) fn take_alert(&mut self, step: Step) -> Option<Planned> {
        let Some((viewer, alert)) = choose(&self.model.alerts, step.pick).cloned() else {
            return self.first(Kind::Alarm, step);
        };
        let caller = self.cast.staff(&viewer);
        let name = crate::exchange::AlertName {
            agency: viewer,
            alert: alert.parse().ok()?,
        };
        Some(planned!(
            Kind::TakeAlert,
            true,
            [caller, name],
            |exchange, requested| {
                let done = exchange.acknowledge_alert(&caller, &name, requested);
                Ok(Done::of(&done.await?))
            }
        ))
    }
}
