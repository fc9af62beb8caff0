//! Any sequence of commands, over all of them together, keeps the invariants (5, 6, 7, 12 to 16).
//!
//! Two sources, three houses, a clinic, a lawyer, police, a duty line and an ombudsperson do whatever a step draws,
//! some of it unlawful, some of it twice with one request id, some two at a time, with time passing and the router
//! restarting in between. After each step every new entry goes through `audit replay` and through a small model that
//! was written from the invariants alone; now and then what everybody sees is compared with the model.
//!
//! `SAFECONDUCT_CASES`, `SAFECONDUCT_STEPS` and `SAFECONDUCT_SEED` make a longer run of it.

pub(super) mod cast;
mod model;
mod plan;
mod sabotage;

use super::town::{fresh, id};
use crate::audit::finding::Severity;
use crate::audit::replay::Replay;
use crate::domain::vocabulary::OfferState;
use crate::exchange::{Page, Refusal, Requested};
use crate::ledger::entry::{Entry, Opening};
use crate::storage::engine::{Engine as _, Table};
use crate::storage::records::log::OpeningRecord;
use crate::storage::records::{Record as _, key};
use cast::{Cast, HOUSES, SOURCES};
use model::Model;
use plan::{Done, Kind, Planned, Players, Step, choose};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// Keys and certificates of the town last longer than this.
const DAYS_MAX: u64 = 20;

/// How far a step of time goes, in minutes.
const WAITS: [u64; 8] = [1, 7, 20, 31, 65, 250, 900, 2_000];

/// How often each kind took effect.
type Effects = BTreeMap<Kind, u32>;

/// One town's life.
struct Life {
    players: Players,
    replay: Replay,
    /// Everything so far, for the sabotage.
    log: Vec<(Entry, Option<Opening>)>,
    effects: Effects,
    refused: u32,
    past: Vec<(Planned, Requested, Done)>,
    minutes: u64,
}

impl Life {
    async fn begin() -> Self {
        let players = Players::new(Cast::begin().await, Model::default());
        let mut life = Self {
            players,
            replay: Replay::new(),
            log: Vec::new(),
            effects: Effects::new(),
            refused: 0,
            past: Vec::new(),
            minutes: 0,
        };
        life.catch_up();
        life
    }

    fn size(&self) -> u64 {
        self.players.cast.town.engine.head().size
    }

    /// Every new entry through replay and the model.
    fn catch_up(&mut self) {
        let engine = self.players.cast.town.engine.clone();
        for index in self.log.len() as u64..engine.head().size {
            let row = key::index(index);
            let entry = engine.get(Table::Entry, &row).expect("readable");
            let entry = Entry::parse(&entry.expect("there").value).expect("an entry");
            let opening = engine.get(Table::Opening, &row).expect("readable");
            let opening = opening.map(|stored| {
                let record = OpeningRecord::from_stored(&stored).expect("a record");
                Opening::parse(&record.nonce, &record.decision).expect("an opening")
            });
            let found = self.replay.feed(Some(&entry), opening.as_ref());
            let violation = |finding: &crate::audit::finding::Finding| {
                finding.problem.severity() == Severity::Violation
            };
            let told = opening.as_ref().map(|opening| &opening.decision);
            assert!(!found.iter().any(violation), "{found:?} of {told:?}");
            let taken = self
                .players
                .model
                .take(&entry, opening.as_ref(), &self.players.cast.book);
            assert_eq!(taken, Ok(()), "entry {index}: {told:?}");
            self.log.push((entry, opening));
        }
        let settled = self.players.model.settled();
        assert_eq!(settled, Ok(()));
    }

    async fn wait(&mut self, minutes: u64) {
        if self.minutes + minutes > DAYS_MAX * 24 * 60 {
            return;
        }
        self.minutes += minutes;
        let town = &self.players.cast.town;
        town.clock.pass(Duration::from_secs(minutes * 60));
        town.exchange.run_due().await.expect("clocks run");
        *self.effects.entry(Kind::Wait).or_default() += 1;
    }

    async fn run(&self, planned: &Planned, requested: Requested) -> Result<Done, Refusal> {
        (planned.run)(self.players.cast.town.exchange.clone(), requested).await
    }

