//! That the checks can fail: a log of a lawful life is spoiled, one act at a time.

use super::Life;
use super::cast::{Book, Cast};
use super::model::Model;
use super::plan::{Kind, Step};
use crate::audit::finding::Severity;
use crate::audit::replay::Replay;
use crate::domain::id::BasisChainId;
use crate::ledger::decision::Decision;
use crate::ledger::entry::{Actor, Entry, EntryBody, Opening};
use std::collections::BTreeMap;

type Log = Vec<(Entry, Option<Opening>)>;

/// Acts that others rest on: one that is missing is noticed by replay, and most of them by the model.
const RESTED_ON: &[(&str, bool)] = &[
    ("basis_recorded", true),
    ("offered", true),
    ("deposited", true),
    ("offer_moved", true),
    ("pool_updated", true),
    ("places_taken", true),
    ("access_requested", true),
    ("access_approved", true),
    ("access_released", true),
    ("message_posted", true),
    ("attachment_deposited", true),
    ("carried_recorded", true),
    ("transfer_proposed", true),
    ("alert_raised", true),
    ("resume_requested", true),
    ("code_registered", false),
    ("grouped", false),
];

fn replay_objects(log: &Log) -> bool {
    let mut replay = Replay::new();
    log.iter().any(|(entry, opening)| {
        let found = replay.feed(Some(entry), opening.as_ref());
        let mut found = found.iter();
        found.any(|finding| finding.problem.severity() == Severity::Violation)
    })
}

fn model_objects(log: &Log, book: &Book) -> bool {
    let mut model = Model::default();
    let mut entries = log.iter();
    entries.any(|(entry, opening)| model.take(entry, opening.as_ref(), book).is_err())
}

/// A life in which every kind of act was tried, in order, a few times each.
async fn full_life() -> Life {
    let mut life = Life::begin().await;
    for round in 0..3 {
        for (at, &kind) in Kind::ALL.iter().enumerate() {
            let ends = matches!(
                kind,
                Kind::Withdraw
                    | Kind::Recall
                    | Kind::Close
                    | Kind::InError
                    | Kind::EnterCode
                    | Kind::Wait
            );
            if ends && round < 2 {
                continue;
            }
            // What takes several acts comes to its end.
            for again in 0..4 {
                let step = Step {
                    kind,
                    pick: round * 31 + at + again * 2,
                    wild: false,
                    twice: false,
                };
                life.step(step, None).await;
            }
        }
    }
    life
}

/// The chain that a disclosure rests on, with its source.
fn chain_of(log: &Log, decision: &Decision) -> Option<BasisChainId> {
    let sealed = |wanted: &str| {
        let mut openings = log.iter().filter_map(|(_, opening)| opening.as_ref());
        openings.find_map(|opening| {
            let deposits = match &opening.decision {
                Decision::Offered { deposits, .. } => deposits.iter().collect(),
                Decision::Deposited { deposit, .. } | Decision::Amended { deposit, .. } => {
                    vec![deposit]
                }
                Decision::MessagePosted { sealed, .. } => sealed.iter().collect(),
                _ => Vec::new(),
            };
            let deposit = deposits
                .into_iter()
                .find(|deposit| deposit.parcel == wanted)?;
            deposit.chain.parse().ok()
        })
    };
    match decision {
        Decision::Opened { parcel, .. }
        | Decision::MessageOpened { parcel, .. }
        | Decision::AttachmentOpened { parcel, .. } => sealed(parcel),
        _ => None,
    }
}

fn discloses(decision: &Decision) -> bool {
    matches!(
        decision,
        Decision::Opened { .. }
            | Decision::MessageOpened { .. }
            | Decision::AttachmentOpened { .. }
            | Decision::AccessOpened { .. }
            | Decision::CarriedReleased { .. }
    )
}

/// The withdrawal of a chain, as its source would have signed it at the time of `entry`.
fn withdrawal(
    cast: &mut Cast,
    model: &Model,
    chain: BasisChainId,
    entry: &Entry,
) -> Option<(Entry, Option<Opening>)> {
    let mut chains = model.chains.values();
    let basis = chains
        .find(|other| other.last.chain == chain)?
        .head
        .clone()?;
    let statement = cast.withdrawal(&basis, true);
    let decision = Decision::BasisWithdrawn {
        statement: String::from_utf8(statement).ok()?,
        staff: "staff-1".to_owned(),
    };
    let opening = Opening {
        nonce: [1; 32],
        decision,
    };
    let entry = Entry::committed(Actor::Agency(basis.source), entry.at, &opening);
    Some((entry, Some(opening)))
}

#[test]
fn a_log_with_one_act_missing_or_changed_is_noticed() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let life = full_life().await;
        let log = life.log.clone();
        let mut cast = life.players.cast;
        assert!(!replay_objects(&log) && !model_objects(&log, &cast.book));
        // One act is missing.
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, (entry, _)) in log.iter().enumerate() {
            if let EntryBody::Committed { event, .. } = &entry.body {
                places.entry(event).or_default().push(at);
            }
        }
        for &(event, modelled) in RESTED_ON {
            let found = places.get(event).unwrap_or_else(|| panic!("no {event}"));
            let without = |at: &usize| {
                let mut log = log.clone();
                log.remove(*at);
                log
            };
            let mut few = found.iter().take(12);
            assert!(
                few.any(|at| replay_objects(&without(at))),
                "replay misses a missing {event}"
            );
            let mut few = found.iter();
            let noticed = few.any(|at| model_objects(&without(at), &cast.book));
            assert!(noticed || !modelled, "the model misses a missing {event}");
        }
        // Every disclosure, by somebody else, and after a withdrawal.
        let mut model = Model::default();
        let (mut strangers, mut late) = (0, 0);
        for (at, (entry, opening)) in log.iter().enumerate() {
            let told = opening.as_ref().map(|opening| &opening.decision);
            if let Some(decision) = told.filter(|decision| discloses(decision)) {
                let mut changed = log.clone();
                changed[at].0.by = Actor::Agency("police".parse().expect("an id"));
                if strangers < 12 {
                    assert!(replay_objects(&changed), "a stranger: {decision:?}");
                    assert!(
                        model_objects(&changed, &cast.book),
                        "a stranger: {decision:?}"
                    );
                    strangers += 1;
                }
                let chain = chain_of(&log, decision);
                let before = chain.and_then(|chain| withdrawal(&mut cast, &model, chain, entry));
                if let Some(before) = before
                    && late < 12
                {
                    let mut changed = log.clone();
                    changed.insert(at, before);
                    changed.truncate(at + 2);
                    assert!(
                        replay_objects(&changed),
                        "after the withdrawal: {decision:?}"
                    );
                    assert!(
                        model_objects(&changed, &cast.book),
                        "after it: {decision:?}"
                    );
                    late += 1;
                }
            }
            let taken = model.take(entry, opening.as_ref(), &cast.book);
            assert_eq!(taken, Ok(()));
        }
        assert!(strangers > 5 && late > 3, "{strangers} and {late}");
    });
}
