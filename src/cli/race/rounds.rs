//! The races, and what must have come of each.

use std::time::Duration;

use tokio::task::JoinSet;

use super::cast::{Cast, HOUSES, candidate, new_case};
use super::{Plan, Tally, broken};
use crate::cli::crash::CrashError;
use crate::cli::crash::workload::Dice;
use crate::client::agency::Desk;
use crate::client::error::{ClientError, Reason};
use crate::client::recipient::GroupPlaces;
use crate::client::source::{AlsoAsked, GroupAsk, Member};
use crate::domain::id::{OfferId, PoolId};
use crate::domain::vocabulary::{OfferState, Outcome, Purpose, Stage, Urgency};

/// How much later one may start than another.
const HEAD_START_MAX_MICROS: u64 = 3_000;

/// Rounds between two lines of news.
const NEWS_EVERY: u32 = 100;

type Tell<'a> = &'a (dyn Fn(&str) + Sync);

fn news(tell: Tell<'_>, round: u32, rounds: u32) {
    if round.is_multiple_of(NEWS_EVERY) {
        tell(&format!("{round} of {rounds}"));
    }
}

async fn head_start(micros: u64) {
    tokio::time::sleep(Duration::from_micros(micros)).await;
}

fn refused(error: &ClientError, reasons: &[Reason]) -> bool {
    error
        .reason()
        .is_some_and(|reason| reasons.contains(&reason))
}

fn beds() -> Result<PoolId, CrashError> {
    "beds".parse().map_err(broken)
}

/// Many clients accept, each for an offer of its own, with one place between them.
pub(super) async fn place(
    cast: &Cast,
    plan: Plan,
    dice: &mut Dice,
    tally: &mut Tally,
    tell: Tell<'_>,
) -> Result<(), CrashError> {
    let pool = beds()?;
    let house = cast.house(0, 0)?;
    house.update_pool(&pool, 1, 0).await.map_err(broken)?;
    let case = new_case();
    let basis = [cast.basis(case, HOUSES[0]).await?];
    let mut offers: Vec<OfferId> = Vec::with_capacity(plan.clients);
    while offers.len() < plan.clients {
        offers.extend(cast.refer(case, &basis).await?.1);
    }
    for round in 1..=plan.rounds {
        let mut racing = JoinSet::new();
        for (client, &offer) in offers.iter().enumerate() {
            let (desk, pool) = (cast.house(0, client)?, pool.clone());
            let later = dice.roll(HEAD_START_MAX_MICROS);
            racing.spawn(async move {
                head_start(later).await;
                let taken = desk.accept(offer, Some((&pool, 1))).await;
                (client, offer, later, taken)
            });
        }
        let mut won = Vec::new();
        let mut soonest = u64::MAX;
        while let Some(raced) = racing.join_next().await {
            let (client, offer, later, taken) = raced.map_err(broken)?;
            tally.calls += 1;
            soonest = soonest.min(later);
            match taken {
                Ok(_) => won.push((client, offer, later)),
                Err(error) if refused(&error, &[Reason::NoPlaces]) => {}
                Err(error) => return Err(broken(format!("round {round}: {error}"))),
            }
        }
        let &[(client, winner, later)] = won.as_slice() else {
            return Err(broken(format!(
                "round {round}: {} clients got one place",
                won.len()
            )));
        };
        let pools = house.pools().await.map_err(broken)?;
        let counted = pools.first().map(|pool| (pool.taken, pool.available));
        if counted != Some((1, 0)) {
            return Err(broken(format!(
                "round {round}: the pool counts {counted:?}"
            )));
        }
        tally.races += 1;
        tally.first_won += u64::from(later == soonest);
        // Nobody comes, and the place is free for the next round.
        let outcome = Outcome::PersonLeft;
        house.complete(winner, outcome).await.map_err(broken)?;
        let next = cast.refer(case, &basis).await?.1;
        if let (Some(slot), Some(offer)) = (offers.get_mut(client), next.first()) {
            *slot = *offer;
        }
        news(tell, round, plan.rounds);
    }
    Ok(())
}

