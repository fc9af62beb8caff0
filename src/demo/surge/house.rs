//! The houses: how many places, for whom, and how they answer.

use std::time::Duration;

use crate::client::agency::Desk;
use crate::client::error::{ClientError, Reason};
use crate::client::recipient::OfferView;
use crate::demo::profile::Seeded;
use crate::demo::town::members::MemberSpec;
use crate::domain::id::{OfferId, PoolId};
use crate::domain::vocabulary::{
    AgencyKind, DeclineReason, Decliner, OfferState, PlacementGender, Purpose, Stage,
};

/// Id, places, for whom only, languages.
type Spec = (
    &'static str,
    u32,
    Option<PlacementGender>,
    &'static [&'static str],
);

const WOMEN: Option<PlacementGender> = Some(PlacementGender::Woman);
const MEN: Option<PlacementGender> = Some(PlacementGender::Man);

/// Twelve houses with eighty places.
const HOUSES: [Spec; 12] = [
    ("house-01", 12, WOMEN, &["ar", "fa", "fr"]),
    ("house-02", 10, None, &["ar", "fa", "ps", "fr"]),
    ("house-03", 10, WOMEN, &["ar", "ps"]),
    ("house-04", 8, None, &["ar", "fr"]),
    ("house-05", 8, WOMEN, &["ar", "fa", "ps"]),
    ("house-06", 6, MEN, &["ar", "ps", "fa"]),
    ("house-07", 6, WOMEN, &["ar", "fr"]),
    ("house-08", 5, None, &["fa", "ps", "ar"]),
    ("house-09", 5, WOMEN, &["ar", "fa"]),
    ("house-10", 4, MEN, &["ar", "fr"]),
    ("house-11", 4, WOMEN, &["fr", "ps"]),
    ("house-12", 2, WOMEN, &["ar", "fa", "fr", "ps"]),
];

/// Share, in ten-thousandths, of asks that a house never answers.
const SILENT: u32 = 600;
/// Share of asks that are answered only when the reminder has rung.
const LATE: u32 = 1_500;
/// Share of asks that a full house puts on its waiting list instead of declining.
const WAITLISTED: u32 = 1_200;

/// Every house, as it is enrolled.
#[must_use]
pub fn members() -> Vec<MemberSpec> {
    let both = [PlacementGender::Woman, PlacementGender::Man];
    let members = HOUSES.iter().map(|(id, _, only, languages)| {
        let interpreters: Vec<(&str, PlacementGender)> = languages
            .iter()
            .flat_map(|&language| both.map(|gender| (language, gender)))
            .collect();
        let mut house = MemberSpec::new(id, AgencyKind::Shelter)
            .offering(&[Purpose::SafeAccommodation])
            .in_settings(&["ROOM"])
            .interpreting(&interpreters);
        house.facts.genders = only.iter().copied().collect();
        house
    });
    members.collect()
}

/// How many places each house has.
#[must_use]
pub fn places() -> Vec<(&'static str, u32)> {
    let houses = HOUSES.iter();
    houses.map(|&(id, places, _, _)| (id, places)).collect()
}

/// How a house will answer one ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Not at all.
    pub silent: bool,
    /// So long after the bell.
    pub after: Duration,
    /// With its waiting list, should it be full.
    pub waitlists: bool,
}

/// The answer of `house` to `arrival`, whenever it hears of it.
#[must_use]
pub fn plan(seed: u64, arrival: usize, house: usize) -> Plan {
    let number = |at: usize| u64::try_from(at).unwrap_or(u64::MAX);
    let mixed = seed ^ number(arrival).rotate_left(20) ^ number(house).rotate_left(52);
    let mut seeded = Seeded::new(mixed);
    let silent = seeded.happens(SILENT);
    let minutes = if seeded.happens(LATE) {
        11 + seeded.next() % 12
    } else {
        1 + seeded.next() % 8
    };
    Plan {
        silent,
        after: Duration::from_secs(minutes * 60),
        waitlists: seeded.happens(WAITLISTED),
    }
}

/// What a house did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// A place was taken.
    Accepted,
    /// It was full.
    Declined,
    /// It was full, and keeps a list.
    Waitlisted,
    /// Somebody else was first, or it came too late.
    Over,
}

/// Looks at an ask, reads what it may read, and answers. A house that knows it is `full` reads nothing of anybody.
///
/// # Errors
///
/// As any call.
pub async fn answer(
    desk: &Desk,
    pool: &PoolId,
    offer: OfferId,
    plan: Plan,
    full: bool,
) -> Result<Answered, ClientError> {
    let view = desk.offer(offer).await?;
    let open = matches!(
        view.state,
        OfferState::Offered | OfferState::Received | OfferState::InformationRequested
    );
    if !open {
        return Ok(Answered::Over);
    }
    let decided = if full {
        refuse(desk, plan, &view).await
    } else {
        decide(desk, pool, plan, &view).await
    };
    match decided {
        Err(ClientError::Refused(refused)) if is_over(refused.reason) => Ok(Answered::Over),
        other => other,
    }
}

async fn decide(
    desk: &Desk,
    pool: &PoolId,
    plan: Plan,
    view: &OfferView,
) -> Result<Answered, ClientError> {
    desk.open(view, Stage::Triage).await?;
    match desk.accept(view.id, Some((pool, 1))).await {
        Ok(_) => Ok(Answered::Accepted),
        Err(ClientError::Refused(refused)) if refused.reason == Reason::NoPlaces => {
            refuse(desk, plan, view).await
        }
        Err(error) => Err(error),
    }
}

async fn refuse(desk: &Desk, plan: Plan, view: &OfferView) -> Result<Answered, ClientError> {
    if plan.waitlists {
        if view.state == OfferState::Offered {
            desk.acknowledge(view.id).await?;
        }
        desk.waitlist(view.id).await?;
        return Ok(Answered::Waitlisted);
    }
    desk.decline(view.id, DeclineReason::NoCapacity, Decliner::Agency)
        .await?;
    Ok(Answered::Declined)
}

/// The person has a place elsewhere, or the time was up: nothing to be done here.
const fn is_over(reason: Reason) -> bool {
    matches!(reason, Reason::State | Reason::Lapsed | Reason::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_houses_have_eighty_places() {
        assert_eq!(places().len(), 12);
        assert_eq!(places().iter().map(|(_, places)| places).sum::<u32>(), 80);
    }

    #[test]
    fn some_are_silent_and_most_answer_within_minutes() {
        let plans: Vec<Plan> = (0..1_000).map(|arrival| plan(1, arrival, 3)).collect();
        let silent = plans.iter().filter(|plan| plan.silent).count();
        assert!((20..120).contains(&silent), "{silent}");
        let quick = plans
            .iter()
            .filter(|plan| plan.after <= Duration::from_secs(480));
        assert!(quick.count() > 750);
    }
}
