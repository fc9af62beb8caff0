//! Decisions end after their retention time, below a replay watermark and never above it.

use super::town::{ORIGIN, Town, fresh, id};
use crate::audit::finding::{Finding, Problem, Severity};
use crate::audit::openings::Openings;
use crate::audit::replay::Replay;
use crate::audit::source::SealedOpening;
use crate::domain::vocabulary::{AgencyKind, StaffRole, Stage};
use crate::envelope::act::ActBody;
use crate::envelope::watermark::Watermark;
use crate::exchange::Refusal;
use crate::ledger::entry::Entry;
use crate::ledger::hash::leaf;
use crate::ledger::tree::Edge;
use crate::storage::engine::{Engine, Table};
use crate::storage::memory::Fault;
use crate::storage::records::log::OpeningRecord;
use crate::storage::records::{Record as _, key};
use std::sync::Arc;
use std::time::Duration;

const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

impl Town {
    fn watermark(&self, upto: u64, origin: &str) -> Vec<u8> {
        self.watermark_over(upto, origin, self.root(upto))
    }

    /// Root of the tree of so many entries.
    fn root(&self, size: u64) -> [u8; 32] {
        let mut edge = Edge::new();
        for index in 0..size.min(self.engine.head().size) {
            let entry = self.engine.get(Table::Entry, &key::index(index));
            let _ = edge.append(leaf(&entry.expect("readable").expect("there").value));
        }
        *edge.root().as_bytes()
    }

    fn watermark_over(&self, upto: u64, origin: &str, root: [u8; 32]) -> Vec<u8> {
        let desk = self.desks.get(&id("ombud")).expect("a desk");
        let watermark = Watermark {
            auditor: id("ombud"),
            origin: origin.to_owned(),
            upto,
            root,
            report: [2; 32],
            issued: self.exchange.now(),
        };
        watermark.sign(&desk.signer).expect("signed")
    }

    async fn mark(&self, statement: Vec<u8>) -> Result<(), Refusal> {
        let auditor = self.staff("ombud", StaffRole::Auditor);
        let ombud = id("ombud");
        let exchange = &self.exchange;
        let recorded = exchange.record_watermark(&auditor, &ombud, fresh(), statement);
        recorded.await.map(|_| ())
    }

    /// Openings and replay over everything; the entries of which `hidden` says so are given without their opening.
    fn audited(&self, hidden: impl Fn(&str) -> bool) -> (Vec<Finding>, u64) {
        let (mut openings, mut replay) = (Openings::new(), Replay::new());
        let mut found = Vec::new();
        for index in 0..self.engine.head().size {
            let row = key::index(index);
            let entry = self.engine.get(Table::Entry, &row).expect("readable");
            let entry = Entry::parse(&entry.expect("there").value).expect("an entry");
            let given = self.engine.get(Table::Opening, &row).expect("readable");
            let given = given.filter(|_| !hidden(entry.body.event())).map(|stored| {
                let record = OpeningRecord::from_stored(&stored).expect("a record");
                SealedOpening {
                    index,
                    nonce: record.nonce,
                    decision: record.decision,
                }
            });
            let opening = openings.feed(Some(&entry), given.as_ref());
            found.extend(replay.feed(Some(&entry), opening.as_ref()));
        }
        found.extend(openings.finish(replay.watermark()));
        (found, replay.counts().ended)
    }
}

fn violations(found: &[Finding]) -> Vec<&Finding> {
    let severe = |finding: &&Finding| finding.problem.severity() == Severity::Violation;
    found.iter().filter(severe).collect()
}

#[tokio::test]
async fn decisions_end_by_month_below_a_watermark_and_replay_says_what_it_could_not_decide() {
    let mut town = Town::begin().await;
    town.join("ombud", AgencyKind::Ombudsperson).await;
    let offers = town.refer(&["north"]).await;
    let north = town.intake("north");
    let opened = town.exchange.open_parcel(&north, &offers[0], Stage::Triage);
    let _ = opened.await.expect("opened");
    let upto = town.engine.head().size;
    let bad = [
        town.watermark(upto, "other.example"),
        town.watermark(upto + 1, ORIGIN),
        town.watermark(0, ORIGIN),
    ];
    for statement in bad {
        let refused = town.mark(statement).await;
        assert_eq!(refused, Err(Refusal::InvalidField("statement")));
    }
    town.clock.pass(YEAR * 6);
    town.exchange.tick().await.expect("ticked");
    town.exchange
        .expire_openings()
        .await
        .expect("nothing to do");
    assert_eq!(town.audited(|_| false).1, 0, "nobody has replayed it");

    let mut town = Town::begin().await;
    town.join("ombud", AgencyKind::Ombudsperson).await;
    let offers = town.refer(&["north"]).await;
    // In the next month an auditor replays it.
    town.clock.pass(Duration::from_secs(40 * 24 * 3600));
    let upto = town.engine.head().size;
    let marked = town.mark(town.watermark(upto, ORIGIN));
    marked.await.expect("recorded");
    for behind in [upto, upto - 1] {
        let again = town.mark(town.watermark(behind, ORIGIN)).await;
        assert_eq!(again, Err(Refusal::WatermarkBehind(upto)));
    }
    // What follows is not replayed by anybody.
    let north = town.intake("north");
    let late = town.exchange.open_parcel(&north, &offers[0], Stage::Triage);
    let _ = late.await;
    let later = town.engine.head().size - 1;
    town.exchange.expire_openings().await.expect("done");
    assert_eq!(town.audited(|_| false).1, 0, "its time is not over");
    town.clock.pass(YEAR * 6);
    town.exchange.tick().await.expect("ticked");
    town.exchange.expire_openings().await.expect("done");

    let opening = |index| town.engine.get(Table::Opening, &key::index(index));
    assert!(opening(0).expect("readable").is_some(), "what all stand on");
    assert!(opening(upto - 1).expect("readable").is_none(), "ended");
    assert!(
        opening(later).expect("readable").is_some(),
        "above the watermark"
    );
    let (found, ended) = town.audited(|_| false);
    assert!(ended > 0);
    assert_eq!(violations(&found), Vec::<&Finding>::new());
    let unreplayed = |finding: &Finding| finding.problem == Problem::ErasedUnreplayed;
    assert!(!found.iter().any(unreplayed), "{found:?}");
    // Without the watermark, the same tombstones are named.
    let (found, _) = town.audited(|event| event == "watermark_recorded");
    let unlawful = |finding: &Finding| matches!(finding.problem, Problem::ErasedUnwatermarked(_));
    assert!(found.iter().any(unlawful), "{found:?}");
    assert!(found.iter().any(unreplayed), "{found:?}");
    // A second run has nothing to do.
    let size = town.engine.head().size;
    town.exchange
        .expire_openings()
        .await
        .expect("nothing to do");
    assert_eq!(town.engine.head().size, size);
}