/// Openings against a withdrawal; the ledger is looked at in the end.
pub(super) async fn withdraw(
    cast: &Cast,
    plan: Plan,
    dice: &mut Dice,
    tally: &mut Tally,
    tell: Tell<'_>,
) -> Result<(), CrashError> {
    const TOGETHER: u32 = 8;
    let mut racing: JoinSet<Result<(bool, u64), CrashError>> = JoinSet::new();
    for round in 1..=plan.rounds {
        let case = new_case();
        let basis = cast.basis(case, HOUSES[0]).await?;
        let offers = cast.refer(case, std::slice::from_ref(&basis)).await?.1;
        let offer = *offers.first().ok_or_else(|| broken("no offer"))?;
        let (source, house) = (cast.source.clone(), cast.house(0, round as usize)?);
        let (opens, withdraws) = (
            dice.roll(HEAD_START_MAX_MICROS),
            dice.roll(HEAD_START_MAX_MICROS),
        );
        racing.spawn(async move {
            let opening = tokio::spawn(open(house.clone(), offer, opens));
            head_start(withdraws).await;
            let stop = AlsoAsked {
                erase: false,
                leave: false,
            };
            source.withdraw_basis(&basis, stop).await.map_err(broken)?;
            if house.fetch(offer, Stage::Triage).await.is_ok() {
                return Err(broken("opened after the withdrawal was acknowledged"));
            }
            let (opened, calls) = opening.await.map_err(broken)??;
            Ok((opened, calls + 2))
        });
        let full = racing.len() >= TOGETHER as usize;
        if full && let Some(raced) = racing.join_next().await {
            note(tally, raced.map_err(broken)??);
        }
        news(tell, round, plan.rounds);
    }
    while let Some(raced) = racing.join_next().await {
        note(tally, raced.map_err(broken)??);
    }
    Ok(())
}

fn note(tally: &mut Tally, (opened, calls): (bool, u64)) {
    tally.races += 1;
    tally.first_won += u64::from(opened);
    tally.calls += calls;
}

/// Whether any of three openings was answered, and how many calls that took.
async fn open(house: Desk, offer: OfferId, later: u64) -> Result<(bool, u64), CrashError> {
    const TRIES: u64 = 3;
    head_start(later).await;
    let mut any = false;
    for _ in 0..TRIES {
        match house.fetch(offer, Stage::Triage).await {
            Ok(_) => any = true,
            Err(error) if refused(&error, &[Reason::NotFound]) => {}
            Err(error) => return Err(broken(error)),
        }
    }
    Ok((any, TRIES))
}

/// Three houses accept one person at once.
pub(super) async fn acceptance(
    cast: &Cast,
    plan: Plan,
    dice: &mut Dice,
    tally: &mut Tally,
    tell: Tell<'_>,
) -> Result<(), CrashError> {
    let case = new_case();
    let mut bases = Vec::with_capacity(HOUSES.len());
    for house in HOUSES {
        bases.push(cast.basis(case, house).await?);
    }
    for round in 1..=plan.rounds {
        let (referral, offers) = cast.refer(case, &bases).await?;
        let mut racing = JoinSet::new();
        for (at, &offer) in offers.iter().enumerate() {
            let house = cast.house(at, round as usize)?;
            let later = dice.roll(HEAD_START_MAX_MICROS);
            racing.spawn(async move {
                head_start(later).await;
                (offer, later, house.accept(offer, None).await)
            });
        }
        let mut won = Vec::new();
        let mut soonest = u64::MAX;
        while let Some(raced) = racing.join_next().await {
            let (offer, later, accepted) = raced.map_err(broken)?;
            tally.calls += 1;
            soonest = soonest.min(later);
            match accepted {
                Ok(_) => won.push((offer, later)),
                Err(error) if refused(&error, &[Reason::State]) => {}
                Err(error) => return Err(broken(format!("round {round}: {error}"))),
            }
        }
        let &[(winner, later)] = won.as_slice() else {
            return Err(broken(format!(
                "round {round}: {} of three accepted",
                won.len()
            )));
        };
        let seen = cast.source.referral(referral).await.map_err(broken)?;
        for offer in seen.offers {
            let expected = if offer.offer == winner {
                OfferState::Accepted
            } else {
                OfferState::Closed
            };
            if offer.state != expected {
                let state = offer.state.name();
                return Err(broken(format!("round {round}: an offer is {state}")));
            }
        }
        tally.races += 1;
        tally.first_won += u64::from(later == soonest);
        news(tell, round, plan.rounds);
    }
    Ok(())
}

