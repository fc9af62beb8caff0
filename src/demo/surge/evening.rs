//! The evening itself, minute by minute of simulated time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::task::JoinSet;

use super::DUTY;
use super::arrival::{Arrival, draw_all};
use super::bells::Bells;
use super::house::{self, Answered, Plan, answer, plan};
use super::picture::{House, Picture, Waiting};
use super::source::{self, SOURCES};
use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::source::SentReferral;
use crate::client::words;
use crate::demo::town::simulated::SimulatedRouter;
use crate::demo::town::{Town, TownError};
use crate::domain::id::{OfferId, PoolId, ReferralId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    AlertKind, DeclaredCapacity, OfferState, ReferralState, StaffRole,
};

/// Minutes in which people come.
const COMING: u32 = 60;
/// Minutes after which even the slowest clock of an evening has run down, duty line included.
const MINUTES_MAX: u32 = 8 * 60;
/// After how many quiet minutes nothing more is to come.
const QUIET: u32 = 45;
/// How often sources look at the directory again, in minutes.
const MIRROR_EVERY: u32 = 5;
/// A house with this many places left says that it has few.
const FEW: u32 = 2;
/// The places that each house has are in this pool.
const POOL: &str = "beds";

/// A house at work.
struct HouseAtWork {
    desk: Desk,
    bells: Bells,
    places: u32,
    given: u32,
    said: DeclaredCapacity,
}

/// An ask that a house will answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Timestamp,
    arrival: usize,
    house: usize,
    offer: OfferId,
}

/// One evening.
pub(super) struct Evening {
    town: Town<SimulatedRouter>,
    began: Timestamp,
    seed: u64,
    arrivals: Vec<Arrival>,
    sources: Vec<Desk>,
    houses: Vec<HouseAtWork>,
    /// By arrival; none where no house fitted.
    sent: Vec<Option<SentReferral>>,
    by_offer: HashMap<OfferId, usize>,
    due: BTreeSet<Due>,
    placed_at: BTreeMap<usize, Timestamp>,
    picture: Picture,
}

/// What was asked for, of whom, and when the house will do it.
fn pool() -> Result<PoolId, TownError> {
    Ok(POOL.parse()?)
}

/// Gathers what tasks give; the first that failed ends it.
async fn gather<T: Send + 'static>(
    mut tasks: JoinSet<Result<T, ClientError>>,
) -> Result<Vec<T>, ClientError> {
    let mut all = Vec::with_capacity(tasks.len());
    while let Some(done) = tasks.join_next().await {
        all.push(done.map_err(|_| ClientError::NoAnswer)??);
    }
    Ok(all)
}

impl Evening {
    /// Opens the houses.
    pub(super) async fn begin(
        town: Town<SimulatedRouter>,
        seed: u64,
        count: usize,
    ) -> Result<Self, TownError> {
        let mut sources = Vec::with_capacity(SOURCES.len());
        for id in SOURCES {
            sources.push(town.desk(id, "worker", StaffRole::Caseworker)?);
        }
        let pool = pool()?;
        let mut houses = Vec::new();
        for (id, places) in house::places() {
            let desk = town.desk(id, "night", StaffRole::Intake)?;
            desk.update_pool(&pool, places, 0).await?;
            desk.declare_capacity(DeclaredCapacity::Places).await?;
            houses.push(HouseAtWork {
                bells: Bells::of(desk.clone()).await?,
                desk,
                places,
                given: 0,
                said: DeclaredCapacity::Places,
            });
        }
        town.mirror().await?;
        let picture = Picture {
            seed,
            count: u32::try_from(count).unwrap_or(u32::MAX),
            ..Picture::default()
        };
        Ok(Self {
            began: town.now(),
            town,
            seed,
            arrivals: draw_all(seed, count, SOURCES.len()),
            sources,
            houses,
            sent: Vec::with_capacity(count),
            by_offer: HashMap::new(),
            due: BTreeSet::new(),
            placed_at: BTreeMap::new(),
            picture,
        })
    }

    /// Lets it pass, until nothing more is to come.
    pub(super) async fn pass(&mut self, told: &impl Fn(&str)) -> Result<(), TownError> {
        let (mut quiet, mut rang) = (0, 0);
        for minute in 0..MINUTES_MAX {
            if minute % 10 == 0 {
                told(&format!("minute {minute}"));
            }
            if minute % MIRROR_EVERY == 0 && minute < COMING {
                self.look_at_the_directory().await?;
            }
            let mut acts = self.come(minute).await?;
            // Bells ring for what was done in this minute or fell due in the last one.
            if acts + rang > 0 {
                acts += self.hear().await?;
            }
            let answered = self.answer_due().await?;
            acts += answered;
            self.picture.minutes = minute;
            quiet = if acts > 0 || !self.due.is_empty() || minute < COMING {
                0
            } else {
                quiet + 1
            };
            if quiet > QUIET && self.is_over().await? {
                break;
            }
            rang = answered + self.town.pass(Duration::from_secs(60)).await?;
        }
        Ok(())
    }