    fn note(&mut self, planned: &Planned, requested: Requested, done: &Result<Done, Refusal>) {
        match done {
            Ok(done) => {
                *self.effects.entry(planned.kind).or_default() += 1;
                if planned.again {
                    self.past.push((planned.clone(), requested, done.clone()));
                }
            }
            Err(Refusal::Internal | Refusal::Unavailable | Refusal::Overloaded) => {
                panic!("{:?} was refused with {done:?}", planned.kind)
            }
            Err(_) => self.refused += 1,
        }
    }

    /// Invariant 6: the same request again has the same names and receipts, and no effect.
    async fn again(&self, planned: &Planned, requested: Requested, done: &Done) {
        let before = self.size();
        match self.run(planned, requested).await {
            Ok(again) => {
                assert_eq!(
                    again, *done,
                    "6: another answer to the same {:?}",
                    planned.kind
                );
                assert_eq!(
                    self.size(),
                    before,
                    "6: a second effect of {:?}",
                    planned.kind
                );
            }
            // A code that is shown too often is not even looked at.
            Err(Refusal::TooOften) if planned.kind == Kind::RequestResume => {}
            Err(refusal) => panic!("6: {:?} is refused now: {refusal:?}", planned.kind),
        }
    }

    async fn step(&mut self, step: Step, beside: Option<Step>) {
        match step.kind {
            Kind::Wait => self.wait(WAITS[step.pick % WAITS.len()]).await,
            Kind::Restart => {
                self.players.cast.town.restart();
                let exchange = self.players.cast.town.exchange.clone();
                exchange.resume().await.expect("resumed");
                *self.effects.entry(Kind::Restart).or_default() += 1;
            }
            _ => self.act(step, beside).await,
        }
        self.catch_up();
        if step.pick.is_multiple_of(9) {
            if let Some((planned, requested, done)) = choose(&self.past, step.pick / 9).cloned() {
                self.again(&planned, requested, &done).await;
            }
            self.compare().await;
        }
        // What is due at once: cards, and whoever asks to go on.
        self.players
            .cast
            .town
            .exchange
            .run_due()
            .await
            .expect("clocks run");
        self.catch_up();
    }

    async fn act(&mut self, step: Step, beside: Option<Step>) {
        let Some(planned) = self.players.plan(step) else {
            self.wait(61).await;
            return;
        };
        let requested = fresh();
        let other = beside.and_then(|other| self.players.plan(other));
        if let Some(other) = other {
            let second = fresh();
            let (one, two) = tokio::join!(self.run(&planned, requested), self.run(&other, second));
            self.note(&planned, requested, &one);
            self.note(&other, second, &two);
        } else if step.twice && planned.again && step.pick.is_multiple_of(2) {
            // Both at once: one effect, one answer.
            let (one, two) =
                tokio::join!(self.run(&planned, requested), self.run(&planned, requested),);
            if planned.kind != Kind::RequestResume {
                assert_eq!(one, two, "6: {:?} twice at once", planned.kind);
            }
            self.note(&planned, requested, &one);
        } else {
            let done = self.run(&planned, requested).await;
            self.note(&planned, requested, &done);
            if let (Ok(done), true) = (&done, step.twice && planned.again) {
                self.again(&planned, requested, done).await;
            }
        }
    }

    /// Invariants 5 and 7: what everybody sees is what the ledger's order says.
    async fn compare(&self) {
        let now = self.players.now();
        let exchange = &self.players.cast.town.exchange;
        let page = || Page {
            size: 200,
            token: String::new(),
        };
        for source in SOURCES.iter().chain(&HOUSES) {
            let source = id(source);
            let caller = self.players.cast.staff(&source);
            let seen = exchange.referrals(&caller, &source, page()).await;
            for offer in seen.expect("seen").items.iter().flat_map(|it| &it.offers) {
                let known = self.players.model.offer(offer.name.offer).expect("known");
                assert_eq!(offer.state, known.at(now), "5: {}", offer.name);
            }
        }
        for house in HOUSES {
            let house = id(house);
            let caller = self.players.cast.staff(&house);
            let pools = exchange.pools(&caller, &house).await.expect("pools");
            let known = self.players.model.pools.get(&house);
            assert_eq!(pools.len(), usize::from(known.is_some()));
            for (_, beds) in pools {
                let pool = beds.pool();
                let seen = (pool.held(), pool.taken(), pool.occupied(), pool.preparing());
                assert_eq!(Some(seen), known.map(|pool| pool.counts(now)), "7: {house}");
            }
            let offers = exchange.offers(&caller, &house, page()).await;
            for offer in offers.expect("seen").items {
                let known = self.players.model.offer(offer.name.offer).expect("known");
                assert_ne!(known.state, OfferState::Queued, "3: seen before its turn");
                assert_eq!(offer.state, known.at(now), "5: {}", offer.name);
            }
        }
    }
}