/// A family of four and a single man want the same four places.
pub(super) async fn group(
    cast: &Cast,
    plan: Plan,
    dice: &mut Dice,
    tally: &mut Tally,
    tell: Tell<'_>,
) -> Result<(), CrashError> {
    let pool = beds()?;
    let house = cast.house(0, 0)?;
    house.update_pool(&pool, 4, 0).await.map_err(broken)?;
    let mut bases = Vec::new();
    for case in [(); 5].map(|()| new_case()) {
        bases.push((case, cast.basis(case, HOUSES[0]).await?));
    }
    let Some(((case, alone), family)) = bases.split_last() else {
        return Err(broken("nobody"));
    };
    for round in 1..=plan.rounds {
        let man = cast.refer(*case, std::slice::from_ref(alone)).await?.1;
        let man = *man.first().ok_or_else(|| broken("no offer"))?;
        let sent = send_family(cast, family).await?;
        let first = *sent.first().ok_or_else(|| broken("no offer"))?;
        let view = house.offer(first).await.map_err(broken)?;
        let group = view.group.ok_or_else(|| broken("no group"))?;
        let (many, one) = (cast.house(0, 1)?, cast.house(0, 2)?);
        let places = GroupPlaces::from_pool(pool.clone());
        let (sooner, later) = (
            dice.roll(HEAD_START_MAX_MICROS),
            dice.roll(HEAD_START_MAX_MICROS),
        );
        let (family_won, man_won) = tokio::join!(
            async {
                head_start(sooner).await;
                many.accept_group(group, Some(&places)).await
            },
            async {
                head_start(later).await;
                one.accept(man, Some((&pool, 1))).await
            },
        );
        tally.calls += 2;
        let lost = |error: &ClientError| refused(error, &[Reason::NoPlaces]);
        let won: Vec<OfferId> = match (family_won, man_won) {
            (Ok(moved), Err(error)) if lost(&error) && moved.offers == sent => moved.offers,
            (Err(error), Ok(_)) if lost(&error) => vec![man],
            (family, man) => {
                let outcome = (family.is_ok(), man.is_ok());
                return Err(broken(format!("round {round}: family, man: {outcome:?}")));
            }
        };
        let pools = house.pools().await.map_err(broken)?;
        let taken = pools.first().map(|pool| pool.taken as usize);
        if taken != Some(won.len()) {
            return Err(broken(format!("round {round}: the pool counts {taken:?}")));
        }
        tally.races += 1;
        tally.first_won += u64::from((won.len() == sent.len()) == (sooner < later));
        for offer in won {
            let outcome = Outcome::PersonLeft;
            house.complete(offer, outcome).await.map_err(broken)?;
        }
        news(tell, round, plan.rounds);
    }
    Ok(())
}

type Basis = (crate::domain::id::CaseHandle, crate::domain::basis::Basis);

async fn send_family(cast: &Cast, family: &[Basis]) -> Result<Vec<OfferId>, CrashError> {
    let members: Vec<Member<'_>> = family
        .iter()
        .map(|(case, basis)| Member {
            case: *case,
            candidates: vec![candidate(basis)],
        })
        .collect();
    let ask = GroupAsk {
        purpose: Purpose::SafeAccommodation,
        urgency: Urgency::Normal,
        decide_by: cast.source.now().plus(Duration::from_secs(60 * 3600)),
        keep_together: true,
    };
    let sent = cast.source.create_group(&ask, &members).await;
    let members = sent.map_err(broken)?.members.into_iter();
    Ok(members
        .flat_map(|(_, offers)| offers.into_iter().map(|(_, offer)| offer))
        .collect())
}