    /// Whether no clock of any referral is still running.
    async fn is_over(&self) -> Result<bool, TownError> {
        for desk in &self.sources {
            let open = desk
                .referrals()
                .await?
                .into_iter()
                .any(|one| one.offers.iter().any(|offer| offer.state.can_lapse()));
            if open {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn look_at_the_directory(&self) -> Result<(), TownError> {
        let mut looking = JoinSet::new();
        for desk in self.sources.clone() {
            looking.spawn(async move { desk.mirror().await.map(drop) });
        }
        gather(looking).await?;
        Ok(())
    }

    /// Those who come in this minute, each to one source; how many.
    async fn come(&mut self, minute: u32) -> Result<usize, TownError> {
        let until = Duration::from_secs(u64::from(minute + 1) * 60);
        let first = self.sent.len();
        let coming: Vec<Arrival> = self
            .arrivals
            .iter()
            .skip(first)
            .take_while(|arrival| arrival.at < until)
            .cloned()
            .collect();
        let mut asking = JoinSet::new();
        for (number, arrival) in (first..).zip(coming) {
            let Some(desk) = self.sources.get(arrival.source).cloned() else {
                continue;
            };
            asking.spawn(async move {
                let houses = source::fitting(&desk, &arrival)?;
                let sent = source::ask(&desk, &arrival, &houses).await?;
                Ok((number, sent))
            });
        }
        let mut asked = gather(asking).await?;
        asked.sort_by_key(|(number, _)| *number);
        let count = asked.len();
        for (number, sent) in asked {
            for (_, offer) in sent.iter().flat_map(|sent| &sent.offers) {
                self.by_offer.insert(*offer, number);
            }
            self.sent.push(sent);
            self.picture.row(minute).asked += 1;
        }
        Ok(count)
    }

    /// What rang at the houses, and when each will answer; how many rang.
    async fn hear(&mut self) -> Result<usize, TownError> {
        let now = self.town.now();
        let mut rang = 0;
        for (number, house) in self.houses.iter_mut().enumerate() {
            for offer in house.bells.new_offers().await? {
                rang += 1;
                let Some(&arrival) = self.by_offer.get(&offer) else {
                    continue;
                };
                let plan = plan(self.seed, arrival, number);
                if !plan.silent {
                    self.due.insert(Due {
                        at: now.plus(plan.after),
                        arrival,
                        house: number,
                        offer,
                    });
                }
            }
        }
        Ok(rang)
    }

    /// Every answer whose time has come; how many. One after another at each house and about each person, so that a
    /// seed gives the same evening again.
    async fn answer_due(&mut self) -> Result<usize, TownError> {
        let now = self.town.now();
        let mut ripe: Vec<Due> = Vec::new();
        while self.due.first().is_some_and(|due| due.at <= now) {
            ripe.extend(self.due.pop_first());
        }
        let count = ripe.len();
        while !ripe.is_empty() {
            let (mut at_work, mut spoken_of) = (BTreeSet::new(), BTreeSet::new());
            let (wave, later): (Vec<Due>, Vec<Due>) = ripe.into_iter().partition(|due| {
                // Both, whatever the first says: what waits for one thing holds up the other.
                let free = at_work.insert(due.house);
                spoken_of.insert(due.arrival) && free
            });
            ripe = later;
            self.answer_wave(wave).await?;
        }
        Ok(count)
    }

    async fn answer_wave(&mut self, wave: Vec<Due>) -> Result<(), TownError> {
        let mut answering = JoinSet::new();
        for due in wave {
            let Some(house) = self.houses.get(due.house) else {
                continue;
            };
            let (desk, pool) = (house.desk.clone(), pool()?);
            let plan: Plan = plan(self.seed, due.arrival, due.house);
            let full = house.given >= house.places;
            answering.spawn(async move {
                let answered = answer(&desk, &pool, due.offer, plan, full).await?;
                Ok((due, answered))
            });
        }
        let now = self.town.now();
        for (due, answered) in gather(answering).await? {
            if answered != Answered::Accepted {
                continue;
            }
            self.placed_at.insert(due.arrival, now);
            let minute = minutes(self.began, now);
            self.picture.row(minute).placed += 1;
            if let Some(house) = self.houses.get_mut(due.house) {
                house.given += 1;
                house.declare().await?;
            }
        }
        Ok(())
    }

    /// Counts, by what the agencies see.
    pub(super) async fn end(mut self) -> Result<(Town<SimulatedRouter>, Picture), TownError> {
        for house in &self.houses {
            self.picture.houses.push(house.count().await?);
        }
        let mut ended: HashMap<ReferralId, ReferralState> = HashMap::new();
        let mut told: HashMap<ReferralId, Timestamp> = HashMap::new();
        for desk in &self.sources {
            for view in desk.referrals().await? {
                ended.insert(view.referral, view.state);
                if view.state != ReferralState::Unplaced {
                    continue;
                }
                for offer in &view.offers {
                    let why = offer
                        .decline_reason
                        .map_or(offer.state.name(), |reason| reason.name());
                    *self.picture.reasons.entry(why.to_owned()).or_default() += 1;
                }
            }
            let agency = desk.agency().id();
            for alert in desk.alerts().await? {
                self.picture.supervisor_alerts += 1;
                let referral = words::own_id(&alert.about, agency, "referrals");
                let (Ok(referral), Some(raised)) = (referral, alert.raised) else {
                    continue;
                };
                if alert.kind == AlertKind::Unplaced {
                    told.entry(referral).or_insert(raised);
                }
            }
        }
        self.count_duty_line().await?;
        self.count_outcomes(&ended, &told);
        Ok((self.town, self.picture))
    }

    async fn count_duty_line(&mut self) -> Result<(), TownError> {
        let duty = self.town.desk(DUTY, "officer", StaffRole::DutyOfficer)?;
        for alert in duty.alerts().await? {
            self.picture.duty_line_alerts += 1;
            if let Some(raised) = alert.raised {
                self.picture.row(minutes(self.began, raised)).duty_line += 1;
            }
        }
        Ok(())
    }

    fn count_outcomes(
        &mut self,
        ended: &HashMap<ReferralId, ReferralState>,
        told: &HashMap<ReferralId, Timestamp>,
    ) {
        let (mut until_placed, mut until_unplaced) = (Vec::new(), Vec::new());
        for (number, arrival) in self.arrivals.iter().enumerate() {
            let came = self.began.plus(arrival.at);
            let sent = self.sent.get(number).and_then(Option::as_ref);
            let referral = sent.map(|sent| sent.referral);
            let state = referral.and_then(|referral| ended.get(&referral)).copied();
            let raised = referral.and_then(|referral| told.get(&referral)).copied();
            if let Some(raised) = raised {
                until_unplaced.push(minutes(came, raised));
                self.picture.row(minutes(self.began, raised)).unplaced += 1;
            }
            let outcomes = &mut self.picture.outcomes;
            match state {
                Some(
                    ReferralState::Placed | ReferralState::InProgress | ReferralState::Completed,
                ) => {
                    outcomes.placed += 1;
                    if let Some(&at) = self.placed_at.get(&number) {
                        until_placed.push(minutes(came, at));
                    }
                }
                Some(ReferralState::Unplaced) => outcomes.unplaced += 1,
                // Nobody to ask: the caseworker knows at once, and why, house by house.
                None if sent.is_none() => outcomes.unplaced += 1,
                _ if raised.is_some() => outcomes.escalated += 1,
                _ => outcomes.silent += 1,
            }
        }
        self.picture.until_placed = Waiting::of(until_placed);
        self.picture.until_unplaced = Waiting::of(until_unplaced);
    }
}

impl HouseAtWork {
    /// Says in its own words how full it is, when that has changed.
    async fn declare(&mut self) -> Result<(), TownError> {
        let left = self.places.saturating_sub(self.given);
        let says = match left {
            0 => DeclaredCapacity::Waitlist,
            few if few <= FEW => DeclaredCapacity::Few,
            _ => DeclaredCapacity::Places,
        };
        if says != self.said {
            self.desk.declare_capacity(says).await?;
            self.said = says;
        }
        Ok(())
    }

    async fn count(&self) -> Result<House, TownError> {
        let mut house = House {
            id: self.desk.agency().id().to_string(),
            places: self.places,
            ..House::default()
        };
        for offer in self.desk.offers().await? {
            house.asked += 1;
            match offer.state {
                OfferState::Accepted | OfferState::InProgress | OfferState::Completed => {
                    house.accepted += 1;
                }
                OfferState::Declined => house.declined += 1,
                OfferState::Waitlisted => house.waitlisted += 1,
                OfferState::Lapsed => house.lapsed += 1,
                _ => house.closed += 1,
            }
        }
        Ok(house)
    }
}

/// Whole minutes from one moment to a later one.
fn minutes(from: Timestamp, until: Timestamp) -> u32 {
    let millis = until.millis().saturating_sub(from.millis()).max(0);
    u32::try_from(millis / 60_000).unwrap_or(u32::MAX)
}