#[tokio::test]
async fn a_watermark_over_another_history_is_refused() {
    // An operator who shows an auditor a fork would else end decisions that nobody has looked at.
    let mut town = Town::begin().await;
    town.join("ombud", AgencyKind::Ombudsperson).await;
    let upto = town.engine.head().size;
    for (size, root) in [(upto, [1; 32]), (upto, town.root(upto - 1)), (1, [1; 32])] {
        let refused = town.mark(town.watermark_over(size, ORIGIN, root)).await;
        assert_eq!(refused, Err(Refusal::InvalidField("statement")), "{size}");
    }
    // Also of a size that the log had before.
    let lawful = town.mark(town.watermark(upto - 1, ORIGIN)).await;
    lawful.expect("recorded");
}

#[tokio::test]
async fn a_stop_between_the_tombstones_and_the_keys_end_keeps_no_key() {
    let mut town = Town::begin().await;
    town.join("ombud", AgencyKind::Ombudsperson).await;
    let _ = town.refer(&["north"]).await;
    town.clock.pass(Duration::from_secs(40 * 24 * 3600));
    let upto = town.engine.head().size;
    let marked = town.mark(town.watermark(upto, ORIGIN)).await;
    marked.expect("recorded");
    town.clock.pass(YEAR * 6);
    town.exchange.tick().await.expect("ticked");
    town.engine.refuse_expiry();
    let stopped = town.exchange.expire_openings().await;
    assert!(stopped.is_err());
    assert!(town.audited(|_| false).1 > 0, "the tombstones are there");
    assert_eq!(town.engine.expired_before(), 0);
    town.exchange.expire_openings().await.expect("gone on with");
    assert!(town.engine.expired_before() > 0);
}

/// The members may agree on a longer time just when an earlier one is over: what they agreed on counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_ends_by_a_retention_that_was_lengthened_meanwhile() {
    let mut town = Town::begin().await;
    town.join("ombud", AgencyKind::Ombudsperson).await;
    let _ = town.refer(&["north"]).await;
    town.clock.pass(Duration::from_secs(40 * 24 * 3600));
    let upto = town.engine.head().size;
    let marked = town.mark(town.watermark(upto, ORIGIN)).await;
    marked.expect("recorded");
    town.clock.pass(YEAR * 6);
    town.exchange.tick().await.expect("ticked");
    let toml = crate::domain::protocol::SHIPPED
        .replace("version = 1", "version = 2")
        .replace("retention_days = 1830", "retention_days = 3660");
    let published = ActBody::PublishProtocol { version: 2, toml };
    let (act, approval) = town.signed_at(town.exchange.now(), published);
    let operator = town.operator();
    let proposed = town.exchange.propose(&operator, fresh(), act).await;
    let (proposal, _) = proposed.expect("proposed");
    let town = Arc::new(town);
    town.engine.inject(Fault::Block, 1);
    let approving = tokio::spawn({
        let (town, operator) = (Arc::clone(&town), operator.clone());
        async move {
            let approved = (town.exchange).approve(&operator, fresh(), proposal, approval);
            approved.await.map(|_| ())
        }
    });
    while !town.engine.is_blocked() {
        tokio::task::yield_now().await;
    }
    // It finds the earlier time, and comes after the later one.
    let ending = tokio::spawn({
        let town = Arc::clone(&town);
        async move { town.exchange.expire_openings().await }
    });
    for _ in 0..20_000 {
        tokio::task::yield_now().await;
    }
    town.engine.release();
    approving.await.expect("no panic").expect("approved");
    ending.await.expect("no panic").expect("done");
    let (found, ended) = town.audited(|_| false);
    assert_eq!(violations(&found), Vec::<&Finding>::new());
    assert_eq!(ended, 0);
}
