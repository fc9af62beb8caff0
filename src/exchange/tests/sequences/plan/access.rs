//! Break-glass, act by act.

use super::{Done, Kind, Planned, Players, Step, choose, planned};
use crate::domain::break_glass::{ACCESS_STAGE, WINDOW};
use crate::domain::id::{AgencyId, BasisChainId};
use crate::domain::vocabulary::{AccessFinding, AccessReason, StaffRole};
use crate::envelope::statement::Forward;
use crate::exchange::AccessName;
use crate::exchange::tests::sequences::cast::{Draft, labels};
use crate::exchange::tests::sequences::model::{Glass, Offer};
use crate::exchange::tests::town::id;

fn named(agency: &AgencyId, glass: &Glass) -> AccessName {
    AccessName {
        agency: agency.clone(),
        access: glass.id,
    }
}

impl Players {
    fn glass(&self, step: Step, suits: impl Fn(&Glass) -> bool) -> Option<Glass> {
        let all = self.model.glass.iter();
        let found: Vec<&Glass> = all.filter(|glass| step.wild || suits(glass)).collect();
        choose(&found, step.pick).map(|glass| (*glass).clone())
    }

    pub(super) fn ask_access(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let breakable = |offer: &Offer| {
            let kind = ["north", "south", "line", "clinic"].contains(&offer.recipient.as_str());
            let runs = self.model.glass.iter().any(|glass| {
                glass.offer == offer.id && !glass.refused && !glass.reviewed && now < glass.until
            });
            kind && (offer.undecided(now) || offer.placed()) && !runs
        };
        let Some(offer) = self.offer(step, breakable) else {
            return self.first(Kind::Refer, step);
        };
        let caller = self.cast.staff(&offer.recipient);
        let name = Self::name(&offer.recipient, &offer);
        let wanted = labels(&["CARE_NEEDS/DETAIL"]);
        let reason = AccessReason::LifeInDanger;
        Some(planned!(
            Kind::AskAccess,
            true,
            [caller, name],
            |exchange, requested| {
                let done = exchange.request_access(&caller, &name, requested, reason, wanted);
                let (seen, receipt) = done.await?;
                Ok(Done::named(vec![seen.name.to_string()], &[receipt]))
            }
        ))
    }

    pub(super) fn answer_access(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let kind = step.kind;
        let waits = |glass: &Glass| !glass.approved && !glass.refused && now < glass.until;
        let Some(glass) = self.glass(step, waits) else {
            return self.first(Kind::AskAccess, step);
        };
        // Who asks may be the duty line itself; then its own yes is refused.
        let line = id("line");
        let approver = match step.pick % 3 {
            0 if glass.requester != line => line,
            1 if step.wild => glass.requester.clone(),
            _ => glass.source.clone(),
        };
        let caller = self.cast.staff(&approver);
        let name = named(&approver, &glass);
        Some(planned!(
            kind,
            true,
            [caller, name],
            |exchange, requested| {
                let done = match kind {
                    Kind::Approve => exchange.approve_access(&caller, &name, requested).await,
                    _ => exchange.refuse_access(&caller, &name, requested).await,
                };
                Ok(Done::of(&done?))
            }
        ))
    }

    pub(super) fn release(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let waits = |glass: &Glass| glass.approved && glass.released.is_none() && now < glass.until;
        let Some(glass) = self.glass(step, waits) else {
            return self.first(Kind::Approve, step);
        };
        let offer = self.model.offer(glass.offer).ok()?.clone();
        let draft = Draft {
            source: &glass.source,
            recipient: &glass.requester,
            purpose: offer.purpose,
            stage: ACCESS_STAGE,
            chain: BasisChainId::from_random(*glass.id.as_bytes()),
            until: now.plus(WINDOW),
            labels: labels(&["CARE_NEEDS/DETAIL"]),
            forward: Forward::default(),
            supersedes: None,
            parent: None,
        };
        let sealed = self.cast.deposit(draft)?;
        let caller = self.cast.staff(&glass.source);
        let name = named(&glass.source, &glass);
        Some(planned!(
            Kind::Release,
            true,
            [caller, name, sealed],
            |exchange, requested| {
                let (parcel, salt) = (sealed.parcel, sealed.salt);
                let done = exchange.release_access(&caller, &name, requested, parcel, salt);
                Ok(Done::of(&done.await?.1))
            }
        ))
    }

    pub(super) fn open_access(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let open = |glass: &Glass| glass.released.is_some() && now < glass.until;
        let Some(glass) = self.glass(step, open) else {
            return self.first(Kind::Release, step);
        };
        let caller = self.cast.staff(&glass.requester);
        let name = named(&glass.requester, &glass);
        Some(planned!(
            Kind::OpenAccess,
            false,
            [caller, name],
            |exchange, requested| {
                let done = exchange.open_access(&caller, &name);
                Ok(Done::of(&done.await?.1))
            }
        ))
    }

    /// None while the hour runs: time must pass.
    pub(super) fn review(&mut self, step: Step) -> Option<Planned> {
        let now = self.now();
        let due = |glass: &Glass| glass.released.is_some() && glass.until <= now && !glass.reviewed;
        let runs = |glass: &Glass| glass.released.is_some() && now < glass.until;
        let Some(glass) = self.glass(step, due) else {
            if self.model.glass.iter().any(runs) {
                return None;
            }
            return self.first(Kind::Release, step);
        };
        let caller = self.cast.town.staff("ombud", StaffRole::Supervisor);
        let name = named(&id("ombud"), &glass);
        let finding = AccessFinding::Justified;
        Some(planned!(
            Kind::Review,
            true,
            [caller, name],
            |exchange, requested| {
                let done = exchange.review_access(&caller, &name, requested, finding);
                Ok(Done::of(&done.await?))
            }
        ))
    }
}
