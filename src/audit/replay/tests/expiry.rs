//! Decisions end after the time that the members agreed on, and replay holds every end against it.

use super::*;
use crate::domain::protocol::{RETENTION_DAYS, SHIPPED};
use crate::ledger::entry::{EntryBody, Erased};
use crate::ledger::hash::leaf;
use crate::ledger::tree::Edge;
use std::time::Duration;

/// A log with a disclosure that an auditor replayed, and the disclosure's index.
fn replayed() -> (Town, u64) {
    let mut town = Town::new();
    town.enrol("ombud", AgencyKind::Ombudsperson);
    town.record_basis();
    let offer = town.offer(TRIAGE);
    let opened = town.open(offer, Stage::Triage);
    let mut edge = Edge::new();
    for (entry, _) in &town.log {
        let _ = edge.append(leaf(entry));
    }
    town.watermark("ombud", town.next(), *edge.root().as_bytes());
    (town, opened)
}

/// The disclosure's decision ends, so many days after it.
fn end(town: &mut Town, opened: u64, days: u32) -> u64 {
    let body = EntryBody::Erased {
        of: Erased::Decision,
        indexes: vec![opened],
    };
    town.now = town
        .now
        .plus(Duration::from_secs(u64::from(days) * 24 * 3600));
    let at = town.push_body(Actor::Router, body);
    let kept = usize::try_from(opened).ok();
    kept.and_then(|index| town.log.get_mut(index))
        .expect("the disclosure")
        .1 = None;
    at
}

/// What replay finds, but for the years without a tick.
fn found(town: &Town) -> Vec<(Option<u64>, Problem)> {
    let report = replay(&town.source());
    let found = report.findings.into_iter();
    let found = found.map(|it| (it.index, it.problem));
    found
        .filter(|(_, problem)| !matches!(problem, Problem::NoTick(_)))
        .collect()
}

#[test]
fn a_decision_that_ends_after_its_retention_is_lawful_and_before_it_is_named() {
    let (mut town, opened) = replayed();
    end(&mut town, opened, RETENTION_DAYS);
    assert_eq!(found(&town), []);
    let (mut town, opened) = replayed();
    let at = end(&mut town, opened, RETENTION_DAYS - 1);
    assert_eq!(found(&town), [(Some(at), Problem::EndedEarly(opened))]);
}

#[test]
fn the_protocol_in_force_when_a_decision_ends_says_how_long_it_stays() {
    for (days, lawful) in [(400, true), (4_000, false)] {
        let (mut town, opened) = replayed();
        town.approve(ActBody::PublishProtocol {
            version: 2,
            toml: SHIPPED
                .replace("\nversion = 1\n", "\nversion = 2\n")
                .replace("retention_days = 1830", &format!("retention_days = {days}")),
        });
        let at = end(&mut town, opened, RETENTION_DAYS - 1);
        if lawful {
            assert_eq!(found(&town), []);
        } else {
            assert_eq!(found(&town), [(Some(at), Problem::EndedEarly(opened))]);
        }
    }
}