/// What takes many acts before it.
const DEEP: [Kind; 10] = [
    Kind::AcceptGroup,
    Kind::OpenForwarded,
    Kind::Download,
    Kind::OpenAccess,
    Kind::Review,
    Kind::ReleaseCarried,
    Kind::AnswerResume,
    Kind::ConfirmAmendment,
    Kind::Prepare,
    Kind::AnswerTransfer,
];

/// A kind, and how many steps work towards it.
fn any_kind() -> impl Strategy<Value = (Kind, usize)> {
    prop_oneof![
        8 => (prop::sample::select(Kind::ALL), 1_usize..4),
        2 => (prop::sample::select(DEEP.as_slice()), 6_usize..10),
        1 => (Just(Kind::Wait), Just(1)),
    ]
}

fn any_step() -> impl Strategy<Value = (Step, usize)> {
    let chances = (0_u8..8, 0_u8..4);
    let drawn = (any_kind(), 0_usize..10_000, chances);
    drawn.prop_map(|((kind, times), pick, (wild, twice))| {
        let step = Step {
            kind,
            pick,
            wild: wild == 0 && times < 4,
            twice: twice == 0,
        };
        (step, times)
    })
}

/// Steps, and now and then another at the same moment.
fn any_steps(count: usize) -> impl Strategy<Value = Vec<(Step, Option<Step>)>> {
    let beside = prop::option::weighted(0.15, any_step());
    prop::collection::vec((any_step(), beside), 1..=count).prop_map(move |drawn| {
        let times = drawn.into_iter().flat_map(|((step, times), beside)| {
            let beside = beside.map(|(step, _)| step);
            (0..times).map(move |at| {
                let pick = step.pick + at;
                (Step { pick, ..step }, beside)
            })
        });
        times.take(count).collect()
    })
}

fn lived(steps: &[(Step, Option<Step>)]) -> (Effects, u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut life = Life::begin().await;
        for &(step, beside) in steps {
            life.step(step, beside).await;
        }
        life.compare().await;
        (life.effects, life.refused)
    })
}

fn setting(name: &str, default: u64) -> u64 {
    let said = std::env::var(name).ok();
    said.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn any_sequence_of_commands_keeps_the_invariants() {
    let cases = setting("SAFECONDUCT_CASES", 24);
    let steps = setting("SAFECONDUCT_STEPS", 60);
    let seed = setting("SAFECONDUCT_SEED", 20_261_121);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let config = ProptestConfig {
        cases: u32::try_from(cases).expect("fewer"),
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let all: RefCell<(Effects, u32)> = RefCell::default();
    let steps = any_steps(usize::try_from(steps).expect("fewer"));
    let run = runner.run(&steps, |steps| {
        let (effects, refused) = lived(&steps);
        let mut all = all.borrow_mut();
        all.1 += refused;
        for (kind, count) in effects {
            *all.0.entry(kind).or_default() += count;
        }
        Ok::<(), TestCaseError>(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
    let (mut effects, mut refused) = all.into_inner();
    // What the draw left out is worked towards by name: it must be possible.
    let missing = |effects: &Effects| -> Vec<Kind> {
        let kinds = Kind::ALL.iter().copied();
        kinds.filter(|kind| !effects.contains_key(kind)).collect()
    };
    let (more, others) = lived(&towards(&missing(&effects)));
    refused += others;
    for (kind, count) in more {
        *effects.entry(kind).or_default() += count;
    }
    let total: u32 = effects.values().sum();
    println!("{total} acts took effect, {refused} were refused: {effects:?}");
    let never = missing(&effects);
    assert!(never.is_empty(), "never took effect: {never:?}");
    assert!(refused > 0, "nothing unlawful was tried");
}

/// Steps that each work towards one of these kinds, a few for each.
fn towards(kinds: &[Kind]) -> Vec<(Step, Option<Step>)> {
    let steps = kinds.iter().flat_map(|&kind| {
        (0..16).map(move |at| {
            let step = Step {
                kind,
                pick: 2 + 7 * at,
                wild: false,
                twice: false,
            };
            (step, None)
        })
    });
    steps.collect()
}
